"""Group and layer normalisation in whole numbers.

Sums and sums of squares are whole numbers below 2^53, so that their order does not matter; quotients and
square roots are rounded by IEEE 754 the same way on every machine.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from latentia.coding.curves import GRID_BITS
from latentia.core.errors import ConfigError

NORMS = (nn.GroupNorm, nn.LayerNorm)
WEIGHT_BITS = 14
"""Scales are multiples of 2^-14, as other weights are."""
POWERS = torch.tensor([2.0**power for power in range(-64, 65)], dtype=torch.float64)


def standardised(x: Tensor, eps: float) -> Tensor:
    """Subtract the mean of the last dimension, and divide by the standard deviation.

    Args:
        x: whole numbers below 2^24 in float64, in units of 2^-12, shape `(*, n)`.
        eps: what is added to the variance.

    Returns:
        Whole numbers in the same units, same shape.
    """
    n = x.shape[-1]
    apart = x * n - x.sum(dim=-1, keepdim=True)  # n times the distance from the mean
    # As many bits of the largest as the sum of squares has room for.
    bits = (52 - math.ceil(math.log2(n))) // 2
    reach = torch.frexp(apart.abs().amax(dim=-1, keepdim=True))[1]
    scale = POWERS[(bits - reach + 64).long()]
    apart = (apart * scale).floor_()
    squares = apart.square().sum(dim=-1, keepdim=True)
    small = scale * scale * (eps * 4.0**GRID_BITS * n * n)
    return (apart / (squares / n + small).sqrt() * 2.0**GRID_BITS).add_(0.5).floor_()


class Normed(nn.Module):
    """Group or layer normalisation, each with a scale and a shift where it has learned them."""

    weight: Tensor
    bias: Tensor

    def __init__(self, layer: Any, name: str, reach: float) -> None:
        """Round a layer.

        Args:
            layer: one of `NORMS`.
            name: what messages call it.
            reach: inputs and outputs are held within plus and minus this.

        Raises:
            ConfigError: if its products could grow too large.
        """
        super().__init__()
        self.eps, self.reach = float(layer.eps), reach
        self.groups = int(getattr(layer, "num_groups", 0))
        self.dims = len(getattr(layer, "normalized_shape", ()))
        weight, bias = layer._parameters.get("weight"), layer._parameters.get("bias")
        one = torch.ones(()) if weight is None else weight.detach()
        none = torch.zeros(()) if bias is None else bias.detach()
        self.register_buffer("weight", (one.cpu().double() * 2.0**WEIGHT_BITS).round())
        self.register_buffer("bias", (none.cpu().double() * 2.0 ** (WEIGHT_BITS + GRID_BITS)).round())
        if not float(self.weight.abs().max()) * reach + float(self.bias.abs().max()) < 2.0**52:
            raise ConfigError(
                f"layer '{name}' has weights that are too large for whole numbers up to 2^52; train with "
                "training.weight_decay=1e-4"
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, ...)` by groups of channels, or the last dimensions, to the same shape."""
        if self.groups:
            own = standardised(x.reshape(len(x), self.groups, -1), self.eps).reshape(x.shape)
            shape = (-1, *[1] * (x.dim() - 2)) if self.weight.dim() else ()
        else:
            own = standardised(x.flatten(-self.dims), self.eps).reshape(x.shape)
            shape = self.weight.shape
        sums = own * self.weight.reshape(shape) + self.bias.reshape(shape if self.bias.dim() else ())
        return sums.mul_(2.0**-WEIGHT_BITS).add_(0.5).floor_().clamp_(-self.reach, self.reach)
