"""What diffusers calls the codecs that this package has, too: classes, configurations, names of weights.

The networks `kl_codec`, `deep_codec` and `causal3d` have diffusers' layers under diffusers' names, so that a
folder of either side is the other's up to a prefix, a table of settings, and the scale of the latents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from latentia.core.errors import ConfigError
from latentia.networks import KLCodec

CONFIG = "config.json"
WEIGHTS = "diffusion_pytorch_model.safetensors"
VERSION = "0.32.0"
"""The first version of diffusers that has all of the classes."""

MOVED = {
    "encoder.quant_conv.": "quant_conv.",
    "decoder.post_quant_conv.": "post_quant_conv.",
    "posterior.books.0.table": "quantize.embedding.weight",
}
"""Names of weights here that are not the same there."""
FORMER = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}
"""What the weights of attention were called there once, and are called now."""


@dataclass(frozen=True)
class Counterpart:
    """A class of diffusers, and what it is here.

    Attributes:
        cls: its name.
        network: the network's.
        posterior: the posterior's.
        model: the model that has this posterior, unless told otherwise.
    """

    cls: str
    network: str
    posterior: str
    model: str


KL = Counterpart("AutoencoderKL", "kl_codec", "diagonal_gaussian", "vae")
VQ = Counterpart("VQModel", "kl_codec", "ema_codebook", "vqvae")
DC = Counterpart("AutoencoderDC", "deep_codec", "delta", "autoencoder")
LTX = Counterpart("AutoencoderKLLTXVideo", "causal3d", "shared_gaussian", "vae")
COUNTERPARTS = (KL, VQ, DC, LTX)


def outward(name: str) -> str | None:
    """Give what diffusers calls a weight.

    Args:
        name: its name in a model's state dict.

    Returns:
        Its name there; None for what has no counterpart, such as a prior's weights.
    """
    for here, there in MOVED.items():
        if name.startswith(here):
            return there + name[len(here) :]
    return name if name.startswith(("encoder.", "decoder.")) or name in SCALES else None


def inward(name: str) -> str:
    """Give what a weight of diffusers is called here.

    Args:
        name: its name there.

    Returns:
        Its name in a model's state dict.
    """
    for old, new in FORMER.items():
        name = name.replace(old, new)
    for here, there in MOVED.items():
        if name.startswith(there):
            return here + name[len(there) :]
    return name


def rescaled(weights: Mapping[str, Tensor], shift: Tensor, scale: Tensor) -> dict[str, Tensor]:
    r"""Let a pair with a Gaussian posterior have the latents (z - shift) * scale instead of z, exactly.

    The map to the posterior's parameters is a 1x1 convolution, whose rows take the change: those of the means
    are scaled and shifted, the log variances grow by 2 log scale. What undoes it goes into the columns of the
    1x1 convolution that a latent meets first.

    Args:
        weights: of encoder and decoder, by their names here.
        shift: what is taken from each channel, shape `(D,)`.
        scale: what it is then multiplied with, shape `(D,)`, positive.

    Returns:
        All weights, those of the two convolutions others.
    """
    shift, scale, count = shift.double(), scale.double(), len(shift)
    names = [f"{layer}.{part}" for layer in ("encoder.quant_conv", "decoder.post_quant_conv")
             for part in ("weight", "bias")]  # fmt: skip
    there, offset, back, bias = (weights[name].double().clone() for name in names)
    there[:count] *= scale.view(-1, 1, 1, 1)
    offset[:count] = (offset[:count] - shift) * scale
    offset[count:] += 2 * scale.log()
    bias += back.flatten(1) @ shift
    back /= scale.view(1, -1, 1, 1)
    changed = zip(names, (there, offset, back, bias), strict=True)
    return {**weights, **{name: value.to(torch.float32) for name, value in changed}}


FACTORS = {"AutoencoderKL": 0.18215, "VQModel": 0.18215, "AutoencoderDC": 1.0, "AutoencoderKLLTXVideo": 1.0}
"""The `scaling_factor` of a configuration that names none."""
LAYERS = {
    "down_block_types": ("DownEncoderBlock2D",),
    "up_block_types": ("UpDecoderBlock2D",),
    "act_fn": ("silu", "swish"),
    "norm_type": ("group",),
}
"""What the networks here have, where a configuration of `AutoencoderKL` or `VQModel` could name others."""
DEEP_LAYERS = {
    "encoder_block_types": ("ResBlock",),
    "decoder_block_types": ("ResBlock",),
    "downsample_block_type": ("pixel_unshuffle",),
    "upsample_block_type": ("pixel_shuffle",),
    "decoder_norm_types": ("rms_norm",),
    "decoder_act_fns": ("silu",),
    "decoder_conv_act_fn": ("relu",),
}
"""The same of `AutoencoderDC`."""
LTX_LAYERS = {
    "down_block_types": ("LTXVideoDownBlock3D",),
    "downsample_type": ("conv",),
}
"""The same of `AutoencoderKLLTXVideo`."""
SCALES = ("latents_mean", "latents_std")
"""Buffers of `AutoencoderKLLTXVideo` that say how its latents are scaled for other models."""


def settings_of(config: Mapping[str, Any], where: str) -> tuple[Counterpart, dict[str, Any]]:
    """Give the settings of a run whose codec has the layers of a configuration of diffusers.

    Args:
        config: what `config.json` holds.
        where: what it is called in messages.

    Returns:
        The counterpart, and sections of a run file.

    Raises:
        ConfigError: naming what has no counterpart here.
    """
    name = config.get("_class_name")
    found = next((each for each in COUNTERPARTS if each.cls == name), None)
    if found is None:
        known = ", ".join(each.cls for each in COUNTERPARTS)
        raise ConfigError(f"{where} is of class {name}, and training can begin at: {known}")
    network, latent = {DC: _deep_layers, LTX: _video_layers}.get(found, _layers)(config, where)
    settings: dict[str, Any] = {
        "network": {"name": found.network, **network, "linear": False},
        "model": {"name": found.model, "latent_dim": latent},
        "posterior": {"name": found.posterior},
        "transform": {"name": "signed"},
    }
    if found is VQ:
        settings["posterior"]["size"] = config.get("num_vq_embeddings", 256)
        settings["model"]["downsample"] = 2 ** (len(network["channels"]) - 1)
    return found, settings


def _layers(config: Mapping[str, Any], where: str) -> tuple[dict[str, Any], int]:
    channels = tuple(config.get("block_out_channels", (64,)))
    latent = config.get("latent_channels", 3 if config["_class_name"] == VQ.cls else 4)
    _check_layers(config, where, LAYERS)
    groups = KLCodec(channels).groups
    same = {
        "norm_num_groups": (config.get("norm_num_groups", 32), groups),
        "out_channels": (config.get("out_channels", 3), config.get("in_channels", 3)),
        "vq_embed_dim": (config.get("vq_embed_dim") or latent, latent),
        "latents_mean": (config.get("latents_mean"), None),
        "latents_std": (config.get("latents_std"), None),
    }
    _check_same(where, same)
    network = {
        "channels": list(channels),
        "blocks": config.get("layers_per_block", 1),
        "attention": config.get("mid_block_add_attention", True),
    }
    return network, latent


def _deep_layers(config: Mapping[str, Any], where: str) -> tuple[dict[str, Any], int]:
    _check_layers(config, where, DEEP_LAYERS)
    channels, latent = list(config["encoder_block_out_channels"]), config["latent_channels"]
    blocks = list(config["encoder_layers_per_block"])
    beside = channels[-1] % latent == 0
    same = {
        "decoder_block_out_channels": (list(config["decoder_block_out_channels"]), channels),
        "decoder_layers_per_block": (list(config["decoder_layers_per_block"]), blocks),
        "encoder_out_shortcut": (config.get("encoder_out_shortcut", True), beside),
        "decoder_in_shortcut": (config.get("decoder_in_shortcut", True), beside),
    }
    _check_same(where, same)
    return {"channels": channels, "blocks": blocks}, latent


def _video_layers(config: Mapping[str, Any], where: str) -> tuple[dict[str, Any], int]:
    _check_layers(config, where, LTX_LAYERS)

    def given(key: str, usual: Any) -> Any:
        value = config.get(key, usual)
        return list(value) if isinstance(value, (list, tuple)) else value

    wide, deep = [128, 256, 512, 512], [4, 3, 3, 3, 4]
    channels, blocks = given("block_out_channels", wide), given("layers_per_block", deep)
    levels = len(channels)
    halved, usual = [True] * (levels - 1) + [False], [True, True, True, False]
    fits: dict[str, tuple[Any, Any]] = {
        "encoder_causal": (True, True),
        "decoder_causal": (False, True),
        "timestep_conditioning": (False, False),
        "out_channels": (3, given("in_channels", 3)),
        "patch_size_t": (1, 1),
        "spatio_temporal_scaling": (usual, halved),
        "decoder_spatio_temporal_scaling": (usual, halved),
        "decoder_block_out_channels": (wide, channels),
        "decoder_layers_per_block": (deep, blocks),
        "decoder_inject_noise": ([False] * (levels + 1), [False] * (levels + 1)),
        "upsample_residual": ([False] * levels, [False] * levels),
        "upsample_factor": ([1] * levels, [1] * levels),
    }
    _check_same(where, {key: (given(key, unsaid), fit) for key, (unsaid, fit) in fits.items()})
    network = {"channels": channels, "blocks": blocks, "patch": given("patch_size", 4), "first": True}
    return network, given("latent_channels", 128)


def _check_layers(config: Mapping[str, Any], where: str, known: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse kinds of layers that the networks here have not."""
    for key, fits in known.items():
        given = config.get(key, fits[0])
        other = [kind for kind in ([given] if isinstance(given, str) else given) if kind not in fits]
        if other:
            raise ConfigError(
                f"{where} has {key}={other[0]}, which has no counterpart here; {fits[0]} has one"
            )


