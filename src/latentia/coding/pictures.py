"""Pictures with loss: rounded latents of a hyperprior, coded by masses in whole numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from latentia.coding.bitsback import popped
from latentia.coding.curves import (
    COARSE,
    GRID_BITS,
    VALUE_BITS,
    Curve,
    Powers,
    curve,
    normal,
    powers,
    sigmoid,
)
from latentia.coding.exact import OUT_BITS, REACH, WEIGHT_BITS, ExactNetwork, check_layers
from latentia.coding.masses import RARE, Located, Masses, Mixed, Row, cheaper
from latentia.coding.stack import Stack
from latentia.coding.stamp import Stamped
from latentia.core.errors import ConfigError
from latentia.networks import cropped, reflected, through
from latentia.probability import Factorised, Hyperprior, RoundedPosterior
from latentia.probability.hyperprior import LOG_VARIANCES, Reader

FORMAT = 2
"""Of the coder: what its numbers are and how they are used. It changes with whatever changes a file."""
STEP_BITS = GRID_BITS
"""Steps are multiples of 2^-12, as the latents are that the network reads."""
LARGEST_STEP = 4.0
MOST = 511
"""Multiples of a step are held within plus and minus this."""
CELLS = 2 * MOST + 1
INVERSE_BITS = 18
"""Inverse scales are multiples of 2^-18: with these limits all products stay below 2^53."""
MEANS = 2.0 ** (OUT_BITS + 10)
"""Means of numbers are held within plus and minus 2^10."""
PART_BITS = 17
"""The weights of a mixture sum up to about 2^17."""
REACHES = {"normal": 6, "sigmoid": 20}
"""Beyond so many scales a cumulative distribution function counts as 0 and 1."""
PROBE = (2, 3)
"""Places of the grid on which a machine shows how it computes."""


Slice = tuple[tuple[np.ndarray, ...], Masses]
"""Where the numbers of a slice are, and their masses."""


class PictureCoder(Stamped):
    """Codes the rounded latents of pictures, and decodes them.

    The network to latents, and that back to pixels, compute as they are trained, in floating point; what
    becomes a probability is of whole numbers. So a file gives the same latents on every machine, and pixels
    that differ in a rounding at the most.

    Attributes:
        model: the trained model.
        channels: of a picture.
        steps: the finest and the coarsest step that the model was trained with.
    """

    def __init__(self, model: Any, tables: Mapping[str, np.ndarray]) -> None:
        """Round the prior.

        Args:
            model: the trained model; see `check_model`.
            tables: what `tables_of` gave.

        Raises:
            ConfigError: naming a layer that cannot be computed exactly.
        """
        check_model(model)
        self.model = model
        self.tables = {name: table.astype(np.int64) for name, table in tables.items()}
        self.channels = int(model.event[0])
        self.steps = (model.posterior.finest, model.posterior.coarsest)
        self._side = len(self.tables["side.means"])
        self._readers = [
            (reader, ExactNetwork(reader.plain(), _no_table, name, REACH))
            for name, reader in readers_of(model)
        ]
        self._curves = {name: Curve(self.tables[name]) for name in REACHES}
        self._inverse = Powers(self.tables["inverse_sigma"], math.floor(LOG_VARIANCES[0] * COARSE))

    @classmethod
    def make(cls, model: Any) -> PictureCoder:
        """Make the coder of a trained model.

        Args:
            model: the trained model.

        Returns:
            The coder.

        Raises:
            ConfigError: if the model has no such latents, or a layer that cannot be exact.
        """
        check_model(model)
        return cls(model, tables_of(model))

    def header(self) -> dict[str, Any]:
        """Say what the numbers are; see `Stamped`."""
        bits = [WEIGHT_BITS, GRID_BITS, OUT_BITS, VALUE_BITS, RARE, INVERSE_BITS, PART_BITS, MOST]
        return {"format": FORMAT, "codes": "pictures", "bits": bits, "latent": self.model.latent[0]}

    def networks(self) -> list[nn.Module]:
        """Give the networks that read what is known; see `Stamped`."""
        return [network for _, network in self._readers]

    def probed(self) -> Iterator[np.ndarray]:
        """Code fixed latents; see `Stamped`."""
        shape = (self.model.latent[0], *PROBE)
        k = np.arange(math.prod(shape)).reshape(shape) * 104729 % 15 - 7
        step = whole_step(1.0)
        yield from self._side_masses(step, math.prod(PROBE)).choices(
            (k[: self._side] + MOST).reshape(self._side, -1)
        )
        for part, masses in self._slices(k, step, np.ones(shape, bool)):
            yield from masses.choices(k[part] + MOST)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Give the sides of the latent of a picture."""
        rows, columns = self.model.strides
        return math.ceil(height / rows), math.ceil(width / columns)

    @property
    def step(self) -> float:
        """The step that is usual: the middle of those that the model was trained with."""
        return math.sqrt(self.steps[0] * self.steps[1])

    @torch.no_grad()
    def latents(self, x: Tensor, step: int) -> np.ndarray:
        """Encode a picture.

        Side information goes to the nearest multiples of the step; of every other number z the two nearest
        are compared, and that k is taken whose 6 (z / step - k)^2 - log p(k) is less: the squared error of
        cells without structure is step^2 / 12, and falls by step^2 / 6 for each nat.

        Args:
            x: in the model's units, shape `(C, H, W)`.
            step: in units of 2^-12.

        Returns:
            Multiples of the step, int64, shape `(D, h, w)`; zeros where nothing is coded.
        """
        return self._chosen(x, step)[0]

    def code(self, x: Tensor, step: int) -> tuple[np.ndarray, bytes]:
        """Encode and code a picture.

        Args:
            x: as `latents`.
            step: as `latents`.

        Returns:
            What `latents` gives, and what `encode` makes of it.
        """
        k, slices = self._chosen(x, step)
        return k, self._stacked(k, step, slices)

    def _chosen(self, x: Tensor, step: int) -> tuple[np.ndarray, list[Slice]]:
        whole = reflected(x.unsqueeze(0), self.model.strides)
        z = through(self.model.encoder, whole).double()[0].numpy() * 2.0**STEP_BITS / step
        coded = self._coded(x.shape[1], x.shape[2])
        z = np.where(coded, np.clip(z, -MOST, MOST), 0)
        k = np.zeros(z.shape, np.int64)
        k[: self._side] = np.rint(z[: self._side])
        slices = []
        for part, masses in self._slices(k, step, coded):
            k[part] = cheaper(masses, z[part], -MOST)
            slices.append((part, masses))
        return k, slices

    def encode(self, k: np.ndarray, step: int, height: int, width: int) -> bytes:
        """Code latents.

        Args:
            k: what `latents` gave.
            step: in units of 2^-12.
            height: of the picture.
            width: of the picture.

        Returns:
            Words of 32 bits.
        """
        return self._stacked(k, step, list(self._slices(k, step, self._coded(height, width))))

    def _stacked(self, k: np.ndarray, step: int, slices: list[Slice]) -> bytes:
        stack = Stack()
        for part, masses in reversed(slices):  # what is pushed last is popped first
            _push(stack, masses, k[part])
        _push(stack, self._side_masses(step, k[0].size), k[: self._side])
        return stack.content

    def decode(self, content: bytes, step: int, height: int, width: int) -> np.ndarray | None:
        """Give back latents.

        Args:
            content: what `encode` gave.
            step: in units of 2^-12.
            height: of the picture.
            width: of the picture.

        Returns:
            Multiples of the step, `(D, h, w)`; None where the content is damaged.
        """
        rows, columns = self.grid(height, width)
        try:
            stack = Stack(content)
        except ValueError:
            return None
        k = np.zeros((self.model.latent[0], rows, columns), np.int64)
        side = popped(Row(self._side_masses(step, rows * columns)), [stack])[0] - MOST
        k[: self._side] = side.reshape(self._side, rows, columns)
        for part, masses in self._slices(k, step, self._coded(height, width)):
            k[part] = popped(Row(masses), [stack])[0] - MOST
        return k if stack.empty else None

    @torch.no_grad()
    def picture(self, k: np.ndarray, step: int, height: int, width: int) -> Tensor:
        """Decode latents to a picture.

        Args:
            k: multiples of the step, shape `(D, h, w)`.
            step: in units of 2^-12.
            height: of the picture.
            width: of the picture.

        Returns:
            The mean of p(x|z), in the model's units, `(C, H, W)`.
        """
        z = torch.from_numpy(k * (step * 2.0**-STEP_BITS)).float().unsqueeze(0)
        mean = self.model.decode(z).mean
        return cropped(mean, mean.new_empty(1, self.channels, height, width))[0]

    def _coded(self, height: int, width: int) -> np.ndarray:
        """Say which numbers are coded: all but those that stand for nothing of the picture."""
        shape = (self.model.latent[0], *self.grid(height, width))
        inside = getattr(self.model.decoder, "inside", None)
        return np.ones(shape, bool) if inside is None else inside(shape, height, width).numpy()

    def _side_masses(self, step: int, places: int) -> Masses:
        """Give the masses of side information, of shape `(side, places)`."""
        shape = (self._side, places, self.tables["side.means"].shape[1])
        parts = [
            np.broadcast_to(self.tables[f"side.{name}"][:, None].astype(np.float64), shape)
            for name in ("means", "inverses", "weights")
        ]
        centre = parts[0] - _first(step)
        located = Located(self._curves["sigmoid"], centre, parts[1], CELLS, _spacing(step), _SHIFT)
        return Mixed(located, parts[2])

    def _slices(self, k: np.ndarray, step: int, coded: np.ndarray) -> Iterator[Slice]:
        """Give where the numbers of each slice are, and their masses given those before it in `k`.

        Masses are computed when they are asked for: `k` may be filled slice by slice.
        """
        first, channel = self._side, np.arange(len(k)).reshape(-1, 1, 1)
        for reader, network in self._readers:
            read = np.clip(k * float(step), -REACH, REACH)
            said = network(reader.seen(torch.from_numpy(read).unsqueeze(0)))[0].numpy()
            end = first + reader.own
            own = coded & (channel >= first) & (channel < end)
            mean, log_variance = (each[own[first:end]] for each in said.reshape(2, -1, *k.shape[1:]))
            centre = np.clip(mean, -MEANS, MEANS) - _first(step)
            inverse = self._inverse(log_variance)
            yield (
                np.nonzero(own),
                Located(self._curves["normal"], centre, inverse, CELLS, _spacing(step), _SHIFT),
            )
            first = end


