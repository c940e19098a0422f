"""The way from latents to data, level by level, by exact networks."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from latentia.coding.curves import GRID_BITS, Activation, powers
from latentia.coding.exact import OUT_BITS, REACH, ExactNetwork, activations_of, check_layers
from latentia.networks.ladder import Chain, TopDown, Zeros

SIGMA_BITS = 16
"""sigma of a level's prior is a multiple of 2^-16."""
LOG_VARIANCES = (-16.0, 8.0)
"""Range of log sigma^2, of priors and posteriors."""
LATENT_BITS = 3
"""Latents are within plus and minus 2^3."""

Tabled = Callable[[str], Activation]


class Descent(abc.ABC):
    """A model's networks, in whole numbers. Its latents are N(0, I), whatever the model calls them."""

    @abc.abstractmethod
    def modules(self) -> list[nn.Module]:
        """Give all exact networks, in an order that stays."""

    @abc.abstractmethod
    def features(self, seen: Tensor) -> Tensor:
        """Encode.

        Args:
            seen: what the encoder reads, in units of 2^-12, shape `(B, *entrance)`.

        Returns:
            Whole numbers, shape `(B, R)`.
        """

    @abc.abstractmethod
    def start(self, rows: Tensor) -> Steps:
        """Begin to go down.

        Args:
            rows: features of the examples, `(B, R)`.

        Returns:
            The steps, one for each level.
        """

    @abc.abstractmethod
    def outputs(self, u: Tensor) -> Tensor:
        """Decode.

        Args:
            u: latents in units of 2^-12, shape `(B, D)`.

        Returns:
            What the likelihood reads, in units of 2^-14, `(B, *features)`.
        """


class Steps(abc.ABC):
    """What is known of latents on the way down."""

    @abc.abstractmethod
    def numbers(self) -> Tensor | None:
        """Give mean and log variance of the next level's latents, `(B, 2, D_l)`; None behind the last."""

    @abc.abstractmethod
    def take(self, u: Tensor) -> None:
        """Go on with that level's latents, in units of 2^-12, `(B, D_l)`."""


def chain_of(model: Any) -> Chain | None:
    """Give what leads from level to level, where levels form a chain.

    Args:
        model: the trained model.

    Returns:
        None where they do not.
    """
    chain = getattr(model, "chain", None)
    return chain if isinstance(chain, Chain) else None


def descent_of(model: Any, tabled: Tabled, reach: float, latents: float) -> Descent:
    """Make the networks between data and latents exact; in a chain, those of the lowest level.

    Args:
        model: the trained model.
        tabled: gives the table of an activation.
        reach: how far what the encoder reads reaches.
        latents: how far what the decoder reads reaches, where it is no ladder.

    Returns:
        The networks.

    Raises:
        ConfigError: naming a layer that cannot be exact.
    """
    if isinstance(model.decoder, TopDown):
        return Ladder(model, tabled, reach)
    return Flat(model, tabled, reach, latents)


def parts_of(model: Any) -> dict[str, nn.Module]:
    """Give the chains that a model's networks consist of, by the names that messages call them.

    Args:
        model: the trained model.

    Returns:
        The chains.
    """
    if not isinstance(model.decoder, TopDown):
        chain = chain_of(model)
        ways = {} if chain is None else {"chain.up": chain.up, "chain.down": chain.down}
        links = {f"{way}.{n}": part for way, parts in ways.items() for n, part in enumerate(parts)}
        return {"encoder": model.encoder, "decoder": model.decoder, **links}
    found = {f"encoder.{level}": stage for level, stage in enumerate(model.encoder.stages)}
    for level, stage in enumerate(model.decoder):
        for name in ("arrive", "prior", "posterior", "merge"):
            if not isinstance(part := getattr(stage, name), Zeros):
                found[f"decoder.{level}.{name}"] = part
    return {**found, "decoder.finish": model.decoder.finish}


def check_parts(model: Any) -> None:
    """Refuse a model with a layer that cannot be exact.

    Args:
        model: the trained model.

    Raises:
        ConfigError: naming the layer.
    """
    for name, part in parts_of(model).items():
        check_layers(part, name)


def activations_in(model: Any) -> list[str]:
    """List the activations of a model that need a table.

    Args:
        model: the trained model.

    Returns:
        Their names, sorted.
    """
    return sorted(set().union(*(activations_of(part) for part in parts_of(model).values())))


class Flat(Descent):
    """An encoder and a decoder."""

    def __init__(self, model: Any, tabled: Tabled, reach: float, latents: float) -> None:
        """Round them; see `descent_of`."""
        self._latent = tuple(model.latent) if chain_of(model) is None else (model.levels[-1],)
        self._encoder = ExactNetwork(model.encoder, tabled, "encoder", reach)
        self._decoder = ExactNetwork(model.decoder, tabled, "decoder", latents)

    def modules(self) -> list[nn.Module]:
        """Give both; see `Descent`."""
        return [self._encoder, self._decoder]

    def features(self, seen: Tensor) -> Tensor:
        """Give means and log variances; see `Descent`."""
        return self._encoder(seen).flatten(1)

    def start(self, rows: Tensor) -> Steps:
        """Give the only step; see `Descent`."""
        return Once(rows)

    def outputs(self, u: Tensor) -> Tensor:
        """Decode; see `Descent`."""
        return self._decoder(u.reshape(len(u), *self._latent))


