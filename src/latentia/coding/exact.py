"""Networks whose outputs are the same on every machine: whole numbers, carried in float64.

Weights are rounded to 2^-14, activations to 2^-12, and both are kept as whole numbers. Every product and
every partial sum is a whole number below 2^53, which float64 holds exactly, so that any order of summation,
any number of threads, any size of a batch and any instruction set give the same bits. That sums stay below
is checked when the network is built.

References:
    Johannes Ballé, Nick Johnston, David Minnen, "Integer Networks for Data Compression with Latent-Variable
    Models", 2019 (why files need networks of whole numbers).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentia.coding.curves import ACTIVATIONS, GRID_BITS, Activation
from latentia.coding.normed import NORMS, Normed
from latentia.core.errors import ConfigError
from latentia.networks.base import ResidualBlock
from latentia.networks.resnet import Resize

WEIGHT_BITS = 14
"""Weights are multiples of 2^-14."""
OUT_BITS = 14
"""What a network gives is in multiples of 2^-14."""
LARGEST = 2.0**52
"""Limit on sums, half of what float64 holds, so that half a unit can be added before a division."""
REACH = 2.0 ** (GRID_BITS + 12)
"""Activations are held within plus and minus 2^12, so that the sums of deep networks have a bound."""

CONVOLUTIONS: dict[type[nn.Module], Callable[..., Tensor]] = {
    nn.Conv1d: F.conv1d,
    nn.Conv2d: F.conv2d,
    nn.Conv3d: F.conv3d,
    nn.ConvTranspose1d: F.conv_transpose1d,
    nn.ConvTranspose2d: F.conv_transpose2d,
    nn.ConvTranspose3d: F.conv_transpose3d,
}


SIMPLE = (nn.ReLU, nn.LeakyReLU, Resize)
"""Layers that whole numbers pass through without a table."""


class _Affine(nn.Module):
    """A linear layer or a convolution of whole numbers, whose sums are divided by a power of two."""

    weight: Tensor
    bias: Tensor

    def __init__(self, layer: nn.Module, name: str, last: bool) -> None:
        super().__init__()
        self.name, self.layer = f"{name} ({type(layer).__name__})", type(layer)
        weight, bias = layer.get_parameter("weight").detach(), layer._parameters.get("bias")
        self.register_buffer("weight", _rounded(weight, WEIGHT_BITS))
        start = torch.zeros(()) if bias is None else bias.detach()
        self.register_buffer("bias", _rounded(start, WEIGHT_BITS + GRID_BITS))
        self.shift = WEIGHT_BITS + GRID_BITS - OUT_BITS if last else WEIGHT_BITS
        self.settings = _settings(layer)
        if getattr(layer, "padding_mode", "zeros") != "zeros":
            raise ConfigError(f"layer '{self.name}' pads with other than zeros, and cannot be coded exactly")

    def bound(self, inputs: float) -> float:
        """Give the limit on outputs for inputs within plus and minus a limit."""
        size = self.weight.abs()
        if self.layer in (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d):
            size = size.transpose(0, 1)
        sums = float(size.flatten(1).sum(1).max()) * inputs + float(self.bias.abs().max())
        if not sums < LARGEST:
            raise ConfigError(
                f"layer '{self.name}': sums may reach 2^{np.log2(sums):.0f}, and only whole numbers up to "
                "2^52 are exact; its weights are too large for a file that other machines decode: train with "
                "training.weight_decay=1e-4"
            )
        return min(sums * 2.0**-self.shift + 1, REACH if self.shift == WEIGHT_BITS else LARGEST)

    def forward(self, x: Tensor) -> Tensor:
        if self.layer is nn.Linear:
            sums = F.linear(x, self.weight) + self.bias
        else:
            sums = CONVOLUTIONS[self.layer](x, self.weight, **self.settings)
            sums += self.bias.reshape(-1, *[1] * (sums.dim() - 2))
        # Adding a half and multiplying by a power of two are exact, and so is what floor drops.
        whole = sums.mul_(2.0**-self.shift).add_(0.5).floor_()
        return whole.clamp_(-REACH, REACH) if self.shift == WEIGHT_BITS else whole


def _rounded(values: Tensor, bits: int) -> Tensor:
    return (values.cpu().double() * 2.0**bits).round()


def _settings(layer: nn.Module) -> dict[str, object]:
    names = ("stride", "padding", "dilation", "groups", "output_padding")
    found = {name: getattr(layer, name) for name in names if hasattr(layer, name)}
    if type(layer) in (nn.Conv1d, nn.Conv2d, nn.Conv3d):
        found.pop("output_padding", None)
    return found


class _Curved(nn.Module):
    """An activation, by its table."""

    def __init__(self, activation: Activation) -> None:
        super().__init__()
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(x)


class _Leaky(nn.Module):
    """A leaky ReLU, whose slope is a multiple of 2^-14."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = round(slope * 2.0**WEIGHT_BITS)

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, (x * self.slope).mul_(2.0**-WEIGHT_BITS).floor_())


