"""A pair of modules of the user's own."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import nn

from latentia.core import own
from latentia.core.errors import ConfigError, reason
from latentia.core.registry import register
from latentia.networks.base import Network, Shape


@register("network", "modules")
class Modules(Network):
    """Any two modules as encoder and decoder, each with a dense layer behind it where its output's shape is
    not the one that is needed.

    From Python `network=(encoder, decoder)`. The encoder takes examples, `(B, *event)`; the decoder takes
    latents, `(B, D)`. Each model that is built gets a copy of them, with the weights that they have.
    """  # noqa: D205

    def __init__(self, of: str) -> None:
        """Find the modules.

        Args:
            of: where they are, `package.module:NAME`: a tuple of the two, or a function that gives one.
        """
        pair: Any = own.found(of, "network")
        pair = pair() if callable(pair) else pair
        if not (isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(m, nn.Module) for m in pair)):
            raise ConfigError(f"'network.of' ({of}) is no tuple of two modules, an encoder and a decoder")
        self.of = of
        self._encoder, self._decoder = pair

    def encoder(self, event: Shape, features: Shape) -> nn.Module:
        """Build the map from `(B, *event)` to `(B, *features)`; see `Network`."""
        return _fitted(self._encoder, event, features, "encoder")

    def decoder(self, latent: Shape, event: Shape) -> nn.Module:
        """Build the map from `(B, *latent)` to `(B, *event)`; see `Network`."""
        return _fitted(self._decoder, latent, event, "decoder")


def _fitted(module: nn.Module, inputs: Shape, outputs: Shape, what: str) -> nn.Module:
    """Copy a module, and bring its output to a shape."""
    module = copy.deepcopy(module)
    place = next((weights.device for weights in module.parameters()), torch.device("cpu"))
    training = module.training
    try:
        with torch.no_grad():
            made = module.eval()(torch.zeros(2, *inputs, device=place))
    except Exception as error:  # the module is the user's, and may fail in any way
        shape = "x".join(map(str, inputs))
        raise ConfigError(
            f"the {what} given does not take a batch of shape Bx{shape} ({type(error).__name__}: "
            f"{reason(error)})"
        ) from error
    module.train(training)
    if not isinstance(made, torch.Tensor) or len(made) != 2:
        raise ConfigError(f"the {what} given is to return one tensor with a row for each example")
    if tuple(made.shape[1:]) == tuple(outputs):
        return module
    layers: list[nn.Module] = [module, nn.Flatten()]
    if math.prod(made.shape[1:]) != math.prod(outputs):
        layers.append(nn.Linear(math.prod(made.shape[1:]), math.prod(outputs)))
    return nn.Sequential(*layers, nn.Unflatten(1, tuple(outputs)))
