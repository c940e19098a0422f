"""A likelihood for the columns of a table: a product of distributions, each of its column's family."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import ClassVar, Literal

import torch
import torch.distributions as D
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, constraints
from torch.nn import functional

from latentia.core.errors import ConfigError
from latentia.core.families import BERNOULLI, CATEGORICAL, NUMBERS, check_families, check_vector
from latentia.core.registry import register
from latentia.probability.counts import Names, NegativeBinomial
from latentia.probability.histogram import Cells, Histogram
from latentia.probability.likelihoods import Likelihood, logits_of, positive
from latentia.probability.observed import Observed, weighted
from latentia.probability.scales import HeavyTailed, widened

PADDED = 64
"""Columns of up to so many categories are computed together, padded to the widest; others each by itself."""
HIGHEST = 20.0
"""Upper limit on the logarithm of a mean count."""


class Group(nn.Module):
    """Columns of one family.

    Attributes:
        count: how many columns there are, n.
        width: how many numbers of the decoder's output are theirs.
    """

    count: int
    width: int

    def forward(self, h: Tensor) -> Distribution:
        """Give the distribution of each column, batch shape `(*batch, n)`, from `(*batch, width)`."""
        raise TypeError("a group defines its own distribution")

    def begin(self, x: Tensor) -> Tensor:
        """See training examples `(N, n)`, and give the numbers, `(width,)`, at which all look like them."""
        raise TypeError("a group says where it begins")

    def densities(self) -> Tensor:
        """Give the share of the values of each column that have a density, shape `(n,)`."""
        return torch.zeros(self.count)


def _mean(x: Tensor) -> Tensor:
    return x.nanmean(dim=0).nan_to_num(0.0)


class _Gaussians(Group):
    """N(x; mu(z), sigma^2), with a sigma for each column."""

    def __init__(self, count: int, smallest: float) -> None:
        super().__init__()
        self.count = self.width = count
        self.smallest = smallest
        self.log_sigma = nn.Parameter(torch.zeros(count))

    @property
    def scale(self) -> Tensor:
        return self.smallest + self.log_sigma.exp()

    def forward(self, h: Tensor) -> Distribution:
        return D.Normal(h, self.scale, validate_args=False)

    def begin(self, x: Tensor) -> Tensor:
        return _mean(x)

    def densities(self) -> Tensor:
        return torch.ones(self.count)


class _StudentTs(_Gaussians):
    """t_nu(x; mu(z), s), with a scale and degrees of freedom for each column."""

    def __init__(self, count: int, smallest: float) -> None:
        super().__init__(count, smallest)
        self.log_excess = nn.Parameter(
            torch.full((count,), math.log(4.0))
        )  # of more than one: the mean exists

    def forward(self, h: Tensor) -> Distribution:
        return HeavyTailed(1 + widened(self.log_excess).exp(), h, self.scale)


class _Histograms(Group):
    def __init__(self, steps: Sequence[float], bins: int) -> None:
        super().__init__()
        self.count, self.bins = len(steps), bins
        self.width = self.count * bins
        self.cells = Cells(list(steps), bins)
        self.register_buffer("density", torch.tensor([float(step == 0) for step in steps]))

    density: Tensor

    def forward(self, h: Tensor) -> Distribution:
        return Histogram(h.unflatten(-1, (self.count, self.bins)), self.cells)

    def begin(self, x: Tensor) -> Tensor:
        start = self.cells.see(x).to(x)
        frequent = start.exp().masked_fill(~(self.cells.own & self.cells.valid()), 0.0).sum(dim=1)
        self.density.copy_((1 - frequent) * (self.cells.step == 0))
        return start.flatten()

    def densities(self) -> Tensor:
        return self.density


class _Bernoullis(Group):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = self.width = count

    def forward(self, h: Tensor) -> Distribution:
        return _Truths(logits=h, validate_args=False)

    def begin(self, x: Tensor) -> Tensor:
        return logits_of(_mean(x))


class _Truths(D.Bernoulli):
    """Bernoulli of 0 and 1, to which other values are brought first."""

    def log_prob(self, value: Tensor) -> Tensor:
        return super().log_prob((value > 0.5).to(self.logits))


class _Counts(Group):
    """Negative binomials, with a dispersion for each column."""

    def __init__(self, count: int, inflated: bool) -> None:
        super().__init__()
        self.count, self.inflated = count, inflated
        self.width = count * (1 + inflated)
        self.log_dispersion = nn.Parameter(torch.zeros(count))

    def forward(self, h: Tensor) -> Distribution:
        log_mean = functional.hardtanh(h[..., : self.count], -HIGHEST, HIGHEST)
        return NegativeBinomial(
            log_mean, self.log_dispersion, h[..., self.count :] if self.inflated else None
        )

    def begin(self, x: Tensor) -> Tensor:
        """Begin at the mean, a quarter of the zeros being of the other kind where there is one."""
        if not self.inflated:
            return _mean(x).clamp(min=1e-3).log()
        share = 0.25 * _mean((x == 0).to(x).masked_fill(x.isnan(), torch.nan))
        mean = (_mean(x) / (1 - share)).clamp(min=1e-3).log()
        return torch.cat([mean, logits_of(share)])


class _Names(Group):
    """Categories side by side, with a number for each code of each column, and one for another value.

    Columns of about as many codes are padded to one width: in most tables one column has ten times the
    categories of the others. It is a multiple of 16, the numbers that a processor takes at once: the softmax
    of 13 takes ten times as long as that of 16.
    """

    unseen: Tensor

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.count, self.width = len(sizes), sum(sizes) + len(sizes)
        ends = list(accumulate(size + 1 for size in sizes))
        self.spans = [slice(end - size - 1, end) for size, end in zip(sizes, ends, strict=True)]
        alike: dict[int, list[int]] = {}
        for column, size in enumerate(sizes):
            alike.setdefault(max(4, size.bit_length()), []).append(column)
        self.kinds = len(alike)
        for number, columns in enumerate(alike.values()):
            wide = 16 * (1 + max(sizes[at] for at in columns) // 16)
            places = torch.zeros(len(columns), wide, dtype=torch.int64)
            none = torch.full((len(columns), wide), -math.inf)
            for row, at in enumerate(columns):
                places[row, : sizes[at] + 1] = torch.arange(self.width)[self.spans[at]]
                none[row, : sizes[at] + 1] = 0.0
            self.register_buffer(f"at_{number}", places, persistent=False)
            self.register_buffer(f"none_{number}", none, persistent=False)
            self.register_buffer(f"columns_{number}", torch.tensor(columns), persistent=False)
            self.register_buffer(
                f"sizes_{number}", torch.tensor([sizes[at] for at in columns]), persistent=False
            )
        order = torch.tensor([at for columns in alike.values() for at in columns])
        self.register_buffer("back", order.argsort(), persistent=False)
        self.register_buffer("unseen", torch.ones(len(sizes), dtype=torch.bool))

    def forward(self, h: Tensor) -> Distribution:
        parts, columns = [], []
        for number in range(self.kinds):
            names = ("at", "none", "columns", "sizes")
            at, none, own, sizes = (getattr(self, f"{name}_{number}") for name in names)
            logits = h.gather(-1, at.flatten().expand(*h.shape[:-1], -1)).unflatten(-1, at.shape)
            parts.append(Names(logits + none, sizes, self.unseen[own]))
            columns.append(own)
        return Product(parts, columns, self.get_buffer("back"))

    def begin(self, x: Tensor) -> Tensor:
        start = x.new_zeros(self.width)
        for column, span in enumerate(self.spans):
            size = span.stop - span.start - 1
            codes = x[:, column][~x[:, column].isnan()].round().long().clamp(0, size)
            counts = torch.bincount(codes, minlength=size + 1).to(x)
            self.unseen[column] = bool(counts[size] == 0)
            counts = counts + 0.5
            counts[size] -= 0.49  # what was never seen begins as next to nothing
            start[span] = (counts / counts.sum()).log()
        return start


class Product(Distribution):
    """Independent columns, computed group by group."""

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}  # pyright: ignore

    def __init__(self, parts: Sequence[Distribution], columns: Sequence[Tensor], back: Tensor) -> None:
        """Bring groups together.

        Args:
            parts: the distribution of each group, batch shape `(*batch, n)`.
            columns: the columns of each group.
            back: where each column stands among the groups' columns, shape `(F,)`.
        """
        self.parts, self.columns, self.back = parts, columns, back
        super().__init__(torch.Size((*parts[0].batch_shape[:-1], len(back))), validate_args=False)

    def _together(self, values: Sequence[Tensor]) -> Tensor:
        return torch.cat(list(values), dim=-1).index_select(-1, self.back)

    def log_prob(self, value: Tensor) -> Tensor:
        """Give log p of each column, in nats."""
        pairs = zip(self.parts, self.columns, strict=True)
        return self._together([part.log_prob(value.index_select(-1, at)) for part, at in pairs])

    def sample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        """Draw each column."""
        return self._together([part.sample(torch.Size(sample_shape)) for part in self.parts])

    @property
    def mean(self) -> Tensor:
        """The best single value of each column: the mean of numbers, the likeliest name."""
        return self._together([part.mean for part in self.parts])

    @property
    def variance(self) -> Tensor:
        """The variance of each column; of names the probability that the likeliest is wrong."""
        return self._together([part.variance for part in self.parts])

    def blended(self, weights: Tensor) -> Tensor:
        """Give the best single values under a mixture over latents; see `latentia.probability.blended`."""
        return self._together(
            [
                part.blended(weights) if isinstance(part, Names | Product) else weighted(part.mean, weights)
                for part in self.parts
            ]
        )


@register("likelihood", "columns")
class Columns(Likelihood):
    r"""prod_j p_j(x_j; h(z)): each column of a table has a distribution of its own family.

    - `gaussian`: N(mu(z), sigma^2) with one learned sigma for the column.
    - `student_t`: likewise, with learned degrees of freedom.
    - `histogram`: a probability for each cell, see `Histogram`; an exact probability of whole numbers.
    - `categorical`: a probability for each of K categories, and for another value.
    - `bernoulli`: a probability of 1.
    - `negative_binomial`, `zero_inflated`: counts from 0 on, with one learned dispersion for the column.

    log p is in nats: of a density in the model's units for numbers, else of a probability. Columns of a
    family are computed together.

    References:
        Alfredo Nazabal, Pablo Olmos, Zoubin Ghahramani, Isabel Valera, "Handling Incomplete Heterogeneous
        Data using VAEs", 2020.
    """

    names: Tensor
    back: Tensor

    def __init__(
        self,
        families: tuple[str, ...],
        sizes: tuple[int, ...],
        steps: tuple[float, ...],
        bins: int = 64,
        smallest: float = 1e-3,
        numbers: Literal["auto", "gaussian", "student_t", "histogram"] = "auto",
    ) -> None:
        """Describe the columns.

        Args:
            families: the family of each column; a run chooses them by its data.
            sizes: how many categories each column has, 0 where it has none.
            steps: distance of neighbouring whole numbers in the model's units, for columns of such; 0 else.
            bins: cells of a histogram at the most.
            smallest: lower limit on a learned scale; without one, a perfect fit has infinite density.
            numbers: the family of all columns of numbers, in the place of each one's own.

        Raises:
            ConfigError: if they describe no columns.
        """
        super().__init__()
        check_families(families, sizes, "likelihood")
        if len(steps) != len(families):
            raise ConfigError(
                f"'likelihood.steps' has {len(steps)} entries, and there are {len(families)} columns"
            )
        if bins < 8:
            raise ConfigError(f"'likelihood.bins' must be at least 8, not {bins}")
        if numbers != "auto":
            families = tuple(numbers if family in NUMBERS else family for family in families)
        self.count, smallest = len(families), positive(smallest, "likelihood.smallest")
        build: dict[str, Callable[[list[int]], Group]] = {
            "gaussian": lambda at: _Gaussians(len(at), smallest),
            "student_t": lambda at: _StudentTs(len(at), smallest),
            "histogram": lambda at: _Histograms([steps[place] for place in at], bins),
            "negative_binomial": lambda at: _Counts(len(at), False),
            "zero_inflated": lambda at: _Counts(len(at), True),
            BERNOULLI: lambda at: _Bernoullis(len(at)),
            CATEGORICAL: lambda at: _Names([sizes[place] for place in at]),
        }
        places = [(family, at) for family in build for at in _grouped([*families], [*sizes], family) if at]
        self.groups = nn.ModuleList(build[family](at) for family, at in places)
        for number, (_, at) in enumerate(places):
            self.register_buffer(f"columns_{number}", torch.tensor(at), persistent=False)
        order = torch.tensor([place for _, at in places for place in at])
        self.register_buffer("back", order.argsort(), persistent=False)
        named = torch.tensor([family == CATEGORICAL for family in families])
        self.register_buffer("names", named, persistent=False)
        self._start: Tensor | None = None

    @property
    def columns(self) -> list[Tensor]:
        """The columns of each group."""
        return [getattr(self, f"columns_{number}") for number in range(len(self.groups))]

    @property
    def widths(self) -> list[int]:
        """How many numbers of the decoder's output each group reads."""
        return [group.width for group in self.groups]  # pyright: ignore[reportReturnType]

    @property
    def nominal(self) -> Tensor | None:
        """The columns of categories; see `Likelihood`."""
        return self.names if self.has_names else None

    @property
    def has_names(self) -> bool:
        """Whether a column is one of categories."""
        return any(isinstance(group, _Names) for group in self.groups)

    @property
    def densities(self) -> Tensor:
        """The share of each column's values that have a density; see `Likelihood`."""
        found = [group.densities().to(self.back.device) for group in self.groups]  # pyright: ignore
        return torch.cat(found).index_select(0, self.back)

    def features(self, event: tuple[int, ...]) -> tuple[int, ...]:
        """Give how many numbers describe a row; see `Likelihood`."""
        check_vector(event, self.count, "likelihood 'columns'")
        return (sum(self.widths),)

    def forward(self, h: Tensor, event_dims: int = 1) -> Distribution:
        """Give p(x|z), of what is observed of a row; see `Likelihood`."""
        parts = [group(part) for group, part in zip(self.groups, h.split(self.widths, dim=-1), strict=True)]
        return Independent(Observed(Product(parts, self.columns, self.back)), 1, validate_args=False)

    def begin(self, x: Tensor) -> None:
        """Find the cells of histograms, and where the decoder begins; see `Likelihood`."""
        pairs = zip(self.groups, self.columns, strict=True)
        self._start = torch.cat([group.begin(x[:, at]) for group, at in pairs])  # pyright: ignore

    def output_for(self, mean: Tensor) -> Tensor | None:
        """Give the numbers at which columns look as those that `begin` saw; see `Likelihood`."""
        return self._start


def _grouped(families: list[str], sizes: list[int], family: str) -> list[list[int]]:
    """Give the columns of a family that are computed together; those of many categories are alone."""
    at = [place for place, own in enumerate(families) if own == family]
    if family != CATEGORICAL:
        return [at]
    narrow = [place for place in at if sizes[place] <= PADDED]
    return [narrow, *([place] for place in at if sizes[place] > PADDED)]
