"""A diffusion over a codec's latents, and the codec, as a pipeline that diffusers opens and samples from.

A noise level is a number t in [0, 1] here and a step k from 0 to 999 there: t = (k + 1) / 1000. So a walk of
N steps from t = 1 is DDIM's with `timestep_spacing="trailing"`, wherever N divides 1000. The network there is
told k, and here 1000 t = k + 1: cosines and sines of an angle turned by one step are a rotation of those
before it, which goes into the columns of the layer that reads them.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from latentia.core import storage
from latentia.core.errors import ConfigError, shell
from latentia.core.needs import ALONE
from latentia.data.conditions import Labels
from latentia.export import diffusers
from latentia.export.diffusers import Exported
from latentia.export.graphs import on_the_cpu
from latentia.networks import (
    FREQUENCIES,
    SLOWEST,
    DiffusersDiT,
    DiffusersUNet,
    DiT,
    Embedding,
    usual_denoiser,
)
from latentia.probability import DiffusionPrior, Schedule
from latentia.runs.chained import check_latents
from latentia.runs.diffusers import CONFIG, KL, VERSION, WEIGHTS
from latentia.runs.run import Run

STEPS = 1000
"""Steps of the noise there, classes at the most, and the row of the table for a class that is not known."""
PREDICTIONS = {"v": "v_prediction", "eps": "epsilon", "x": "sample"}
"""What a denoiser is asked for, here and there."""


@dataclass(frozen=True)
class Pipeline:
    """What becomes a folder of a pipeline.

    Attributes:
        cls: the pipeline's class: `DiTPipeline`, or `LDMPipeline` for a U-Net.
        denoiser: the folder of the denoiser, `transformer` or `unet`.
        codec: the folder of the codec, `vae` or `vqvae`.
        config: the denoiser's.
        weights: the denoiser's, by diffusers' names.
        vae: the codec, its latents in the scale of the denoiser.
        scheduler: its configuration.
        labels: the names of the classes, in order; empty without a condition.
        notes: what the user should know.
    """

    cls: str
    denoiser: str
    codec: str
    config: dict[str, Any]
    weights: dict[str, Tensor]
    vae: Exported
    scheduler: dict[str, Any]
    labels: list[str]
    notes: list[str] = field(default_factory=list)


def pipelined(run: Run, codec: Run) -> Pipeline:
    """Bring a diffusion and its codec into diffusers' form.

    Args:
        run: a prior alone, over latents of the codec.
        codec: the run whose latents it draws.

    Returns:
        What becomes a folder.

    Raises:
        ConfigError: naming what has no counterpart, and the setting to change.
    """
    prior = diffusion_of(run)
    if (counterpart := diffusers.counterpart_of(codec)) is not KL:
        raise ConfigError(
            f"a pipeline's codec is an AutoencoderKL, and {codec.folder.path} becomes {counterpart.cls}; "
            "train the codec with network.name=kl_codec posterior.name=diagonal_gaussian"
        )
    check_latents(run, codec.latent, codec)
    _check_square(prior)
    labels = _labels(run, prior)
    net = prior.process.denoiser
    if isinstance(net, DiffusersUNet):
        config, weights = _unet(net, prior)
    elif isinstance(net, (DiT, DiffusersDiT)):
        config, weights = _transformer(net, run)
    else:
        chosen = run.recipe["prior"].get("denoiser") or {"name": usual_denoiser(run.latent)}
        raise _refused(f"denoiser '{chosen['name']}'", "prior.denoiser=denoiser_dit")
    white = prior.shift.flatten().double(), 1 / prior.scale.flatten().double()
    made = diffusers.exported(codec, white)
    unet, notes = isinstance(net, DiffusersUNet), list(made.notes)
    if not unet and not labels:
        notes.append("trained without labels: DiTPipeline asks for some, and all give the same")
    return Pipeline(
        "LDMPipeline" if unet else "DiTPipeline",
        "unet" if unet else "transformer",
        "vqvae" if unet else "vae",
        config,
        {name: tensor.float().contiguous() for name, tensor in weights.items()},
        made,
        _scheduler(prior),
        labels,
        notes,
    )


def diffusion_of(run: Run) -> DiffusionPrior:
    """Give the diffusion of a run that is nothing else.

    Args:
        run: the run.

    Returns:
        Its prior, on the CPU.

    Raises:
        ConfigError: if it is something else.
    """
    path = run.folder.path
    if ALONE not in type(run.model).gives:
        raise ConfigError(
            f"{path} is no prior over stored latents; --with CODEC belongs to a run that was trained on "
            "latentia encode; of a codec it is given as: "
            f"latentia export DIFFUSION --to diffusers --with {shell(path)} -o DIR"
        )
    prior: Any = on_the_cpu(run.model).prior  # pyright: ignore[reportAttributeAccessIssue]
    if not isinstance(prior, DiffusionPrior):
        raise _refused(f"prior '{run.recipe['prior']['name']}'", "prior.name=diffusion")
    if prior.process.target not in PREDICTIONS:
        raise _refused(f"prior.target '{prior.process.target}'", "prior.target=v")
    return prior


def _refused(what: str, setting: str) -> ConfigError:
    return ConfigError(f"{what} has no counterpart in diffusers' pipelines; train with {setting}")


def _labels(run: Run, prior: DiffusionPrior) -> list[str]:
    """Give the names of the classes that a run is told; none where it is told nothing."""
    if not prior.condition:
        return []
    if not isinstance(run.condition, Labels):
        raise _refused(f"condition '{run.recipe['condition']['name']}'", "condition.name=labels")
    if prior.condition > STEPS:
        raise _refused(f"a condition of {prior.condition:,} classes", f"{STEPS:,} classes at the most")
    if not prior.drop:
        raise _refused("prior.drop=0, where nothing is known of p(z) without a label,", "prior.drop=0.1")
    return [name for name, _ in run.condition.examples(run.label_names)]


def _check_square(prior: DiffusionPrior) -> None:
    """Refuse latents that a pipeline, which knows one side, does not draw."""
    _, height, width = prior.process.shape
    if height != width:
        raise _refused(f"a latent of {height}x{width}", "square pictures (data.size=64, or data.crop=64)")


def _scheduler(prior: DiffusionPrior) -> dict[str, Any]:
    return {
        "_class_name": "DDIMScheduler",
        "_diffusers_version": VERSION,
        "num_train_timesteps": STEPS,
        "beta_start": 0.0001,
        "beta_end": 0.02,
        "beta_schedule": "linear",
        "trained_betas": betas(prior.process.schedule),
        "clip_sample": False,
        "clip_sample_range": 1.0,
        "dynamic_thresholding_ratio": 0.995,
        "prediction_type": PREDICTIONS[prior.process.target],
        "rescale_betas_zero_snr": False,
        "sample_max_value": 1.0,
        "set_alpha_to_one": True,
        "steps_offset": 0,
        "thresholding": False,
        "timestep_spacing": "trailing",
    }


def betas(schedule: Schedule) -> list[float]:
    """Give the rates of noise of 1000 steps, whose products in single precision are the schedule's alpha^2.

    Each rate makes up for the rounding of those before it.

    Args:
        schedule: lambda(t).

    Returns:
        1 - alpha^2(t + 1/1000) / alpha^2(t), 1000 numbers of single precision.
    """
    t = torch.arange(1, STEPS + 1, dtype=torch.float64) / STEPS
    held, found = 1.0, list[float]()
    for left in torch.sigmoid(schedule.level(t)).tolist():
        rate = np.float32(1 - left / held)
        held *= float(np.float32(1) - rate)
        found.append(float(rate))
    return found


def told_later(weight: Tensor, ratios: int) -> Tensor:
    """Let a layer that reads the waves of step k see those of step k + 1.

    Args:
        weight: of the layer, shape `(width, 2 K)`: first the cosines, then the sines.
        ratios: equal ratios between the longest wave and the shortest one.

    Returns:
        The new weight, same shape.
    """
    cosines, sines = weight.double().chunk(2, dim=1)
    count = cosines.shape[1]
    angles = SLOWEST ** (-torch.arange(count, dtype=torch.float64) / ratios)
    turned = [cosines * angles.cos() + sines * angles.sin(), sines * angles.cos() - cosines * angles.sin()]
    return torch.cat(turned, dim=1).to(weight.dtype)


def _table(condition: nn.Module | None, width: int) -> Tensor:
    """Give a row for each class, and the vector of none for all others, `(1001, width)`."""
    if not isinstance(condition, Embedding):
        return torch.zeros(STEPS + 1, width)
    rows = condition.unknown.detach().expand(STEPS + 1, -1).clone()
    classes = condition.known.in_features
    rows[:classes] = (condition.known.weight.double().T + condition.known.bias.double()).to(rows.dtype)
    return rows


def _transformer(net: DiT | DiffusersDiT, run: Run) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Give configuration and weights of `DiTTransformer2DModel`."""
    inner: Any = net.net if isinstance(net, DiffusersDiT) else net
    if isinstance(net, DiffusersDiT):
        heads, width = inner.config.num_attention_heads, inner.inner_dim
        blocks, patch, weights = inner.config.num_layers, inner.config.patch_size, _inner(net)
    else:
        heads, width = inner.blocks[0].heads, inner.first.out_features
        blocks, patch, weights = len(inner.blocks), inner.patch, _renamed(inner)
    if width % 4:
        fits = math.lcm(4, heads)
        raise _refused(
            f"prior.denoiser.width {width}, no multiple of 4,",
            f"prior.denoiser.width={width + fits - width % fits}",
        )
    config = {
        "_class_name": "DiTTransformer2DModel",
        "_diffusers_version": VERSION,
        "activation_fn": "gelu-approximate",
        "attention_bias": True,
        "attention_head_dim": width // heads,
        "dropout": 0.0,
        "in_channels": run.latent[0],
        "norm_elementwise_affine": False,
        "norm_eps": 1e-6,
        "norm_num_groups": 32,
        "norm_type": "ada_norm_zero",
        "num_attention_heads": heads,
        "num_embeds_ada_norm": STEPS,
        "num_layers": blocks,
        "out_channels": run.latent[0],
        "patch_size": patch,
        "sample_size": run.latent[1],
        "upcast_attention": False,
    }
    return config, weights


