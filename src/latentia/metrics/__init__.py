"""Evaluation: figures about a model, on given data."""

from latentia.metrics.floor import floor, mean_example
from latentia.metrics.health import health_summary
from latentia.metrics.latents import LatentStatistics, latent_statistics
from latentia.metrics.terms import Averages, average_losses, average_terms

__all__ = [
    "Averages",
    "LatentStatistics",
    "average_losses",
    "average_terms",
    "floor",
    "health_summary",
    "latent_statistics",
    "mean_example",
]
