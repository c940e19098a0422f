"""Detection of what is unusual, behind scikit-learn's interface for outlier detectors."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import OutlierMixin
from sklearn.utils.validation import check_is_fitted

from latentia.applications.base import LatentEstimator, plainly
from latentia.runs.anomaly import AnomalyScorer, Explanation

if TYPE_CHECKING:
    from latentia.runs.run import Run


class AnomalyDetector(OutlierMixin, LatentEstimator):
    """Says how unusual rows, frames or pictures are, and why.

    `score_samples` follows scikit-learn: higher is more normal. What PyOD calls `decision_scores_` and
    `labels_` has PyOD's orientation, higher is stranger; `as_pyod` gives a detector that has it throughout.

    There is no `partial_fit`: neighbours and thresholds are those of all training examples at once. A table
    that does not fit into memory is packed (`latentia pack`), a run trained on it, and the detector made of
    that (`from_run`).

    Args:
        method: which score; see `latentia.runs.anomaly.AnomalyScorer`.
        contamination: the share of the training examples that are anomalies, in (0, 0.5], where they are not
            all normal: so many of them lie beyond the threshold, and distances pass over as many neighbours,
            so that anomalies that are alike do not hide each other (`AnomalyScorer`). `auto` takes all for
            normal, and the threshold from what training did not see, by `false_positive_rate`.
        false_positive_rate: with `auto`, the share of normal examples that may lie beyond the threshold.
        latent_dim: dimensions of the latent.
        hidden: widths of the layers, for tables; pictures get the convolutional network.
        max_iter: epochs; by default as many as suit the number of examples.
        batch_size: examples in a step.
        learning_rate: the peak learning rate of Adam.
        validation_fraction: share of the examples that training does not see.
        settings: sections of a run file, over all others.
        random_state: seed of weights, order and noise.
        warm_start: go on from the weights of the last fit.
        verbose: show a progress bar, on terminals and in notebooks.
        run: a folder to keep the training in as a run.

    Attributes:
        model_: the trained model.
        offset_: `decision_function` is `score_samples` less this.
        decision_scores_: scores of the training examples, higher for what is stranger, shape `(N,)`.
        labels_: 1 for training examples beyond the threshold, else 0, shape `(N,)`.
        n_features_in_: how many columns the training data had.

    Example:
        >>> import numpy as np
        >>> line = np.random.default_rng(0).normal(size=(200, 1)) @ [[1.0, -1.0, 2.0]]
        >>> noisy = line + 0.1 * np.random.default_rng(1).normal(size=line.shape)
        >>> detector = AnomalyDetector(latent_dim=1, max_iter=30, random_state=0).fit(noisy)
        >>> detector.predict([[1.0, -1.0, 2.0], [1.0, 1.0, 2.0]])
        array([ 1, -1])
        >>> int(detector.explain([[1.0, 1.0, 2.0]]).entries.argmax())
        1
    """

    def __init__(
        self,
        method: str = "auto",
        *,
        contamination: float | str = "auto",
        false_positive_rate: float = 0.05,
        latent_dim: int = 24,
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
        self.method = method
        self.contamination = contamination
        self.false_positive_rate = false_positive_rate
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

    def _steps(self, count: int) -> int:
        """Say for how many steps to train: densities of few examples need many passes over them."""
        return min(5000, 1000 + 2 * count)

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train the model, and learn how training examples score.

        Args:
            X: examples, all of them normal or `contamination` stated: an array `(N, F)`, a data frame, or
                pictures.
            y: ignored.

        Returns:
            Itself.

        Raises:
            ValueError: if the examples or the parameters cannot be used.
        """
        if self.contamination != "auto" and not (
            isinstance(self.contamination, (int, float)) and 0 < self.contamination <= 0.5
        ):
            raise ValueError(f"contamination must be 'auto' or in (0, 0.5], not {self.contamination!r}")
        if not 0 < self.false_positive_rate < 1:
            raise ValueError(f"false_positive_rate must be in (0, 1), not {self.false_positive_rate!r}")
        held_out = self._fit(X)
        x, c = self._given(X)
        with plainly():
            stated = 0.0 if self.contamination == "auto" else float(self.contamination)
            scorer = AnomalyScorer.fit(
                self.model_, x, c, held_out=held_out, methods=[self.method], contamination=stated
            )
            self.decision_scores_ = scorer.score(x, c, method=self.method)
            if self.contamination == "auto":
                limit = scorer.threshold(self.false_positive_rate, self.method)
            else:
                limit = float(np.percentile(self.decision_scores_, 100 * (1 - self.contamination)))
        self._keep(scorer, limit)
        self.labels_ = (self.decision_scores_ > limit).astype(np.int64)
        return self

    def _adopt(self, run: Run) -> None:
        """Take the run's scorer, for which its data need not be there."""
        if self.contamination != "auto":
            raise ValueError("contamination is a share of the examples of fit; give false_positive_rate here")
        scorer = run.scorer()
        scorer.check(self.method)
        self._keep(scorer, scorer.threshold(self.false_positive_rate, self.method))

    def _keep(self, scorer: AnomalyScorer, limit: float) -> None:
        for name, value in scorer.state().items():
            setattr(self, f"scorer_{name}_", value)
        self.offset_ = -limit

    def score_samples(self, X: Any) -> np.ndarray:
        """Score examples, higher for what is more normal.

        Args:
            X: examples, as `fit` takes them.

        Returns:
            Shape `(N,)`.
        """
        x, c = self._given(X)
        with plainly():
            return -self.scorer.score(x, c, method=self.method)

    def decision_function(self, X: Any) -> np.ndarray:
        """Score examples from the threshold on: negative for outliers.

        Args:
            X: examples, as `fit` takes them.

        Returns:
            Shape `(N,)`.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """Say which examples lie beyond the threshold.

        Args:
            X: examples, as `fit` takes them.

        Returns:
            -1 for outliers and 1 for others, shape `(N,)`.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def p_values(self, X: Any) -> np.ndarray:
        """Give the share of held-out examples that are at least as strange, the example itself counted.

        See `latentia.runs.anomaly.AnomalyScorer.p_values`.

        Args:
            X: examples, as `fit` takes them.

        Returns:
            In (0, 1], shape `(N,)`.
        """
        return self.scorer.p_values(-self.score_samples(X), self.method)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Give how sure it is that examples are normal, and that they are not: p-value and 1 less it.

        Args:
            X: examples, as `fit` takes them.

        Returns:
            Shape `(N, 2)`, in PyOD's order: normal, outlier.
        """
        p = self.p_values(X)
        return np.stack([p, 1 - p], axis=1)

    def explain(self, X: Any) -> Explanation:
        """Say what the strangeness of examples is made of.

        Args:
            X: examples, as `fit` takes them.

        Returns:
            What each entry and the latent add to the score, higher for what is stranger.
        """
        x, c = self._given(X)
        with plainly():
            return self.scorer.explain(x, c, method=self.method)

    def as_pyod(self) -> Any:
        """Give a detector with PyOD's interface and orientation, for its ensembles.

        Returns:
            A `pyod.models.base.BaseDetector` that fits clones of this estimator.

        Raises:
            MissingExtra: if PyOD is not installed.
        """
        from latentia.applications.pyod import PyodDetector

        return PyodDetector(self)

    @property
    def scorer(self) -> AnomalyScorer:
        """What scores examples by every method, in the model's form of them."""
        check_is_fitted(self, "model_")
        state = {name[7:-1]: value for name, value in vars(self).items() if name.startswith("scorer_")}
        return AnomalyScorer(self.model_, state)
