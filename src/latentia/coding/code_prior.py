"""The prior over codes in whole numbers: a causal transformer that gives the masses of each code in turn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from latentia.coding.curves import COARSE, GRID_BITS, Powers, activation, activation_table, powers
from latentia.coding.exact import OUT_BITS, REACH, ExactNetwork
from latentia.coding.masses import Listed, Masses
from latentia.core.errors import ConfigError
from latentia.networks.transformer import CausalBlock, CausalTransformer

STORED_BITS = 20
"""The transformer's numbers are kept as multiples of 2^-20."""
LISTED_BITS = 30
"""The largest mass of a code among the others is 2^30."""
SHARE_BITS = 20
"""The largest weight of a place that is attended to is 2^20."""
HELD = 2.0 ** (GRID_BITS + 8)
"""Queries, keys and values are held within plus and minus 2^8, so that their products have a bound."""
LONGEST = 4096
"""Codes of an example, at the most, so that sums over places stay below 2^53."""
ENDS = {"attention": -14.0, "odds": -20.0}
"""Odds further below the largest than this count as this."""


class CodePrior:
    """p(k_1) p(k_2|k_1) p(k_3|k_1, k_2) ... of a transformer, the same on every machine.

    Attributes:
        size: how many codes there are, K.
        length: codes of an example, N.
    """

    def __init__(self, shape: Mapping[str, int], tables: Mapping[str, np.ndarray]) -> None:
        """Take a transformer from whole numbers.

        Args:
            shape: what `shape_of` gave.
            tables: what `tables_of` gave, among others.

        Raises:
            ConfigError: if its sums could grow too large.
        """
        with torch.device("meta"):
            network = CausalTransformer(**shape)
        state = {
            name: torch.from_numpy(tables[f"prior.{name}"] * 2.0**-STORED_BITS)
            for name in network.state_dict()
        }
        network.load_state_dict(state, assign=True)
        self.size, self.length = network.size, network.length
        self._exps = {
            name: Powers(tables[f"prior-{name}"], math.floor(end * COARSE)) for name, end in ENDS.items()
        }
        tabled = partial(activation, table=tables["prior-gelu"])
        self._values, self._places = (
            (each.detach() * 2.0**GRID_BITS).round() for each in (network.values.weight, network.places)
        )
        self._blocks = [
            _Block(block, tabled, self._exps["attention"], f"prior.blocks.{number}")
            for number, block in enumerate(network.blocks)
            if isinstance(block, CausalBlock)
        ]
        self._odds = ExactNetwork(network.odds, tabled, "prior.odds")

    @torch.no_grad()
    def masses(self, codes: np.ndarray) -> Iterator[Masses]:
        """Give the masses of each code given those before it.

        Masses are computed when they are asked for: `codes` may be filled place by place.

        Args:
            codes: int64, shape `(B, N)`.

        Yields:
            Masses of shape `(B,)`, N times.
        """
        past = [block.nothing(len(codes), self.length) for block in self._blocks]
        before = np.full(len(codes), self.size)
        for place in range(self.length):
            h = self._values[torch.from_numpy(before)] + self._places[place]
            for block, known in zip(self._blocks, past, strict=True):
                h = block(h, known, place)
            odds = self._odds(h).numpy()
            yield Listed(self._exps["odds"](odds - odds.max(axis=-1, keepdims=True)))
            before = codes[:, place]


class _Block:
    """A block of the transformer, of which the next place alone is computed."""

    def __init__(self, block: CausalBlock, tabled: Any, exp: Powers, name: str) -> None:
        exact = partial(ExactNetwork, tables=tabled, inner=True)
        self.heads, self.exp = block.heads, exp
        attention = nn.Sequential(block.before_attention, block.attention)
        self.attention = exact(attention, name=f"{name}.attention")
        self.joined = exact(block.joined, name=f"{name}.joined")
        self.body = exact(block.body, name=f"{name}.body")
        self.width = block.joined.in_features
        self.scale = 2.0 ** (OUT_BITS - 2 * GRID_BITS) / math.sqrt(self.width // self.heads)

    def nothing(self, count: int, length: int) -> Tensor:
        """Give room for keys and values, `(2, B, heads, N, width / heads)`."""
        return torch.zeros(2, count, self.heads, length, self.width // self.heads, dtype=torch.float64)

    def __call__(self, h: Tensor, known: Tensor, place: int) -> Tensor:
        """Map what stands at a place, `(B, width)`, and keep its key and value."""
        parts = self.attention(h).clamp_(-HELD, HELD).reshape(len(h), 3, self.heads, -1)
        known[:, :, :, place] = parts[:, 1:].transpose(0, 1)
        keys, values = known[:, :, :, : place + 1]
        odds = (keys @ parts[:, 0].unsqueeze(-1)).squeeze(-1).mul_(self.scale).floor_()
        shares = torch.from_numpy(self.exp((odds - odds.amax(dim=-1, keepdim=True)).numpy()))
        mixed = (shares.unsqueeze(-2) @ values).squeeze(-2)
        mixed = (mixed / shares.sum(dim=-1, keepdim=True)).floor_().flatten(1)
        h = (h + self.joined(mixed)).clamp_(-REACH, REACH)
        return (h + self.body(h)).clamp_(-REACH, REACH)


def shape_of(network: CausalTransformer) -> dict[str, int]:
    """Say what builds a transformer of this shape.

    Args:
        network: the transformer.

    Returns:
        Its arguments.

    Raises:
        ConfigError: if it is too long.
    """
    if network.length > LONGEST:
        raise ConfigError(
            f"an example has {network.length:,} codes, and {LONGEST:,} are the most in a file; train with a "
            "larger model.downsample"
        )
    first: Any = network.blocks[0]
    width = first.joined.in_features
    return {
        "size": network.size, "length": network.length, "width": width, "layers": len(network.blocks),
        "heads": first.heads,
    }  # fmt: skip


def tables_of(network: CausalTransformer) -> dict[str, np.ndarray]:
    """Round a transformer, and compute the functions that it needs.

    Args:
        network: the transformer, without a condition.

    Returns:
        Whole numbers by name.
    """
    found = {
        f"prior.{name}": np.rint(value.detach().cpu().double().numpy() * 2.0**STORED_BITS).astype(np.int64)
        for name, value in network.state_dict().items()
    }
    bits = {"attention": SHARE_BITS, "odds": LISTED_BITS}
    exps = {f"prior-{name}": powers(1.0, end, 0.0, bits[name]).values for name, end in ENDS.items()}
    return {**found, **exps, "prior-gelu": activation_table("gelu")}
