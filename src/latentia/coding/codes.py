"""Examples by codes: the codes by a prior over them, and where that is possible the data given the codes.

The encoder chooses codes in floating point, which no reader has to repeat: the codes are in the file. What
becomes a probability, of a code given those before it and of a value given the codes, is of whole numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from latentia.coding import code_prior
from latentia.coding.code_prior import CodePrior
from latentia.coding.coder import InTurn, popped_row
from latentia.coding.curves import GRID_BITS, VALUE_BITS, activation, activation_table
from latentia.coding.exact import OUT_BITS, WEIGHT_BITS, ExactNetwork, activations_of
from latentia.coding.masses import RARE
from latentia.coding.stack import Stack
from latentia.coding.stages import Choices, Stage, choices_of, fixed, read
from latentia.coding.symbols import Symbols
from latentia.core import storage
from latentia.networks import cropped
from latentia.networks.transformer import CausalTransformer

FORMAT = 3
"""Of the coder: what its numbers are and how they are used. It changes with whatever changes a file."""
ENTRIES = 1 << 22
"""Masses that are computed at once."""
PROBES = 2
"""Examples whose coding is compared when a coder is opened."""


class CodeCoder(InTurn):
    """Codes the examples of a model whose latents are codes.

    Where `symbols` says what the data are, x is coded given the codes and comes back value by value: the
    file takes distortion and rate of the codes that the encoder chose. Elsewhere the codes alone are in the
    file, and examples come back as the decoder has them.

    Attributes:
        symbols: what examples are in a file; None where the codes alone are.
    """

    prior_rounds = 1
    choose: Callable[[np.ndarray], np.ndarray]
    """Gives the codes of examples in the data's units, `(N, *code_shape)`; whoever has the run sets it."""
    show: Callable[[np.ndarray, Any], np.ndarray]
    """Gives examples in the data's units and of a type, as the decoder has them, from codes."""

    def __init__(
        self,
        model: Any,
        symbols: Symbols | None,
        prior: Mapping[str, int],
        tables: Mapping[str, np.ndarray],
        loss: str = "",
    ) -> None:
        """Round a model.

        Args:
            model: the trained model.
            symbols: what examples are in a file.
            prior: the shape of the transformer; see `code_prior.shape_of`.
            tables: what `tables_of` gave, and the symbols' own.
            loss: why examples come back with loss, where they do.

        Raises:
            ConfigError: naming a layer that cannot be computed exactly.
        """
        self.tables = {name: table.astype(np.int64) for name, table in tables.items()}
        self.event, self.symbols, self.loss = tuple(model.event), symbols, loss
        self.costs = "the codes' -log2 p" if loss else "-log2 p(x, codes)"
        self._model, self._shape = model, dict(prior)
        self._prior = CodePrior(prior, self.tables)
        self.rows = max(1, min(self.rows, ENTRIES // self._prior.size))
        self._decoder: ExactNetwork | None = None
        if symbols is not None:
            symbols.tables = self.tables
            self._vectors = torch.from_numpy(self.tables["vectors"].astype(np.float64))
            reach = float(self._vectors.abs().amax(dim=1).sum(dim=0).max())
            self._decoder = ExactNetwork(
                model.decoder,
                lambda name: activation(name, self.tables[f"activation.{name}"]),
                "decoder",
                reach,
            )

    @classmethod
    def make(
        cls, model: Any, symbols: Symbols | None, network: CausalTransformer, x: np.ndarray | None, loss: str
    ) -> CodeCoder:
        """Make the coder of a trained model.

        Args:
            model: the trained model.
            symbols: what examples are in a file; None where the codes alone are.
            network: the prior over its codes.
            x: training examples, shape `(N, *event)`, or None where there are none.
            loss: why examples come back with loss, where they do.

        Returns:
            The coder.

        Raises:
            ConfigError: naming a layer that cannot be computed exactly.
        """
        own = {} if symbols is None else symbols.compute(None if x is None else x.reshape(len(x), -1))
        tables = {**own, **code_prior.tables_of(network), **_decoder_tables(model, symbols)}
        return cls(model, symbols, code_prior.shape_of(network), tables, loss)

    def of(self, raw: np.ndarray, first: int = 0) -> np.ndarray:
        """Give the data's symbols, or the codes where these are all; see `Compressor`."""
        return self._chosen(raw) if self.symbols is None else self.symbols.of(raw, first)

    def values(self, symbols: np.ndarray, dtype: Any) -> np.ndarray:
        """Give the data of symbols, or what the decoder makes of codes; see `Compressor`."""
        if self.symbols is not None:
            return self.symbols.values(symbols, dtype)
        return self.show(self._shaped(symbols), dtype).reshape(len(symbols), -1)

    def _chosen(self, raw: np.ndarray) -> np.ndarray:
        return self.choose(raw.reshape(len(raw), *self.event)).reshape(len(raw), -1)

    def _shaped(self, codes: np.ndarray) -> np.ndarray:
        return codes.reshape(len(codes), *self._model.coder.code_shape)

    def choices(self, x: np.ndarray) -> list[Choices]:
        """Give the binary choices of some examples; see `InTurn`."""
        codes = x if self.symbols is None else self._chosen(self.symbols.values(x, np.float64))
        found = [masses.choices(codes[:, place]) for place, masses in enumerate(self._prior.masses(codes))]
        if self.symbols is None:
            return found
        return found + choices_of(self._given(codes), x)

    def read(self, count: int, stack: Stack) -> np.ndarray:
        """Read some examples; see `InTurn`."""
        codes = np.zeros((count, self._prior.length), np.int64)
        for place, masses in enumerate(self._prior.masses(codes)):
            # A damaged file may say a code that there is none of.
            codes[:, place] = np.minimum(popped_row(masses, stack), self._prior.size - 1)
        return (
            codes
            if self.symbols is None
            else read(self._given(codes), count, partial(popped_row, stack=stack))
        )

    @torch.no_grad()
    def _given(self, codes: np.ndarray) -> list[Stage]:
        """Give the stages by which x is coded, given codes."""
        if self._decoder is None or self.symbols is None:
            raise TypeError("the codes alone are coded")
        index = torch.from_numpy(self._shaped(codes))
        index = index if len(self._vectors) > 1 else index.unsqueeze(-1)
        z = torch.stack([table[index[..., level]] for level, table in enumerate(self._vectors)]).sum(dim=0)
        h = self._decoder(z.movedim(-1, 1).contiguous())
        if self._model.strides:
            h = cropped(h, h.new_empty(1, *self.event))
        return self.symbols.stages(h.numpy())

    def header(self) -> dict[str, Any]:
        """Say what the numbers are; see `Stamped`."""
        return {
            "format": FORMAT,
            "codes": list(self._model.coder.code_shape),
            "bits": [
                *(WEIGHT_BITS, GRID_BITS, OUT_BITS, VALUE_BITS, RARE),
                *(code_prior.STORED_BITS, code_prior.LISTED_BITS, code_prior.SHARE_BITS, self.rows),
            ],
            "event": list(self.event),
            "model": str(storage.checksum(self._model.state_dict())),
            "prior": self._shape,
            "loss": self.loss,
            **({} if self.symbols is None else self.symbols.header()),
        }

    def networks(self) -> list[nn.Module]:
        """Give the decoder, where it is exact; the prior is in the tables. See `Stamped`."""
        return [] if self._decoder is None else [self._decoder]

    def probed(self) -> Iterator[np.ndarray]:
        """Code fixed codes; see `Stamped`."""
        length, size = self._prior.length, self._prior.size
        codes = np.arange(PROBES * length).reshape(PROBES, length) * 104729 % size
        for place, masses in enumerate(self._prior.masses(codes)):
            yield from masses.choices(codes[:, place])
        if self._decoder is not None:
            yield from fixed(self._given(codes), PROBES)[1]


def _decoder_tables(model: Any, symbols: Symbols | None) -> dict[str, np.ndarray]:
    """Compute what the decoder needs, where it is exact."""
    if symbols is None:
        return {}
    vectors = model.coder.tables.detach().cpu().double().numpy()
    tables = {f"activation.{name}": activation_table(name) for name in sorted(activations_of(model.decoder))}
    return {"vectors": np.rint(vectors * 2.0**GRID_BITS).astype(np.int64), **tables}
