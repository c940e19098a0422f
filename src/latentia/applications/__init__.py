"""Models at work behind scikit-learn's interface: to fit, transform, detect, fill in and generate.

>>> from latentia.applications import LatentEncoder
>>> LatentEncoder(latent_dim=2)
LatentEncoder(latent_dim=2)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latentia.applications.anomaly import AnomalyDetector
    from latentia.applications.denoising import Denoiser
    from latentia.applications.encoder import LatentEncoder
    from latentia.applications.imputation import Imputer
    from latentia.applications.synthesis import Synthesizer

_HOMES = {
    "AnomalyDetector": "latentia.applications.anomaly",
    "Denoiser": "latentia.applications.denoising",
    "Imputer": "latentia.applications.imputation",
    "LatentEncoder": "latentia.applications.encoder",
    "Synthesizer": "latentia.applications.synthesis",
}

__all__ = ["AnomalyDetector", "Denoiser", "Imputer", "LatentEncoder", "Synthesizer"]


def __getattr__(name: str) -> Any:
    """Import an estimator when it is first asked for: scikit-learn and torch take seconds."""
    if name not in _HOMES:
        raise AttributeError(f"module 'latentia.applications' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
