"""A trained model ready for work: arrays in, arrays out, in the units of the data."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from latentia import hub, sampling, storage
from latentia.assembly import Parts, assemble
from latentia.data.conditions import Told, as_told
from latentia.data.shards import Examples, as_examples
from latentia.errors import ConfigError, DataError, RunError, shell
from latentia.evaluation.terms import stream
from latentia.noise import seeded
from latentia.probability import Hierarchy, codes_of
from latentia.types import Coder

FORMAT = 1
CHUNK = 512


def describe(
    spec: Mapping[str, Any], event: tuple[int, ...], label_names: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Record the constructor calls of a model.

    Args:
        spec: the resolved specification.
        event: shape of one example.
        label_names: what the classes are called.

    Returns:
        What `model.json` holds.
    """
    parts = (
        "model",
        "network",
        "posterior",
        "prior",
        "likelihood",
        "transform",
        "objective",
        "condition",
        "corruption",
    )
    recorded = {kind: spec[kind] for kind in parts if kind in spec}
    return {"format": FORMAT, "event": list(event), "label_names": list(label_names), **recorded}


class Trained:
    """A model, its transform and its weights.

    All arrays are numpy, one example per row, in the units of the data; a uint8 array may be given
    wherever the data were uint8. Everything random takes a seed. A conditional model takes beside x or z the
    condition c of each example: rows as `given` makes them, or vectors in the data's units.
    """

    def __init__(self, recipe: Mapping[str, Any], parts: Parts) -> None:
        """Take the parts.

        Args:
            recipe: what `describe` gave.
            parts: what it builds.
        """
        self.recipe = dict(recipe)
        self.model = parts.model.eval().requires_grad_(False)
        self.transform = parts.transform
        self.objective = parts.objective
        self.condition = parts.condition
        self.event: tuple[int, ...] = tuple(recipe["event"])
        self.label_names: tuple[str, ...] = tuple(recipe.get("label_names", ()))

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str]) -> Self:
        """Read a model from a folder with `model.json` and `model.safetensors`.

        Args:
            folder: a run folder, or what `save_pretrained` wrote; or `hf:owner/name` of the Hugging Face Hub.

        Returns:
            The model.

        Raises:
            RunError: if a file is missing, damaged, or of another model.
        """
        name = os.fspath(folder)
        path = hub.download(name.removeprefix(hub.PREFIX)) if name.startswith(hub.PREFIX) else Path(name)
        if not (path / "model.json").is_file():
            raise RunError(f"{path} holds no model (no model.json); give the folder of a run")
        if not (path / "model.safetensors").is_file():
            raise RunError(f"{path} has no weights yet; train it with: latentia train --resume {shell(path)}")
        recipe = storage.read_json(path / "model.json")
        if not isinstance(recipe, dict):
            raise RunError(f"{path / 'model.json'} is damaged: it holds no table")
        if recipe.get("format") != FORMAT:
            raise RunError(
                f"{path / 'model.json'} is of format {recipe.get('format')}; this version reads {FORMAT}"
            )
        tensors, _ = storage.load_tensors(path / "model.safetensors")
        parts = assemble(recipe, tuple(recipe["event"]))
        try:
            parts.model.load_state_dict(tensors)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise RunError(f"{path}: model.safetensors does not fit model.json: {reason}") from error
        return cls(recipe, parts)

    def save_pretrained(self, folder: str | os.PathLike[str], name: str | None = None) -> None:
        """Write `model.json`, `model.safetensors` and a model card, `README.md`, into a folder.

        Args:
            folder: made if it is missing.
            name: what the model is called on the Hub, `owner/name`, for the card.
        """
        recipe = hub.without_paths(self.recipe)
        storage.write_json(Path(folder) / "model.json", recipe)
        storage.save_tensors(Path(folder) / "model.safetensors", self.model.state_dict())
        storage.write_text(Path(folder) / "README.md", hub.card(recipe, name, self.evaluation()))

    def push_to_hub(self, name: str, *, private: bool = False, token: str | None = None) -> str:
        """Put the model onto the Hugging Face Hub; `from_pretrained("hf:" + name)` reads it.

        Args:
            name: `owner/name`, made if it is not there.
            private: make it visible to its owner alone.
            token: who asks; the login of `hf auth login` by default.

        Returns:
            The address of the commit.
        """
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder, name)
            return hub.upload(folder, name, private=private, token=token)

    def evaluation(self) -> dict[str, Any]:
        """Give what the last evaluation found, as `evaluation.json` holds it; empty without a run folder."""
        return {}

    @property
    def latent(self) -> tuple[int, ...]:
        """The shape of one latent."""
        return self.model.latent

    @property
    def device(self) -> torch.device:
        """Where the model is, and encodes: the CPU, unless it was moved."""
        return next(self.model.parameters()).device

    def prepare(self, x: Examples) -> Iterator[Tensor]:
        """Check data and give them in chunks, without the transform's noise.

        Args:
            x: data, shape `(N, *event)`; one example without N is taken as N = 1.

        Yields:
            Chunks in the model's units, where the model is.

        Raises:
            DataError: if the shape is not the model's.
        """
        x = as_examples(x)
        if x.shape == self.event:
            x = x[None]
        if x.shape[1:] != self.event:
            want, got = ("x".join(map(str, shape)) for shape in (self.event, x.shape[1:]))
            raise DataError(f"the model was trained on examples of shape {want}, and these have {got}")
        for start in range(0, len(x), CHUNK):
            # a copy: the array may be read-only, which torch does not accept
            raw = torch.from_numpy(np.array(x[start : start + CHUNK])).to(self.device)
            yield self.transform.expected(raw)

    def given(self, values: Any) -> Told:
        """Turn conditions in the user's words into the rows that the model is told.

        Args:
            values: one or a list of them: the number or name of a label, or vectors in the data's units; or
                what this gave before, which stays as it is.

        Returns:
            Shape `(n, C)`, float32.

        Raises:
            ConfigError: if the model has no condition, or does not know this one.
        """
        if self.condition is None:
            name = self.recipe["model"]["name"]
            raise ConfigError(f"model '{name}' takes no condition; train one with --model conditional_vae")
        if isinstance(values, Told):
            return as_told(np.atleast_2d(values))
        return as_told(self.condition.rows(values, self.label_names))

    @torch.no_grad()
    def complete(self, x: Examples, c: np.ndarray | None = None) -> np.ndarray | None:
        """Fill in conditions that are not known where the model infers them: with the most probable class.

        Args:
            x: data, shape `(N, *event)`.
            c: conditions, shape `(N, C)`, `(C,)` or None, rows of NaN where they are not known.

        Returns:
            Shape `(N, C)`; c itself for a model that infers none.
        """
        if not self.model.classifies:
            return c
        x = as_examples(x)
        unknown = np.full(self.model.condition, np.nan, np.float32)
        told = self._chunks(unknown if c is None else c, 1 if x.shape == self.event else len(x))
        filled = [self.model.complete(part, next(told)) for part in self.prepare(x)]
        return as_told(np.concatenate([np.asarray(None if part is None else part.cpu()) for part in filled]))

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
        return np.concatenate([model.classify(part).probs.numpy() for part in self.prepare(x)])

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
                seen, hidden = model.corruption(part)
                q = model.look(seen, hidden)
                saw.append(self.transform.invert(seen).numpy())
                made.append(self.transform.invert(self.model.decode(q.mean).mean).numpy())
        return np.concatenate(saw), np.concatenate(made)

    def told_each(self, c: np.ndarray | None, count: int) -> Tensor | None:
        """Check conditions, and give one for each example.

        Args:
            c: conditions, shape `(count, C)`, `(1, C)`, `(C,)`, or None where they are not known: rows as
                `given` makes them, or vectors in the data's units.
            count: how many examples.

        Returns:
            Shape `(count, C)`; None for a model without a condition.

        Raises:
            ConfigError: if the model needs one, has none, or they are of another shape.
        """
        size = self.model.condition
        if not size:
            return None if c is None else torch.from_numpy(self.given(c))
        if c is None:
            if not self.model.dropped:
                without = ", or train with model.drop=0.1 to do without"
                raise ConfigError(
                    "the model needs a condition: give one (--condition, such as a label)"
                    + (without if "drop" in self.recipe["model"] else "")
                )
            return torch.full((count, size), torch.nan)
        rows = np.asanyarray(c)
        if rows.ndim == 1:
            rows = rows[None]
        if rows.ndim == 2 and rows.shape[1] == size:
            rows = self.given(rows)
        if rows.shape[1:] != (size,) or len(rows) not in (1, count):
            got = "x".join(map(str, np.shape(c)))
            raise ConfigError(f"the condition must have shape {count}x{size} or 1x{size}, not {got}")
        return torch.from_numpy(np.array(rows)).expand(count, size)

    def _chunks(self, c: np.ndarray | None, count: int) -> Iterator[Tensor | None]:
        told = self.told_each(c, count)
        for start in range(0, count, CHUNK):
            yield None if told is None else told[start : start + CHUNK].to(self.device)

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
        told = self._chunks(c, 1 if x.shape == self.event else len(x))
        with seeded(seed):
            codes = [self.model.encode(part, next(told)) for part in self.prepare(x)]
            return np.concatenate([(q.sample() if sample else q.mean).cpu().numpy() for q in codes])

    @torch.no_grad()
    def posterior(self, x: np.ndarray, c: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray | None]:
        """Encode data to the mean and the standard deviation of the posterior.

        Args:
            x: data, shape `(N, *event)`.
            c: conditions, shape `(N, C)` or `(C,)`, for a conditional model.

        Returns:
            Each of shape `(N, *latent)`, float32; None for the second where the posterior has no closed
            form of it, as a flow's. A point, as of an autoencoder or a quantiser, has a deviation of 0.
        """
        x, c = np.asarray(x), self.complete(x, c)
        told = self._chunks(c, 1 if x.shape == self.event else len(x))
        codes = [self.model.encode(part, next(told)) for part in self.prepare(x)]
        mean = np.concatenate([q.mean.numpy() for q in codes])
        try:
            return mean, np.concatenate([q.stddev.numpy() for q in codes])
        except NotImplementedError:
            return mean, None

    @property
    def coder(self) -> Coder:
        """The codes that the model's latents consist of.

        Raises:
            ConfigError: if its latents are continuous.
        """
        if self.model.coder is None:
            name = self.recipe["model"]["name"]
            raise ConfigError(f"model '{name}' has no codes: its latents are continuous; train --model vqvae")
        return self.model.coder

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
        told = self._chunks(c, 1 if x.shape == self.event else len(x))
        found = [codes_of(self.model.encode(part, next(told))).cpu().numpy() for part in self.prepare(x)]
        return np.concatenate(found)

    @torch.no_grad()
    def vectors(self, codes: np.ndarray) -> np.ndarray:
        """Turn codes into latents.

        Args:
            codes: whole numbers, shape `(N, *code_shape)`.

        Returns:
            Latents, shape `(N, *latent)`, float32.

        Raises:
            ConfigError: if the model's latents are continuous.
            DataError: if the shape is not the codes', or there is no such code.
        """
        codes, coder = np.asarray(codes), self.coder
        if codes.shape == coder.code_shape:
            codes = codes[None]
        if codes.shape[1:] != coder.code_shape:
            want, got = ("x".join(map(str, shape)) or "one" for shape in (coder.code_shape, codes.shape[1:]))
            raise DataError(f"the model's codes have shape {want}, and these have {got}")
        if codes.size and not 0 <= int(codes.min()) <= int(codes.max()) < coder.size:
            raise DataError(f"the model's codes run from 0 to {coder.size - 1}, these to {int(codes.max())}")
        return coder.vectors(torch.from_numpy(codes.astype(np.int64))).numpy()

    def as_latents(self, z: np.ndarray) -> np.ndarray:
        """Take latents or codes, in their shape or, as a table holds them, flat.

        Args:
            z: latents, `(N, *latent)`, or, as whole numbers, codes, `(N, *code_shape)`; or one without N.

        Returns:
            Latents, shape `(N, *latent)`, float32.

        Raises:
            DataError: if the shape is not the latents'.
        """
        z, coder = np.asarray(z), self.model.coder
        if coder is not None:
            codes, rows = coder.code_shape, len(z) if z.ndim else 1
            flat = (math.prod(codes),) if codes else ()
            whole = np.issubdtype(z.dtype, np.integer)
            if whole or (z.shape[1:] in (codes, flat) and z.shape[1:] != self.latent):
                z = self.vectors(z.reshape(rows, *codes) if z.shape[1:] == flat else z)
        if z.ndim == 2 and z.shape[1] == math.prod(self.latent):
            z = z.reshape(len(z), *self.latent)
        if z.shape == self.latent:
            z = z[None]
        if z.shape[1:] != self.latent:
            want, got = ("x".join(map(str, shape)) for shape in (self.latent, z.shape[1:]))
            raise DataError(f"the model's latents have shape {want}, and these have {got}")
        return z.astype(np.float32)

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
                p = self.model.decode(torch.from_numpy(z[start : start + CHUNK]), next(told))
                out.append(self.transform.invert(p.sample() if noise else p.mean).numpy())
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
        told = self.told_each(c, n)
        if sampler is not None:
            return sampler.sample(n, seed, told)
        with seeded(seed), torch.no_grad():
            return sampling.sample_prior(self.model.prior(told), n).numpy()

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
            return prior.redraw(torch.from_numpy(np.array(z, dtype=np.float32)), kept).numpy()

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
            told = as_told(sampling.interpolate(told[0], told[1], steps).numpy())
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
        start = self.prior_mean(told) if x is None else torch.from_numpy(self.encode(x, c)[0])
        dims = list(range(self.latent[0])) if dims is None else dims
        line = torch.linspace(-3, 3, 9) if values is None else torch.as_tensor(values, dtype=torch.float32)
        path = sampling.traverse(start, dims, line)
        row = None if told is None else as_told(told.numpy())
        return self.decode(path.flatten(0, 1).numpy(), row).reshape(*path.shape[:2], *self.event)

    def prior_mean(self, told: Tensor | None) -> Tensor:
        """Give the mean of the prior.

        Args:
            told: the condition, shape `(1, C)`, or None.

        Returns:
            Shape `(*latent)`.
        """
        prior = self.model.prior(told)
        return prior.mean[0] if prior.batch_shape else prior.mean
