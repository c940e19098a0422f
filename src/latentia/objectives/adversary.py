"""What an objective may declare that is trained beside the model, and against it."""

from __future__ import annotations

import abc
from typing import Any

from torch import Tensor, nn

from latentia.core.types import Pass


class Adversary(nn.Module, abc.ABC):
    """A module with a loss and an optimiser of its own.

    The loop takes one step of the adversary after each step of the model, on the same pass. Its weights
    and moments belong to the checkpoint of a run and not to the model: nobody needs them to use it.

    Attributes:
        lr: learning rate of its Adam, the same along the run.
        betas: decay of the two moments of its Adam.
    """

    lr: float
    betas: tuple[float, float]

    @abc.abstractmethod
    def loss(self, state: Pass) -> Tensor:
        """Score the adversary.

        Args:
            state: what the model computed; no gradient reaches the model.

        Returns:
            What the adversary minimises, shape `(B,)`, in nats.
        """

    def frozen(self, *inputs: Any) -> Tensor:
        """Run forward with the weights as constants: the gradient reaches the inputs alone.

        Args:
            inputs: what forward takes.

        Returns:
            What forward gives.
        """
        from torch.func import functional_call

        return functional_call(self, {name: p.detach() for name, p in self.named_parameters()}, inputs)