def _check_same(where: str, same: Mapping[str, tuple[Any, Any]]) -> None:
    """Refuse values that the networks here cannot have."""
    for key, (given, fits) in same.items():
        if given != fits:
            raise ConfigError(f"{where} has {key}={given}, which has no counterpart here; {fits} would have")


def weights_of(
    counterpart: Counterpart, config: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], float]:
    """Bring the weights of a folder of diffusers to their names here, in the scale of its pipelines.

    What an `AutoencoderKL` says of latents, (z - shift_factor) * scaling_factor, becomes the latent itself,
    so that a prior of deviation 1 fits it. The others keep theirs, and their factor beside them.

    Args:
        counterpart: the class.
        config: what `config.json` holds.
        tensors: by the names of diffusers.

    Returns:
        Weights by their names here, float32, and the factor that is left.
    """
    weights = {inward(name): tensor.float() for name, tensor in tensors.items() if name not in SCALES}
    factor = float(config.get("scaling_factor") or FACTORS[counterpart.cls])
    if counterpart is not KL:
        return weights, factor
    latent = config.get("latent_channels", 4)
    for key, layer, size in (
        ("use_quant_conv", "encoder.quant_conv", 2 * latent),
        ("use_post_quant_conv", "decoder.post_quant_conv", latent),
    ):
        if not config.get(key, True):  # a convolution that changes nothing
            weights[f"{layer}.weight"] = torch.eye(size).view(size, size, 1, 1)
            weights[f"{layer}.bias"] = torch.zeros(size)
    shift = torch.full((latent,), float(config.get("shift_factor") or 0.0))
    widths = {"encoder.quant_conv": 2 * latent, "decoder.post_quant_conv": latent}
    if all(len(weights.get(f"{layer}.bias", ())) == width for layer, width in widths.items()):
        weights = rescaled(weights, shift, torch.full((latent,), factor))
    return weights, 1.0
