"""Whether a pipeline of diffusers draws from an exported folder what the run draws."""

from __future__ import annotations

import contextlib
import copy
import importlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentia.core.noise import seeded
from latentia.export import parity
from latentia.export.pipelines import STEPS, Pipeline, diffusion_of
from latentia.probability import Walk
from latentia.runs.run import Run

COUNT, WALK = 4, 10
"""How many pictures are drawn by both, in how many steps."""
GUIDANCE = 2.0
"""Where there are labels."""
TOLERANCE = 1e-4
"""The largest difference that is let pass: both round the angles of a step's waves to float32, by 3e-5."""


@torch.no_grad()
def drawn(run: Run, codec: Run, made: Pipeline, folder: str | os.PathLike[str]) -> dict[str, float]:
    """Let diffusers open a folder and draw from it, and compare with what the run draws.

    All compute in float64. The denoisers are compared at levels over all of the schedule, and the pictures
    that DDIM makes of the same noise, under labels with guidance.

    Args:
        run: the diffusion.
        codec: its codec.
        made: what the folder was written from.
        folder: the folder.

    Returns:
        The largest difference of what the denoisers say and of the pictures' values from 0 to 1, each as a
        share of the largest value.

    Raises:
        LatentiaError: if one is too large.
    """
    pipeline = opened(folder, made)
    prior = copy.deepcopy(diffusion_of(run)).double()
    classes = [number % max(1, len(made.labels)) for number in range(COUNT)]
    told = torch.eye(len(made.labels)).double()[classes] if made.labels else None
    with seeded(0):
        z = torch.randn(COUNT, *run.latent).double()
    steps = torch.linspace(0, STEPS - 1, COUNT).long()
    want = prior.process.denoiser(z, (steps + 1).double() / STEPS, told)
    more = {} if made.denoiser == "unet" else {"class_labels": torch.tensor(classes)}
    got = getattr(pipeline, made.denoiser)(z, steps, **more).sample
    ours = _pictures(prior, codec, noise_of(made, run.latent, 0), told)
    theirs = pictures(pipeline, made, classes, GUIDANCE, WALK, 0)
    found = parity.compared(
        {"denoised": want.numpy(), "pictures": ours.numpy()}, {"denoised": got.numpy(), "pictures": theirs}
    )
    parity.require_close(found, made.cls, "the run", TOLERANCE)
    return found


def opened(folder: str | os.PathLike[str], made: Pipeline) -> Any:
    """Open a folder with diffusers, to compute in float64, without a word.

    Args:
        folder: the folder.
        made: what it was written from.

    Returns:
        The pipeline.
    """
    library: Any = importlib.import_module("diffusers")
    with _silent(library.utils.logging):
        pipeline = getattr(library, made.cls).from_pretrained(
            os.fspath(folder), local_files_only=True, low_cpu_mem_usage=False
        )
    pipeline.set_progress_bar_config(disable=True)
    for name in (made.denoiser, made.codec):
        getattr(pipeline, name).double().eval()
    if made.denoiser == "unet":  # LDMPipeline draws noise in float32, whatever the U-Net computes in
        pipeline.unet.register_forward_pre_hook(lambda _, given: (given[0].double(), *given[1:]))
    return pipeline


@contextlib.contextmanager
def _silent(logging: Any) -> Iterator[None]:
    """Keep progress and warnings of diffusers from the user, who did not call it."""
    level, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def noise_of(made: Pipeline, latent: tuple[int, ...], seed: int) -> Tensor:
    """Give the noise that a pipeline begins at, `(COUNT, *latent)`, float64."""
    kind = torch.float32 if made.denoiser == "unet" else torch.float64
    return torch.randn(COUNT, *latent, generator=torch.Generator().manual_seed(seed), dtype=kind).double()


def pictures(
    pipeline: Any, made: Pipeline, classes: list[int], guidance: float, steps: int, seed: int
) -> np.ndarray:
    """Let a pipeline draw pictures, `(COUNT, C, H, W)` from 0 to 1."""
    generator = torch.Generator().manual_seed(seed)
    labelled = {"class_labels": classes, "guidance_scale": guidance if made.labels else 1.0}
    told = {"batch_size": COUNT} if made.denoiser == "unet" else labelled
    said = pipeline(**told, num_inference_steps=steps, generator=generator, output_type="np").images
    return np.moveaxis(said, 3, 1)


def _pictures(prior: Any, codec: Run, noise: Tensor, told: Tensor | None) -> Tensor:
    """Draw the same with the run."""
    walk = Walk(WALK, "ddim", 1.0 if told is None else GUIDANCE)
    z = prior.process.made(noise, told, walk) * prior.scale + prior.shift
    model: Any = copy.deepcopy(codec.model).cpu().double()
    return (model.decoder(z) / 2 + 0.5).clamp(0, 1)
