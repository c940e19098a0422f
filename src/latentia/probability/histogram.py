"""Histograms as distributions: a probability for each cell of a column, spread evenly inside of it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Distribution, constraints

from latentia.probability.cells import Cell, cells_of
from latentia.probability.discrete import picked

TAILS = 1e-3
"""The weight of a Laplace distribution, which gives every value a density or a probability."""
SPAN = 4.0
"""Before they are told otherwise, cells reach this many units to both sides."""


class Cells(nn.Module):
    """The cells of several columns, M at the most in each.

    Attributes:
        edges: where cells begin, and where the last one ends, shape `(n, M + 1)`; infinite behind that.
        first: the least value of each cell, shape `(n, M)`.
        width: how far the values of a cell reach: 0 for a frequent one, the count of whole numbers times
            their step for those.
        measure: log of the width, or of the count of whole numbers; 0 for a frequent value.
        own: whether a cell is that of a frequent value that is no whole number.
        used: how many cells each column has, shape `(n,)`.
        step: distance of neighbouring whole numbers; 0 for columns of others.
        place: location of the Laplace distribution, shape `(n,)`.
        scale: its scale.
    """

    edges: Tensor
    first: Tensor
    width: Tensor
    measure: Tensor
    own: Tensor
    used: Tensor
    step: Tensor
    place: Tensor
    scale: Tensor

    def __init__(self, steps: list[float], most: int) -> None:
        """Begin with even cells around 0.

        Args:
            steps: distance of neighbouring whole numbers of each column; 0 where it has others.
            most: cells of a column, M.
        """
        super().__init__()
        self.steps, self.most = steps, most
        shape = (len(steps), most)
        for name in ("first", "width", "measure"):
            self.register_buffer(name, torch.zeros(shape))
        self.register_buffer("edges", torch.full((len(steps), most + 1), math.inf))
        self.register_buffer("own", torch.zeros(shape, dtype=torch.bool))
        self.register_buffer("used", torch.full((len(steps),), most))
        self.register_buffer("step", torch.tensor(steps, dtype=torch.float32), persistent=False)
        self.register_buffer("place", torch.zeros(len(steps)))
        self.register_buffer("scale", torch.ones(len(steps)))
        for column, step in enumerate(steps):
            if step:
                numbers = step * (np.arange(most) - most // 2)
                self._set(column, [Cell(v - step / 2, v + step / 2, 1, True, v) for v in numbers])
            else:
                edges = np.linspace(-SPAN, SPAN, most + 1)
                self._set(column, [Cell(low, high, 1, False, low) for low, high in pairwise(edges)])

    def see(self, x: Tensor) -> Tensor:
        """Make cells of values.

        Args:
            x: shape `(N, n)`; NaN where one is missing.

        Returns:
            Logits at which each cell has the share of the values that was seen in it, shape `(n, M)`.
        """
        start = torch.zeros(len(self.steps), self.most)
        for column, values in enumerate(x.detach().cpu().double().numpy().T):
            seen = values[~np.isnan(values)]
            if not len(seen):
                continue
            step = self.steps[column]
            if step:  # in steps from a value, so that rounding does not tell equal numbers apart
                seen = seen[0] + step * np.rint((seen - seen[0]) / step)
            cells = cells_of(seen, step, self.most)
            self._set(column, cells)
            masses = torch.tensor([cell.mass + 0.5 for cell in cells])
            start[column, : len(cells)] = (masses / masses.sum()).log()
            self.place[column] = float(np.sort(seen)[len(seen) // 2])
            self.scale[column] = max(float(seen.std()), step, 1e-3)
        return start

    def _set(self, column: int, cells: list[Cell]) -> None:
        step, count = self.steps[column], len(cells)
        low, high = (torch.tensor([getattr(cell, end) for cell in cells]) for end in ("low", "high"))
        own = torch.tensor([cell.own for cell in cells])
        value = torch.tensor([cell.value for cell in cells])
        width = (high - low) if step else (high - low).masked_fill(own, 0.0)
        self.edges[column] = math.inf
        self.edges[column, :count] = low
        self.edges[column, count] = high[-1]
        self.first[column, :count] = value
        self.width[column, :count] = width
        numbers = (width / step).round() if step else width.masked_fill(own, 1.0)
        self.measure[column, :count] = numbers.clamp(min=1e-12).log()
        self.own[column, :count] = own & (step == 0)
        self.used[column] = count

    def valid(self) -> Tensor:
        """Say which cells there are, shape `(n, M)`."""
        return torch.arange(self.most, device=self.used.device) < self.used[:, None]

    def at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Find the cells of values.

        Args:
            x: shape `(*batch, n)`.

        Returns:
            The number of the cell, and whether there is one, both of that shape.
        """
        apart = x.flatten(0, -2).T.contiguous() if x.dim() > 1 else x[:, None]
        found = torch.searchsorted(self.edges, apart.to(self.edges.dtype), right=True) - 1
        found = found.T.reshape(x.shape)
        inside = (found >= 0) & (found < self.used)
        return found.clamp(0, self.most - 1), inside


