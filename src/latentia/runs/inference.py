"""A model at work: arrays in, arrays out, in the data's units and the project's own order of axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from latentia import sampling
from latentia.core.errors import ConfigError, DataError
from latentia.core.noise import seeded
from latentia.data.conditions import as_told
from latentia.data.shards import Examples, as_examples
from latentia.metrics.terms import stream
from latentia.probability import Hierarchy, MixturePrior, codes_of
from latentia.runs.inputs import CHUNK, Inputs


class Inference(Inputs):
    """What a model does: encode, decode, and walk between latents.

    Examples are in the project's own shape, `(N, *event)`, and come out as floats, so that what is computed
    of them is exact; `Trained` takes and gives them as the source of the data had them.
    """

    @torch.no_grad()
    def classify(self, x: Examples) -> np.ndarray:
        """Give the probability of each class, q(y|x), for a model that infers labels.

        Args:
            x: data, shape `(N, *event)`.

        Returns:
            Shape `(N, Y)`, float32.

        Raises:
            ConfigError: if the model has no classifier.
        """
        if not self.model.classifies:
            name = self.recipe["model"]["name"]
            raise ConfigError(f"model '{name}' has no classifier; train one with --model semi_supervised_vae")
        model: Any = self.model
        return np.concatenate([model.classify(part).probs.cpu().numpy() for part in self.prepare(x)])

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

    @torch.no_grad()
    def restore(self, x: Examples, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Corrupt examples as in training, and give the model's idea of the clean ones.

        Args:
            x: data, shape `(N, *event)`.
            seed: seed of the corruption.

        Returns:
            What the encoder saw and what the decoder made of it, in the data's units, shape `(N, *event)`.

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
            for part in self.prepare(x):
                if part.shape[1:] != self.event:
                    raise DataError("examples are corrupted as in training, and so must have its size")
                seen, hidden = model.corruption(part)
                q = model.look(seen, hidden)
                saw.append(self.transform.invert(seen).cpu().numpy())
                made.append(self.transform.invert(self.model.decode(q.mean).mean).cpu().numpy())
        return np.concatenate(saw), np.concatenate(made)

    @torch.no_grad()
    def encode(
        self, x: Examples, c: np.ndarray | None = None, *, sample: bool = False, seed: int = 0
    ) -> np.ndarray:
        """Encode data to the posterior's mean, or to a draw from it.

        Args:
            x: data, shape `(N, *event)`.
            c: conditions, shape `(N, C)` or `(C,)`, for a conditional model.
            sample: draw from q(z|x) instead of taking its mean.
            seed: seed of the draw.

        Returns:
            Latents, shape `(N, *latent)`, float32.
        """
        x, c = as_examples(x), self.complete(x, c)
        told = self._chunks(c, self.count(x))
        with seeded(seed):
            codes = [self.model.encode(part, next(told)) for part in self.prepare(x)]
            return np.concatenate([(q.sample() if sample else q.mean).cpu().numpy() for q in codes])

    @torch.no_grad()
    def posterior(self, x: Examples, c: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray | None]:
        """Encode data to the mean and the standard deviation of the posterior.

        Args:
            x: data, shape `(N, *event)`.
            c: conditions, shape `(N, C)` or `(C,)`, for a conditional model.

        Returns:
            Each of shape `(N, *latent)`, float32; None for the second where the posterior has no closed
            form of it, as a flow's. A point, as of an autoencoder or a quantiser, has a deviation of 0.
        """
        x, c = as_examples(x), self.complete(x, c)
        told = self._chunks(c, self.count(x))
        codes = [self.model.encode(part, next(told)) for part in self.prepare(x)]
        mean = np.concatenate([q.mean.cpu().numpy() for q in codes])
        try:
            return mean, np.concatenate([q.stddev.cpu().numpy() for q in codes])
        except NotImplementedError:
            return mean, None

    @torch.no_grad()
    def codes(self, x: Examples, c: np.ndarray | None = None) -> np.ndarray:
        """Encode data to the likeliest codes.

        Args:
            x: data, shape `(N, *event)`.
            c: conditions, shape `(N, C)` or `(C,)`, for a conditional model.

        Returns:
            Whole numbers from 0 to K - 1, shape `(N, *code_shape)`, int64.

        Raises:
            ConfigError: if the model's latents are continuous.
        """
        self.coder  # noqa: B018 - raises where there are no codes
        x = as_examples(x)
        told = self._chunks(c, self.count(x))
        found = [codes_of(self.model.encode(part, next(told))).cpu().numpy() for part in self.prepare(x)]
        return np.concatenate(found)

    @torch.no_grad()
    def decode(
        self, z: np.ndarray, c: np.ndarray | None = None, *, noise: bool = False, seed: int = 0
    ) -> np.ndarray:
        """Decode latents to the likelihood's mean, or to a draw from it.

        Args:
            z: latents, shape `(N, *latent)`; or, as whole numbers, codes, shape `(N, *code_shape)`.
            c: conditions, shape `(N, C)` or `(C,)`, for a conditional model.
            noise: draw from p(x|z) instead of taking its mean.
            seed: seed of the draw.

        Returns:
            Data in the data's units, shape `(N, *event)`, float32.

        Raises:
            DataError: if the shape is not the latents'.
        """
        z = self.as_latents(z)
        out, told = [], self._chunks(c, len(z))
        with seeded(stream(seed, "decoder")):  # not the noise that the latents were drawn with
            for start in range(0, len(z), CHUNK):
                p = self.model.decode(self.tensor(z[start : start + CHUNK]), next(told))
                out.append(self.transform.invert(p.sample() if noise else p.mean).cpu().numpy())
        return np.concatenate(out)

    def reconstruct(
        self, x: Examples, c: np.ndarray | None = None, *, edit: np.ndarray | None = None
    ) -> np.ndarray:
        """Encode to the posterior's mean and decode to the likelihood's.

        Args:
            x: data, shape `(N, *event)`.
            c: conditions, shape `(N, C)` or `(C,)`, for a conditional model.
            edit: the condition to decode under instead of c: what the latent says stays, what the condition
                says changes.

        Returns:
            Data in the data's units, shape `(N, *event)`, float32.
        """
        c = self.complete(x, c)
        return self.decode(self.encode(x, c), c if edit is None else edit)

    def sample_latents(
        self,
        n: int,
        *,
        c: np.ndarray | None = None,
        sampler: sampling.Sampler | None = None,
        seed: int = 0,
    ) -> np.ndarray:
        """Draw latents from the prior, or from a sampler that was fitted.

        Args:
            n: how many.
            c: conditions, shape `(n, C)` or `(C,)`, for a prior that depends on them.
            sampler: where to draw from instead of the prior.
            seed: seed of the draw.

        Returns:
            Shape `(n, *latent)`, float32.
        """
        told = self.told_tensor(c, n)
        if sampler is not None:
            return sampler.to(self.device).sample(n, seed, told)
        with seeded(seed), torch.no_grad():
            return sampling.sample_prior(self.model.prior(told), n).cpu().numpy()

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
            raise ConfigError(f"model '{name}' has no levels; train one with --model hierarchical_vae")
        if not 0 <= kept <= len(prior.sizes):
            raise ConfigError(
                f"'kept' must be from 0 to {len(prior.sizes)}, the levels there are, not {kept}"
            )
        with seeded(seed), torch.no_grad():
            return prior.redraw(self.tensor(np.asarray(z, dtype=np.float32)), kept).cpu().numpy()

    def interpolate(
        self,
        a: np.ndarray,
        b: np.ndarray,
        c: np.ndarray | None = None,
        *,
        steps: int = 10,
        path: str = "linear",
    ) -> np.ndarray:
        """Decode the path between the latents of two examples; conditions go along a straight line.

        Args:
            a: the first example, shape `(*event)`.
            b: the second one.
            c: the conditions of both, shape `(2, C)`, or one for both, for a conditional model.
            steps: how many points, both ends included.
            path: 'linear' or 'spherical'.

        Returns:
            Data, shape `(steps, *event)`.
        """
        c = self.complete(np.stack([a, b]), c)
        ends = torch.from_numpy(self.encode(np.stack([a, b]), c))
        told = self.told_each(c, 2)
        if told is not None:
            first, second = torch.from_numpy(np.array(told))
            told = as_told(sampling.interpolate(first, second, steps).numpy())
        return self.decode(sampling.interpolate(ends[0], ends[1], steps, path).numpy(), told)

    def traverse(
        self,
        x: Examples | None = None,
        c: np.ndarray | None = None,
        *,
        dims: list[int] | None = None,
        values: np.ndarray | None = None,
    ) -> np.ndarray:
        """Decode what happens when one latent dimension moves and the others stay.

        Args:
            x: the example to start from, shape `(*event)`; the prior's mean by default.
            c: its condition, shape `(C,)`, for a conditional model.
            dims: which dimensions; all by default.
            values: what to set them to, shape `(T,)` or `(len(dims), T)`; nine from -3 to 3 by
                default, which suits a standard normal prior.

        Returns:
            Data, shape `(len(dims), T, *event)`.
        """
        told = self.told_each(c if x is None else self.complete(x, c), 1)
        start = torch.from_numpy(self.prior_mean(told) if x is None else self.encode(x, c)[0])
        dims = list(range(self.latent[0])) if dims is None else dims
        line = torch.linspace(-3, 3, 9) if values is None else torch.as_tensor(values, dtype=torch.float32)
        path = sampling.traverse(start, dims, line)
        return self.decode(path.flatten(0, 1).numpy(), told).reshape(*path.shape[:2], *self.event)

    @torch.no_grad()
    def prior_mean(self, c: np.ndarray | None = None) -> np.ndarray:
        """Give the mean of the prior.

        Args:
            c: the condition, shape `(C,)` or `(1, C)`, for a prior that depends on it.

        Returns:
            Shape `(*latent)`, float32.
        """
        prior = self.model.prior(self.told_tensor(c, 1))
        return (prior.mean[0] if prior.batch_shape else prior.mean).cpu().numpy()
