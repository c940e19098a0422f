"""The shape of an example after each layer of a codec's network, at any size, without computing a value."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.func import functional_call

from latentia.networks.base import LAYERS, ResidualBlock, Shape
from latentia.networks.causal import CausalConv, Doubled, Streamed
from latentia.networks.clip_code import BlocksIn, BlocksOut
from latentia.networks.codec import WithLinear
from latentia.networks.deep_codec import Folding, Unfolding
from latentia.networks.kl_codec import Doubling
from latentia.networks.stages import Attention, Staged

NAMES: tuple[tuple[type[nn.Module], str], ...] = (
    (ResidualBlock, "residual block"),
    (Attention, "attention"),
    (Doubled, "convolution that doubles frames, lines and columns"),
    (Doubling, "convolution that doubles lines and columns"),
    (Unfolding, "convolution that doubles lines and columns"),
    (Folding, "convolution that halves lines and columns"),
)
"""What parts that are more than a convolution are called."""
WHOLE = (*LAYERS, CausalConv, *(kind for kind, _ in NAMES))
"""What counts as one layer, whatever it is made of."""


class Layer(NamedTuple):
    """Layers that follow each other and give one shape.

    Attributes:
        name: what they are.
        shape: what they give for one example.
    """

    name: str
    shape: Shape


def followed(network: object) -> bool:
    """Say whether a network is one of layers, one after the other.

    Args:
        network: any.

    Returns:
        Whether `layers` follows examples through it.
    """
    body = network.body if isinstance(network, WithLinear) else network
    return isinstance(body, (Streamed, Staged, nn.Sequential))


def layers(network: nn.Module, shape: Shape) -> list[Layer]:
    """Follow an example through a network, on torch's device `meta`, which knows shapes and no values.

    Args:
        network: an encoder or a decoder, `followed`.
        shape: of an example, `(C, H, W)` or `(C, T, H, W)`, which the network's strides divide.

    Returns:
        Layers in the order of the network; those of a linear map beside it are left out.
    """
    seen: list[Layer] = []

    def before(part: nn.Module, args: tuple[Any, ...]) -> None:
        if not seen and (given := _of(args[0])) != shape:
            seen.append(Layer("squares of pixels as channels", given))

    def after(part: nn.Module, args: tuple[Any, ...], result: Any) -> None:
        # A causal part says what it remembers as well.
        seen.append(Layer(_name(part), _of(result[0] if isinstance(result, tuple) else result)))

    hooks = [
        hook
        for part in _parts(network)
        for hook in (part.register_forward_pre_hook(before), part.register_forward_hook(after))
    ]
    try:
        empty = {name: value.detach().to("meta") for name, value in network.state_dict().items()}
        with torch.no_grad():
            whole = functional_call(network, empty, torch.empty(1, *shape, device="meta"))
    finally:
        for hook in hooks:
            hook.remove()
    if not seen or _of(whole) != seen[-1].shape:
        seen.append(Layer("channels as squares of pixels", _of(whole)))
    return _merged(seen)


def _parts(network: nn.Module) -> list[nn.Module]:
    """Give the layers of a network that are no part of another; not the linear map beside it."""
    if isinstance(network, WithLinear):
        return _parts(network.body)
    found: list[nn.Module] = []
    for part in network.children():
        if isinstance(part, WHOLE):
            found.append(part)
        elif not isinstance(part, (BlocksIn, BlocksOut)):
            found.extend(_parts(part))
    return found


def _name(part: nn.Module) -> str:
    for kind, name in NAMES:
        if isinstance(part, kind):
            return name
    if isinstance(part, nn.Linear):
        return "dense layer"
    conv: Any = part.conv if isinstance(part, CausalConv) else part
    stride = conv.stride[-1]
    transposed = isinstance(part, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d))
    name = "transposed convolution" if transposed else "convolution"
    return name if stride == 1 else f"{name} of stride {stride}"


def _of(x: torch.Tensor) -> Shape:
    return tuple(x.shape[1:])


def _merged(seen: list[Layer]) -> list[Layer]:
    """Put layers together that follow each other and give one shape."""
    groups: list[list[Layer]] = []
    for layer in seen:
        if not groups or groups[-1][0].shape != layer.shape:
            groups.append([])
        groups[-1].append(layer)
    return [Layer(_counted([layer.name for layer in group]), group[0].shape) for group in groups]


def _counted(names: list[str]) -> str:
    parts = (name if count == 1 else f"{count} {_plural(name)}" for name, count in Counter(names).items())
    return ", ".join(parts)


def _plural(name: str) -> str:
    """Write `2 convolutions of stride 2`."""
    noun, of, rest = name.partition(" of ")
    return name if noun == "attention" else f"{noun}s{of}{rest}"
