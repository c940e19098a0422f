"""Latent work: where to sample, how to walk. Latents in, latents out."""

from latentia.sampling.ancestral import PriorSampler, sample_prior
from latentia.sampling.base import Sampler, Source, checked, fitted
from latentia.sampling.interpolation import interpolate, linear, spherical
from latentia.sampling.learned import FlowSampler, TwoStageSampler
from latentia.sampling.mixture import MixtureSampler
from latentia.sampling.traversal import traverse

__all__ = [
    "FlowSampler",
    "MixtureSampler",
    "PriorSampler",
    "Sampler",
    "Source",
    "TwoStageSampler",
    "checked",
    "fitted",
    "interpolate",
    "linear",
    "sample_prior",
    "spherical",
    "traverse",
]
