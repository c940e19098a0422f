"""Functions as objectives: of a pass of a model, or, where there are no latents, of a module and a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from latentia.core import own
from latentia.core.errors import ConfigError
from latentia.core.needs import Words
from latentia.core.registry import register
from latentia.core.types import Batch, Pass, Terms
from latentia.objectives.base import Objective


@register("objective", "function")
class PassFunction(Objective):
    """A function of a `Pass` that gives a loss for each example, or whole `Terms`.

    From Python `objective=function`. A loss of shape `(B,)` counts as distortion, and bounds nothing.
    """

    needs: Words = frozenset()
    gives: Words = frozenset()
    reads = ("loss", "nothing")

    def __init__(self, of: str, samples: int = 1) -> None:
        """Find the function.

        Args:
            of: where it is, `package.module:NAME`.
            samples: latent samples for each example.
        """
        self.of = of
        self.samples = samples
        self.function: Callable[[Pass], Any] = own.found(of, "objective")
        if not callable(self.function):
            raise ConfigError(f"'objective.of' ({of}) is no function")

    def __call__(self, state: Pass, progress: float = 1.0) -> Terms:
        """Score a pass; see `Objective`."""
        found = self.function(state)
        if isinstance(found, Terms):
            return found
        want = tuple(state.batch.x.shape[:1])
        if not isinstance(found, Tensor) or tuple(found.shape) != want:
            got = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
            raise ConfigError(
                f"the objective function has to give a loss of shape {want}, one for each example, or Terms, "
                f"not {got}"
            )
        zero = found.new_zeros(()).expand_as(found)
        return Terms(distortion=found, rate=zero, penalty=zero)


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
