"""A loss that reads no latents, for modules that have none: a classifier, a denoiser, a flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from latentia.core.needs import Words
from latentia.core.types import Batch, Terms
from latentia.objectives.base import Objective


class LossFunction(Objective):
    """A function of a module and a batch that gives a loss for each example; all of it counts as distortion.

    Example:
        >>> from torch.nn.functional import cross_entropy
        >>> LossFunction(lambda net, batch: cross_entropy(net(batch.x), batch.c, reduction="none")).bound
        False
    """

    needs: Words = frozenset()
    gives: Words = frozenset()
    reads = ("loss", "nothing")

    def __init__(self, loss: Callable[[Any, Batch], Tensor]) -> None:
        """Take the function.

        Args:
            loss: gives the loss of each example of a batch, shape `(B,)`, from the module that is trained and
                the batch; targets are the batch's `c`.
        """
        self.loss = loss

    def wrapped(self, model: nn.Module) -> nn.Module:
        """Give the module that computes the loss; see `Objective`."""
        return _Loss(model, self.loss)

    def __call__(self, state: Tensor, progress: float = 1.0) -> Terms:
        """Pass the loss on; see `Objective`."""
        zero = state.new_zeros(()).expand_as(state)
        return Terms(distortion=state, rate=zero, penalty=zero)


class _Loss(nn.Module):
    """A module and its loss, as one."""

    def __init__(self, model: nn.Module, loss: Callable[[Any, Batch], Tensor]) -> None:
        super().__init__()
        self.model = model
        self.loss = loss

    def forward(self, batch: Batch, samples: int = 1) -> Tensor:
        return self.loss(self.model, batch)
