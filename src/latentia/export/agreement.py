"""Whether diffusers computes with an exported folder what the run computes."""

from __future__ import annotations

import importlib
import os
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentia.core.noise import seeded
from latentia.export import parity
from latentia.export.diffusers import KL, VQ, Exported
from latentia.export.graphs import on_the_cpu
from latentia.probability import codes_of
from latentia.runs.run import Run

DRAWN = 4
"""How many random pictures are compared, of the training's size and of twice it."""
REAL = 16
"""How many examples of the data are, at the most."""
LOWEST, HIGHEST = -30.0, 20.0
"""What diffusers holds log variances within."""


def installed() -> str:
    """Give the version of diffusers; nothing where it is not installed."""
    try:
        return str(importlib.import_module("diffusers").__version__)
    except ImportError:
        return ""


@torch.no_grad()
def compared(run: Run, made: Exported, folder: str | os.PathLike[str]) -> tuple[dict[str, float], int]:
    """Let diffusers load a folder, and compare what it encodes and decodes with what the run does.

    Args:
        run: the run.
        made: what the folder was written from.
        folder: the folder.

    Returns:
        The largest difference of each output as a share of its largest absolute value, and how many of the
        pictures are examples of the data.

    Raises:
        LatentiaError: if one is larger than `parity.TOLERANCE`.
    """
    cls: Any = getattr(importlib.import_module("diffusers"), made.counterpart.cls)
    theirs, model = (
        cls.from_pretrained(os.fspath(folder), local_files_only=True, low_cpu_mem_usage=False).eval(),
        on_the_cpu(run.model),
    )
    examples, _ = parity.real_examples(run)
    real = run.transform.expected(torch.from_numpy(np.array(examples[:REAL])))
    channels, *sides = run.event
    with seeded(0):
        drawn = 2 * torch.rand(DRAWN, *run.event) - 1
        large = 2 * torch.rand(DRAWN, channels, *(2 * side for side in sides)) - 1
    gaps: dict[str, float] = {}
    for x in (torch.cat([drawn, real]), large):
        want, got = _ours(model, made, x), {}
        z = (want["encoded"] / made.scale.view(-1, 1, 1) + made.shift.view(-1, 1, 1)).float()
        if made.counterpart is VQ:
            z = model.encode(x).mean
        want["decoded"] = model.decode(z).mean
        got = _theirs(
            theirs, made, x, ((z.double() - made.shift.view(-1, 1, 1)) * made.scale.view(-1, 1, 1)).float()
        )
        found = parity.compared(
            *({name: value.numpy() for name, value in each.items()} for each in (want, got))
        )
        gaps = {name: max(value, gaps.get(name, 0.0)) for name, value in found.items()}
    parity.require_close(gaps, f"{made.counterpart.cls}", "the run")
    return gaps, len(real)


def _ours(model: Any, made: Exported, x: Tensor) -> dict[str, Tensor]:
    """Compute what a folder says of pictures: latents, and deviations or codes where there are such."""
    features, shift, scale = model.encoder(x).double(), made.shift.view(-1, 1, 1), made.scale.view(-1, 1, 1)
    if made.counterpart is not KL:
        found = {"encoded": (features - shift) * scale}
        return {**found, "codes": codes_of(model.encode(x))} if made.counterpart is VQ else found
    mean, log_variance = features.chunk(2, dim=1)
    held = (log_variance + 2 * scale.log()).clamp(LOWEST, HIGHEST)
    return {"encoded": (mean - shift) * scale, "deviation": (held / 2).exp()}


def _theirs(codec: Any, made: Exported, x: Tensor, z: Tensor) -> dict[str, Tensor]:
    """Let diffusers compute the same."""
    said, decoded = codec.encode(x), codec.decode(z).sample
    if made.counterpart is KL:
        q = said.latent_dist
        return {"encoded": q.mean, "deviation": q.std, "decoded": decoded}
    if made.counterpart is VQ:
        codes = codec.quantize(said.latents)[2][2].view(len(x), *said.latents.shape[2:])
        return {"encoded": said.latents, "codes": codes, "decoded": decoded}
    return {"encoded": said.latent, "decoded": decoded}
