"""Latent work: where to sample, how to walk. Latents in, latents out."""

from latentia.sampling.ancestral import PriorSampler, sample_prior
from latentia.sampling.autoregressive import AutoregressiveSampler
from latentia.sampling.base import Sampler, Source, checked, fitted, kept
from latentia.sampling.diffusion import DiffusionSampler
from latentia.sampling.interpolation import interpolate, linear, spherical
from latentia.sampling.learned import FlowSampler, TwoStageSampler
from latentia.sampling.mixture import MixtureSampler
from latentia.sampling.traversal import traverse

__all__ = [
    "AutoregressiveSampler",
    "DiffusionSampler",
    "FlowSampler",
    "MixtureSampler",
    "PriorSampler",
    "Sampler",
    "Source",
    "TwoStageSampler",
    "checked",
    "fitted",
    "interpolate",
    "kept",
    "linear",
    "sample_prior",
    "spherical",
    "traverse",
]
