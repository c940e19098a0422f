"""Networks: tensors in, tensors out, no probability.

A network is a recipe for a pair: `encoder(event, features)` maps `(B, *event)` to
`(B, *features)`, `decoder(latent, event)` maps `(B, *latent)` to `(B, *event)`. A ladder is a recipe for
a pair with several levels. A denoiser is a recipe for one network that maps noisy latents to latents.
"""

from latentia.networks.base import Network, begin_at, centre, recompute
from latentia.networks.causal import Streamed
from latentia.networks.causal3d import Causal3d
from latentia.networks.codec import Codec, begin_linear
from latentia.networks.conv import Conv
from latentia.networks.deep_codec import DeepCodec
from latentia.networks.denoiser import Denoiser, DenoiserMLP, usual_denoiser
from latentia.networks.denoiser_diffusers import (
    DiffusersDiT,
    DiffusersUNet,
    DiTOfDiffusers,
    UNetOfDiffusers,
)
from latentia.networks.denoiser_dit import DenoiserDiT, DiT
from latentia.networks.denoiser_unet import DenoiserUNet
from latentia.networks.embedding import FREQUENCIES, SLOWEST, Embedding
from latentia.networks.features import ConvFeatures, Features, LiteFeatures, VGGFeatures, unit_distance
from latentia.networks.grid import Grid
from latentia.networks.hyper_codec import HyperCodec
from latentia.networks.identity import Identity
from latentia.networks.inputs import Columns, Inputs, Masked
from latentia.networks.kl_codec import KLCodec
from latentia.networks.ladder import Chain, Ladder
from latentia.networks.ladder_conv import LadderConv
from latentia.networks.ladder_mlp import LadderMLP
from latentia.networks.mlp import MLP
from latentia.networks.modules import Modules
from latentia.networks.presets import LectureCounted, LectureTanh, lecture_256_64, lecture_conv
from latentia.networks.resnet import ResNet
from latentia.networks.shapes import Layer, followed, layers
from latentia.networks.tiles import cropped, reflected, through

__all__ = [
    "FREQUENCIES",
    "MLP",
    "SLOWEST",
    "Causal3d",
    "Chain",
    "Codec",
    "Columns",
    "Conv",
    "ConvFeatures",
    "DeepCodec",
    "Denoiser",
    "DenoiserDiT",
    "DenoiserMLP",
    "DenoiserUNet",
    "DiT",
    "DiTOfDiffusers",
    "DiffusersDiT",
    "DiffusersUNet",
    "Embedding",
    "Features",
    "Grid",
    "HyperCodec",
    "Identity",
    "Inputs",
    "KLCodec",
    "Ladder",
    "LadderConv",
    "LadderMLP",
    "Layer",
    "LectureCounted",
    "LectureTanh",
    "LiteFeatures",
    "Masked",
    "Modules",
    "Network",
    "ResNet",
    "Streamed",
    "UNetOfDiffusers",
    "VGGFeatures",
    "begin_at",
    "begin_linear",
    "centre",
    "cropped",
    "followed",
    "layers",
    "lecture_256_64",
    "lecture_conv",
    "recompute",
    "reflected",
    "through",
    "unit_distance",
    "usual_denoiser",
]
