"""Training: the one loop, its checkpoints, its trackers. It knows no model by name."""

from latentia.training.checkpoint import Checkpoints, Progress
from latentia.training.devices import choose_device
from latentia.training.loop import Outcome, Trainer
from latentia.training.settings import Training

__all__ = ["Checkpoints", "Outcome", "Progress", "Trainer", "Training", "choose_device"]
