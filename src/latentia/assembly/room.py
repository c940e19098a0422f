"""Whether there is memory for a model, asked before it is built."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from latentia.core.errors import ConfigError
from latentia.core.memory import available
from latentia.core.noise import seeded
from latentia.core.types import LatentModel

LARGE = 1 << 18
"""Entries of an example from which it is asked; networks for smaller ones are small."""

_EACH = 16
"""Bytes in training for each weight: itself, its gradient and Adam's two moments, float32."""


def require_room(build: Callable[[], LatentModel], event: tuple[int, ...], network: str) -> None:
    """Refuse a model whose weights do not fit into memory.

    It is built without memory first, which takes milliseconds, and draws nothing from torch's generators.

    Args:
        build: builds it.
        event: shape of one example.
        network: its name, for the message.

    Raises:
        ConfigError: naming the sizes and what to do.
    """
    if np.prod(event) < LARGE or (free := available()) is None:
        return
    with seeded(0), torch.device("meta"):
        try:
            model = build()
        except (NotImplementedError, RuntimeError):  # a part computes while it is built: it is not weighed
            return
    weights = sum(tensor.numel() for tensor in model.parameters())
    if _EACH * weights <= free:
        return
    shape = "x".join(map(str, event))
    if len(event) == 3:
        advice = "bring the images to a smaller size, such as --size 128"
    else:
        advice = "give fewer values in an example, or take a smaller network, such as --hidden 64"
    need = _EACH * weights / 1e9
    raise ConfigError(
        f"network '{network}' on examples of {shape} has {weights / 1e9:.2f} billion weights, which need "
        f"about {need:.0f} GB of memory in training, and {free / 1e9:.0f} GB are free; {advice}"
    )