_SHIFT = OUT_BITS + INVERSE_BITS - 20


def _spacing(step: int) -> int:
    """Give a step in units of 2^-14."""
    return step << (OUT_BITS - STEP_BITS)


def _first(step: int) -> float:
    """Give the first border between cells in units of 2^-14: half a step above the middle of the least."""
    return (0.5 - MOST) * _spacing(step)


def _push(stack: Stack, masses: Masses, k: np.ndarray) -> None:
    bits, chances = masses.choices((k + MOST).reshape(masses.shape))
    stack.push(bits.ravel(), chances.ravel())


def _no_table(name: str) -> Any:
    raise ConfigError(f"the prior has the activation '{name}', and only relu is known in it")


def whole_step(step: float) -> int:
    """Give a step in units of 2^-12.

    Args:
        step: in the latents' units.

    Returns:
        The nearest whole number.

    Raises:
        ConfigError: if it is none that can be coded by.
    """
    found = round(step * 2.0**STEP_BITS) if math.isfinite(step) else 0
    if not 1 <= found <= LARGEST_STEP * 2.0**STEP_BITS:
        raise ConfigError(f"a step is from 2^-{STEP_BITS} to {LARGEST_STEP:g}, not {step:g}")
    return found


def lossy(model: Any) -> bool:
    """Say whether a model's files are of pictures with loss.

    Args:
        model: any model.

    Returns:
        Whether its latents are rounded.
    """
    return isinstance(getattr(model, "posterior", None), RoundedPosterior)


