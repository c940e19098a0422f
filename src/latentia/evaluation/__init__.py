"""Evaluation: figures about a model, on given data."""

from latentia.evaluation.latents import LatentStatistics, latent_statistics
from latentia.evaluation.terms import Averages, average_terms

__all__ = ["Averages", "LatentStatistics", "average_terms", "latent_statistics"]
