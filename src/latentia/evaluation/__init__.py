"""Evaluation: figures about a model, on given data."""

from latentia.evaluation.health import health_summary
from latentia.evaluation.latents import LatentStatistics, latent_statistics
from latentia.evaluation.terms import Averages, average_terms

__all__ = ["Averages", "LatentStatistics", "average_terms", "health_summary", "latent_statistics"]
