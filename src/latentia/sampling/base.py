"""What every sampler promises, and how one is fitted once and kept."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from latentia.core import config, registry, storage
from latentia.core.errors import ConfigError, LatentiaError, RunError
from latentia.core.noise import seeded
from latentia.core.types import LatentModel
from latentia.data.conditions import Condition, Labels
from latentia.metrics.terms import stream
from latentia.objectives import Objective
from latentia.training import train_in_memory

SEED = 0
"""Every fit has this seed: a sampler is a part of the run, and the seed of a draw is the user's."""
LEARNING_RATE = 2e-3
CLIP = 10.0
"""Largest norm of a gradient."""
DROP = 0.1
"""Share of the examples whose condition is hidden in a fit, so that p(z) is known beside p(z|c)."""


class Source(Protocol):
    """What a sampler is fitted to: a trained run. A run has more, for samplers that need more."""

    model: LatentModel
    condition: Condition | None

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        ...

    @cached_property
    def data_key(self) -> str:
        """A word for the data that it was trained on."""
        ...

    @cached_property
    def aggregate(self) -> np.ndarray:
        """Samples of the aggregate posterior, shape `(N, *latent)`."""
        ...

    @cached_property
    def aggregate_c(self) -> np.ndarray | None:
        """The condition that each of them was encoded under, shape `(N, C)`; None of a model without one."""
        ...

    @cached_property
    def moments(self) -> np.ndarray:
        """Moments of posteriors: means, then log variances, side by side in the channels."""
        ...

    @cached_property
    def moments_c(self) -> np.ndarray | None:
        """The condition of each of these, as `aggregate_c`."""
        ...

    @cached_property
    def known_codes(self) -> np.ndarray:
        """The codes of the training split, shape `(N, *code_shape)`, of a model that has codes."""
        ...

    @cached_property
    def known_codes_c(self) -> np.ndarray | None:
        """The condition of each of these, as `aggregate_c`."""
        ...


class Sampler(nn.Module):
    """Where latents come from that are decoded into samples: fitted to a run, then drawn from.

    Parameters and buffers are all that a fit leaves behind; they are kept in the run folder.
    """

    kind: ClassVar[str] = "sampler"
    kept: ClassVar[bool] = True
    """Whether there is a fit worth keeping."""
    free: ClassVar[frozenset[str]] = frozenset()
    """Settings of the draw alone: a fit is good for all of their values."""
    quiet: bool = True
    """Whether a long draw shows no progress bar."""

    def __init__(self, latent: tuple[int, ...]) -> None:
        """Remember the latent shape.

        Args:
            latent: shape of one latent.
        """
        super().__init__()
        self.latent = tuple(latent)

    def fit(self, source: Source, quiet: bool = True) -> None:
        """Learn where the latents of data are. Draws are from torch's global generator.

        Args:
            source: the run.
            quiet: show no progress bar.
        """
        raise TypeError("a sampler defines its own fit")

    def draw(self, n: int, c: Tensor | None = None) -> Tensor:
        """Draw latents from torch's global generator.

        Args:
            n: how many.
            c: a condition for each, shape `(n, C)`, a row of NaN where it is not known; None where none is.

        Returns:
            Shape `(n, *latent)`.
        """
        raise TypeError("a sampler defines its own draw")

    def by(self, **settings: Any) -> Sampler:
        """Give the same fit, drawn from otherwise.

        Args:
            settings: those of the draw alone that change, see `free`.

        Returns:
            Another sampler, which shares the weights; itself where none changes.

        Raises:
            ConfigError: for a setting of the fit, or one that is not known, or out of range.
        """
        if others := settings.keys() - self.free:
            name = registry.name_of("sampler", type(self))
            raise ConfigError(
                f"the sampler '{name}' is drawn from as it was fitted, without {', '.join(sorted(others))}"
            )
        return self

    @property
    def denoises(self) -> bool:
        """Whether a draw is a walk from noise, at whose steps one can look."""
        return False

    @property
    def guides(self) -> bool:
        """Whether such a walk can be guided towards a condition."""
        return False

    def on_the_way(self, n: int, c: Tensor | None = None, looks: int = 8) -> Tensor:
        """Draw as `draw` does, and give what is made of the noise on the way as well.

        Args:
            n: how many.
            c: a condition for each, shape `(n, C)`.
            looks: at how many steps to look, the last one being the draw itself.

        Returns:
            Shape `(looks, n, *latent)`.

        Raises:
            ConfigError: if a draw is no walk.
        """
        raise ConfigError(
            "these latents are drawn at once, and not step by step from noise; use a prior or a sampler that "
            "is a diffusion"
        )

    @torch.no_grad()
    def sample(self, n: int, seed: int = 0, c: Tensor | None = None) -> np.ndarray:
        """Draw latents.

        Args:
            n: how many.
            seed: seed of the draw.
            c: a condition for each, shape `(n, C)`.

        Returns:
            Shape `(n, *latent)`, float32, in random order.

        Raises:
            ConfigError: if `n` is not positive.
        """
        if n <= 0:
            raise ConfigError(f"'n' must be positive, not {n}")
        with seeded(seed):
            return self.draw(n, c).float().cpu().numpy()

    @torch.no_grad()
    def denoising(self, n: int, seed: int = 0, c: Tensor | None = None, looks: int = 8) -> np.ndarray:
        """Give how the latents of `sample` come out of noise; see `on_the_way`.

        Args:
            n: how many.
            seed: seed of the draw.
            c: a condition for each, shape `(n, C)`.
            looks: at how many steps to look.

        Returns:
            Shape `(looks, n, *latent)`, float32; the last are those that `sample` gives.
        """
        with seeded(seed):
            return self.on_the_way(n, c, looks).float().cpu().numpy()


