"""Paths between two latents."""

from __future__ import annotations

import torch
from torch import Tensor

from latentia.core.errors import ConfigError, nearest


def linear(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Walk the straight line, (1 - t) a + t b.

    Args:
        a: start, shape `(*latent)`.
        b: end, same shape.
        t: positions from 0 to 1, shape `(T,)`.

    Returns:
        Shape `(T, *latent)`.
    """
    t = t.reshape(-1, *(1,) * a.dim())
    return (1 - t) * a + t * b


def spherical(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    r"""Walk the great circle between the directions, with the length interpolated linearly.

    With omega the angle between a and b:
    z(t) = r(t) [sin((1 - t) omega) a/|a| + sin(t omega) b/|b|] / sin(omega), r(t) = (1 - t)|a| + t|b|.
    Parallel or opposite directions have no great circle between them; they take the straight line.

    Args:
        a: start, shape `(*latent)`.
        b: end, same shape.
        t: positions from 0 to 1, shape `(T,)`.

    Returns:
        Shape `(T, *latent)`.

    References:
        Ken Shoemake, "Animating rotation with quaternion curves", 1985.
        Tom White, "Sampling Generative Networks", 2016.
    """
    length_a, length_b = a.norm(), b.norm()
    if length_a == 0 or length_b == 0:
        return linear(a, b, t)
    unit_a, unit_b = a / length_a, b / length_b
    omega = torch.acos((unit_a * unit_b).sum().clamp(-1, 1))
    if torch.sin(omega) < 1e-4:
        return linear(a, b, t)
    t = t.reshape(-1, *(1,) * a.dim())
    direction = (torch.sin((1 - t) * omega) * unit_a + torch.sin(t * omega) * unit_b) / torch.sin(omega)
    return ((1 - t) * length_a + t * length_b) * direction


PATHS = {"linear": linear, "spherical": spherical}


def interpolate(a: Tensor, b: Tensor, steps: int, path: str = "linear") -> Tensor:
    """Walk from one latent to another in equal steps, both ends included.

    Args:
        a: start, shape `(*latent)`.
        b: end, same shape.
        steps: how many points, at least 2.
        path: 'linear' or 'spherical'.

    Returns:
        Shape `(steps, *latent)`.

    Raises:
        ConfigError: if there is no such path or there are too few steps.
    """
    if path not in PATHS:
        raise ConfigError(f"unknown path '{path}'{nearest(path, PATHS)}")
    if steps < 2:
        raise ConfigError(f"'steps' must be at least 2, not {steps}")
    return PATHS[path](a, b, torch.linspace(0, 1, steps, device=a.device))
