"""Devices and precision."""

from __future__ import annotations

import contextlib

import torch

from latentia.core.errors import ConfigError
from latentia.core.processes import Processes


def choose_device(name: str, processes: Processes = Processes()) -> torch.device:  # noqa: B008 - immutable
    """Find the device to compute on.

    Args:
        name: 'auto', or what torch calls it.
        processes: who computes; each of several on a machine takes a GPU of its own.

    Returns:
        The device.

    Raises:
        ConfigError: if there is no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda:") and processes.count > 1:
        raise ConfigError(f"device '{name}' is one, and {processes.count} processes need one each; use cuda")
    if processes.count > 1 and not name.startswith(("cpu", "cuda")):
        raise ConfigError(f"several processes cannot share device '{name}'; use cuda or cpu, or one process")
    if name == "cuda" and processes.count > 1:
        name = f"cuda:{processes.local}"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
        if processes.count > 1 and device.type == "cuda":
            torch.cuda.set_device(device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device '{name}' cannot be used here ({reason}); try --device cpu") from error
    return device


def autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Give the context in which to run a forward pass.

    Args:
        precision: 'auto', 'float32' or 'bfloat16'.
        device: where it runs.

    Returns:
        torch's autocast, or a context that does nothing.
    """
    if precision == "auto":
        capable = device.type == "cuda" and torch.cuda.is_bf16_supported()
        precision = "bfloat16" if capable else "float32"
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
