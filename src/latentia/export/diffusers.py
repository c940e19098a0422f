"""`latentia export --to diffusers`: a codec as a folder that diffusers loads, its latents whitened."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentia.assembly.freezing import is_frozen
from latentia.core import storage
from latentia.core.errors import ConfigError
from latentia.core.event import Event
from latentia.core.types import LatentModel
from latentia.export.graphs import on_the_cpu
from latentia.networks import Causal3d, DeepCodec, KLCodec
from latentia.runs.diffusers import (
    CONFIG,
    COUNTERPARTS,
    DC,
    KL,
    LTX,
    VERSION,
    VQ,
    WEIGHTS,
    Counterpart,
    outward,
    rescaled,
)
from latentia.runs.run import Run

MEASURED = 4096
"""How many training examples the latents are measured on, at the most: evenly spaced over the split."""
CHUNK = 32
"""Examples that are encoded together."""
HELD = 20.0
"""Log variances are held within plus and minus this here, and within -30 and this by diffusers."""


@dataclass(frozen=True)
class Latents:
    """Mean and deviation of the latents over training examples, a number for each channel.

    Attributes:
        mean: shape `(D,)`, float64.
        deviation: the square root of the variance of the means plus the mean of the variances, `(D,)`.
        examples: how many examples were encoded.
        of: how many there are.
        held: share of the log variances that the run holds at an end of their range.
    """

    mean: Tensor
    deviation: Tensor
    examples: int
    of: int
    held: float = 0.0

    @property
    def spread(self) -> float:
        """The deviation of all numbers together, about their one mean."""
        return float((self.deviation.square().mean() + self.mean.var(correction=0)).sqrt())


@dataclass(frozen=True)
class Exported:
    """What becomes a folder.

    Attributes:
        counterpart: which class of diffusers.
        config: its configuration.
        weights: by diffusers' names.
        latents: how the run's latents were measured; None where they stay as they are.
        shift: what is taken from each channel of the run's latents, `(D,)`, float64.
        scale: what it is then multiplied with, `(D,)`.
        notes: what the user should know.
    """

    counterpart: Counterpart
    config: dict[str, Any]
    weights: dict[str, Tensor]
    latents: Latents | None
    shift: Tensor
    scale: Tensor
    notes: list[str] = field(default_factory=list)


def counterpart_of(run: Run) -> Counterpart:
    """Find the class of diffusers that has the layers of a run.

    Args:
        run: the run.

    Returns:
        The counterpart.

    Raises:
        ConfigError: naming what has no counterpart and the setting to change.
    """
    recipe, model = run.recipe, run.model
    network = recipe["network"]["name"]
    posterior = recipe.get("posterior", {}).get("name", "")
    alike = [each for each in COUNTERPARTS if each.network == network]
    if not alike:
        raise _refused(f"network '{network}'", "network.name=kl_codec or network.name=deep_codec")
    if recipe["network"]["linear"]:
        raise _refused("the linear code beside the network", "network.linear=false")
    if model.condition or model.classifies or "inputs" in recipe or not hasattr(model, "encoder"):
        raise _refused(f"model '{recipe['model']['name']}', which is told more than a picture", "--model vae")
    found = next((each for each in alike if each.posterior == posterior), None)
    if found is None:
        fits = " or ".join(f"posterior.name={each.posterior} ({each.cls})" for each in alike)
        raise _refused(f"posterior '{posterior}' after network '{network}'", fits)
    if found is LTX and not recipe["network"]["first"]:
        raise _refused("a first frame that does not stand alone", "network.first=true")
    _check_pixels(run, "video" if found is LTX else "image")
    return found


def _refused(what: str, setting: str) -> ConfigError:
    return ConfigError(f"{what} has no counterpart in diffusers; train with {setting}")


def _check_pixels(run: Run, kind: str) -> None:
    """Refuse what does not read pictures from -1 to 1, or does not give the decoder's output as one.

    A change of units would have to go into convolutions that see zeros beyond the edge, which are black in
    one unit and grey in the other: at the borders it would be another function.
    """
    ends, shape = run.transform.range(*run.image_range), Event.from_record(run.recipe["event"])
    if shape.kind != kind:
        raise _refused(f"an example of kind '{shape.kind}'", "clips" if kind == "video" else "pictures")
    if run.transform.random or max(abs(ends[0] + 1), abs(ends[1] - 1)) > 1e-6:
        name = run.recipe["transform"]["name"]
        raise _refused(
            f"transform '{name}', whose pictures are not those from -1 to 1,", "transform.name=signed"
        )
    likelihood: Any = run.model.likelihood
    name = run.recipe["likelihood"]["name"]
    if run.recipe["likelihood"].get("link", "identity") != "identity":
        raise _refused(f"the link of likelihood '{name}'", "likelihood.link=identity")
    h = torch.linspace(-2, 2, math.prod(run.event)).view(1, *run.event).to(run.device)
    plain = tuple(likelihood.features(run.event)) == tuple(run.event)
    if not plain or not torch.equal(likelihood(h, len(run.event)).mean, h):
        raise _refused(
            f"likelihood '{name}', whose mean is not what the decoder gives,", "likelihood.name=laplace"
        )


@torch.no_grad()
def measured(run: Run, model: LatentModel) -> Latents:
    """Measure the latents of training examples, a few at a time.

    Args:
        run: the run, whose data are at hand.
        model: its model.

    Returns:
        Mean and deviation of each channel.
    """
    rows, of = run.examples("train", MEASURED), len(run.dataset.splits["train"])
    total, held = np.zeros((3, run.latent[0])), 0.0
    for start in range(0, len(rows), CHUNK):
        for part in run.inference.prepare(run.dataset.x[rows[start : start + CHUNK]]):
            features = model.encoder(part.to("cpu")).double()  # pyright: ignore
            means = features[:, : run.latent[0]]
            channels = means.transpose(0, 1).flatten(1)
            variance = torch.zeros_like(channels)
            if features.shape[1] > run.latent[0]:
                logs = features[:, run.latent[0] :]
                held += float((logs.abs() > HELD).double().mean()) * len(part) / len(rows)
                variance = logs.clamp(-HELD, HELD).exp().expand_as(means).transpose(0, 1).flatten(1)
            seen = torch.stack([channels, channels.square(), variance]).mean(dim=2)
            total += seen.numpy() * len(part) / len(rows)
    mean, square, within = torch.from_numpy(total)
    deviation = ((square - mean.square()).clamp(min=0) + within).sqrt()
    return Latents(mean, deviation.clamp(min=torch.finfo(torch.float32).tiny), len(rows), of, held)


def exported(run: Run, white: tuple[Tensor, Tensor] | None = None) -> Exported:
    """Bring a run's codec into diffusers' form.

    The latents of `AutoencoderKL` are whitened: mean 0 and deviation 1 in each channel, by its 1x1
    convolutions, so that `scaling_factor` is 1 and nobody has to know it. Those of the others cannot be, for
    a nearest code or a shortcut stands in the way, and get a measured factor. A run that began at a folder of
    diffusers and left the encoder as it was keeps the latents that others know already.

    Args:
        run: the run.
        white: what is taken from each channel of the latents, `(D,)`, and what it is then multiplied with,
            for an `AutoencoderKL` whose scale is decided already; measured by default.

    Returns:
        Configuration and weights.

    Raises:
        ConfigError: if something of it has no counterpart.
    """
    counterpart, model = counterpart_of(run), on_the_cpu(run.model)
    weights, channels = dict(model.state_dict()), run.latent[0]
    start = run.spec.get("start", {})
    kept = "scaling_factor" in start and is_frozen("encoder", run.spec["training"].get("frozen", ()))
    latents = None if kept or white else measured(run, model)
    shift, scale = white or (torch.zeros(channels).double(), torch.ones(channels).double())
    factor, notes = 1.0, list[str]()
    if white is not None:
        weights = rescaled(weights, shift, scale)
    elif latents is None:
        factor = float(start["scaling_factor"])
    elif counterpart is LTX:
        weights |= {"latents_mean": latents.mean.float(), "latents_std": latents.deviation.float()}
    elif counterpart is KL:
        shift, scale = latents.mean, 1 / latents.deviation
        weights = rescaled(weights, shift, scale)
    else:
        factor = 1 / latents.spread
    if latents is not None and latents.held:
        notes.append(
            f"{latents.held:.2%} of the log variances lie beyond plus or minus {HELD:g}, where this package "
            "holds them and diffusers, below, does not: deviations under e^-10 differ"
        )
    if (prior := run.recipe.get("prior", {}).get("name", "")) not in ("", "standard_normal", "uniform_codes"):
        notes.append(f"the prior '{prior}' stays behind: diffusers' codecs have none")
    named = {outward(name): tensor.float() for name, tensor in weights.items()}
    config = {"_class_name": counterpart.cls, "_diffusers_version": VERSION, **CONFIGS[counterpart](run)}
    config["scaling_factor"] = factor
    kept_weights = {name: tensor for name, tensor in named.items() if name is not None}
    return Exported(counterpart, config, kept_weights, latents, shift, scale, notes)


def _layers(run: Run) -> dict[str, Any]:
    """Give what the configurations of `AutoencoderKL` and `VQModel` have in common."""
    network = KLCodec(**{key: value for key, value in run.recipe["network"].items() if key != "name"})
    levels = len(network.channels)
    return {
        "in_channels": run.event[0],
        "out_channels": run.event[0],
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "block_out_channels": list(network.channels),
        "layers_per_block": network.blocks,
        "act_fn": "silu",
        "latent_channels": run.latent[0],
        "norm_num_groups": network.groups,
        "sample_size": max(run.event[1:]),
        "mid_block_add_attention": network.attention,
    }


def _kl(run: Run) -> dict[str, Any]:
    more = {"shift_factor": None, "latents_mean": None, "latents_std": None, "force_upcast": True}
    return {**_layers(run), **more, "use_quant_conv": True, "use_post_quant_conv": True}


def _vq(run: Run) -> dict[str, Any]:
    more = {"norm_type": "group", "lookup_from_codebook": False, "force_upcast": False}
    size = run.recipe["posterior"]["size"]
    return {**_layers(run), **more, "num_vq_embeddings": size, "vq_embed_dim": run.latent[0]}


def _dc(run: Run) -> dict[str, Any]:
    network = DeepCodec(**{key: value for key, value in run.recipe["network"].items() if key != "name"})
    levels, last = len(network.channels), network.channels[-1]
    config: dict[str, Any] = {
        "in_channels": run.event[0],
        "latent_channels": run.latent[0],
        "attention_head_dim": 32,
        "downsample_block_type": "pixel_unshuffle",
        "upsample_block_type": "pixel_shuffle",
        "decoder_norm_types": "rms_norm",
        "decoder_act_fns": "silu",
        "decoder_conv_act_fn": "relu",
        "encoder_out_shortcut": last % run.latent[0] == 0,
        "decoder_in_shortcut": last % run.latent[0] == 0,
    }
    for half in ("encoder", "decoder"):
        config |= {
            f"{half}_block_types": ["ResBlock"] * levels,
            f"{half}_block_out_channels": list(network.channels),
            f"{half}_layers_per_block": list(network.blocks),
            f"{half}_qkv_multiscales": [[] for _ in range(levels)],
        }
    return config


def _ltx(run: Run) -> dict[str, Any]:
    network = Causal3d(**{key: value for key, value in run.recipe["network"].items() if key != "name"})
    levels = len(network.channels)
    halved, none = [True] * (levels - 1) + [False], [False] * (levels + 1)
    return {
        "in_channels": run.event[0],
        "out_channels": run.event[0],
        "latent_channels": run.latent[0],
        "block_out_channels": list(network.channels),
        "decoder_block_out_channels": list(network.channels),
        "layers_per_block": list(network.blocks),
        "decoder_layers_per_block": list(network.blocks),
        "spatio_temporal_scaling": halved,
        "decoder_spatio_temporal_scaling": halved,
        "down_block_types": ["LTXVideoDownBlock3D"] * levels,
        "downsample_type": ["conv"] * levels,
        "decoder_inject_noise": none,
        "upsample_residual": none[1:],
        "upsample_factor": [1] * levels,
        "timestep_conditioning": False,
        "patch_size": network.patch,
        "patch_size_t": 1,
        "resnet_norm_eps": 1e-6,
        "encoder_causal": True,
        "decoder_causal": True,
        "spatial_compression_ratio": network.stride[1],
        "temporal_compression_ratio": network.stride[0],
    }


CONFIGS = {KL: _kl, VQ: _vq, DC: _dc, LTX: _ltx}


def write(folder: str | os.PathLike[str], made: Exported, card: str) -> None:
    """Write configuration, weights and card into a folder.

    Args:
        folder: where to.
        made: what becomes files.
        card: what `README.md` says.
    """
    storage.write_json(os.path.join(folder, CONFIG), made.config)
    storage.save_tensors(os.path.join(folder, WEIGHTS), made.weights)
    storage.write_text(os.path.join(folder, "README.md"), card)
