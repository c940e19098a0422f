"""The causal transformer: a sequence of whole numbers to the log odds of each one's value."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentia.networks.embedding import Embedding


class CausalBlock(nn.Module):
    """A pre-normalised transformer block in which every place sees itself and what is before it."""

    def __init__(self, width: int, heads: int) -> None:
        """Build the block.

        Args:
            width: numbers at each place.
            heads: attention heads; they divide the width.
        """
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(width)
        self.attention = nn.Linear(width, 3 * width)
        self.joined = nn.Linear(width, width)
        self.body = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, h: Tensor, past: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map `(B, T, width)` to the same shape.

        Args:
            h: the places, all of them; or the next one alone, where `past` holds what is before it.
            past: keys and values of the places before, as given back, `(2, B, heads, T', width / heads)`.

        Returns:
            The new places, and keys and values up to here.
        """
        parts = self.attention(self.before_attention(h)).unflatten(2, (3, self.heads, -1))
        query, *known = parts.permute(2, 0, 3, 1, 4).unbind(0)
        seen = torch.stack(known)
        seen = seen if past is None else torch.cat([past, seen], dim=3)
        mixed = F.scaled_dot_product_attention(query, seen[0], seen[1], is_causal=past is None)
        h = h + self.joined(mixed.transpose(1, 2).flatten(2))
        return h + self.body(h), seen


class CausalTransformer(nn.Module):
    """Gives the log odds of each of N values from those before it, and from a condition where there is one.

    References:
        Ashish Vaswani et al., "Attention Is All You Need", 2017.
        Alec Radford et al., "Language Models are Unsupervised Multitask Learners", 2019.
    """

    def __init__(
        self,
        size: int,
        length: int,
        width: int = 96,
        layers: int = 3,
        heads: int = 4,
        condition: int = 0,
    ) -> None:
        """Build the network.

        Args:
            size: how many values there are, K.
            length: values in a sequence, N.
            width: numbers at each place.
            layers: how many blocks.
            heads: attention heads of each.
            condition: how many numbers the condition has; 0 for none.
        """
        super().__init__()
        self.size, self.length = size, length
        self.values = nn.Embedding(size + 1, width)  # the last one stands before the first place
        self.places = nn.Parameter(0.02 * torch.randn(length, width))
        self.blocks = nn.ModuleList(CausalBlock(width, heads) for _ in range(layers))
        self.odds = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, size))
        nn.init.normal_(self.values.weight, std=0.02)
        self.condition = Embedding(condition, width) if condition else None

    def forward(self, codes: Tensor, c: Tensor | None = None) -> Tensor:
        """Give log odds.

        Args:
            codes: sequences, shape `(B, N)`; the last value is not read.
            c: a condition for each, shape `(B, C)`; None where none is known.

        Returns:
            Log odds of each value, shape `(B, N, K)`.
        """
        start = codes.new_full((len(codes), 1), self.size)
        h = self.values(torch.cat([start, codes[:, :-1]], dim=1)) + self._places(c)
        for block in self.blocks:
            h, _ = block(h)
        return self.odds(h)

    def _places(self, c: Tensor | None) -> Tensor:
        """Give what is added at each place, `(B, N, width)` or `(1, N, width)`."""
        if self.condition is None:
            return self.places[None]
        told = self.condition.unknown[None] if c is None else self.condition(c)
        return self.places + told[:, None]

    def draw(self, n: int, c: Tensor | None = None) -> Tensor:
        """Draw sequences from torch's global generator, value by value.

        Args:
            n: how many.
            c: a condition for each, shape `(n, C)`; None where none is known.

        Returns:
            Shape `(n, N)`.
        """
        device, places = self.places.device, self._places(c)
        drawn = torch.full((n, 1), self.size, device=device)
        past: list[Tensor | None] = [None] * len(self.blocks)
        for place in range(self.length):
            h = self.values(drawn[:, -1:]) + places[:, place : place + 1]
            for level, block in enumerate(self.blocks):
                h, past[level] = block(h, past[level])
            odds = self.odds(h[:, -1]).softmax(dim=-1)
            drawn = torch.cat([drawn, torch.multinomial(odds, 1)], dim=1)
        return drawn[:, 1:]