def _renamed(net: Any) -> dict[str, Tensor]:
    """Give the weights of `denoiser_dit` under diffusers' names; each block is told by itself."""
    width, told = net.first.out_features, net.told
    heard = {
        "timestep_embedder.linear_1.weight": told_later(told.linear_1.weight, FREQUENCIES - 1),
        "timestep_embedder.linear_1.bias": told.linear_1.bias,
        "timestep_embedder.linear_2.weight": told.linear_2.weight,
        "timestep_embedder.linear_2.bias": told.linear_2.bias,
        "class_embedder.embedding_table.weight": _table(told.condition, width),
    }
    channels = net.last.out_features // net.patch**2
    last = net.last.state_dict().items()  # channels come first here, and last there
    found = {
        "pos_embed.proj.weight": net.first.weight.view(width, channels, net.patch, net.patch),
        "pos_embed.proj.bias": net.first.bias,
        **{f"proj_out_1.{part}": value for part, value in net.told_last.state_dict().items()},
        **{f"proj_out_2.{p}": v.unflatten(0, (channels, -1)).transpose(0, 1).flatten(0, 1) for p, v in last},
    }
    for number, block in enumerate(net.blocks):
        here = f"transformer_blocks.{number}"
        found |= {f"{here}.norm1.emb.{name}": value.clone() for name, value in heard.items()}
        for part in ("weight", "bias"):
            query, key, value = getattr(block.to_qkv, part).chunk(3)
            found |= {
                f"{here}.norm1.linear.{part}": getattr(block.told, part),
                f"{here}.attn1.to_q.{part}": query,
                f"{here}.attn1.to_k.{part}": key,
                f"{here}.attn1.to_v.{part}": value,
                f"{here}.attn1.to_out.0.{part}": getattr(block.to_out, part),
                f"{here}.ff.net.0.proj.{part}": getattr(block.inner, part),
                f"{here}.ff.net.2.{part}": getattr(block.outer, part),
            }
    return found


