"""Training: the one loop, its checkpoints, its trackers. It knows no model by name."""

from latentia.training.callbacks import Callback, Moment
from latentia.training.checkpoint import Checkpoints, Progress, checkpoint_files
from latentia.training.engines import Engine
from latentia.training.loop import Outcome, Trainer
from latentia.training.memory import train_in_memory
from latentia.training.settings import Training
from latentia.training.watch import LatentWatch, LossWatch, Watch

__all__ = [
    "Callback",
    "Checkpoints",
    "Engine",
    "LatentWatch",
    "LossWatch",
    "Moment",
    "Outcome",
    "Progress",
    "Trainer",
    "Training",
    "Watch",
    "checkpoint_files",
    "train_in_memory",
]
