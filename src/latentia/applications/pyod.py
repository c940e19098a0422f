"""The anomaly detector with PyOD's interface: scores that rise with strangeness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from latentia.core.errors import MissingExtra

if TYPE_CHECKING:
    from latentia.applications.anomaly import AnomalyDetector


def adapter(detector: AnomalyDetector) -> Any:
    """Wrap a detector for PyOD's ensembles.

    Args:
        detector: what is cloned and fitted.

    Returns:
        A `pyod.models.base.BaseDetector`.

    Raises:
        MissingExtra: if PyOD is not installed.
    """
    try:
        from pyod.models.base import BaseDetector  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise MissingExtra("pyod", "pyod", "as_pyod") from error

    class LatentiaDetector(BaseDetector):
        """A detector of PyOD around one of latentia."""

        def __init__(self, contamination: float = 0.1, detector: Any = detector) -> None:
            super().__init__(contamination=contamination)
            self.detector = detector

        def fit(self, X: Any, y: Any = None) -> Any:
            """Fit a clone of the detector."""
            self._set_n_classes(y)
            fresh: Any = clone(self.detector)
            self.detector_ = fresh.fit(X)
            self.decision_scores_ = self.detector_.decision_scores_
            self._process_decision_scores()
            return self

        def decision_function(self, X: Any) -> np.ndarray:
            """Score examples, higher for what is stranger."""
            return -self.detector_.score_samples(X)

    return LatentiaDetector()
