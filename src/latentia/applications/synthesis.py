"""New rows like those of a table, behind an interface like scikit-learn's for densities."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from latentia.applications.base import DensityScore, LatentEstimator, plainly
from latentia.core.noise import seeded
from latentia.data.schema import Schema
from latentia.metrics.likeness import Likeness, likeness
from latentia.runs.density import log_density
from latentia.runs.exchange import is_frame
from latentia.runs.partial import given_row, rows_given
from latentia.sampling.mixture import MixtureSampler

if TYPE_CHECKING:
    from latentia.runs.run import Run

FITTED_ON = 50_000
"""Rows at the most whose latents the mixture is fitted to."""
MARK = "missingindicator_"
"""What the columns begin with that say where a value is missing; scikit-learn's name for them."""


class Synthesizer(DensityScore, LatentEstimator):
    """Makes up rows that look like those of a table: of its columns, types, categories and ranges.

    A VAE whose likelihood has a family for each column, histograms for numbers. Its rate weighs less than the
    bound has it (`beta`), so that the latents say more; where they are is then learned by a mixture of
    Gaussians, which rows are drawn from. Whether a value is missing is modelled beside the values. A column
    of a frame that names each row, or has no value, is left out.

    No promise of privacy is made: rows are drawn from a density that was fitted to real ones; see `quality`.

    Args:
        latent_dim: dimensions of the latent.
        hidden: widths of the layers.
        beta: weight of the rate.
        components: Gaussians of the mixture over the latents.
        max_iter: epochs; by default as many as suit the number of rows.
        batch_size: rows in a step.
        learning_rate: the peak learning rate of Adam.
        validation_fraction: share of the rows by which the weights are chosen.
        settings: sections of a run file, over all others.
        random_state: seed of weights, order and noise, and of `sample` where it is given none.
        warm_start: go on from the weights of the last fit.
        verbose: show a progress bar, on terminals and in notebooks.
        run: a folder to keep the training in as a run.

    Attributes:
        model_: the trained model.
        holes_: the columns whose values may be missing: names, or positions in an array.
        sampler_weights_: weights of the mixture, shape `(K,)`.
        sampler_means_: its means, shape `(K, latent_dim)`.
        sampler_factors_: Cholesky factors of its covariances, shape `(K, latent_dim, latent_dim)`.
        n_iter_: how many epochs it was trained for.
        n_features_in_: how many columns the training data had.

    References:
        Lei Xu, Maria Skoularidou, Alfredo Cuesta-Infante, Kalyan Veeramachaneni, "Modeling Tabular Data using
        Conditional GAN", 2019 (TVAE).
        Partha Ghosh et al., "From Variational to Deterministic Autoencoders", 2020 (density of latents).
    """

    numbers = "histogram"
    sampler_weights_: np.ndarray
    sampler_means_: np.ndarray
    sampler_factors_: np.ndarray

    def __init__(
        self,
        *,
        latent_dim: int = 24,
        hidden: tuple[int, ...] = (256, 256),
        beta: float = 0.5,
        components: int = 40,
        max_iter: int | None = None,
        batch_size: int | None = None,
        learning_rate: float = 1e-3,
        validation_fraction: float = 0.05,
        settings: Mapping[str, Any] | None = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: bool = False,
        run: str | os.PathLike[str] | None = None,
    ) -> None:
        self.latent_dim = latent_dim
        self.hidden = hidden
        self.beta = beta
        self.components = components
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.settings = settings
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.run = run

    def _task(self) -> dict[str, Any]:
        return {"objective": {"beta": self.beta}}

    def _steps(self, count: int) -> int:
        return min(4000, 200 + 4 * count)

    def _batch(self, count: int) -> int:
        return min(500, max(16, count // 8))

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the table.

        Args:
            X: a data frame, or an array `(N, F)`; NaN or None where a value is missing.
            y: ignored.

        Returns:
            Itself.

        Raises:
            ValueError: if the rows or the parameters cannot be used.
        """
        with plainly():
            MixtureSampler((1,), self.components)  # refuses a wrong number before the training
        self._fit(X)
        x, c = self._given(X)
        with plainly():
            at = np.arange(len(x))[:: max(1, -(-len(x) // FITTED_ON))]
            seed = int(check_random_state(self.random_state).randint(2**31 - 1))
            self._fit_sampler(self.model_.inference.encode(x[at], c, sample=True, seed=seed), seed)
        return self

    def sample(
        self, num_rows: int, condition: Mapping[str, Any] | None = None, *, random_state: Any = None
    ) -> Any:
        """Make up rows.

        Args:
            num_rows: how many.
            condition: values of some columns of a frame, by name, which all rows have; the others go with
                them.
            random_state: seed of the draws; the estimator's by default.

        Returns:
            A data frame of pandas with the columns and types of the training's, or an array `(N, F)`. Numbers
            and times are within the range of the training rows.

        Raises:
            ValueError: if a column never has the value that is asked for, or `num_rows` is not positive.
        """
        check_is_fitted(self, "model_")
        state = self.random_state if random_state is None else random_state
        seed = int(check_random_state(state).randint(2**31 - 1))
        with plainly():
            sampler = self._sampler
            if not condition:
                z = sampler.sample(num_rows, seed)
                made = self.model_.inference.decode(z, noise=True, seed=seed)
            else:
                marks = {f"{MARK}{name}": False for name in condition if name in set(self.holes_)}
                row = given_row(self.model_, {**condition, **marks})
                made = rows_given(self.model_, lambda n: sampler.sample(n, seed), row, num_rows, seed=seed)
            return self._outward(made)

    def score_samples(self, X: Any) -> np.ndarray:
        """Estimate log p(x) of rows, with the mixture as the density of latents; a lower bound.

        Args:
            X: rows, as `fit` takes them.

        Returns:
            In nats, shape `(N,)`: of a probability where values are discrete, of a density over the data's
            own units where they are not.
        """
        x, c = self._given(X)
        with plainly():
            return log_density(self.model_, x, c, prior=self._sampler.log_prob)

    log_prob = score_samples

    def quality(self, real: Any, holdout: Any = None, *, made: Any = None) -> Likeness:
        """Compare made rows with real ones.

        Args:
            real: the training rows.
            holdout: rows that training did not see, for the distances; without them those are left out.
            made: rows to compare; as many as real ones are drawn by default.

        Returns:
            Shapes of columns, trends of pairs, how well made rows are told apart, and copies.
        """
        made = self.sample(len(real)) if made is None else made
        schema = self._table
        real, made = self._codes(real), self._codes(made)
        holdout = None if holdout is None else self._codes(holdout)
        count = real.shape[1]
        numeric = [True] * count if schema is None else [one.numeric for one in schema.columns]
        names = [f"x{at}" for at in range(count)] if schema is None else schema.names
        return likeness(real, made, names, numeric, holdout)

    def _codes(self, rows: Any) -> np.ndarray:
        """Give rows as numbers, without the columns that say what is missing."""
        schema = self._table
        return np.asarray(rows, np.float64) if schema is None else schema.codes(rows)

    # Missing values, as further columns.

    @property
    def _table(self) -> Schema | None:
        """What the columns hold that the user has; None of an array."""
        schema = self.model_.record.schema
        if schema is None:
            return None
        return Schema(schema.columns[: len(schema) - len(self.holes_)])

    def _checked(self, X: Any, *, reset: bool) -> Any:
        """Check rows, and put beside them where their values are missing."""
        X = super()._checked(X, reset=reset)
        if not is_frame(X):
            if X.ndim > 2:
                raise ValueError(f"rows are needed, shape (N, F), not an array of shape {X.shape}")
            missing = np.isnan(X)
            if reset:
                self.holes_ = np.flatnonzero(missing.any(axis=0))
            return np.concatenate([X, missing[:, self.holes_].astype(X.dtype)], axis=1)
        frame: Any = X.to_pandas() if hasattr(X, "to_pandas") else X
        with plainly():
            if reset:
                data = self._dataset(frame, 0.0, 0)
                schema, codes = data.schema or Schema(), np.asarray(data.x)
            else:
                schema, codes = self._table or Schema(), self._codes(frame)
        missing = dict(zip(schema.names, np.isnan(codes).T))
        if reset:
            self.holes_ = np.array([name for name, told in missing.items() if told.any()], dtype=object)
        return frame.assign(**{f"{MARK}{name}": missing[str(name)] for name in self.holes_})

    def _outward(self, made: np.ndarray) -> Any:
        """Give rows as the table's were, with holes where the model says so."""
        schema, count = self._table, len(self.holes_)
        values = made[:, : made.shape[1] - count]
        marks = made[:, made.shape[1] - count :] > 0.5
        at = list(self.holes_) if schema is None else [schema.names.index(str(name)) for name in self.holes_]
        for column, told in zip(at, marks.T):
            values[told, column] = np.nan
        return self.model_.outward(values) if schema is None else schema.frame(values, clip=True)

    # The mixture.

    def _fit_sampler(self, z: np.ndarray, seed: int) -> None:
        sampler = MixtureSampler(self.model_.latent, self.components)
        with seeded(seed):
            sampler.fit_latents(z)
        for name, value in sampler.named_buffers():
            setattr(self, f"sampler_{name}_", value.numpy())

    def _adopt(self, run: Run) -> None:
        """Fit the mixture to the latents of the run, whose rows have no holes of their own."""
        if run.event.kind != "vector" or not run.objective.bound:
            raise ValueError(f"the run {run.name} is no density of rows; train a vae on a table")
        self.holes_ = np.zeros(0, int)
        self._fit_sampler(run.aggregate, int(check_random_state(self.random_state).randint(2**31 - 1)))

    @property
    def _sampler(self) -> MixtureSampler:
        sampler = MixtureSampler(self.model_.latent, len(self.sampler_weights_))
        state = {name: getattr(self, f"sampler_{name}_") for name, _ in sampler.named_buffers()}
        sampler.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in state.items()})
        return sampler
