"""The loop. One page: gather, forward, objective, backward, step; everything else is beside it."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from latentia.core.errors import TrainingError
from latentia.core.memory import kept_memory
from latentia.core.processes import Processes
from latentia.core.progress import bar as progress_bar
from latentia.data.loader import Loader
from latentia.objectives import Objective
from latentia.training.callbacks import Callbacks, Given, Moment
from latentia.training.checkpoint import Checkpointed, Progress
from latentia.training.discriminator import TrainedDiscriminator
from latentia.training.engines import Engine, engine
from latentia.training.folder import RunFolder
from latentia.training.interrupts import Agreement, Interrupts
from latentia.training.optimiser import Adam
from latentia.training.records import FolderRecord, MemoryRecord, Record
from latentia.training.settings import Training
from latentia.training.step import ADVERSARY, TERMS, LossModule, Step, compiled
from latentia.training.terms_buffer import TermsBuffer
from latentia.training.watch import Watch, Watched, default_watch, diverged

MOST_SKIPPED = 100
"""Steps left out in a row after which a run is hopeless."""


@dataclass(frozen=True)
class Outcome:
    """How a session of training ended.

    Attributes:
        progress: where the run is.
        interrupted: the signal that stopped it, if one did.
        notes: what happened that the user should know, such as a damaged checkpoint.
        warnings: what is wrong with what was learned, such as a collapsed posterior.
        fault: why what was learned is of no use; empty where it is not so.
    """

    progress: Progress
    interrupted: signal.Signals | None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    fault: str = ""


class Trainer:
    """Trains one model on one split, into a run folder or in memory.

    In memory nothing is written, a run cannot be gone on with, and the model has its best weights in the end.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        splits: Mapping[str, Loader],
        settings: Training,
        folder: RunFolder | None = None,
        watch: Watch | None = None,
        *,
        quiet: bool = False,
        title: str | None = None,
        processes: Processes = Processes(),  # noqa: B008 - immutable
        say: Callable[[str], None] = lambda line: None,
        callbacks: Sequence[Given] = (),
    ) -> None:
        """Bring the parts together.

        Args:
            model: maps a `Batch` to what the objective reads; on the device already.
            objective: maps that to `Terms`; `LossFunction` does for modules without latents.
            splits: 'train', and 'validation' where there is one.
            settings: how to train.
            folder: where everything is written; None trains in memory.
            watch: what scores the validation split and looks at the run; None goes by the model.
            quiet: show no progress bar.
            title: what the progress bar is called.
            processes: who trains it; the first one writes the folder.
            say: called with each line that a person wants to read.
            callbacks: the user's own, see `latentia.training.Callback`.
        """
        self.callbacks = Callbacks(callbacks, processes.count)
        self.model = model
        if next(model.parameters()).device.type == "cuda":  # on a CPU it was measured to gain nothing
            _lay_out(model)
        self.objective = objective
        self.train = splits["train"]
        self.validation = splits["validation"] if "validation" in splits else self.train.over(np.empty(0))
        self.settings = settings
        self.folder = folder
        self.quiet = quiet or not processes.first
        self.title = title
        self.processes = processes
        self.batch_size = settings.batch_of(len(self.train))
        self.epoch_steps = len(self.train) // self.batch_size  # the incomplete last batch is dropped
        self.total_steps = settings.epochs * self.epoch_steps
        self.device = next(model.parameters()).device
        adversary = objective.to(self.device).adversary
        self.engine = self._engine(say)
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimiser = Adam(self.parameters, settings.weight_decay)
        discriminator = None if adversary is None else TrainedDiscriminator(adversary)
        self.terms = TERMS if adversary is None else (*TERMS, *ADVERSARY)
        self.step = Step(self.engine, optimiser, discriminator, settings)
        self.live = Checkpointed(model, optimiser, self.step.average, discriminator, objective)
        self.record = self._record(folder)
        self.watch = watch or default_watch(model)
        self.watched = Watched(
            model, objective, self.train, self.validation, settings, processes,
            self.epoch_steps, self.total_steps,
        )  # fmt: skip
        self.terms_buffer = TermsBuffer(settings.log_every + MOST_SKIPPED)
        self.validated: dict[str, str] = {}

    def _engine(self, say: Callable[[str], None]) -> Engine:
        """Make one module of model and objective, compiled where that pays, for one process or several."""
        loss_module = LossModule(self.objective.wrapped(self.model), self.objective, self.train)
        sharding = self.settings.sharding
        divided = sharding != "none" and self.processes.count > 1
        fast = compiled(loss_module, self.settings.compile, self.total_steps, say, divided)
        if fast is not loss_module:
            loss_module.forward = fast
        return engine(loss_module, self.processes, sharding)

    def _record(self, folder: RunFolder | None) -> Record:
        if folder is None:
            return MemoryRecord(self.engine)
        return FolderRecord(folder, self.engine, self.settings.trackers)

    def fit(self) -> Outcome:
        """Train to the end, to a signal, or to the time limit; go on from a checkpoint if there is one.

        Returns:
            How it ended.

        Raises:
            TrainingError: if the loss is not finite.
            RunError: if the checkpoints cannot be used.
            LatentiaError: if the disk is full.
        """
        settings = self.settings
        restored, notes = self.record.begin(self.live)
        progress = restored or Progress()
        if progress.step < self.total_steps and progress.finished != "early":
            progress.finished = ""

        self.model.train()
        saved = logged = started = time.monotonic()
        before = progress.seconds
        agreement = Agreement(self.processes, progress.step)
        with kept_memory(self.device), Interrupts() as interrupts, self._bar(progress.step) as bar:
            while progress.step < self.total_steps and not progress.finished:
                epoch, position = divmod(progress.step, self.epoch_steps)
                index = self._index(progress.step)
                share = (progress.step + 0.5) / self.total_steps
                self.terms_buffer.add(*self.step(index, progress.step, share))
                progress.step += 1

                now = time.monotonic()
                progress.seconds = before + now - started
                if self.callbacks.each_step:
                    self._heed(progress, self.callbacks.step(self._moment(progress)))
                epoch_over = position + 1 == self.epoch_steps
                if progress.step % settings.log_every == 0 or epoch_over:
                    logged = self._log(progress, bar, logged)
                if epoch_over and (
                    (epoch + 1) % settings.validate_every == 0 or progress.step == self.total_steps
                ):
                    self._validate(progress)
                stop, due = agreement(
                    progress.step,
                    interrupts.received or 0,
                    bool(settings.max_minutes) and progress.seconds >= 60 * (settings.max_minutes or 0),
                    now - saved >= settings.checkpoint_seconds,
                )
                if stop or due:
                    logged = self._log(progress, bar, logged)
                    self.record.checkpoint(progress, self.live)
                    saved = time.monotonic()
                    if stop:
                        break
            if progress.step == self.total_steps and not progress.finished:
                progress.finished = "epochs"
            if progress.finished or progress.best_step is None:
                self._finish(progress)
            self.callbacks.ended(self._moment(progress))
            signalled = interrupts.together(self.processes)
        self.record.close(self.model)
        return self._outcome(progress, signalled, notes)

    def _outcome(self, progress: Progress, signalled: signal.Signals | None, notes: list[str]) -> Outcome:
        warning, fault = ("", "") if signalled else diverged(self.watched, progress)
        warnings = [*self.watch.warnings(), *([warning] if warning else [])]
        return Outcome(progress, signalled, tuple(notes), tuple(warnings), fault)

    def _index(self, number: int) -> Tensor:
        """Give the positions of a step's batch, a function of its number."""
        epoch, position = divmod(number, self.epoch_steps)
        start = position * self.batch_size
        return self.train.chosen(self.settings.seed, epoch, start, start + self.batch_size)

    def _log(self, progress: Progress, bar: Any, since: float) -> float:
        """Write the means since the last line, and refuse to go on if one is not finite."""
        if not len(self.terms_buffer):
            return since
        rows = self.processes.sum(self.terms_buffer.sums()) / self.batch_size  # (steps, terms)
        taken = self.terms_buffer.taken()
        if not taken.any():  # nothing to take a mean of: the next line says it
            if len(rows) < MOST_SKIPPED:
                return since
            error = TrainingError(
                f"training.skip={self.settings.skip:g} left out all of the last {len(rows)} steps up to step "
                f"{progress.step}; raise it, or try a lower training.lr (now {self.settings.lr:g})"
            )
            raise self.processes.refuse(error)
        if not torch.isfinite(rows[taken]).all():
            self.processes.alone(lambda: self._fail(progress, rows.where(taken[:, None], 0)))
        steps, each = len(rows), rows[taken].double().mean(dim=0).tolist()
        means: dict[str, float] = dict(zip(self.terms, each, strict=True))
        self.terms_buffer.clear()
        added = means.get("adversarial", 0.0)  # no part of what weights are compared by
        progress.last_loss = means["loss"] - added
        if progress.step == steps:
            first = dict(zip(self.terms, rows[0].tolist()))
            progress.first_loss = first["loss"] - first.get("adversarial", 0.0)
        now = time.monotonic()
        rate = steps * self.batch_size / max(now - since, 1e-9)
        row = {"split": "train", "step": progress.step, "epoch": progress.step / self.epoch_steps, **means}
        row |= {
            "lr": self.settings.lr * self.settings.schedule((progress.step - 0.5) / self.total_steps),
            "images_per_second": rate,
            "seconds": progress.seconds,
        }
        if self.settings.skip:
            row["skipped"] = int((~taken).sum())
        self.record.log(row)
        if self.callbacks:
            self._heed(progress, self.callbacks.logged(self._moment(progress), row))
        bar.update(steps)
        shown = self.watch.steps(self.watched, progress.step, means)
        bar.set_postfix({**shown, "images/s": f"{rate:,.0f}", **self.validated}, refresh=False)
        return now

    def _fail(self, progress: Progress, rows: Tensor) -> None:
        """Save the first batch whose loss is not finite and say which term it was."""
        bad = int((~torch.isfinite(rows)).any(dim=1).nonzero()[0])
        names = [name for name, value in zip(self.terms, rows[bad], strict=True) if not torch.isfinite(value)]
        term = next((name for name in names if name != "loss"), "loss")
        value = rows[bad][self.terms.index(term)].item()
        step = progress.step - len(rows) + bad + 1
        index = self._index(step - 1)
        kept = self.record.failed({"x": self.train.varied(index), "index": index}, step)
        raise TrainingError(
            f"the {term} is {value} at step {step}: {kept}; "
            f"try a lower training.lr (now {self.settings.lr:g}) or training.clip=1"
        )

    def _validate(self, progress: Progress) -> None:
        """Score the validation split with the training objective; keep the weights if they are the best."""
        if not len(self.validation):
            return
        share = progress.step / self.total_steps
        with self._averaged():
            with self.engine.gathered():
                score = self._score(progress, share)
            if share < self.objective.chosen_from or not self.objective.settled(share):
                return
            if progress.best_score is None or score < progress.best_score:
                progress.best_score, progress.best_step, progress.stale = score, progress.step, 0
                self._keep(progress)
            else:
                progress.stale += 1
                if self.settings.patience and progress.stale >= self.settings.patience:
                    progress.finished = "early"

    def _moment(self, progress: Progress) -> Moment:
        folder = None if self.folder is None else self.folder.path
        return Moment(progress.step, self.total_steps, progress.step / self.epoch_steps, self.model, folder)

    def _heed(self, progress: Progress, stop: bool) -> None:
        """End the training where a callback says so."""
        if stop:
            progress.finished = "early"

    def _score(self, progress: Progress, share: float) -> float:
        """Have the validation split looked at, and log what was seen."""
        step = progress.step
        seen = self.watch.validate(self.watched, step, share)
        if not math.isfinite(seen.score):
            error = TrainingError(f"the validation loss is {seen.score} at step {step}; try a lower lr")
            raise self.processes.refuse(error)
        for row in seen.rows:
            self.record.log({"split": row["split"], "step": step, **row})
            if self.callbacks and row["split"] == "validation":
                self._heed(progress, self.callbacks.validated(self._moment(progress), row))
        self.validated |= seen.shown
        return seen.score

    def _keep(self, progress: Progress) -> None:
        self.record.keep(self.model, {"step": progress.step, "score": progress.best_score})

    def _finish(self, progress: Progress) -> None:
        """Leave a model and a last checkpoint behind."""
        if progress.best_step is None:  # nothing was chosen by validation: the last weights are the model
            with self._averaged():
                self._keep(progress)
        self.record.checkpoint(progress, self.live)

    def _averaged(self) -> _Swapped:
        return _Swapped(self.parameters, self.step.average)

    def _bar(self, start: int) -> Any:
        return progress_bar(
            total=self.total_steps, initial=start, desc=self.title, unit="step", quiet=self.quiet
        )


def _lay_out(model: nn.Module) -> None:
    """Bring the weights of convolutions into the layout that tensor cores want, channels last."""
    for parameter in model.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


class _Swapped:
    """While entered, the parameters hold the averaged weights."""

    def __init__(self, parameters: list[nn.Parameter], average: list[Tensor]) -> None:
        self.pairs = list(zip(parameters, average, strict=True)) if average else []

    def __enter__(self) -> None:
        self._swap()

    def __exit__(self, *_: object) -> None:
        self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for parameter, average in self.pairs:
            held = parameter.clone()
            parameter.copy_(average)
            average.copy_(held)
