"""The anomaly detector with PyOD's interface: scores that rise with strangeness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone

from latentia.core.errors import MissingExtra

if TYPE_CHECKING:
    from latentia.applications.anomaly import AnomalyDetector

try:
    from pyod.models.base import BaseDetector  # pyright: ignore[reportMissingImports]
except ImportError:
    BaseDetector = None
_Base: Any = BaseDetector or BaseEstimator


class PyodDetector(_Base):
    """A detector of PyOD around one of latentia.

    Args:
        detector: the `AnomalyDetector` whose clones are fitted.
        contamination: share of the training examples that are labelled as outliers.

    Attributes:
        detector_: the fitted clone.
        decision_scores_: scores of the training examples, higher for what is stranger, shape `(N,)`.
        threshold_: the score beyond which an example counts as an outlier.
        labels_: 1 for training examples beyond it, else 0, shape `(N,)`.
    """

    def __init__(self, detector: AnomalyDetector, contamination: float = 0.1) -> None:
        if BaseDetector is None:
            raise MissingExtra("pyod", "pyod", "as_pyod")
        super().__init__(contamination=contamination)
        self.detector = detector

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit a clone of the detector.

        Args:
            X: examples, as `AnomalyDetector.fit` takes them.
            y: ignored.

        Returns:
            Itself.
        """
        self._set_n_classes(y)
        fresh: Any = clone(self.detector)
        self.detector_ = fresh.fit(X)
        self.decision_scores_ = self.detector_.decision_scores_
        self._process_decision_scores()
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Score examples, higher for what is stranger.

        Args:
            X: examples, as `fit` takes them.

        Returns:
            Shape `(N,)`.
        """
        return -self.detector_.score_samples(X)
