"""Full precision for probabilities, where networks run in half of it."""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor


def exact(like: Tensor) -> contextlib.AbstractContextManager[object]:
    """Give a context in which matrix products keep the type of what they multiply.

    Networks may run in bfloat16 under torch's autocast, which has three digits. Densities are sums over many
    terms that cancel, and draws must fit their densities: they need all that float32 has.

    Args:
        like: a tensor on the device.

    Returns:
        The context; outside of autocast it changes nothing.
    """
    return torch.autocast(like.device.type, enabled=False)