def check_model(model: Any) -> None:
    """Refuse a model that codes no pictures.

    Args:
        model: the trained model.

    Raises:
        ConfigError: naming the part and the setting to change.
    """
    if not lossy(model):
        raise ConfigError("files with loss need rounded latents; train with --posterior rounded")
    if len(model.strides) != 2 or model.event[0] not in (1, 3):
        raise ConfigError(
            "files with loss are of grey or colour pictures of any size; train with network.name=hyper_codec"
        )
    if model.condition or model.inputs is not None:
        raise ConfigError(
            "a model with conditions or holes codes no pictures; train with --model vae on whole pictures"
        )
    if not isinstance(model.prior, Factorised | Hyperprior):
        name = type(model.prior).__name__
        raise ConfigError(f"prior '{name}' has no masses to code by; train with --prior hyperprior")
    for name, reader in readers_of(model):
        check_layers(reader.body, name)


def readers_of(model: Any) -> list[tuple[str, Reader]]:
    """List the networks that say the masses of slices.

    Args:
        model: whose prior may have such.

    Returns:
        What messages call each, and the network.
    """
    found = getattr(model.prior, "readers", ())
    return [(f"prior.readers.{place}", reader) for place, reader in enumerate(found)]


def tables_of(model: Any) -> dict[str, np.ndarray]:
    """Compute the tables of a coder.

    Args:
        model: the trained model.

    Returns:
        Whole numbers by name.
    """
    logistics = model.prior.logistics
    means, scales, weights = (
        each.detach().cpu().double().numpy()
        for each in (logistics.means, logistics.scales, logistics.logits.softmax(dim=1))
    )
    numbers = {
        "side.means": np.rint(np.clip(means * 2.0**OUT_BITS, -MEANS, MEANS)),
        "side.inverses": np.rint(2.0**INVERSE_BITS / scales),
        "side.weights": np.maximum(1, np.rint(weights * 2.0**PART_BITS)),
    }
    return {
        **{name: each.astype(np.int64) for name, each in numbers.items()},
        "normal": curve(normal, REACHES["normal"]).values,
        "sigmoid": curve(sigmoid, REACHES["sigmoid"]).values,
        "inverse_sigma": powers(-0.5, *LOG_VARIANCES, INVERSE_BITS).values,
    }