class _Sum(nn.Module):
    """x + f(x)."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.body(x)).clamp_(-REACH, REACH)


class ExactNetwork(nn.Module):
    """A trained network, as whole numbers.

    Attributes:
        activations: names of the activations whose tables it reads.
    """

    def __init__(
        self,
        network: nn.Module,
        tables: Callable[[str], Activation],
        name: str,
        inputs: float = REACH,
        *,
        inner: bool = False,
    ) -> None:
        """Round a network.

        Args:
            network: a chain of linear layers, convolutions, activations, group and layer normalisations,
                residual sums and changes of shape.
            tables: gives the table of an activation by its name.
            name: what messages call the network.
            inputs: inputs lie within plus and minus this, in units of 2^-12.
            inner: outputs are in units of 2^-12, as another network reads them.

        Raises:
            ConfigError: naming a layer that cannot be computed exactly, or whose sums could grow too large.
        """
        super().__init__()
        parts = list(_leaves(network, name))
        layers = [place for place, (_, part) in enumerate(parts) if _is_affine(part)]
        last = bool(layers) and all(_shapes_only(part) for _, part in parts[layers[-1] + 1 :])
        ends = layers[-1] if last and not inner else -1
        self.steps = nn.ModuleList()
        limit = inputs
        for place, (label, part) in enumerate(parts):
            step, limit = _step(part, label, tables, place == ends, limit)
            if step is not None:
                self.steps.append(step)
        self.last_shift = 0 if ends >= 0 or inner else OUT_BITS - GRID_BITS

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Compute outputs.

        Args:
            x: whole numbers in float64, in units of 2^-12, shape `(B, ...)`.

        Returns:
            Whole numbers in float64, in units of 2^-14, shape `(B, ...)`; of 2^-12 for an inner network.
        """
        for step in self.steps:
            x = step(x)
        return x * 2.0**self.last_shift if self.last_shift else x


def activations_of(network: nn.Module) -> set[str]:
    """List the activations of a network that need a table.

    Args:
        network: any module.

    Returns:
        Their names.
    """
    return {name for module in network.modules() if (name := type(module).__name__.lower()) in ACTIVATIONS}


def check_layers(network: nn.Module, name: str) -> None:
    """Refuse a network that cannot be computed in whole numbers.

    Args:
        network: any module.
        name: what messages call it.

    Raises:
        ConfigError: naming the first such layer.
    """
    for label, part in _leaves(network, name):
        if isinstance(part, ResidualBlock):
            check_layers(part.body, f"{label}.body")
            continue
        known = _is_affine(part) or _shapes_only(part) or isinstance(part, SIMPLE) or type(part) in NORMS
        if not known and type(part).__name__.lower() not in ACTIVATIONS:
            raise _refused(part, label)


def _refused(part: nn.Module, name: str) -> ConfigError:
    return ConfigError(
        f"layer '{name}' is a {type(part).__name__}, which cannot be computed in whole numbers, so that "
        "files of this model would not decode elsewhere; train with network.name=conv or network.name=mlp, "
        f"whose activations may be {', '.join(['relu', 'leaky_relu', *ACTIVATIONS])}"
    )


def _leaves(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    """Give the parts of a chain, each with its name."""
    if type(module) is nn.Sequential:
        for label, part in module.named_children():
            yield from _leaves(part, f"{name}.{label}")
    else:
        yield name, module


def _is_affine(part: nn.Module) -> bool:
    return type(part) is nn.Linear or type(part) in CONVOLUTIONS


def _shapes_only(part: nn.Module) -> bool:
    return isinstance(part, (nn.Flatten, nn.Unflatten, nn.Identity, nn.Dropout))


def _step(
    part: nn.Module, name: str, tables: Callable[[str], Activation], last: bool, limit: float
) -> tuple[nn.Module | None, float]:
    """Make the exact form of a part; give it, and the limit on what it gives."""
    if _is_affine(part):
        affine = _Affine(part, name, last)
        return affine, affine.bound(limit)
    if isinstance(part, (nn.Identity, nn.Dropout)):
        return None, limit
    if isinstance(part, (nn.Flatten, nn.Unflatten, Resize)):
        return part, limit
    if isinstance(part, nn.ReLU):
        return nn.ReLU(), limit
    if type(part) in NORMS:
        return Normed(part, name, REACH), REACH
    if isinstance(part, nn.LeakyReLU):
        return _Leaky(part.negative_slope), limit
    kind = type(part).__name__.lower()
    if kind in ACTIVATIONS:
        return _Curved(tables(kind)), limit + 1
    if isinstance(part, ResidualBlock):
        steps, inner = [], limit
        for label, module in _leaves(part.body, f"{name}.body"):
            step, inner = _step(module, label, tables, False, inner)
            steps += [step] * (step is not None)
        return _Sum(nn.Sequential(*steps)), min(limit + inner, REACH)
    raise _refused(part, name)
