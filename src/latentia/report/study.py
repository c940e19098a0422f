"""What a report asks of one run, each thing computed once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from latentia.data.splits import spread
from latentia.plots.projection import Flattened
from latentia.report.inputs import Inputs
from latentia.report.views import View
from latentia.runs.scores import reconstructed

if TYPE_CHECKING:
    from latentia.evaluation import Assessment
    from latentia.metrics.figures import Figure
    from latentia.metrics.verdict import Verdict
    from latentia.runs.run import Run

ACTIVE = 0.01
"""A latent dimension with a mean KL above this, in nats, is called active."""
STEPS = 8
TRAVERSED = 8
VALUES = 9
COMPONENTS = 10
PRIOR_DRAWS = 10_000
FITTED = 2_000
LARGEST = 20_000_000
"""Training examples, and values of them, that PCA is fitted to for a page, at the most."""
SIDE = 15
"""Decoded points along each side of the plane."""


@dataclass
class Study:
    """One run under study.

    Attributes:
        run: the run.
        title: what it is called in this report.
        prefix: what the names of its figures start with.
        inputs: the examples that are shown.
        view: how they are shown.
        seed: seed of everything random.
        assessment: what the evaluation says of it, if it was evaluated.
        partner: the run that draws latents for this one, or decodes those that this one draws; or None.
        flattened: the latents of `inputs.mapped` in the plane, by the way they came there; computed beside
            everything else, because they take the longest.
    """

    run: Run
    title: str
    prefix: str
    inputs: Inputs
    view: View
    seed: int
    assessment: Assessment | None = None
    partner: Run | None = None
    flattened: dict[str, Future[Flattened]] = field(default_factory=dict)

    @property
    def figures(self) -> Mapping[str, Figure]:
        """The figures of the evaluation; none where there was no evaluation."""
        return {} if self.assessment is None else self.assessment.figures

    @property
    def bound(self) -> bool:
        """Whether the model has a rate, and so a bound on log p(x)."""
        return self.run.objective.bound

    @property
    def binary(self) -> bool:
        """Whether the model knows no values but 0 and 1."""
        return self.run.model.binary

    @property
    def coded(self) -> bool:
        """Whether latents are codes."""
        return self.run.model.coder is not None

    @property
    def copies(self) -> bool:
        """Whether the model is a prior alone, whose latents are its examples."""
        return self.run.model.copies

    @property
    def flat(self) -> bool:
        """Whether a latent is a vector."""
        return len(self.run.latent) == 1

    @cached_property
    def test(self) -> dict[str, Any]:
        """The logged figures of the test split; empty if there are none."""
        rows = self.run.metrics("test")
        return rows[-1] if rows else {}

    @cached_property
    def kl(self) -> list[float]:
        """Mean KL of each latent dimension on held-out data, as logged; empty where it has no such parts."""
        rows = [self.test] if self.test else self.run.metrics("validation")[-1:]
        kl = list(rows[0].get("kl", ())) if rows else []
        return kl if len(kl) == np.prod(self.run.latent) else []

    @cached_property
    def codes(self) -> np.ndarray:
        """Posterior means of up to 1,000 held-out examples, flat, `(N, D)`."""
        return self.flat_codes(self.inputs.encoded)

    @cached_property
    def mapped_codes(self) -> np.ndarray:
        """Posterior means of the examples of the map, flat, `(N, D)`."""
        return self.flat_codes(self.inputs.mapped)

    def flat_codes(self, positions: np.ndarray) -> np.ndarray:
        """Encode examples to their posterior means.

        Args:
            positions: which examples.

        Returns:
            Shape `(N, D)`.
        """
        return self.run.encode_examples(positions).reshape(len(positions), -1)

    def errors(self, positions: np.ndarray) -> tuple[np.ndarray, float]:
        """Measure reconstructions in the model's units, without the transform's noise.

        Args:
            positions: which examples.

        Returns:
            The mean squared error of each example, `(N,)`, and the variance of the data, averaged
            over dimensions; NaN of data with categories, which have none.
        """
        x = self.inputs.dataset.x[positions]
        found = reconstructed(self.run, x, self.run.conditions_at(positions), keep=True)
        values = np.asarray(found.given).reshape(len(x), -1).astype(np.float64)
        names = self.run.model.nominal
        if names is not None and bool(names.any()):
            return found.error, float("nan")  # categories have no variance
        observed = ~np.isnan(values).all(axis=0)
        return found.error, float(np.nanvar(values[:, observed], axis=0).mean())

    @cached_property
    def accuracy(self) -> tuple[float, float]:
        """Mean squared error and share of the variance explained, over up to 1,000 held-out examples.

        NaN of a prior alone, which reconstructs nothing.
        """
        if self.copies:
            return float("nan"), float("nan")
        errors, variance = self.errors(self.inputs.encoded)
        mse = float(errors.mean())
        return mse, 1 - mse / variance if variance > 0 else float("nan")

    @cached_property
    def linear(self) -> float:
        """Mean squared error of PCA with as many numbers as a latent has, over the examples of `accuracy`.

        NaN where it has none: of categories and missing values, of more numbers than it could have, and
        beside codes.
        """
        from latentia.metrics.figures import Unmeasurable
        from latentia.metrics.reconstruction import counted_in_bits, principal_components

        data, run = self.inputs.dataset, self.run
        if self.copies or counted_in_bits(run.model) or data.holes or run.model.nominal is not None:
            return float("nan")
        values = math.prod(run.event)
        rows = spread(data.splits["train"], max(1, min(FITTED, LARGEST // values)))
        known, given = (
            np.concatenate([part.cpu().numpy() for part in run.prepare(data.x[chosen])])
            for chosen in (rows, self.inputs.encoded)
        )
        try:
            _, _, back = principal_components(known, given, math.prod(run.latent), self.seed)
        except Unmeasurable:
            return float("nan")
        return float(((back - given) ** 2).mean())

    @cached_property
    def known(self) -> dict[str, Figure]:
        """What is known of the run: as it was evaluated, else as this page measures it and as was logged."""
        from latentia.evaluation import all_known
        from latentia.metrics.figures import Figure

        found = all_known(self.run, self.assessment)
        if "mse" not in self.figures and not self.copies:
            mse, share = self.accuracy
            if math.isnan(share):  # categories have none: the error stays beside the floor that was logged
                return {"mse": Figure(mse, "", self.inputs.split, ""), **found}
            own = {
                "mse": mse,
                "mse_mean": mse / (1 - share) if share < 1 else math.nan,
                "mse_pca": self.linear,
            }
            found |= {name: Figure(float(value), "", self.inputs.split, "") for name, value in own.items()}
        return found

    @property
    def error_of(self) -> str:
        """Which examples the error of `known` is of."""
        figure = self.figures.get("mse")
        if figure is not None:
            return f"{figure.split} split, {figure.examples:,} examples"
        return f"{len(self.inputs.encoded):,} {self.inputs.split} {self.inputs.noun}"

    @property
    def fallen(self) -> bool:
        """Whether the latents carry nothing to speak of: what a map shows of them is noise."""
        return "collapse" in self.verdict.name and "partial" not in self.verdict.name

    @cached_property
    def verdict(self) -> Verdict:
        """The diagnosis in a sentence: that of the evaluation, else by what is known without one."""
        from latentia.metrics.diagnosis import diagnose
        from latentia.metrics.verdict import verdict

        own = self.assessment
        findings = diagnose(self.known, self.run.spec) if own is None else own.diagnosis
        return verdict(self.known, findings)

    @cached_property
    def order(self) -> list[int]:
        """Latent dimensions, from the most used on: by KL, or by the variance of the codes."""
        weight = np.array(self.kl) if self.kl else self.codes.var(axis=0)
        return [int(dim) for dim in np.argsort(weight)[::-1]]

    @cached_property
    def centre(self) -> np.ndarray:
        """Where traversals start: the prior's mean, or the mean code where no prior was trained."""
        if self.bound:
            return self.run.prior_mean(self.told)
        return self.run.aggregate.mean(axis=0)

    @cached_property
    def told(self) -> np.ndarray | None:
        """The condition under which what belongs to no example is decoded: that of the first one shown."""
        return self.run.conditions_at(int(self.inputs.shown[0]))

    def traversal(self) -> tuple[list[int], np.ndarray, np.ndarray]:
        """Move one latent dimension at a time.

        Returns:
            The dimensions; the values of each, `(dims, VALUES)`; what they decode to,
            `(dims, VALUES, *event)`.
        """
        import torch

        from latentia.sampling import traverse

        dims = self.order[:TRAVERSED]
        values = self.run.traversal_values(VALUES)[dims]
        path = traverse(torch.from_numpy(self.centre).float(), dims, torch.from_numpy(values).float())
        decoded = self.run.inference.decode(path.flatten(0, 1).numpy(), self.told)
        return dims, values, decoded.reshape(len(dims), VALUES, *self.run.event)

    def samples(self, sampler: str, count: int, noise: bool = False) -> np.ndarray:
        """Generate data.

        Args:
            sampler: its name, such as 'mixture'.
            count: how many.
            noise: draw from p(x|z) instead of taking its mean.

        Returns:
            Data, shape `(count, *event)`.
        """
        if self.coded and sampler == "mixture":  # between codes lies nothing that was trained
            sampler = "autoregressive" if self.run.kept_sampler("autoregressive") else "prior"
        c = self.run.conditions_for(count, seed=self.seed)
        # A fit that is kept is taken as it is: one that takes minutes is not made for a picture.
        chosen = self.run.sampler_as_fitted(sampler) if self.coded else sampler
        return self.run.made(count, c, chosen, noise=noise, seed=self.seed)

    def reconstructed(self, positions: np.ndarray) -> np.ndarray:
        """Reconstruct examples, each under its own condition.

        Args:
            positions: which examples.

        Returns:
            Data, shape `(n, *event)`.
        """
        return self.run.inference.reconstruct(
            self.inputs.dataset.x[positions], self.run.conditions_at(positions)
        )

    def paths(self, kind: str) -> np.ndarray:
        """Walk between the chosen pairs.

        Args:
            kind: 'linear' or 'spherical'.

        Returns:
            Shape `(pairs, STEPS, *event)`.
        """
        x, conditions = self.inputs.dataset.x, self.run.conditions_at
        walks = [
            self.run.inference.interpolate(x[a], x[b], conditions([a, b]), steps=STEPS, path=kind)
            for a, b in self.inputs.pairs
        ]
        return np.stack(walks)

    def sheet(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Decode a grid over the plane of two latents.

        Returns:
            Positions along the first latent and along the second, `(SIDE,)` each, and what they
            decode to, `(SIDE * SIDE, *event)`, row by row from the top.
        """
        if self.bound:
            across, up = (self._quantiles(dim) for dim in (0, 1))
        else:
            ends = np.percentile(self.codes, [1, 99], axis=0)
            across, up = (np.linspace(ends[0, dim], ends[1, dim], SIDE) for dim in (0, 1))
        z = np.stack(np.meshgrid(across, up[::-1]), axis=-1).reshape(-1, 2)
        return across, up, self.run.inference.decode(z, self.told)

    def _quantiles(self, dim: int) -> np.ndarray:
        """Give points of the prior between which lies the same mass, as from -3 to 3 deviations of a normal.

        They are a normal prior's own, and those of draws from any other.
        """
        import torch
        from torch.distributions import Independent, Normal

        told = None if self.told is None else self.told[None]  # the plane is decoded under it
        prior = self.run.model.prior(self.run.condition_tensor(told, 1))
        edge = float(torch.special.ndtr(torch.tensor(-3.0)))
        shares = torch.linspace(edge, 1 - edge, SIDE, dtype=torch.float64)
        if isinstance(prior, Independent) and isinstance(prior.base_dist, Normal):
            standard = torch.special.ndtri(shares).numpy()
            mean, deviation = (values.flatten()[dim] for values in (prior.mean, prior.stddev))
            return float(mean) + float(deviation) * standard
        return np.quantile(self.run.draw(PRIOR_DRAWS, told, seed=self.seed)[:, dim], shares.numpy())

    @property
    def rings(self) -> tuple[float, ...]:
        """Radii of one, two and three standard deviations of a standard normal prior; none of another."""
        standard = self.run.spec.get("prior", {}).get("name") == "standard_normal"
        return (1.0, 2.0, 3.0) if self.bound and standard else ()