def checked(name: str, settings: Mapping[str, Any]) -> config.Table:
    """Check the settings of a sampler.

    Args:
        name: its name.
        settings: its arguments.

    Returns:
        Its whole table.

    Raises:
        ConfigError: for an unknown name or key; a key of another sampler is told as such.
    """
    known = config.parameters(registry.lookup("sampler", name))
    supplied = registry.SUPPLIED["sampler"]
    for key in settings:
        owners = [
            other
            for other in registry.names("sampler")
            if key in config.parameters(registry.lookup("sampler", other)) and key not in supplied
        ]
        if key not in known and owners:
            *others, last = (f"'{owner}'" for owner in owners)
            listed = f"{', '.join(others)} and {last}" if others else last
            raise ConfigError(f"'{key}' belongs to the sampler {listed}, not to '{name}'")
    return config.check_component("sampler", {"name": name, **settings}, "sampler")


def fitted(source: Source, table: Mapping[str, Any], path: Path, quiet: bool = True) -> Sampler:
    """Fit a sampler, or read the fit that is kept of the same weights and the same settings.

    Args:
        source: the run.
        table: what `checked` gave.
        path: where the fit that was made last is kept; beside it those of other settings.
        quiet: show no progress bar.

    Returns:
        The sampler.
    """
    with seeded(stream(SEED, "sampler")):
        sampler = _built(source, table)
        sampler.quiet = quiet
        if not sampler.kept:
            sampler.fit(source, quiet)
            return sampler
        label = _label(source, table)
        if any(place.is_file() and _read(sampler, place, label) for place in (path, _aside(path, label))):
            return sampler
        sampler.fit(source, quiet)
    with contextlib.suppress(LatentiaError, OSError):  # a folder that cannot be written can be sampled from
        _set_aside(path, label)
        storage.save_tensors(path, sampler.state_dict(), label)
    return sampler.requires_grad_(False)


def _aside(path: Path, label: Mapping[str, Any]) -> Path:
    """Say where a fit is kept once one of other settings has been made."""
    settings = json.dumps(label["settings"], sort_keys=True)
    return path.with_stem(f"{path.stem}-{hashlib.sha256(settings.encode()).hexdigest()[:8]}")


