"""Missing values filled in, behind scikit-learn's interface for imputers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from latentia.applications.base import LatentEstimator, float_type, plainly
from latentia.runs.exchange import is_frame
from latentia.runs.imputation import impute

if TYPE_CHECKING:
    from latentia.runs.run import Run


class Imputer(OneToOneFeatureMixin, TransformerMixin, LatentEstimator):
    """Fills in missing values by a model of all columns together; new rows need no new fit.

    It is trained by the importance-weighted bound on log p of what is there (MIWAE) and fills in the
    importance-weighted mean of a number and the likeliest category. What was observed stays as it is. Values
    that are missing because of what they would have been are beyond it.

    Args:
        samples: latents of each row that a hole is averaged over.
        importance_samples: latents of each row in training, K of the bound.
        latent_dim: dimensions of the latent.
        hidden: widths of the layers, for tables; pictures get the convolutional network.
        max_iter: epochs; by default as many as suit the number of rows.
        batch_size: rows in a step.
        learning_rate: the peak learning rate of Adam.
        validation_fraction: share of the rows by which the weights are chosen.
        add_indicator: give beside the columns one for each that had holes in `fit`, 1 where a value was
            filled in.
        settings: sections of a run file, over all others.
        random_state: seed of weights, order and noise.
        warm_start: go on from the weights of the last fit.
        verbose: show a progress bar, on terminals and in notebooks.
        run: a folder to keep the training in as a run.

    Attributes:
        model_: the trained model.
        n_iter_: how many epochs it was trained for.
        n_features_in_: how many columns the training data had.
        holes_: positions of the columns that had holes in `fit`.

    References:
        Pierre-Alexandre Mattei, Jes Frellsen, "MIWAE: Deep Generative Modelling and Imputation of Incomplete
        Data Sets", 2019.
    """

    def __init__(
        self,
        *,
        samples: int = 500,
        importance_samples: int = 20,
        latent_dim: int = 10,
        hidden: tuple[int, ...] = (256,),
        max_iter: int | None = None,
        batch_size: int | None = None,
        learning_rate: float = 2e-3,
        validation_fraction: float = 0.02,
        add_indicator: bool = False,
        settings: Mapping[str, Any] | None = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: bool = False,
        run: str | os.PathLike[str] | None = None,
    ) -> None:
        self.samples = samples
        self.importance_samples = importance_samples
        self.latent_dim = latent_dim
        self.hidden = hidden
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.add_indicator = add_indicator
        self.settings = settings
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.run = run

    def _task(self) -> dict[str, Any]:
        return {"objective": {"name": "iwae", "samples": self.importance_samples}}

    def _steps(self, count: int) -> int:
        """Say for how many steps to train: many more, and intervals get too narrow."""
        return min(5 * count, 3000 + count // 10, 5000)

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train the model on rows with or without holes.

        Args:
            X: an array `(N, F)`, a data frame, or pictures `(N, ...)`, NaN or None where a value is missing.
            y: ignored.

        Returns:
            Itself.

        Raises:
            ValueError: if the rows or the parameters cannot be used.
        """
        self._fit(X)
        x, _ = self._given(X)
        self.holes_ = np.flatnonzero(np.isnan(x.reshape(len(x), -1)).any(axis=0))
        return self

    def _adopt(self, run: Run) -> None:
        """Take from a run which of its columns had holes."""
        schema = run.record.schema
        told = [] if schema is None else [column.missing for column in schema.columns]
        self.holes_ = np.flatnonzero(told)

    def transform(self, X: Any) -> Any:
        """Fill in the holes.

        Args:
            X: rows, as `fit` takes them.

        Returns:
            The same rows without holes: an array, or a frame with its columns, types and index. A column of a
            frame that the model leaves out, for it names each row or had no value in `fit`, is as it was.
        """
        x, c = self._given(X)
        with plainly():
            best = impute(self.model_, x, c, samples=self.samples).best
        filled = self._outward(X, x, best)
        if not self.add_indicator:
            return filled
        told = np.isnan(x.reshape(len(x), -1)[:, self.holes_])
        if not is_frame(X):
            return np.concatenate([filled.reshape(len(x), -1), told.astype(filled.dtype)], axis=1)
        return filled.assign(
            **dict(zip(self._indicators(filled.columns), told.T.astype(np.int8), strict=True))
        )

    def impute(self, X: Any, draws: int = 5, *, seed: int = 0) -> list[Any]:
        """Draw several fillings from p(missing values | observed ones), each of whole rows.

        Args:
            X: rows, as `fit` takes them.
            draws: how many.
            seed: seed of the draws.

        Returns:
            As many copies of the rows, as `transform` gives them.
        """
        x, c = self._given(X)
        with plainly():
            found = impute(self.model_, x, c, samples=self.samples, draws=draws, seed=seed).draws
        return [] if found is None else [self._outward(X, x, one) for one in found]

    def interval(self, X: Any, level: float = 0.9, *, draws: int = 200) -> tuple[np.ndarray, np.ndarray]:
        """Give the interval that holds a missing number with a probability, by the model.

        Args:
            X: rows, as `fit` takes them.
            level: the probability.
            draws: fillings that its ends are quantiles of.

        Returns:
            The lower and the upper end, `(N, F)` each, in the data's units; observed values are both.

        Raises:
            ValueError: if a number is out of range.
        """
        if not 0 < level < 1:
            raise ValueError(f"level must be in (0, 1), not {level!r}")
        if draws < 1:
            raise ValueError(f"draws must be at least 1, not {draws!r}")
        x, c = self._given(X)
        with plainly():
            found = impute(self.model_, x, c, samples=self.samples, draws=draws).draws
        low, high = np.quantile(np.asarray(found), [(1 - level) / 2, (1 + level) / 2], axis=0)
        return low, high

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Name the columns that `transform` gives.

        Args:
            input_features: names of those that it takes; those of `fit` by default.

        Returns:
            The names.
        """
        check_is_fitted(self, "model_")
        names = np.asarray(super().get_feature_names_out(input_features))
        if not self.add_indicator:
            return names
        return np.array([*names, *self._indicators(names)], dtype=object)

    def _indicators(self, names: Any) -> list[str]:
        """Name the columns that say what was filled in; those of a frame that the model knows have names."""
        schema = self.model_.record.schema
        known = list(names) if schema is None else schema.names
        return [f"missingindicator_{known[at]}" for at in self.holes_]

    def _outward(self, given: Any, x: np.ndarray, filled: np.ndarray) -> Any:
        """Give filled rows as the rows were."""
        if not is_frame(given):
            return self.model_.outward(np.where(np.isnan(x), filled, x)).astype(float_type(given))
        return self.model_.refilled(given, x, filled)
