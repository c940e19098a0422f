"""Whether diffusers computes with an exported folder what the run computes."""

from __future__ import annotations

import copy
import importlib
import os
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from latentia.core.noise import seeded
from latentia.export import parity
from latentia.export.diffusers import KL, LTX, VQ, Exported
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

    Both compute in float64, with the weights as they are in the folder and in the run: what differs then is
    the function. In float32 a wide network's own rounding can be more than what is let pass.

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
    theirs = cls.from_pretrained(os.fspath(folder), local_files_only=True, low_cpu_mem_usage=False)
    theirs, model = theirs.double().eval(), copy.deepcopy(run.model).cpu().double()
    examples, _ = parity.real_examples(run)
    real = run.transform.expected(torch.from_numpy(np.array(examples[:REAL]))).double()
    channels, *sides = run.event
    with seeded(0):
        drawn = 2 * torch.rand(DRAWN, *run.event).double() - 1
        larger = [*sides[:-2], *(2 * side for side in sides[-2:])]  # a clip's frames stay as many
        large = 2 * torch.rand(DRAWN, channels, *larger).double() - 1
    gaps: dict[str, float] = {}
    for x in (torch.cat([drawn, real]), large):
        want, z, given = _ours(model, made, x)
        got = _theirs(theirs, made, x, given)
        want["decoded"] = cast(Any, model).decoder(z)
        arrays = [{name: value.numpy() for name, value in each.items()} for each in (want, got)]
        gaps = {name: max(value, gaps.get(name, 0.0)) for name, value in parity.compared(*arrays).items()}
    parity.require_close(gaps, f"{made.counterpart.cls}", "the run")
    return gaps, len(real)


def _ours(model: Any, made: Exported, x: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Give what a folder says of pictures, latents to decode, and what these are in the folder's scale."""
    features = model.encoder(x)
    shift, scale = (each.view(-1, *[1] * (x.dim() - 2)) for each in (made.shift, made.scale))
    if made.counterpart is VQ:
        q = model.posterior(features)
        return {"encoded": features, "codes": codes_of(q)}, q.mean, q.mean
    z = features[:, : len(made.shift)]
    found = {"encoded": (z - shift) * scale}
    if made.counterpart in (KL, LTX):
        log_variance = features[:, len(made.shift) :] + 2 * scale.log()
        found["deviation"] = (log_variance.clamp(LOWEST, HIGHEST) / 2).exp().expand_as(z)
    return found, z, found["encoded"]


def _theirs(codec: Any, made: Exported, x: Tensor, z: Tensor) -> dict[str, Tensor]:
    """Let diffusers compute the same."""
    said, decoded = codec.encode(x), codec.decode(z).sample
    if made.counterpart in (KL, LTX):
        q = said.latent_dist
        return {"encoded": q.mean, "deviation": q.std, "decoded": decoded}
    if made.counterpart is VQ:
        codes = codec.quantize(said.latents)[2][2].view(len(x), *said.latents.shape[2:])
        return {"encoded": said.latents, "codes": codes, "decoded": decoded}
    return {"encoded": said.latent, "decoded": decoded}