class Histogram(Distribution):
    r"""(1 - t) p_c / w_c + t Laplace(x) for x in a cell c of width w_c, or of w_c whole numbers.

    A frequent value has the probability (1 - t) p_c. The Laplace distribution, of the small weight t, gives a
    density to what lies beyond all cells; of whole numbers it has the mass of half a step to both sides.
    Draws come from the cells alone: what training has not seen the like of is not made up.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}  # pyright: ignore

    def __init__(self, logits: Tensor, cells: Cells) -> None:
        """Set the probabilities.

        Args:
            logits: of each cell, shape `(*batch, n, M)`; those of cells that are none do not matter.
            cells: the cells.
        """
        self.logits = logits + torch.where(cells.valid(), 0.0, -math.inf)
        self.cells = cells
        super().__init__(logits.shape[:-1], validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Give log of the density, or of the probability, of each entry, in nats."""
        cells = self.cells
        value = torch.where(cells.step > 0, self._snapped(value), value)
        at, inside = cells.at(value)
        found = picked(self.logits.log_softmax(dim=-1), at) - picked(cells.measure, at)
        found = torch.where(inside, found + math.log1p(-TAILS), -math.inf)
        beyond = torch.where(inside & picked(cells.own, at), -math.inf, self._laplace(value))
        return torch.logaddexp(found, beyond + math.log(TAILS))

    def _snapped(self, value: Tensor) -> Tensor:
        """Give the nearest whole number, in the model's units."""
        step = self.cells.step.clamp(min=1e-30)
        return self.cells.place + step * ((value - self.cells.place) / step).round()

    def _laplace(self, value: Tensor) -> Tensor:
        r"""Give log of the Laplace density, or of e^{-d/b} sinh(h/b), its mass half a step h around d > 0."""
        cells = self.cells
        far, half = (value - cells.place).abs() / cells.scale, 0.5 * cells.step / cells.scale
        some = half.clamp(min=1e-30)
        near = torch.log(-torch.expm1(-some))  # of the place itself: 1 - e^{-h/b}
        away = some + torch.log(-torch.expm1(-2 * some)) - math.log(2)
        constant = torch.where(cells.step > 0, away, -(2 * cells.scale).log())
        return torch.where(far < half, near, constant - far)

    def sample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        """Draw a cell, then a value of it."""
        cells = self.cells
        with torch.no_grad():
            shape = (*sample_shape, *self.logits.shape)
            noise = torch.empty(shape, dtype=self.logits.dtype, device=self.logits.device)
            at = (self.logits - noise.exponential_().log_()).argmax(dim=-1)
            column = torch.arange(len(cells.used), device=at.device).expand_as(at)
            along = torch.rand(at.shape, dtype=self.logits.dtype, device=at.device)
            along = along * cells.width[column, at]
            step = cells.step
            whole = (along / step.clamp(min=1e-30)).floor() * step
            return cells.first[column, at] + torch.where(step > 0, whole, along)

    @property
    def centres(self) -> Tensor:
        """The mean value of each cell, shape `(n, M)`."""
        return self.cells.first + 0.5 * (self.cells.width - self.cells.step[:, None]).clamp(min=0)

    @property
    def mean(self) -> Tensor:
        """The mean of each entry."""
        inner = (self.logits.softmax(dim=-1) * self.centres).sum(dim=-1)
        return (1 - TAILS) * inner + TAILS * self.cells.place

    @property
    def variance(self) -> Tensor:
        """The variance of each entry, the Laplace distribution's share included."""
        cells, p = self.cells, self.logits.softmax(dim=-1)
        inner = (cells.width.square() - cells.step[:, None].square()).clamp(min=0) / 12
        square = (p * (self.centres.square() + inner)).sum(dim=-1)
        tails = 2 * cells.scale.square() + cells.place.square()
        return (1 - TAILS) * square + TAILS * tails - self.mean.square()
