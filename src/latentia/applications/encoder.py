"""The latent space as a transformer of scikit-learn."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin

from latentia.applications.base import DensityScore, LatentEstimator, float_type, plainly
from latentia.runs.blocks import padded
from latentia.runs.density import log_density


class LatentEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, DensityScore, LatentEstimator):
    """Encodes rows, frames or pictures to the means of a VAE's posterior, and back.

    Args:
        latent_dim: dimensions of the latent.
        hidden: widths of the layers, for tables; pictures get the convolutional network.
        max_iter: epochs; by default as many as suit the number of examples.
        batch_size: examples in a step; by default an eighth of the examples, 16 at least and 128 at most.
        learning_rate: the peak learning rate of Adam.
        validation_fraction: share of the examples by which the weights are chosen.
        settings: sections of a run file, over all others: `{"objective": {"beta": 4.0}}`, `{"model": "rae"}`.
        random_state: seed of weights, order and noise.
        warm_start: go on from the weights of the last fit.
        verbose: show a progress bar, on terminals and in notebooks.
        run: a folder to keep the training in as a run, for reports and the explorer; none by default.

    Attributes:
        model_: the trained model, a `latentia.Trained`.
        n_iter_: how many epochs it was trained for.
        n_features_in_: how many columns the training data had.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn.model_selection import train_test_split
        >>> from sklearn.pipeline import make_pipeline
        >>> digits = train_test_split(*load_digits(return_X_y=True), random_state=0)
        >>> encoder = LatentEncoder(latent_dim=8, max_iter=30, random_state=0)
        >>> pipeline = make_pipeline(encoder, LogisticRegression(max_iter=1000)).fit(digits[0], digits[2])
        >>> pipeline.score(digits[1], digits[3]) > 0.8
        True
    """

    def __init__(
        self,
        latent_dim: int = 8,
        *,
        hidden: tuple[int, ...] = (128, 128),
        max_iter: int | None = None,
        batch_size: int | None = None,
        learning_rate: float = 1e-3,
        validation_fraction: float = 0.1,
        settings: Mapping[str, Any] | None = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: bool = False,
        run: str | os.PathLike[str] | None = None,
    ) -> None:
        self.latent_dim = latent_dim
        self.hidden = hidden
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.settings = settings
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.run = run

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train the model.

        Args:
            X: examples: an array `(N, F)`, a data frame, or pictures `(N, ...)`.
            y: ignored.

        Returns:
            Itself.

        Raises:
            ValueError: if the examples or the parameters cannot be used.
        """
        self._fit(X)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Go once more over some examples; the first call decides columns, scales and parts.

        Adam's moments begin anew with each call.

        Args:
            X: examples, as `fit` takes them.
            y: ignored.

        Returns:
            Itself.

        Raises:
            ValueError: if they do not fit those of the first call.
        """
        first = not hasattr(self, "model_")
        before = self.warm_start, self.max_iter
        self.warm_start, self.max_iter = True, 1
        try:
            if not first:
                self._checked(X, reset=False)
            self._fit(X)
        finally:
            self.warm_start, self.max_iter = before
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Encode examples to posterior means.

        Args:
            X: examples, as `fit` takes them.

        Returns:
            Shape `(N, latent_dim)`; a grid of latents flat.
        """
        x, c, count = self._in_blocks(X)
        z = self.model_.inference.encode(x, c)[:count].reshape(count, -1)
        return z.astype(float_type(X))

    def inverse_transform(self, X: Any) -> Any:
        """Decode latents to the likelihood's mean.

        Args:
            X: latents, shape `(N, latent_dim)`.

        Returns:
            Examples, as the training's were: an array, or a data frame with its columns and types.
        """
        from sklearn.utils.validation import check_array, check_is_fitted

        check_is_fitted(self, "model_")
        z = check_array(X, dtype="float32")
        inner = self.model_.inference
        with plainly():
            return self.model_.outward(inner.decode(padded(z, inner.chunk))[: len(z)])

    def score_samples(self, X: Any) -> np.ndarray:
        """Estimate log p(x) of each example, importance-weighted; a lower bound.

        Args:
            X: examples, as `fit` takes them.

        Returns:
            In nats, of a density over the data's own units where they are continuous, shape `(N,)`.
        """
        x, c = self._given(X)
        with plainly():
            return log_density(self.model_, x, c)

    @property
    def _n_features_out(self) -> int:
        return int(np.prod(self.model_.latent))
