"""What a model is given, checked: examples, conditions, latents and codes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from latentia.assembly import Parts
from latentia.core.devices import choose_device
from latentia.core.errors import ConfigError, DataError, Note
from latentia.core.event import Event
from latentia.core.types import Coder
from latentia.data.readers.values import require_finite
from latentia.data.shards import Examples, as_examples

CHUNK = 512
"""Examples that are computed at once, at the most."""
ROWS = 1024
"""Rows of a table, whose networks are so small that calling them costs as much as computing."""
VALUES = 1 << 26
"""Numbers of examples that are computed at once, about, at the most."""


UNUSED_TO_HOLES = (
    "values are missing, and the model was trained on examples without any: the encoder is shown the decoded "
    "mean of the prior in their place, and log p is that of the others"
)


class Inputs:
    """A model with its transform and weights, and the way of arrays into it.

    All arrays are numpy, one example per row, in the units of the data; a uint8 array may be given wherever
    the data were uint8. Everything random takes a seed.
    """

    def __init__(self, recipe: Mapping[str, Any], parts: Parts) -> None:
        """Take the parts.

        Args:
            recipe: the recorded constructor calls.
            parts: what they build.
        """
        self.recipe = dict(recipe)
        self.model = parts.model.eval().requires_grad_(False)
        self.transform = parts.transform
        self.objective = parts.objective
        self.condition = parts.condition
        self.event = Event.from_record(recipe["event"])
        self.label_names: tuple[str, ...] = tuple(recipe.get("label_names", ()))

    @property
    def latent(self) -> tuple[int, ...]:
        """The shape of one latent."""
        return self.model.latent

    def fits(self, shape: Sequence[int]) -> bool:
        """Say whether the model takes examples of a shape: the training's, or any sides where it has strides.

        Args:
            shape: that of one example.

        Returns:
            Whether it does.
        """
        fixed = len(self.event) - len(self.model.strides)
        if len(shape) != len(self.event) or tuple(shape[:fixed]) != self.event[:fixed]:
            return False
        return all(side > 0 for side in shape[fixed:])

    @property
    def chunk(self) -> int:
        """How many examples are worked on together: fewer where they are large, as clips are."""
        most = ROWS if len(self.event) == 1 else CHUNK
        return max(1, min(most, VALUES // math.prod(self.event)))

    def count(self, x: Examples) -> int:
        """Say how many examples these are: one may come without N."""
        return 1 if self.fits(x.shape) else len(x)

    @property
    def device(self) -> torch.device:
        """Where the model is, and computes: the CPU, unless it was moved."""
        return next(self.model.parameters()).device

    def to(self, device: torch.device | str) -> Self:
        """Bring the model, and all that computes with it, to a device; arrays go in and come out as before.

        Args:
            device: 'cpu', 'cuda', 'cuda:1', ...; 'auto' for a GPU where there is one.

        Returns:
            The same.

        Raises:
            ConfigError: if there is no such device here.
        """
        place = choose_device(str(device))
        self.model.to(place)
        self.objective.to(place)
        return self

    def tensor(self, array: np.ndarray) -> Tensor:
        """Bring an array to where the model is.

        Args:
            array: any array.

        Returns:
            The tensor.
        """
        return torch.from_numpy(np.array(array)).to(self.device)  # a copy: torch takes no read-only array

    def prepare(self, x: Examples) -> Iterator[Tensor]:
        """Check data and give them in chunks, without the transform's noise.

        Args:
            x: data, shape `(N, *event)`; one example without N is taken as N = 1.

        Yields:
            Chunks in the model's units, where the model is.

        Raises:
            DataError: if the shape is not the model's, or a value is infinite.
        """
        x = as_examples(x)
        if self.fits(x.shape):
            x = x[None]
        if not self.fits(x.shape[1:]):
            want, got = ("x".join(map(str, shape)) for shape in (self.event, x.shape[1:]))
            raise DataError(f"the model was trained on examples of shape {want}, and these have {got}")
        for start in range(0, len(x), self.chunk):
            block = np.asarray(x[start : start + self.chunk])
            if block.dtype.kind == "f":
                require_finite(self._whole(block), "the examples given", start)
            yield self.transform.expected(self.tensor(block))

    def _whole(self, block: np.ndarray) -> np.ndarray:
        """Give the same values with zeros in the holes, having seen to it that the model takes holes."""
        missing = np.isnan(block)
        if not missing.any():
            return block
        self.take_holes()
        return np.where(missing, 0, block)

    def take_holes(self) -> None:
        """Let a model that was trained on whole examples take missing values, and say so once."""
        if self.model.holes:
            return
        self.model.fill_holes()
        warnings.warn(UNUSED_TO_HOLES, Note, stacklevel=3)

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
    def vectors(self, codes: np.ndarray) -> np.ndarray:
        """Turn codes into latents.

        Args:
            codes: whole numbers, shape `(N, *code_shape)`.

        Returns:
            Latents, shape `(N, *latent)`, float32.

        Raises:
            ConfigError: if the model's latents are continuous.
            DataError: if the shape is not the codes', they are no whole numbers, or there is no such code.
        """
        codes, coder = np.asarray(codes), self.coder
        if codes.shape == coder.code_shape:
            codes = codes[None]
        if codes.shape[1:] != coder.code_shape and not self._on_a_grid(codes.shape[1:], coder.code_shape, 0):
            want, got = ("x".join(map(str, shape)) or "one" for shape in (coder.code_shape, codes.shape[1:]))
            raise DataError(f"the model's codes have shape {want}, and these have {got}")
        if (codes != np.rint(codes)).any():
            raise DataError("codes are whole numbers, and these have others among them")
        if codes.size and not 0 <= int(codes.min()) <= int(codes.max()) < coder.size:
            raise DataError(f"the model's codes run from 0 to {coder.size - 1}, these to {int(codes.max())}")
        return coder.vectors(self.tensor(codes.astype(np.int64))).cpu().numpy()

    def _on_a_grid(self, got: tuple[int, ...], usual: tuple[int, ...], before: int) -> bool:
        """Say whether latents or codes differ from the usual in their grid alone; it begins at `before`."""
        after = before + len(self.model.strides)
        rest = [(*shape[:before], *shape[after:]) for shape in (got, usual)]
        return bool(self.model.strides) and len(got) == len(usual) and rest[0] == rest[1]

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
            codes = coder.code_shape
            flat = (math.prod(codes),) if codes else ()
            if z.shape == codes and z.shape != self.latent:
                z = z[None]
            # Whole numbers are codes, and so is what has their shape: JSON has one kind of number.
            shaped = z.shape[1:] in (codes, flat)
            if np.issubdtype(z.dtype, np.integer):
                coded = shaped or self.latent not in (z.shape, z.shape[1:])
            else:
                coded = shaped and z.shape[1:] != self.latent
            if coded:
                z = self.vectors(z.reshape(len(z), *codes) if z.shape[1:] == flat else z)
        if z.ndim == 2 and z.shape[1] == math.prod(self.latent):
            z = z.reshape(len(z), *self.latent)
        if z.shape == self.latent:
            z = z[None]
        if z.shape[1:] != self.latent and not self._on_a_grid(z.shape[1:], self.latent, 1):
            want, got = ("x".join(map(str, shape)) for shape in (self.latent, z.shape[1:]))
            raise DataError(f"the model's latents have shape {want}, and these have {got}")
        return z.astype(np.float32)
