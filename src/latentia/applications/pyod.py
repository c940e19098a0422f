"""The anomaly detector with PyOD's interface: scores that rise with strangeness."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone

from latentia.applications.anomaly import AnomalyDetector
from latentia.core.errors import MissingExtra

try:
    from pyod.models.base import BaseDetector  # pyright: ignore[reportMissingImports]
except ImportError:
    BaseDetector = None
_Base: Any = BaseDetector or BaseEstimator


class PyodDetector(_Base):
    """A detector of PyOD around one of latentia.

    Args:
        contamination: share of the training examples that are labelled as outliers.
        detector: the `AnomalyDetector` whose clones are fitted; one of default settings if there is none.

    Attributes:
        detector_: the fitted clone.
        decision_scores_: scores of the training examples, higher for what is stranger, shape `(N,)`.
        threshold_: the score beyond which an example counts as an outlier.
        labels_: 1 for training examples beyond it, else 0, shape `(N,)`.
    """

    def __init__(self, contamination: float = 0.1, detector: AnomalyDetector | None = None) -> None:
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
        fresh: Any = clone(self.detector or AnomalyDetector())
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
