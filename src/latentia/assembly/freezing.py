"""Parts of a model that training leaves as they are."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from latentia.core.errors import ConfigError
from latentia.probability import Moving


def is_frozen(name: str, frozen: Sequence[str]) -> bool:
    """Say whether a part of a model, or one of its weights, is not trained.

    Args:
        name: its name, with dots.
        frozen: `training.frozen`.

    Returns:
        Whether one of them is the name, or the name up to a dot.
    """
    return any(f"{name}.".startswith(f"{part}.") for part in frozen)


def freeze(model: nn.Module, frozen: Sequence[str]) -> None:
    """Let parts of a model stand still: their parameters get no gradient, and what moves without one stays.

    Args:
        model: changed in place.
        frozen: names of parts, each a name of the state dict up to a dot.

    Raises:
        ConfigError: if a name is of no part, or nothing is left to train.
    """
    names = list(model.state_dict())
    for part in frozen:
        if not any(is_frozen(name, [part]) for name in names):
            top = sorted({name.partition(".")[0] for name in names})
            raise ConfigError(
                f"training.frozen names '{part}', and no weight of the model begins with that; its parts "
                f"are: {', '.join(top)}"
            )
    for name, parameter in model.named_parameters():
        if is_frozen(name, frozen):
            parameter.requires_grad_(False)
    for name, module in model.named_modules():
        if isinstance(module, Moving) and is_frozen(name, frozen):
            module.still = True
    if frozen and not any(parameter.requires_grad for parameter in model.parameters()):
        raise ConfigError(
            f"training.frozen={list(frozen)} leaves nothing of the model to train; leave one of them out"
        )
