"""What diffusers calls the codecs that this package has, too: classes, configurations, names of weights.

The networks `kl_codec` and `deep_codec` have diffusers' layers under diffusers' names, so that a folder of
either side is the other's up to a prefix, a table of settings, and the scale of the latents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

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
COUNTERPARTS = (KL, VQ, DC)


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
    return name if name.startswith(("encoder.", "decoder.")) else None


def inward(name: str) -> str:
    """Give what a weight of diffusers is called here.

    Args:
        name: its name there.

    Returns:
        Its name in a model's state dict.
    """
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
