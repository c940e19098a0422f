"""Latent work: where to sample, how to walk. Latents in, latents out."""

from latentia.sampling.ancestral import sample_prior
from latentia.sampling.interpolation import interpolate, linear, spherical
from latentia.sampling.mixture import Mixture, fit_mixture
from latentia.sampling.traversal import traverse

__all__ = [
    "Mixture",
    "fit_mixture",
    "interpolate",
    "linear",
    "sample_prior",
    "spherical",
    "traverse",
]
