"""A run: a trained model together with its folder, its data and its history."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

import latentia.data
from latentia import hub, storage
from latentia.assembly import Parts
from latentia.data.conditions import as_told
from latentia.data.dataset import Dataset
from latentia.data.shards import Examples
from latentia.data.splits import spread
from latentia.errors import ConfigError, DataError, RunError, nearest
from latentia.evaluation import LatentStatistics, latent_statistics
from latentia.folder import RunFolder, recorded_source
from latentia.sampling import Sampler, checked, fitted, kept
from latentia.trained import Trained

FITTED_ON = 10_000
"""How many training examples the aggregate posterior is estimated from."""


class Run(Trained):
    """A trained model that knows where it lives and what it was trained on."""

    def __init__(self, recipe: Mapping[str, Any], parts: Parts) -> None:
        """Take the parts; `Run.open` reads a folder, and gives it its data and its history.

        Args:
            recipe: the recorded constructor calls.
            parts: what they build.
        """
        super().__init__(recipe, parts)
        self.folder = RunFolder(".")
        self.spec: dict[str, Any] = {}

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Read a run folder.

        Args:
            path: the folder.

        Returns:
            The run.

        Raises:
            RunError: if it is missing, not trained yet, or damaged.
        """
        folder = RunFolder.existing(path)
        run = super().from_pretrained(folder.path)
        run.folder = folder
        run.spec = folder.spec()
        return run

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str]) -> Self:
        """Read a run folder whole, as `open` does; `Trained.from_pretrained` reads a model without its run.

        Args:
            folder: the run folder.

        Returns:
            The run.

        Raises:
            RunError: if it is missing, not trained yet, damaged, or a model alone.
        """
        name = os.fspath(folder)
        alone = Path(name, "model.json").is_file() and not Path(name, "run.toml").is_file()
        if name.startswith(hub.PREFIX) or alone:
            raise RunError(
                f"{name} is a model without its run (no run.toml); read it with "
                f"latentia.Trained.from_pretrained({name!r})"
            )
        return cls.open(name)

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.path.resolve().name

    def evaluation(self) -> dict[str, Any]:
        """Give what the last evaluation found; see `Trained`."""
        path = self.folder.evaluation_file
        return storage.read_json(path) if path.is_file() else {}

    @cached_property
    def dataset(self) -> Dataset:
        """The data that the run was trained on, read again with the same split."""
        recorded = recorded_source(self.folder, self.spec)
        try:
            return self._fitting(latentia.data.load(**recorded))
        except DataError as error:
            raise DataError(f"the data that {self.folder.path} was trained on: {error}") from error

    def streamed(self, source: Any = None) -> Dataset:
        """Read data to go through once, those that can stay in their files unread.

        Args:
            source: where they come from; the run's own data by default.

        Returns:
            The data.

        Raises:
            RunError: if their examples are of another shape.
        """
        own = {"source": source, "size": self.spec["data"].get("size")}
        options = recorded_source(self.folder, self.spec) if source is None else own
        if options.get("size") is None:  # what is to be resized has to be in memory
            options["buffer"] = 1
        return self._fitting(latentia.data.load(**options))

    def other(self, source: Any) -> Dataset:
        """Read other data, prepared like the run's own.

        Args:
            source: where they come from.

        Returns:
            The data.

        Raises:
            RunError: if their examples are of another shape.
        """
        return self._fitting(latentia.data.load(source, size=self.spec["data"].get("size")))

    def _fitting(self, dataset: Dataset) -> Dataset:
        if dataset.event != self.event:
            want, got = ("x".join(map(str, shape)) for shape in (self.event, dataset.event))
            raise RunError(
                f"{self.folder.path} was trained on examples of shape {want}, and {dataset.name} has {got}"
            )
        return dataset

    def examples(self, split: str = "test", n: int | None = None) -> np.ndarray:
        """Give the positions of examples of a split, evenly spaced; of 'train' where the split is empty.

        Args:
            split: 'train', 'validation' or 'test'.
            n: how many at most.

        Returns:
            Positions into `dataset.x`, shape `(n,)`.
        """
        rows = self.dataset.splits[split]
        return spread(rows if len(rows) else self.dataset.splits["train"], n)

    def example(self, position: int) -> np.ndarray:
        """Give one example of the test split.

        Args:
            position: which one, from 0.

        Returns:
            Shape `(*event)`.

        Raises:
            DataError: if there is none at that position.
        """
        return self.dataset.x[self.test_row(position)]

    def test_row(self, position: int) -> int:
        """Find one example of the test split.

        Args:
            position: which one, from 0.

        Returns:
            Its position in `dataset.x`.

        Raises:
            DataError: if there is none at that position.
        """
        rows = self.examples()
        if not 0 <= position < len(rows):
            raise DataError(f"there is no test example {position}; they run from 0 to {len(rows) - 1}")
        return int(rows[position])

    def told(self, positions: Any, dataset: Dataset | None = None) -> np.ndarray | None:
        """Give the conditions of examples, as a conditional model is told them, or infers them.

        Args:
            positions: which examples: positions, or a slice.
            dataset: the data; the run's own by default.

        Returns:
            Shape `(n, C)`, or None for a model without a condition.
        """
        if self.condition is None:
            return None
        if dataset is None or dataset is self.dataset:
            return self._conditions[positions]
        return self._completed(dataset)[positions]

    @cached_property
    def _conditions(self) -> np.ndarray:
        return self._completed(self.dataset)

    def _completed(self, dataset: Dataset) -> np.ndarray:
        if self.condition is None:
            raise ConfigError("the model has no condition")
        rows = as_told(self.condition.of(dataset))
        completed = self.complete(dataset.x, rows)
        return rows if completed is None else completed

    def encode_examples(self, positions: Any, *, sample: bool = False) -> np.ndarray:
        """Encode examples of the run's data, each under its own condition.

        Args:
            positions: which examples.
            sample: draw from the posterior instead of taking its mean.

        Returns:
            Shape `(n, *latent)`.
        """
        return self.encode(self.dataset.x[positions], self.told(positions), sample=sample)

    def encode_splits(
        self, source: Any = None, *, sample: bool = False, seed: int = 0
    ) -> dict[str, np.ndarray]:
        """Encode all splits, with what another model needs to be trained on the latents.

        Args:
            source: where the data come from; the run's own data by default.
            sample: draw from the posterior instead of taking its mean.
            seed: seed of the draw.

        Returns:
            `x_train` with shape `(N, *latent)`, `y_train` with the labels, `(N,)`, where there are any, and
            the same for validation and test where they have examples.
        """
        dataset = self.dataset if source is None else self.other(source)
        told = self.told(slice(None), dataset)
        found: dict[str, np.ndarray] = {}
        for split, rows in dataset.splits.items():
            if not len(rows):
                continue
            c = None if told is None else told[rows]
            found[f"x_{split}"] = self.encode(dataset.part(rows), c, sample=sample, seed=seed)
            if dataset.labels is not None:
                labels, names = dataset.labels[rows], np.array([*dataset.label_names, ""])
                found[f"y_{split}"] = names[labels] if dataset.label_names else labels
        return found

    @cached_property
    def aggregate(self) -> np.ndarray:
        """Samples of the aggregate posterior: one for each of up to 10,000 training examples."""
        return self.encode_examples(self.examples("train", FITTED_ON), sample=True)

    @cached_property
    def known_codes(self) -> np.ndarray:
        """The codes of the training split, shape `(N, *code_shape)`, of a model that has codes."""
        rows = self.dataset.splits["train"]
        return self.codes(self.dataset.part(rows), self.told(rows))

    def sampler(self, name: str = "prior", *, quiet: bool = True, **settings: Any) -> Sampler:
        """Give a sampler of latents, fitted to the aggregate posterior where it needs to be.

        A fit is kept in the run folder and used again while weights and settings stay the same.

        Args:
            name: 'prior', 'mixture', 'flow', 'two_stage', or 'autoregressive' for a model with codes.
            quiet: show no progress bar.
            settings: the sampler's own: `components=20`, `truncation=1.5`.

        Returns:
            The sampler.
        """
        table = checked(name, settings)
        return fitted(self, table, self.folder.samplers / f"{name}.safetensors", quiet)

    def kept_sampler(self, name: str) -> Sampler | None:
        """Give a sampler that was fitted before, with whatever settings; fit nothing.

        Args:
            name: its name.

        Returns:
            The sampler, or None.
        """
        return kept(self, self.folder.samplers / f"{name}.safetensors")

    def sample(
        self,
        n: int,
        *,
        condition: Any = None,
        sampler: str = "prior",
        noise: bool = False,
        seed: int = 0,
        quiet: bool = True,
        **settings: Any,
    ) -> np.ndarray:
        """Generate data.

        Args:
            n: how many.
            condition: for a conditional model, one or a list of them, repeated as often as it takes; the
                conditions of training examples, drawn at random, by default.
            sampler: 'prior', or one fitted to the aggregate posterior: 'mixture', 'flow', 'two_stage',
                or 'autoregressive' for a model with codes.
            noise: draw from the likelihood instead of taking its mean.
            seed: seed of the draws.
            quiet: show no progress bar while a sampler is fitted.
            settings: the sampler's own: `truncation` and `temperature` of the prior, `components` of the
                mixture, `steps` of the others.

        Returns:
            Data, shape `(n, *event)`, in the data's units.

        Raises:
            ConfigError: if there is no such sampler, or it has no such setting.
        """
        c = self.conditions_for(n, condition, seed)
        chosen = self.sampler(sampler, quiet=quiet, **settings)
        z = self.sample_latents(n, c=c, sampler=chosen, seed=seed)
        return self.decode(z, c, noise=noise, seed=seed)

    def conditions_for(self, n: int, condition: Any = None, seed: int = 0) -> np.ndarray | None:
        """Give the conditions to generate under.

        Args:
            n: how many.
            condition: one or a list of them, in the user's words; those of training examples by default.
            seed: seed of the draw of training examples.

        Returns:
            Shape `(n, C)`, or None for a model without a condition.
        """
        if condition is not None:
            rows = self.given(condition)
            return rows[np.arange(n) % len(rows)]
        if self.condition is None:
            return None
        return self.told(np.random.default_rng(seed).choice(self.dataset.splits["train"], n))

    def take(
        self, source: Any = None, split: str = "test", n: int | None = None
    ) -> tuple[Examples, np.ndarray | None]:
        """Give examples of a split, of the run's own data or of others prepared like them.

        Args:
            source: where they come from; the run's own data by default.
            split: 'train', 'validation', 'test', or 'all' for every example in order.
            n: how many at most.

        Returns:
            The examples as stored, shape `(n, *event)`, and their conditions, `(n, C)` or None.

        Raises:
            DataError: if there is no such split, or it is empty.
        """
        dataset = self.dataset if source is None else self.other(source)
        if split == "all":
            rows = np.arange(len(dataset))[:n]
            return dataset.part(rows), self.told(rows, dataset)
        if split not in dataset.splits:
            raise DataError(f"unknown split '{split}'{nearest(split, [*dataset.splits, 'all'])}")
        rows = dataset.splits[split][:n]
        if not len(rows):
            raise DataError(f"{dataset.name} has no {split} split; give --split all")
        return dataset.part(rows), self.told(rows, dataset)

    @property
    def image_range(self) -> tuple[float, float]:
        """The values that are drawn as black and white."""
        if self.dataset.x.dtype == np.uint8:
            return 0.0, self.dataset.high
        return self.dataset.observed

    def traversal_values(
        self, steps: int = 9, reach: float = 3.0, dims: list[int] | None = None
    ) -> np.ndarray:
        """Give the values that a traversal takes: around the aggregate posterior's mean, by its spread.

        Args:
            steps: how many values.
            reach: how far, in standard deviations of the aggregate posterior.
            dims: which dimensions; all by default.

        Returns:
            Shape `(len(dims), steps)`.

        Raises:
            ConfigError: if there is no such dimension or no step, or the latent has height and width.
        """
        if steps < 1:
            raise ConfigError(f"'steps' must be at least 1, not {steps}")
        if len(self.latent) != 1:
            shape = "x".join(map(str, self.latent))
            raise ConfigError(
                f"a traversal moves the numbers of a flat latent, and this one has shape {shape}; use "
                "sample, reconstruct or interpolate"
            )
        mean, std = self.aggregate.mean(axis=0), self.aggregate.std(axis=0)
        if dims is not None:
            for dim in dims:
                if not 0 <= dim < len(mean):
                    raise ConfigError(
                        f"there is no latent dimension {dim}; they run from 0 to {len(mean) - 1}"
                    )
            mean, std = mean[dims], std[dims]
        return mean[:, None] + np.linspace(-reach, reach, steps)[None] * std[:, None]

    def latent_statistics(self, n: int = 1000) -> LatentStatistics:
        """Summarise the posterior means of test examples.

        Args:
            n: how many examples at most.

        Returns:
            Mean, standard deviation, minimum and maximum over all their entries.
        """
        return latent_statistics(self.encode_examples(self.examples("test", n)))

    def metrics(self, split: str) -> list[dict[str, Any]]:
        """Give the logged figures of a split.

        Args:
            split: 'train', 'validation' or 'test'.

        Returns:
            One row for each logged step, oldest first.
        """
        return [row for row in self.folder.metrics() if row.get("split") == split]
