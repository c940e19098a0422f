"""The adversary that an objective declares, with an optimiser of its own."""

from __future__ import annotations

from torch import Tensor

from latentia.objectives import Adversary
from latentia.training.optimiser import Adam


class TrainedDiscriminator:
    """Trains an adversary beside the model, one step for each of the model's."""

    def __init__(self, adversary: Adversary) -> None:
        """Start the optimiser.

        Args:
            adversary: what the objective declares, on the model's device.
        """
        self.adversary = adversary.train()
        self.optimiser = Adam(list(adversary.parameters()), betas=adversary.betas)

    @property
    def lr(self) -> float:
        """The peak learning rate; the schedule is the model's."""
        return self.adversary.lr

    def state(self) -> dict[str, Tensor]:
        """Give weights and moments, by name."""
        named = {f"weights.{name}": value for name, value in self.adversary.state_dict().items()}
        return named | {f"optimiser.{name}": value for name, value in self.optimiser.state().items()}
