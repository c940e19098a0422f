"""What stands before an encoder: the values of an example and its holes, made into numbers for a network.

A missing value is NaN. What is behind it reaches no network: it is a zero, beside which the network may be
told that it is none.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from latentia.core.errors import ConfigError
from latentia.core.families import BERNOULLI, CATEGORICAL, COUNTS, check_families, check_vector
from latentia.core.registry import register
from latentia.networks.base import Shape

WIDEST = 64
"""Categories of a column that are shown one by one at the most; more of them are embedded."""


class Inputs(nn.Module):
    """A map from examples `(B, *event)`, in the model's units and with holes, to what an encoder reads.

    Attributes:
        holes: whether an encoder trained behind it has seen examples with missing values.
    """

    kind: ClassVar[str] = "inputs"
    holes: bool = True

    def features(self, event: Shape) -> Shape:
        """Give the shape of what the encoder reads.

        Args:
            event: shape of one example.

        Returns:
            The shape for one example.
        """
        raise TypeError("inputs say what features they give")

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, *event)` to `(B, *features)`."""
        raise TypeError("inputs say what features they give")


@register("inputs", "masked")
class Masked(Inputs):
    """Zeros in the holes, and the mask in as many further channels: 1 where a value is missing.

    Zeros are what is usual once the mean of the data is taken off: in light pictures a hole would else be the
    darkest spot of all, whose size drowns what the picture shows.

    References:
        Alfredo Nazabal, Pablo Olmos, Zoubin Ghahramani, Isabel Valera, "Handling Incomplete Heterogeneous
        Data using VAEs", 2020 (zeros at the input).
    """

    def __init__(self, missing: bool = True, fill: float = 0.0) -> None:
        """Set what the encoder is told.

        Args:
            missing: give it the mask.
            fill: what a hole is as, in the model's units, and what is taken off everywhere; a run takes the
                mean of its data, where these are no table.
        """
        super().__init__()
        self.missing = missing
        self.fill = fill

    def features(self, event: Shape) -> Shape:
        """Give the event's shape, with twice its channels where the mask is told; see `Inputs`."""
        return ((1 + self.missing) * event[0], *event[1:])

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, *event)` to `(B, *features)`; see `Inputs`."""
        hidden = x.isnan()
        seen = (x - self.fill).masked_fill(hidden, 0.0)
        return torch.cat([seen, hidden.to(seen.dtype)], dim=1) if self.missing else seen


@register("inputs", "columns")
class Columns(Inputs):
    """The columns of a table, each as suits it.

    A number is itself, a count c is log(1 + c), a truth value is 1/2 or -1/2. One of up to 64 categories is
    shown by a one in a place of its own; more are embedded, each in a vector that is learned. What is
    missing, and a category that training has not seen, is zeros.
    """

    counted: Tensor
    shift: Tensor
    plain: Tensor
    listed: Tensor
    embedded: Tensor

    def __init__(
        self,
        families: tuple[str, ...],
        sizes: tuple[int, ...],
        missing: bool = False,
        embedding: int = 16,
    ) -> None:
        """Describe the columns.

        Args:
            families: what the values of each column are, by the families of `likelihood=columns`; a run takes
                them from its data.
            sizes: how many categories each column has, 0 where it has none; a run takes them from its data.
            missing: show beside the values which of them are missing.
            embedding: numbers of the vector that stands for one of many categories.

        Raises:
            ConfigError: if they describe no columns, or a vector has no numbers.
        """
        super().__init__()
        check_families(families, sizes, "inputs")
        if embedding < 1:
            raise ConfigError(f"'inputs.embedding' must be at least 1, not {embedding}")
        self.count, self.holes, self.embedding = len(families), missing, embedding
        names = [place for place, family in enumerate(families) if family == CATEGORICAL]
        plain = [place for place in range(len(families)) if place not in set(names)]
        listed = [place for place in names if sizes[place] <= WIDEST]
        embedded = [place for place in names if sizes[place] > WIDEST]
        for name, places in (("plain", plain), ("listed", listed), ("embedded", embedded)):
            self.register_buffer(name, torch.tensor(places, dtype=torch.int64), persistent=False)
        counted = torch.tensor([families[place] in COUNTS for place in plain], dtype=torch.bool)
        self.counts = bool(counted.any())
        shift = torch.tensor([0.5 * (families[place] == BERNOULLI) for place in plain])
        self.register_buffer("counted", counted, persistent=False)
        self.register_buffer("shift", shift, persistent=False)
        self.one_of = Places([sizes[place] for place in listed])
        self.one_of_many = Places([sizes[place] for place in embedded])
        self.table = None
        if embedded:
            # The last row stands for what is missing or was never seen: zeros that stay.
            self.table = nn.Embedding(self.one_of_many.total + 1, embedding, self.one_of_many.total)

    def features(self, event: Shape) -> Shape:
        """Give how many numbers stand for a row; see `Inputs`."""
        check_vector(event, self.count, "'inputs.families'")
        wide = self.embedding * len(self.embedded)
        return (len(self.plain) + self.one_of.total + wide + self.count * self.holes,)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, F)` to `(B, features)`; see `Inputs`."""
        plain = (x.index_select(1, self.plain) - self.shift).nan_to_num(0.0)
        if self.counts:
            plain = torch.where(self.counted, plain.clamp(min=0).log1p(), plain)
        parts = [plain]
        if self.one_of.total:
            at, known = self.one_of(x.index_select(1, self.listed))
            shown = x.new_zeros(x.shape[0], self.one_of.total)  # no len: graphs take any number
            parts.append(shown.scatter(1, at, known.to(x.dtype)))
        if self.table is not None:
            at, known = self.one_of_many(x.index_select(1, self.embedded))
            at = torch.where(known, at, self.one_of_many.total)
            parts.append(functional.embedding(at, self.table.weight, self.table.padding_idx).flatten(1))
        if self.holes:
            parts.append(x.isnan().to(x.dtype))
        return torch.cat(parts, dim=1)


class Places(nn.Module):
    """The places of the categories of several columns, those of one column after those of another.

    Attributes:
        total: how many there are.
    """

    offsets: Tensor
    sizes: Tensor

    def __init__(self, sizes: Sequence[int]) -> None:
        """Put columns side by side.

        Args:
            sizes: how many categories each of them has.
        """
        super().__init__()
        self.total = sum(sizes)
        starts = list(itertools.accumulate(sizes, initial=0))[:-1]
        self.register_buffer("offsets", torch.tensor(starts, dtype=torch.int64), persistent=False)
        self.register_buffer("sizes", torch.tensor(list(sizes), dtype=torch.int64), persistent=False)

    def forward(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Give the place of each code, int64, and whether it is a category of its column, both `(B, C)`.

        What is missing, or no category, has the place of one of its column.
        """
        whole = codes.nan_to_num(-1.0).round().long()
        code = torch.minimum(whole.clamp(min=0), self.sizes - 1)
        return code + self.offsets, code == whole
