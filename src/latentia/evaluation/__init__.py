"""Evaluation: figures about a model, on given data."""

from latentia.evaluation.floor import floor, mean_example
from latentia.evaluation.health import health_summary
from latentia.evaluation.latents import LatentStatistics, latent_statistics
from latentia.evaluation.terms import Averages, average_terms

__all__ = [
    "Averages",
    "LatentStatistics",
    "average_terms",
    "floor",
    "health_summary",
    "latent_statistics",
    "mean_example",
]
