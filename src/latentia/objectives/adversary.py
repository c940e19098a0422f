"""What an objective may declare that is trained beside the model, and against it."""

from __future__ import annotations

import abc
from typing import Any

import torch
from torch import Tensor, nn

from latentia.core.errors import ConfigError
from latentia.core.types import Pass


class Adversary(nn.Module, abc.ABC):
    """A module with a loss and an optimiser of its own.

    The loop takes one step of the adversary after each step of the model, on the same pass, with the model's
    schedule and clipping. Its weights and moments belong to the checkpoint of a run and not to the model:
    nobody needs them to use it.

    Attributes:
        lr: peak learning rate of its Adam.
        betas: decay of the two moments of its Adam.
    """

    lr: float
    betas: tuple[float, float]

    @abc.abstractmethod
    def logits(self, state: Pass) -> tuple[Tensor, Tensor]:
        """Judge both kinds of examples.

        Args:
            state: what the model computed; no gradient reaches the model.

        Returns:
            What it says of what it should call true, above 0, and of what it should call false, below 0;
            each with as many judgements of every example as it likes, shape `(J, B)`.
        """

    @abc.abstractmethod
    def losses(self, true: Tensor, false: Tensor) -> Tensor:
        """Score judgements.

        Args:
            true: those of what it should call true, shape `(J, B)`.
            false: those of what it should call false, shape `(K, B)`.

        Returns:
            What the adversary minimises, shape `(B,)`.
        """

    def loss(self, state: Pass) -> tuple[Tensor, Tensor]:
        """Score the adversary.

        Args:
            state: what the model computed; no gradient reaches the model.

        Returns:
            What it minimises, and the share of its judgements that are right, true and false counting
            alike; each `(B,)`.
        """
        true, false = self.logits(state)
        with torch.no_grad():
            right = 0.5 * ((true > 0).float().mean(dim=0) + (false < 0).float().mean(dim=0))
        return self.losses(true, false), right

    def finding(self, loss: float, accuracy: float) -> str:
        """Say what is wrong where both stay as they are for long.

        Args:
            loss: the mean of its losses over some steps.
            accuracy: the share of its judgements that are right, over the same.

        Returns:
            What is wrong and which setting to change; empty where nothing is.
        """
        return ""

    def frozen(self, *inputs: Any) -> Tensor:
        """Run forward with the weights as constants: the gradient reaches the inputs alone.

        Args:
            inputs: what forward takes.

        Returns:
            What forward gives.
        """
        from torch.func import functional_call

        return functional_call(self, {name: p.detach() for name, p in self.named_parameters()}, inputs)


def checked_betas(betas: tuple[float, ...]) -> tuple[float, float]:
    """Refuse decays of moments that no Adam has.

    Args:
        betas: `objective.betas`.

    Returns:
        The two.

    Raises:
        ConfigError: if they are not two numbers from 0 to below 1.
    """
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise ConfigError(f"'objective.betas' are two numbers from 0 to below 1, not {list(betas)}")
    return betas[0], betas[1]