def _inner(net: DiffusersDiT) -> dict[str, Tensor]:
    """Give the weights of a `DiTTransformer2DModel`, with a table of labels in each block again."""
    found = {name: value for name, value in net.net.state_dict().items() if ".class_embedder." not in name}
    for number, block in enumerate(net.net.transformer_blocks):
        told, here = block.norm1.emb, f"transformer_blocks.{number}.norm1.emb"
        first = f"{here}.timestep_embedder.linear_1.weight"
        found[first] = told_later(found[first], FREQUENCIES - 1)
        found[f"{here}.class_embedder.embedding_table.weight"] = _table(
            told.class_embedder, net.net.inner_dim
        )
    return found


def _unet(net: DiffusersUNet, prior: DiffusionPrior) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Give configuration and weights of `UNet2DModel`."""
    if prior.condition:
        raise _refused("a U-Net that is told labels", "prior.denoiser=denoiser_dit")
    config = {name: value for name, value in dict(net.net.config).items() if not name.startswith("_")}
    config |= {"_class_name": "UNet2DModel", "_diffusers_version": VERSION}
    weights, first = dict(net.net.state_dict()), "time_embedding.linear_1.weight"
    weights[first] = told_later(weights[first], weights[first].shape[1] // 2)
    return config, weights


def write(folder: str | os.PathLike[str], made: Pipeline, card: str) -> None:
    """Write the folders of denoiser, codec and scheduler, the index and a card.

    Args:
        folder: where to.
        made: what becomes files.
        card: what `README.md` says.
    """
    root = Path(folder)
    parts = {
        made.denoiser: (made.config, made.weights),
        made.codec: (made.vae.config, made.vae.weights),
    }
    index: dict[str, Any] = {"_class_name": made.cls, "_diffusers_version": VERSION}
    if made.denoiser == "transformer":
        index["id2label"] = {str(number): label for number, label in enumerate(made.labels)}
    for name, (config, weights) in parts.items():
        (root / name).mkdir()
        storage.write_json(root / name / CONFIG, config)
        storage.save_tensors(root / name / WEIGHTS, weights)
        index[name] = ["diffusers", config["_class_name"]]
    (root / "scheduler").mkdir()
    storage.write_json(root / "scheduler" / "scheduler_config.json", made.scheduler)
    index["scheduler"] = ["diffusers", made.scheduler["_class_name"]]
    storage.write_json(root / "model_index.json", index)
    storage.write_text(root / "README.md", card)