def _set_aside(path: Path, label: Mapping[str, Any]) -> None:
    """Make room for another fit without losing the one of other settings, which may have taken minutes."""
    if not path.is_file():
        return
    try:
        _, known = storage.load_tensors(path)
    except RunError:
        return
    of = ("weights", "data")
    if all(known.get(key) == label[key] for key in of) and known["settings"] != label["settings"]:
        path.replace(_aside(path, known))


def _label(source: Source, table: Mapping[str, Any]) -> dict[str, Any]:
    """Say what a fit belongs to: settings, weights and data."""
    weights = storage.checksum(source.model.state_dict())
    free = getattr(registry.lookup("sampler", table["name"]), "free", frozenset())
    settings = {key: value for key, value in table.items() if key not in free}
    return {"settings": settings, "weights": weights, "data": source.data_key}


def _built(source: Source, table: Mapping[str, Any]) -> Sampler:
    model = source.model
    labels = model.condition if isinstance(source.condition, Labels) else 0
    given = {"latent": model.latent, "coder": model.coder, "told": model.condition, "labels": labels}
    return config.build("sampler", table, **given).eval().to(source.device)


def kept(source: Source, path: Path) -> Sampler | None:
    """Read a fit that is kept, whatever its settings, without fitting anything.

    Args:
        source: the run.
        path: where it may be kept.

    Returns:
        The sampler, or None where there is none of these weights.
    """
    if not path.is_file():
        return None
    try:
        _, header = storage.load_tensors(path)
        table = header["settings"]
        sampler = _built(source, table)
    except (LatentiaError, KeyError):
        return None
    label = _label(source, table)
    return sampler if _read(sampler, path, label) else None


def _read(sampler: Sampler, path: Path, label: Mapping[str, Any]) -> bool:
    """Read a kept fit, if it is of these settings and weights; a damaged one is fitted anew."""
    tensors = storage.kept(path, label, sampler.state_dict())
    if tensors is None:
        return False
    sampler.load_state_dict(tensors)
    sampler.requires_grad_(False)
    return True


def as_tensor(c: np.ndarray | None) -> Tensor | None:
    """Take conditions as tensors, where there are any.

    Args:
        c: shape `(N, C)`, or None.

    Returns:
        The same.
    """
    return None if c is None else torch.from_numpy(np.array(c, np.float32))


def hidden(c: Tensor) -> Tensor:
    """Hide the conditions of a share of some examples, at random.

    Args:
        c: shape `(N, C)`.

    Returns:
        The same with rows of NaN.
    """
    return c.masked_fill(torch.rand(len(c), 1, device=c.device) < DROP, math.nan)


def learn(
    module: nn.Module,
    objective: Objective,
    codes: Tensor,
    c: Tensor | None = None,
    *,
    steps: int,
    what: str,
    quiet: bool,
    batch: int = 256,
    held: int | None = None,
    lr: float = LEARNING_RATE,
    ema: float = 0.0,
) -> None:
    """Train a part of a sampler on latents, and leave it as it was when held-out latents liked it best.

    Args:
        module: what is trained.
        objective: what it is trained by.
        codes: the latents, shape `(N, D)`.
        c: the condition of each, shape `(N, C)`, or None.
        steps: how many, about.
        what: what the progress bar says.
        quiet: show no progress bar.
        batch: latents in a step.
        held: latents that are held out at the most; a tenth of them is.
        lr: the highest learning rate.
        ema: decay of the average of the weights; 0 takes the weights themselves.
    """
    aside = min(len(codes) // 10, held or len(codes))
    device = next(module.parameters()).device
    train_in_memory(
        module, objective, codes.to(device), targets=None if c is None else c.to(device),
        steps=steps, batch_size=batch, lr=lr, held_out=aside, ema=ema,
        clip=CLIP, seed=SEED, title=what, quiet=quiet,
    )  # fmt: skip