class Once(Steps):
    """The only step of a level that depends on no other."""

    def __init__(self, rows: Tensor) -> None:
        """Take means and log variances, `(B, 2 D)`."""
        self._rows: Tensor | None = rows.reshape(len(rows), 2, -1)

    def numbers(self) -> Tensor | None:
        """Give them; see `Steps`."""
        return self._rows

    def take(self, u: Tensor) -> None:
        """Be done; see `Steps`."""
        self._rows = None


class Ladder(Descent):
    """A hierarchy: each level's latents are N(mu, sigma^2) given those above, and u = (z - mu) / sigma.

    Of u the prior is N(0, I), and the posterior N(dmu, dsigma^2) in the residual form that the model has.
    """

    def __init__(self, model: Any, tabled: Tabled, reach: float) -> None:
        """Round all stages; see `descent_of`."""

        def exact(part: nn.Module, name: str, limit: float = REACH, state: bool = False) -> ExactNetwork:
            return ExactNetwork(part, tabled, name, limit, inner=state)

        self._stages, limit = nn.ModuleList(), reach
        for level, stage in enumerate(model.encoder.stages):
            self._stages.append(exact(stage, f"encoder.{level}", limit, True))
            limit = REACH
        self._levels = nn.ModuleList()
        self._shapes = [tuple(normal.latent) for normal in model.normals]
        for level, stage in enumerate(model.decoder):
            names = {"arrive": True, "prior": False, "posterior": False, "merge": True}
            parts = {name: getattr(stage, name) for name in names}
            own = {
                name: exact(part, f"decoder.{level}.{name}", state=names[name])
                for name, part in parts.items()
                if not isinstance(part, Zeros)
            }
            self._levels.append(nn.ModuleDict(own))
        self._finish = exact(model.decoder.finish, "decoder.finish")
        self._begin = (model.decoder.start.detach().cpu().double() * 2.0**GRID_BITS).round()
        self._sigma = powers(0.5, *LOG_VARIANCES, SIGMA_BITS)

    def modules(self) -> list[nn.Module]:
        """Give all stages, and the first state; see `Descent`."""
        first = nn.Module()
        first.register_buffer("start", self._begin)
        first.register_buffer("sigma", torch.from_numpy(self._sigma.values))
        return [self._stages, self._levels, self._finish, first]

    def features(self, seen: Tensor) -> Tensor:
        """Give the features of all levels side by side, the top one first; see `Descent`."""
        found = []
        for stage in self._stages:
            seen = stage(seen)
            found.append(seen)
        self._sizes = [tuple(part.shape[1:]) for part in found[::-1]]
        return torch.cat([part.flatten(1) for part in found[::-1]], dim=1)

    def start(self, rows: Tensor) -> Steps:
        """Begin at the top; see `Descent`."""
        return _Down(self, rows)

    def outputs(self, u: Tensor) -> Tensor:
        """Go down with all levels, and decode; see `Descent`."""
        state, at = self._begin.expand(len(u), *self._begin.shape[1:]), 0
        for level in range(len(self._levels)):
            size = int(np.prod(self._shapes[level]))
            state = self.merged(level, self.arrived(level, state), u[:, at : at + size])
            at += size
        return self._finish(state)

    def arrived(self, level: int, state: Tensor) -> Tensor:
        """Give the state of a level from that of the one above."""
        return self._part(level, "arrive")(state)

    def _part(self, level: int, name: str) -> nn.Module:
        parts: Any = self._levels[level]
        return parts[name]

    def posterior(self, level: int, h: Tensor, d: Tensor) -> Tensor:
        """Give dmu and log dsigma^2, `(B, 2, D_l)`."""
        return self._part(level, "posterior")(torch.cat([h, d], dim=1)).reshape(len(h), 2, -1)

    def merged(self, level: int, h: Tensor, u: Tensor) -> Tensor:
        """Add z = mu + sigma u to the state of a level."""
        z = u
        if "prior" in self._levels[level]:  # pyright: ignore[reportOperatorIssue] - a dictionary of modules
            mean, log_variance = self._part(level, "prior")(h).reshape(len(h), 2, -1).unbind(1)
            sigma = torch.from_numpy(self._sigma(log_variance.numpy()))
            whole = (sigma * u).mul_(2.0**-SIGMA_BITS).floor_()
            z = (mean * 2.0 ** (GRID_BITS - OUT_BITS)).floor_() + whole
        z = z.clamp(-REACH, REACH).reshape(len(h), *self._shapes[level])
        return (h + self._part(level, "merge")(z)).clamp_(-REACH, REACH)


class _Down(Steps):
    """The way down a ladder."""

    def __init__(self, ladder: Ladder, rows: Tensor) -> None:
        self._ladder, self._level = ladder, 0
        sizes = ladder._sizes
        parts = rows.split([int(np.prod(size)) for size in sizes], dim=1)
        self._features = [part.reshape(len(rows), *size) for part, size in zip(parts, sizes, strict=True)]
        begin = ladder._begin
        self._h = ladder.arrived(0, begin.expand(len(rows), *begin.shape[1:]))

    def numbers(self) -> Tensor | None:
        if self._level == len(self._features):
            return None
        return self._ladder.posterior(self._level, self._h, self._features[self._level])

    def take(self, u: Tensor) -> None:
        state = self._ladder.merged(self._level, self._h, u)
        self._level += 1
        if self._level < len(self._features):
            self._h = self._ladder.arrived(self._level, state)
