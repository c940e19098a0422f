"""A trained model ready for work: arrays in, arrays out, in the units of the data."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from latentia import sampling, storage
from latentia.assembly import Parts, assemble
from latentia.errors import DataError, RunError
from latentia.evaluation.terms import seeded, stream

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
    parts = ("model", "network", "posterior", "prior", "likelihood", "transform", "objective")
    recorded = {kind: spec[kind] for kind in parts}
    return {"format": FORMAT, "event": list(event), "label_names": list(label_names), **recorded}


class Trained:
    """A model, its transform and its weights.

    All arrays are numpy, one example per row, in the units of the data; a uint8 array may be given
    wherever the data were uint8. Everything random takes a seed.
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
        self.event: tuple[int, ...] = tuple(recipe["event"])
        self.label_names: tuple[str, ...] = tuple(recipe.get("label_names", ()))

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str]) -> Self:
        """Read a model from a folder with `model.json` and `model.safetensors`.

        Args:
            folder: a run folder, or what `save_pretrained` wrote.

        Returns:
            The model.

        Raises:
            RunError: if a file is missing, damaged, or of another model.
        """
        path = Path(folder)
        if not (path / "model.json").is_file():
            raise RunError(f"{path} holds no model (no model.json); give the folder of a run")
        if not (path / "model.safetensors").is_file():
            raise RunError(f"{path} has no weights yet; train it with 'latentia train --resume {path}'")
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

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write `model.json` and `model.safetensors` into a folder.

        Args:
            folder: made if it is missing.
        """
        storage.write_json(Path(folder) / "model.json", self.recipe)
        storage.save_tensors(Path(folder) / "model.safetensors", self.model.state_dict())

    @property
    def latent(self) -> tuple[int, ...]:
        """The shape of one latent."""
        return self.model.latent

    def prepare(self, x: np.ndarray) -> Iterator[Tensor]:
        """Check data and give them in chunks, without the transform's noise.

        Args:
            x: data, shape `(N, *event)`; one example without N is taken as N = 1.

        Yields:
            Chunks in the model's units.

        Raises:
            DataError: if the shape is not the model's.
        """
        x = np.asarray(x)
        if x.shape == self.event:
            x = x[None]
        if x.shape[1:] != self.event:
            want, got = ("x".join(map(str, shape)) for shape in (self.event, x.shape[1:]))
            raise DataError(f"the model was trained on examples of shape {want}, and these have {got}")
        for start in range(0, len(x), CHUNK):
            # a copy: the array may be read-only, which torch does not accept
            yield self.transform.expected(torch.from_numpy(np.array(x[start : start + CHUNK])))

    @torch.no_grad()
    def encode(self, x: np.ndarray, *, sample: bool = False, seed: int = 0) -> np.ndarray:
        """Encode data to the posterior's mean, or to a draw from it.

        Args:
            x: data, shape `(N, *event)`.
            sample: draw from q(z|x) instead of taking its mean.
            seed: seed of the draw.

        Returns:
            Latents, shape `(N, *latent)`, float32.
        """
        with seeded(seed):
            codes = [self.model.encode(part) for part in self.prepare(x)]
            return np.concatenate([(q.sample() if sample else q.mean).numpy() for q in codes])

    @torch.no_grad()
    def decode(self, z: np.ndarray, *, noise: bool = False, seed: int = 0) -> np.ndarray:
        """Decode latents to the likelihood's mean, or to a draw from it.

        Args:
            z: latents, shape `(N, *latent)`.
            noise: draw from p(x|z) instead of taking its mean.
            seed: seed of the draw.

        Returns:
            Data in the data's units, shape `(N, *event)`, float32.

        Raises:
            DataError: if the shape is not the latents'.
        """
        z = np.asarray(z, dtype=np.float32)
        if z.shape == self.latent:
            z = z[None]
        if z.shape[1:] != self.latent:
            want, got = ("x".join(map(str, shape)) for shape in (self.latent, z.shape[1:]))
            raise DataError(f"the model's latents have shape {want}, and these have {got}")
        out = []
        with seeded(stream(seed, "decoder")):  # not the noise that the latents were drawn with
            for start in range(0, len(z), CHUNK):
                p = self.model.decode(torch.from_numpy(z[start : start + CHUNK]))
                out.append(self.transform.invert(p.sample() if noise else p.mean).numpy())
        return np.concatenate(out)

    def reconstruct(self, x: np.ndarray) -> np.ndarray:
        """Encode to the posterior's mean and decode to the likelihood's.

        Args:
            x: data, shape `(N, *event)`.

        Returns:
            Data in the data's units, shape `(N, *event)`, float32.
        """
        return self.decode(self.encode(x))

    def sample_latents(self, n: int, *, seed: int = 0) -> np.ndarray:
        """Draw latents from the prior.

        Args:
            n: how many.
            seed: seed of the draw.

        Returns:
            Shape `(n, *latent)`, float32.
        """
        with seeded(seed), torch.no_grad():
            return sampling.sample_prior(self.model.prior(), n).numpy()

    def interpolate(
        self, a: np.ndarray, b: np.ndarray, *, steps: int = 10, path: str = "linear"
    ) -> np.ndarray:
        """Decode the path between the latents of two examples.

        Args:
            a: the first example, shape `(*event)`.
            b: the second one.
            steps: how many points, both ends included.
            path: 'linear' or 'spherical'.

        Returns:
            Data, shape `(steps, *event)`.
        """
        ends = torch.from_numpy(self.encode(np.stack([a, b])))
        return self.decode(sampling.interpolate(ends[0], ends[1], steps, path).numpy())

    def traverse(
        self, x: np.ndarray | None = None, *, dims: list[int] | None = None, values: np.ndarray | None = None
    ) -> np.ndarray:
        """Decode what happens when one latent dimension moves and the others stay.

        Args:
            x: the example to start from, shape `(*event)`; the prior's mean by default.
            dims: which dimensions; all by default.
            values: what to set them to, shape `(T,)` or `(len(dims), T)`; nine from -3 to 3 by
                default, which suits a standard normal prior.

        Returns:
            Data, shape `(len(dims), T, *event)`.
        """
        start = self.model.prior().mean if x is None else torch.from_numpy(self.encode(x)[0])
        dims = list(range(self.latent[0])) if dims is None else dims
        line = torch.linspace(-3, 3, 9) if values is None else torch.as_tensor(values, dtype=torch.float32)
        path = sampling.traverse(start, dims, line)
        return self.decode(path.flatten(0, 1).numpy()).reshape(*path.shape[:2], *self.event)
