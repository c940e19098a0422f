"""The settings of a training run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from latentia.core.compiling import Choice
from latentia.core.errors import ConfigError
from latentia.core.needs import ADVERSARY, Words
from latentia.objectives import Cosine, Schedule
from latentia.training.engines import Sharding

Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True)
class Training:
    """How to train; everything has a default that suits most data.

    Attributes:
        epochs: passes over the training split.
        batch_size: examples in a step; more than there are is all of them.
        accumulate: parts that a batch is worked through in, each with noise of its own; memory is that of one
            part.
        lr: peak learning rate of Adam.
        schedule: what the learning rate is multiplied with along the run.
        weight_decay: decoupled weight decay (AdamW); 0 is Adam.
        clip: largest norm of the gradient, of the model's and of an adversary's each; none leaves it alone.
        skip: norm of either gradient, before clipping, above which a step is left out, as one is whose
            gradient is not finite; none leaves out no step.
        ema: decay of an exponential moving average of the weights, which then is what is
            validated and kept; 0 keeps the weights themselves. The first steps decay faster, so that the
            random weights of the start are soon forgotten.
        patience: validations without improvement after which training stops; none never stops.
        max_minutes: time after which training stops, to be resumed; none never stops.
        validate_every: epochs between validations.
        log_every: steps between lines of the log.
        checkpoint_seconds: seconds between checkpoints.
        seed: seed of weights, order and noise.
        device: where to train, such as cpu, cuda, cuda:1, mps; auto takes the best there is.
        threads: threads that share the work on a CPU; none lets a new run choose by the size of its steps and
            record the number, on which the last digits of convolutions depend.
        precision: type of the arithmetic; auto takes bfloat16 where the device has it, on a GPU.
        compile: whether forward and backward pass are compiled: always, never, or auto, where the run is long
            enough for it to pay.
        recompute: compute the inside of residual blocks anew on the way back instead of keeping it
            (activation checkpointing): their arithmetic half as often again, and the memory of their outputs.
        frozen: parts of the model that are not trained, by the names of its weights up to a dot, such as
            encoder or decoder.mid_block; what follows the data in them stands still, too.
        sharding: whether each of several processes holds all weights, or (full) a share of them, of their
            gradients and of their moments, for models that are too large for one device.
        trackers: names of trackers beside metrics.jsonl, such as tensorboard.
    """

    gives: ClassVar[Words] = frozenset({ADVERSARY})  # the loop takes a second optimiser where it is asked

    epochs: int
    batch_size: int = 128
    accumulate: int = 1
    lr: float = 1e-3
    schedule: Schedule = Cosine()  # noqa: RUF009 - immutable
    weight_decay: float = 0.0
    clip: float | None = None
    skip: float | None = None
    ema: float = 0.0
    patience: int | None = None
    max_minutes: float | None = None
    validate_every: int = 1
    log_every: int = 100
    checkpoint_seconds: float = 30.0
    seed: int = 0
    device: str = "auto"
    threads: int | None = None
    precision: Precision = "auto"
    compile: Choice = "auto"
    recompute: bool = False
    frozen: tuple[str, ...] = ()
    sharding: Sharding = "none"
    trackers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse values that no run can have."""
        for name in (
            "epochs",
            "batch_size",
            "accumulate",
            "validate_every",
            "log_every",
            "lr",
            "patience",
            "max_minutes",
            "clip",
            "skip",
            "threads",
        ):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ConfigError(f"'training.{name}' must be positive, not {value}")
        if self.batch_size % self.accumulate:
            raise ConfigError(
                f"'training.batch_size' ({self.batch_size}) must be a multiple of 'training.accumulate' "
                f"({self.accumulate})"
            )
        if not 0 <= self.ema < 1:
            raise ConfigError(f"'training.ema' must be at least 0 and less than 1, not {self.ema}")
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"'training.seed' must be from 0 to 4294967295, not {self.seed}")
        if not 0 <= self.checkpoint_seconds < math.inf:
            raise ConfigError(
                f"'training.checkpoint_seconds' must not be negative, not {self.checkpoint_seconds}"
            )
        if not 0 <= self.weight_decay < math.inf:
            raise ConfigError(f"'training.weight_decay' must not be negative, not {self.weight_decay}")

    def batch_of(self, examples: int) -> int:
        """Give the size of a batch: `batch_size`, or what there is, in whole parts.

        Args:
            examples: how many the training split has.

        Returns:
            Examples in a step.

        Raises:
            ConfigError: if they are fewer than the parts.
        """
        size = min(self.batch_size, examples)
        if size < self.accumulate:
            raise ConfigError(
                f"'training.accumulate' is {self.accumulate}, and the training split has {examples} examples"
            )
        return size // self.accumulate * self.accumulate
