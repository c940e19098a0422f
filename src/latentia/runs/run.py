"""A run: a trained model together with its folder, its data and its history."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from latentia.core import storage
from latentia.core.errors import ConfigError, LatentiaError, RunError
from latentia.data.conditions import Labels
from latentia.metrics import LatentStatistics, latent_statistics
from latentia.runs import hub
from latentia.runs.aggregate import Aggregated
from latentia.runs.partial import given_row, rows_given
from latentia.sampling import Sampler, checked, fitted, kept
from latentia.training.folder import RunFolder

KEPT_OF = 1_000
"""How many training examples the spread of the latents is estimated from that is kept beside the weights."""


class Run(Aggregated):
    """A trained model that knows where it lives and what it was trained on."""

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

    def sampler(self, name: str = "prior", *, quiet: bool = True, **settings: Any) -> Sampler:
        """Give a sampler of latents, fitted to the aggregate posterior where it needs to be.

        A fit is kept in the run folder and used again while weights and settings stay the same.

        Args:
            name: 'prior', 'mixture', 'flow', 'two_stage', 'diffusion', 'run' for another run that was trained
                on this one's latents, or 'autoregressive' for a model with codes.
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

    def sampler_as_fitted(self, name: str = "prior", *, quiet: bool = True) -> Sampler:
        """Give a sampler as it was fitted before, with whatever settings; with default ones where it was not.

        Who asks by the name alone gets the fit that is there: another one may take minutes, and its place.

        Args:
            name: its name.
            quiet: show no progress bar.

        Returns:
            The sampler.
        """
        return self.kept_sampler(name) or self.sampler(name, quiet=quiet)

    def sample(
        self,
        n: int,
        *,
        condition: Any = None,
        sampler: str = "prior",
        given: Mapping[str, Any] | None = None,
        noise: bool | None = None,
        seed: int = 0,
        quiet: bool = True,
        **settings: Any,
    ) -> Any:
        """Generate data.

        Args:
            n: how many.
            condition: for a conditional model, one or several, as `conditions` takes them, repeated as often
                as it takes; those of training examples, drawn at random, by default.
            sampler: 'prior', or one fitted to the aggregate posterior: 'mixture', 'flow', 'two_stage',
                'diffusion', or 'autoregressive' for a model with codes; or 'run', another run at `path`.
            given: values of some columns of a table, by name, which all rows have; the others go with them.
            noise: draw from the likelihood instead of taking its mean; by default only for tables of columns,
                whose means are no rows.
            seed: seed of the draws.
            quiet: show no progress bar while a sampler is fitted.
            settings: the sampler's own: `truncation` and `temperature` of the prior, `components` of the
                mixture, `steps` of flow and two_stage; `steps`, `solver` and, with a condition, `guidance` of
                whatever draws by diffusion.

        Returns:
            Data, `(n, *shape)`, in the data's units, order of axes and types; a data frame of a table of
            columns that are not all numbers.

        Raises:
            ConfigError: if there is no such sampler, it has no such setting, or no such values can be given.
        """
        c = self.conditions_for(n, condition, seed)
        made = self.made(n, c, sampler, given=given, noise=noise, seed=seed, quiet=quiet, **settings)
        return self.outward(made, clip=True)

    def draw(
        self,
        n: int,
        c: np.ndarray | None = None,
        sampler: str | Sampler = "prior",
        *,
        seed: int = 0,
        quiet: bool = True,
        **settings: Any,
    ) -> np.ndarray:
        """Draw the latents of samples: with `inference.decode` under the same c and seed, the one recipe.

        Args:
            n: how many.
            c: conditions, shape `(n, C)`, for a conditional model; see `conditions_for`.
            sampler: its name, or one that is fitted.
            seed: seed of the draws.
            quiet: show no progress bar while a sampler is fitted.
            settings: the sampler's own, where it is named.

        Returns:
            Shape `(n, *latent)`, float32.
        """
        chosen = self.sampler(sampler, quiet=quiet, **settings) if isinstance(sampler, str) else sampler
        return self.sample_latents(n, c=c, sampler=chosen, seed=seed)

    def made(
        self,
        n: int,
        c: np.ndarray | None = None,
        sampler: str | Sampler = "prior",
        *,
        given: Mapping[str, Any] | None = None,
        noise: bool | None = None,
        seed: int = 0,
        quiet: bool = True,
        **settings: Any,
    ) -> np.ndarray:
        """Generate data in the project's own order of axes, as floats; see `sample`.

        Args:
            n: how many.
            c: conditions, shape `(n, C)`, for a conditional model.
            sampler: as `draw`.
            given: as `sample`.
            noise: as `sample`.
            seed: seed of the draws.
            quiet: show no progress bar while a sampler is fitted.
            settings: the sampler's own.

        Returns:
            Data, shape `(n, *event)`, in the data's units.
        """
        noise = bool(self.recipe["likelihood"]["name"] == "columns") if noise is None else noise
        if not given:
            z = self.draw(n, c, sampler, seed=seed, quiet=quiet, **settings)
            return self.inference.decode(z, c, noise=noise, seed=seed)
        if c is not None:
            raise ConfigError("a conditional model takes its condition, and no columns beside it")
        row = given_row(self, given)
        return rows_given(
            self,
            lambda count: self.draw(count, None, sampler, seed=seed, quiet=quiet, **settings),
            row,
            n,
            noise=noise,
            seed=seed,
        )

    def conditions_for(self, n: int, condition: Any = None, seed: int = 0) -> np.ndarray | None:
        """Give the conditions to generate under.

        Args:
            n: how many.
            condition: one or several, as `conditions` takes them; those of training examples by default, or,
                where these are gone, classes as often as they had them.
            seed: seed of the draw of training examples.

        Returns:
            Shape `(n, C)`, or None for a model without a condition.

        Raises:
            LatentiaError: if the data are gone, and so is what conditions they had.
        """
        if (rows := self.conditions(condition)) is not None:
            return rows[np.arange(n) % len(rows)]
        if self.condition is None:
            return None
        generator = np.random.default_rng(seed)
        try:
            return self.conditions_at(generator.choice(self.dataset.splits["train"], n))
        except LatentiaError as error:
            counts = np.array(self.record.classes, np.float64)
            if not isinstance(self.condition, Labels) or len(counts) != self.condition.classes:
                raise type(error)(f"{error}; give a condition") from error
            return self.conditions(generator.choice(len(counts), n, p=counts / counts.sum()))

    def usual_condition(self) -> np.ndarray | None:
        """Give a condition for what belongs to no example: that of the first one of the test split.

        Returns:
            Shape `(C,)`, or None for a model without a condition.
        """
        if self.condition is None:
            return None
        try:
            return self.conditions_at(self.test_row(0))
        except LatentiaError:
            return self.conditions_for(1)[0]  # pyright: ignore[reportOptionalSubscript]

    @property
    def image_range(self) -> tuple[float, float]:
        """The values that are drawn as black and white."""
        return self.record.drawn

    def keep_spread(self) -> None:
        """Keep how the latents of training examples spread, for the time when the data are gone.

        Raises:
            LatentiaError: if the folder cannot be written.
        """
        z = self.encode_examples(self.examples("train", KEPT_OF), sample=True)
        weights = storage.checksum(self.model.state_dict())
        spread = {"weights": weights, "mean": z.mean(axis=0).tolist(), "std": z.std(axis=0).tolist()}
        storage.write_json(self.folder.latents_file, spread)

    @cached_property
    def _spread(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the aggregate posterior; those that were kept without its data."""
        try:
            return self.aggregate.mean(axis=0), self.aggregate.std(axis=0)
        except LatentiaError:
            path = self.folder.latents_file
            known = storage.read_json(path) if path.is_file() else {}
            if known.get("weights") != storage.checksum(self.model.state_dict()):
                raise
            return np.array(known["mean"], np.float32), np.array(known["std"], np.float32)

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
        mean, std = self._spread
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
