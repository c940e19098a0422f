"""What the topics of an assessment share: the model, the data, and where figures go."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from latentia.core import progress
from latentia.core.errors import DataError, MissingExtra, RunError
from latentia.data.conditions import ConditionRows, Labels, as_condition_rows
from latentia.data.dataset import Dataset
from latentia.data.loader import Loader, loaders
from latentia.data.matching import relabelled
from latentia.data.transforms import Transform, dequantising
from latentia.evaluation.records import Settings
from latentia.metrics.figures import Ledger, Unmeasurable
from latentia.metrics.health import Codes, encode_split

if TYPE_CHECKING:
    from latentia.runs.run import Run

KNOWN = 10_000
"""Training examples that probes, PCA and reference samples are given at the most."""
READINGS = 32
"""Conditions over which the latents of an example are averaged, at the most."""
ITSELF = "the latent is the example itself: evaluate the run that encoded it"
MOMENTS = (
    "the examples are moments of latents, and its samples are latents: evaluate the run that encoded them "
    "with --samplers run --with this one"
)


@dataclass
class Subject:
    """A run under assessment.

    Attributes:
        run: the run.
        settings: how to assess it.
        quiet: show no progress bars.
        say: called with a line that a person wants to read.
        ledger: the figures so far.
        warnings: what cannot be trusted, so far.
    """

    run: Run
    settings: Settings
    quiet: bool
    say: Callable[[str], None] = lambda line: None
    ledger: Ledger = field(default_factory=lambda: Ledger({}, {}))
    warnings: list[str] = field(default_factory=list)

    @cached_property
    def dataset(self) -> Dataset:
        """The data that the figures are about."""
        dataset = self._read()
        if dataset.holes:
            self.run.take_holes()
        return dataset

    def _read(self) -> Dataset:
        run, source = self.run, self.settings.data
        if source is None:
            return run.dataset
        dataset = run.other(source, **({"skip_bad": True} if self.settings.skip_bad else {}))
        if isinstance(run.condition, Labels):
            run.conditions_of(dataset)  # refuses a class that is unknown to the model
        known = run.record.label_names or tuple(map(str, range(len(run.record.classes))))
        return relabelled(dataset, known, strict=False) if known else dataset

    @cached_property
    def own(self) -> Subject:
        """The run on its own data, to whose training examples figures of other data are held."""
        if self.settings.data is None:
            return self
        own = Subject(self.run, replace(self.settings, data=None, split="train"), self.quiet)
        try:
            own.dataset  # noqa: B018 - raises where they are gone
        except (DataError, RunError) as error:
            raise Unmeasurable(f"examples of the training are needed: {error}") from error
        return own

    @cached_property
    def whole(self) -> np.ndarray:
        """Positions of all examples of the split."""
        return self.run.rows(self.dataset, self.split)

    @cached_property
    def rows(self) -> np.ndarray:
        """Positions of the examples that the figures are about: the split, or as many as fit into memory."""
        return self.dataset.few(self.whole)

    @property
    def split(self) -> str:
        """The name of the split; 'all' of other data, unless one is asked for."""
        return self.settings.split or ("test" if self.settings.data is None else "all")

    @property
    def of_moments(self) -> bool:
        """Whether examples are moments of latents, which nothing that is made can be compared with."""
        return self.run.model.copies and self.run.event != self.run.latent

    @property
    def bound(self) -> bool:
        """Whether the model has a rate, and so a bound on log p(x)."""
        return self.run.objective.bound

    @property
    def latents(self) -> int:
        """How many numbers a latent is."""
        return math.prod(self.run.latent)

    @property
    def image(self) -> bool:
        """Whether an example is an image."""
        return self.dataset.event.kind == "image"

    @cached_property
    def transform(self) -> Transform:
        """The run's transform, with whole numbers dequantised where the likelihood is a density."""
        whole = self.dataset.x.dtype == np.uint8
        if self.run.model.discrete or not whole:
            return self.run.transform
        return dequantising(self.run.transform, self.dataset.high, self.run.model.support)

    @cached_property
    def loader(self) -> Loader:
        """The split as the likelihood sees it, in random order: any part of it stands for the whole."""
        told = self.run.conditions_at(slice(None), self.dataset)
        return (
            loaders(self.dataset, self.transform, self.run.device, told)["train"]
            .over(self.rows)
            .shuffled(self.settings.seed)
        )

    @cached_property
    def observed(self) -> Loader:
        """The same in the same order, with no label filled in that the model infers: p(x) sums it out."""
        if not self.run.model.classifies or self.run.condition is None:
            return self.loader
        c = self.run.conditions_of(self.dataset)
        return self.loader.with_condition(None if c is None else self.run.tensor(c))

    @cached_property
    def x(self) -> np.ndarray:
        """The examples of the split, as stored."""
        return self.dataset.x[self.rows]

    @cached_property
    def codes(self) -> np.ndarray:
        """Posterior means of the split, without the transform's noise, flat, `(N, D)`."""
        return self.encoded(self.rows)

    def encoded(self, rows: np.ndarray) -> np.ndarray:
        """Encode examples, each under its own condition, to posterior means, flat, `(n, D)`."""
        codes = self.run.inference.encode(self.dataset.x[rows], self.run.conditions_at(rows, self.dataset))
        return codes.reshape(len(rows), -1)

    def blind(self, rows: np.ndarray) -> np.ndarray:
        """Encode examples as `encoded` does, without telling the model anything of them.

        Latents that were made under an example's own condition may say nothing of its class but what the
        model was told. A model that hides conditions or infers them does so here; of another the mean is
        taken over the conditions of training examples, the same for all.

        Args:
            rows: which examples.

        Returns:
            Posterior means, flat, `(n, D)`.
        """
        run = self.run
        if run.condition is None:
            return self.encoded(rows)
        x, (conditions, weights) = self.dataset.x[rows], self._ignorant
        codes = sum(
            weight * run.inference.encode(x, c[None]) for c, weight in zip(conditions, weights, strict=True)
        )
        return np.asarray(codes, dtype=np.float32).reshape(len(rows), -1)

    @property
    def blindness(self) -> str:
        """What a protocol has to say of `blind`: a clause, or nothing where the model is told nothing."""
        if self.run.condition is None:
            return ""
        if self.run.model.classifies:
            return "; encoded under the label that the model infers, not the example's own"
        if self.run.model.dropped:
            return "; encoded with the condition hidden"
        count = len(self._ignorant[1])
        return (
            f"; encoded to the mean of {count} condition{'s' * (count != 1)} of training examples, the same "
            "for all, and not under its own"
        )

    @cached_property
    def _ignorant(self) -> tuple[ConditionRows, np.ndarray]:
        """Conditions that say nothing of any example, and their weights."""
        run = self.run
        if run.model.classifies or run.model.dropped:
            return run.unknown_conditions(1), np.ones(1)
        told = np.asarray(run.conditions_at(self.known_rows, self.own.dataset))
        told = told[np.isfinite(told).all(axis=1)]
        rows, counts = np.unique(told, axis=0, return_counts=True)
        if len(rows) > READINGS:
            rows, counts = self.drawn(told, READINGS), np.ones(READINGS)
        return as_condition_rows(rows), counts / counts.sum()

    @cached_property
    def known_rows(self) -> np.ndarray:
        """Positions in `own.dataset` of up to 10,000 training examples; drawn, for sources may be sorted."""
        rows = self.own.dataset.few(self.own.dataset.splits["train"])
        order = np.random.default_rng(self.settings.seed).permutation(len(rows))[:KNOWN]
        return rows[np.sort(order)]

    @cached_property
    def known(self) -> np.ndarray:
        """These training examples."""
        return self.own.dataset.x[self.known_rows]

    def drawn(self, x: np.ndarray, count: int) -> np.ndarray:
        """Draw examples without putting any back."""
        return x[np.random.default_rng(self.settings.seed).permutation(len(x))[:count]]

    def scaled(self, x: np.ndarray) -> np.ndarray:
        """Give data in the model's units without noise, as float32."""
        return np.concatenate([part.cpu().numpy() for part in self.run.prepare(x)])

    def unit(self, x: np.ndarray) -> np.ndarray:
        """Bring images from the model's units to those in which 1 is the data's range; leave other data."""
        return self.in_range(x) if self.image else x

    def in_range(self, x: np.ndarray) -> np.ndarray:
        """Bring pictures or clips from the model's units to those in which 1 is the data's range."""
        low, high = self.run.image_range
        return (self.run.transform.invert(torch.from_numpy(x)).numpy() - low) / ((high - low) or 1.0)

    @property
    def unlike_numbers(self) -> str:
        """Why methods for plain numbers cannot take the examples as they are; empty where they can."""
        if self.run.model.nominal is not None:
            return "some columns hold categories"
        return "some values are missing" if self.dataset.holes else ""

    @property
    def units(self) -> str:
        """What `unit` gives, for protocols."""
        return "data scaled to [0, 1]" if self.image else "in the model's units"

    @cached_property
    def drawn_codes(self) -> Codes:
        """The posterior of each example of the split, with a draw from it."""
        return encode_split(self.run.model, self.loader, seed=self.settings.seed)

    @cached_property
    def space(self) -> Any:
        """The feature space of samples and data; see `latentia.metrics.features`."""
        return _feature_space(self)

    def labels(self, rows: np.ndarray) -> np.ndarray | None:
        """Give the labels of examples, or None where the data have none."""
        return None if self.dataset.labels is None else self.dataset.labels[rows]

    @contextlib.contextmanager
    def progress(self, what: str, total: int | None = None) -> Iterator[Any]:
        """Show a bar while something takes long.

        Args:
            what: what takes long.
            total: how many steps it has.

        Yields:
            The bar.
        """
        with progress.bar(total=total, desc=what, quiet=self.quiet, leave=False) as bar:
            yield bar


