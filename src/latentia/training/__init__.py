"""Training: the one loop, its checkpoints, its trackers. It knows no model by name."""

from latentia.training.checkpoint import Checkpoints, Progress, checkpoint_files
from latentia.training.devices import choose_device
from latentia.training.engines import Engine
from latentia.training.loop import Outcome, Trainer
from latentia.training.settings import Training

__all__ = [
    "Checkpoints",
    "Engine",
    "Outcome",
    "Progress",
    "Trainer",
    "Training",
    "checkpoint_files",
    "choose_device",
]
