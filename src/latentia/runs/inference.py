"""A model at work: arrays in, arrays out, in the data's units."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from latentia import sampling
from latentia.core.errors import ConfigError, DataError
from latentia.core.noise import seeded
from latentia.data.conditions import as_condition_rows
from latentia.data.shards import Examples, as_examples
from latentia.metrics.terms import stream
from latentia.probability import Hierarchy, MixturePrior, codes_of
from latentia.runs.conditions import Conditioned


class Inference(Conditioned):
    """What a model does: encode, decode, and walk between latents.

    Every operation is declared here, and once. Examples pass through `inward` on their way in and through
    `outward` on their way out, and nothing else knows of their form. Here that is the project's own, `(N,
    *event)`, floats on the way out, so that what is computed of them is exact; `Exchange` takes and gives
    them as the source of the data had them. What one operation computes with another, it asks of
    `inference`, which takes and gives the project's own form.
    """

    @property
    def inference(self) -> Inference:
        """The same model, which takes and gives examples in the project's own order of axes, in floats."""
        return self

    def inward(self, x: Any, c: Any = None) -> tuple[Examples, Any]:
        """Take examples as a caller has them.

        Args:
            x: examples, shape `(N, *event)`, or one without N.
            c: their conditions, or None.

        Returns:
            Examples, shape `(N, *event)`, in the data's units, and their conditions.
        """
        x = as_examples(x)
        return (x[None] if self.fits(x.shape) else x), c

    def outward(self, x: np.ndarray, like: Any = None, *, clip: bool = False) -> Any:
        """Give examples as a caller has them.

        Args:
            x: shape `(N, *event)`, in the data's units, float32.
            like: what the caller gave, from which these examples come.
            clip: keep a table's numbers within the ends of the training split.

        Returns:
            The same, one for each N.
        """
        return x

    @torch.no_grad()
    def classify(self, x: Any) -> np.ndarray:
        """Give the probability of each class, q(y|x), for a model that infers labels.

        Args:
            x: examples, as `inward` takes them.

        Returns:
            Shape `(N, Y)`, float32.

        Raises:
            ConfigError: if the model has no classifier.
        """
        if not self.model.classifies:
            name = self.recipe["model"]["name"]
            raise ConfigError(f"model '{name}' has no classifier; train one with --model semi_supervised_vae")
        model: Any = self.model
        return np.concatenate(
            [model.classify(part).probs.cpu().numpy() for part in self.prepare(self.inward(x)[0])]
        )

    @torch.no_grad()
    def components(self, z: np.ndarray) -> np.ndarray:
        """Give the probability of each component of a prior that is a mixture, p(k|z).

        Args:
            z: latents, shape `(N, *latent)`.

        Returns:
            Shape `(N, K)`, float32.

        Raises:
            ConfigError: if the prior is no mixture.
        """
        prior = self.model.prior
        if not isinstance(prior, MixturePrior):
            name = self.recipe["model"]["name"]
            raise ConfigError(f"the prior of model '{name}' has no components; train one with --model gmvae")
        return prior.components(torch.from_numpy(self.as_latents(z)).to(self.device)).cpu().numpy()

    def clusters(self, x: Any, c: Any = None) -> np.ndarray:
        """Give the probability of each component of a mixture prior, p(k|z), at the posterior's mean.

        Args:
            x: examples, as `inward` takes them.
            c: for a conditional model, their conditions, as `conditions` takes them.

        Returns:
            Shape `(N, K)`, float32; its largest entry names the cluster.
        """
        return self.components(self.encode(x, c))

    @torch.no_grad()
    def restore(self, x: Any, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Corrupt examples as in training, and give the model's idea of the clean ones.

        Args:
            x: examples, as `inward` takes them.
            seed: seed of the corruption.

        Returns:
            What the encoder saw and what the decoder made of it, as `outward` gives them.

        Raises:
            ConfigError: if the model was trained on examples as they are.
        """
        model: Any = self.model
        if not hasattr(model, "corruption"):
            name = self.recipe["model"]["name"]
            raise ConfigError(
                f"model '{name}' corrupts nothing; train one with --model denoising_autoencoder"
            )
        saw, made = [], []
        with seeded(stream(seed, "corruption")):
            for part in self.prepare(self.inward(x)[0]):
                if part.shape[1:] != self.event:
                    raise DataError("examples are corrupted as in training, and so must have its size")
                seen, hidden = model.corruption(part)
                q = model.look(seen, hidden)
                saw.append(self.transform.invert(seen).cpu().numpy())
                made.append(self.transform.invert(self.model.decode(q.mean).mean).cpu().numpy())
        return self.outward(np.concatenate(saw), x), self.outward(np.concatenate(made), x)

    @torch.no_grad()
    def encode(self, x: Any, c: Any = None, *, sample: bool = False, seed: int = 0) -> np.ndarray:
        """Encode data to the posterior's mean, or to a draw from it.

        Args:
            x: examples, as `inward` takes them.
            c: for a conditional model, their conditions, as `conditions` takes them.
            sample: draw from q(z|x) instead of taking its mean.
            seed: seed of the draw.

        Returns:
            Latents, shape `(N, *latent)`, float32.
        """
        x, c = self.inward(x, c)
        chunks = self._chunks(self.complete(x, c), len(x))
        with seeded(seed):
            codes = [self.model.encode(part, next(chunks)) for part in self.prepare(x)]
            return np.concatenate([(q.sample() if sample else q.mean).cpu().numpy() for q in codes])

    @torch.no_grad()
    def posterior(self, x: Any, c: Any = None) -> tuple[np.ndarray, np.ndarray | None]:
        """Encode data to the mean and the standard deviation of the posterior.

        Args:
            x: examples, as `inward` takes them.
            c: for a conditional model, their conditions, as `conditions` takes them.

        Returns:
            Each of shape `(N, *latent)`, float32; None for the second where the posterior has no closed
            form of it, as a flow's. A point, as of an autoencoder or a quantiser, has a deviation of 0.
        """
        x, c = self.inward(x, c)
        chunks = self._chunks(self.complete(x, c), len(x))
        codes = [self.model.encode(part, next(chunks)) for part in self.prepare(x)]
        mean = np.concatenate([q.mean.cpu().numpy() for q in codes])
        try:
            return mean, np.concatenate([q.stddev.cpu().numpy() for q in codes])
        except NotImplementedError:
            return mean, None

    @torch.no_grad()
    def codes(self, x: Any, c: Any = None) -> np.ndarray:
        """Encode data to the likeliest codes.

        Args:
            x: examples, as `inward` takes them.
            c: for a conditional model, their conditions, as `conditions` takes them.

        Returns:
            Whole numbers from 0 to K - 1, shape `(N, *code_shape)`, int64.

        Raises:
            ConfigError: if the model's latents are continuous.
        """
        self.coder  # noqa: B018 - raises where there are no codes
        x, c = self.inward(x, c)
        chunks = self._chunks(c, len(x))
        found = [codes_of(self.model.encode(part, next(chunks))).cpu().numpy() for part in self.prepare(x)]
        return np.concatenate(found)

    @torch.no_grad()
    def decode(self, z: np.ndarray, c: Any = None, *, noise: bool = False, seed: int = 0) -> Any:
        """Decode latents to the likelihood's mean, or to a draw from it.

        Args:
            z: latents, shape `(N, *latent)`; or, as whole numbers, codes, shape `(N, *code_shape)`.
            c: for a conditional model, their conditions, as `conditions` takes them.
            noise: draw from p(x|z) instead of taking its mean.
            seed: seed of the draw.

        Returns:
            Data in the data's units, `(N, *event)`, as `outward` gives them.

        Raises:
            DataError: if the shape is not the latents'.
        """
        z = self.as_latents(z)
        out, chunks = [], self._chunks(c, len(z))
        with seeded(stream(seed, "decoder")):  # not the noise that the latents were drawn with
            for start in range(0, len(z), self.chunk):
                p = self.model.decode(self.tensor(z[start : start + self.chunk]), next(chunks))
                out.append(self.transform.invert(p.sample() if noise else p.mean).cpu().numpy())
        return self.outward(np.concatenate(out) if len(out) > 1 else out[0])

    def reconstruct(self, x: Any, c: Any = None, *, edit: Any = None) -> Any:
        """Encode to the posterior's mean and decode to the likelihood's.

        Args:
            x: examples, as `inward` takes them.
            c: for a conditional model, their conditions, as `conditions` takes them.
            edit: the condition to decode under instead of c: what the latent says stays, what the condition
                says changes.

        Returns:
            Data in the data's units, `(N, *event)`, as `outward` gives them.
        """
        self.needs_decoder("reconstruct")
        examples, c = self.inward(x, c)
        c = self.complete(examples, c)
        z = self.inference.encode(examples, c)
        made = self.inference.decode(z, c if edit is None else edit)
        return self.outward(made[(..., *map(slice, examples.shape[-len(self.event) + 1 :]))], x)

    def needs_decoder(self, verb: str) -> None:
        """Refuse what says nothing of a model that is a prior alone, whose latents are its examples.

        Args:
            verb: what is asked.

        Raises:
            ConfigError: if the model is one.
        """
        if self.model.copies:
            raise ConfigError(
                f"a model that is a prior alone has nothing to {verb}: its latents are its examples; {verb} "
                "with the run that encoded them"
            )

    def sample_latents(
        self,
        n: int,
        *,
        c: Any = None,
        sampler: sampling.Sampler | None = None,
        seed: int = 0,
    ) -> np.ndarray:
        """Draw latents from the prior, or from a sampler that was fitted.

        Args:
            n: how many.
            c: conditions, as `conditions` takes them, for a prior that depends on them.
            sampler: where to draw from instead of the prior.
            seed: seed of the draw.

        Returns:
            Shape `(n, *latent)`, float32.
        """
        rows = self.condition_tensor(c, n)
        if sampler is not None:
            return sampler.to(self.device).sample(n, seed, rows)
        with seeded(seed), torch.no_grad():
            return sampling.sample_prior(self.model.prior(rows), n).cpu().numpy()

    def redraw(self, z: np.ndarray, kept: int, *, seed: int = 0) -> np.ndarray:
        """Keep the first levels of a hierarchy's latents and draw those below from the prior.

        Args:
            z: latents, shape `(N, D)`.
            kept: how many levels to keep, from the top.
            seed: seed of the draw.

        Returns:
            Shape `(N, D)`, float32.

        Raises:
            ConfigError: if the model has no levels, or fewer than are to be kept.
        """
        prior = self.model.prior(None)
        if not isinstance(prior, Hierarchy):
            name = self.recipe["model"]["name"]
            raise ConfigError(
                f"model '{name}' has no levels; train one with --model hierarchical_vae or markovian_vae"
            )
        if not 0 <= kept <= len(prior.sizes):
            raise ConfigError(
                f"'kept' must be from 0 to {len(prior.sizes)}, the levels there are, not {kept}"
            )
        with seeded(seed), torch.no_grad():
            return prior.redraw(self.tensor(np.asarray(z, dtype=np.float32)), kept).cpu().numpy()

    def interpolate(
        self,
        a: Any,
        b: Any,
        c: Any = None,
        *,
        steps: int = 10,
        path: str = "linear",
    ) -> Any:
        """Decode the path between the latents of two examples; conditions go along a straight line.

        Args:
            a: the first example, `(*event)`, as `inward` takes it.
            b: the second one.
            c: for a conditional model, the conditions of both, or one for both, as `conditions` takes them.
            steps: how many points, both ends included.
            path: 'linear' or 'spherical'.

        Returns:
            Data, `(steps, *event)`, as `outward` gives them.
        """
        self.needs_decoder("interpolate")
        x = np.concatenate([self.inward(end)[0][:1] for end in (a, b)])
        c = self.complete(x, c)
        ends = torch.from_numpy(self.inference.encode(x, c))
        rows = self.conditions(c, 2)
        if rows is not None:
            first, second = torch.from_numpy(np.array(rows))
            rows = as_condition_rows(sampling.interpolate(first, second, steps).numpy())
        z = sampling.interpolate(ends[0], ends[1], steps, path).numpy()
        return self.outward(self.inference.decode(z, rows))

    def traverse(
        self,
        x: Any = None,
        c: Any = None,
        *,
        dims: list[int] | None = None,
        values: np.ndarray | None = None,
    ) -> Any:
        """Decode what happens when one latent dimension moves and the others stay.

        Args:
            x: the example to start from, `(*event)`, as `inward` takes it; the prior's mean by default.
            c: for a conditional model, its condition, as `conditions` takes it.
            dims: which dimensions; all by default.
            values: what to set them to, shape `(T,)` or `(len(dims), T)`; nine from -3 to 3 by
                default, which suits a standard normal prior.

        Returns:
            Data, `(len(dims), T, *event)`, the last as `outward` gives them; a row for each in a frame.
        """
        self.needs_decoder("traverse")
        if x is not None:
            x, c = self.inward(x, c)
            c = self.complete(x, c)
        rows = self.conditions(c, 1)
        start = torch.from_numpy(self.prior_mean(rows) if x is None else self.inference.encode(x, c)[0])
        dims = list(range(self.latent[0])) if dims is None else dims
        line = torch.linspace(-3, 3, 9) if values is None else torch.as_tensor(values, dtype=torch.float32)
        path = sampling.traverse(start, dims, line)
        made = self.outward(self.inference.decode(path.flatten(0, 1).numpy(), rows))
        return made.reshape(*path.shape[:2], *made.shape[1:]) if isinstance(made, np.ndarray) else made

    @torch.no_grad()
    def prior_mean(self, c: Any = None) -> np.ndarray:
        """Give the mean of the prior.

        Args:
            c: the condition, as `conditions` takes it, for a prior that depends on it.

        Returns:
            Shape `(*latent)`, float32.
        """
        prior = self.model.prior(self.condition_tensor(c, 1))
        return (prior.mean[0] if prior.batch_shape else prior.mean).cpu().numpy()