def _feature_space(subject: Subject) -> Any:
    """Choose the feature space: Inception where its weights are given, else a classifier's, else Lite2's."""
    if reason := subject.unlike_numbers or subject.own.unlike_numbers:
        raise Unmeasurable(f"a feature space needs numbers, all of them known, and {reason}")
    low, high = subject.run.image_range
    if subject.settings.inception:
        from latentia.metrics.inception import InceptionFeatures

        if not subject.image:
            raise Unmeasurable("the Inception network needs images")
        return InceptionFeatures(
            subject.settings.inception, low=low, high=high, device=subject.run.device, quiet=subject.quiet
        )
    from latentia.evaluation.classifier import classifier_features

    dataset, split = subject.own.dataset, subject.own.dataset.splits
    targets = dataset.factors if dataset.labels is None else dataset.labels[:, None]
    if targets is None:
        return _learnt_elsewhere(subject, low, high)
    heads = dataset.factor_names if dataset.labels is None else ("label",)
    train = dataset.few(split["train"])
    test = dataset.few(split["test"] if len(split["test"]) else split["train"])
    return classifier_features(
        dataset.x[train], targets[train], dataset.x[test], targets[test],
        low=low, high=high, head_names=heads, quiet=subject.quiet, device=subject.run.device,
    )  # fmt: skip


def _learnt_elsewhere(subject: Subject, low: float, high: float) -> Any:
    """Give the feature space of data that no classifier can be trained on: of pictures, one of ImageNet's."""
    needed = (
        "a feature space needs labels or known factors to train a classifier on, or the weights of the "
        "Inception network (--inception FILE)"
    )
    if not subject.image:
        raise Unmeasurable(needed)
    from latentia.metrics.judge import JudgeFeatures

    channels, height, width = subject.dataset.event
    try:
        return JudgeFeatures(
            channels, height * width, low=low, high=high, device=subject.run.device, quiet=subject.quiet
        )
    except MissingExtra as error:
        raise Unmeasurable(f"{needed}, or else: {error}") from error


def named(bar: Any) -> Callable[[str], None]:
    """Make a callback that moves a bar by one step and says what was done.

    Args:
        bar: the bar.

    Returns:
        The callback.
    """

    def tick(what: str) -> None:
        bar.set_postfix_str(what, refresh=False)
        bar.update(1)

    return tick


def flops(model: torch.nn.Module, z: torch.Tensor) -> tuple[int, int]:
    """Count the floating-point operations of decoding.

    Args:
        model: has a `decode`.
        z: latents, shape `(B, *latent)`.

    Returns:
        Operations of the matrix products, and of the convolutions, for the whole batch.
    """
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        model.decode(z)  # pyright: ignore[reportCallIssue]
    counts = counter.get_flop_counts()["Global"].items()
    convolutions = sum(count for name, count in counts if "convolution" in str(name))
    return counter.get_total_flops() - convolutions, convolutions
