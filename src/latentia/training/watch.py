"""What looks at a run beside the loop: scores the validation split, and says what is wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import nn

from latentia.core.processes import Processes
from latentia.core.types import LatentModel
from latentia.data.loader import Loader
from latentia.metrics import average_losses, average_terms, health_summary
from latentia.metrics.diagnosis import USUAL_LR, collapse
from latentia.metrics.known import carrying
from latentia.metrics.terms import Averages, stored_bits
from latentia.objectives import Objective
from latentia.training.checkpoint import Progress
from latentia.training.settings import Training

HEALTH_CHECKS = 20
"""How often in a run the latents are looked at, about."""
COLLAPSE_AFTER = 300
"""Steps before which a rate near zero means a model that has not learned yet."""
FAR = 10.0
"""A loss that ends this many times its first size, or nats for each value, above its start has diverged."""


STUCK = 0.1
"""Share of a run, and no fewer than `COLLAPSE_AFTER` steps, after which a stuck adversary is a finding."""


@dataclass(frozen=True)
class Watched:
    """A run as a watch sees it.

    Attributes:
        model: what is trained.
        objective: what it is trained by.
        train: the training split.
        validation: the validation split, which may be empty.
        settings: how it is trained.
        processes: who trains it; all of them call a watch.
        epoch_steps: steps in an epoch.
        total_steps: steps in the run.
    """

    model: Any
    objective: Objective
    train: Loader
    validation: Loader
    settings: Training
    processes: Processes
    epoch_steps: int
    total_steps: int


@dataclass(frozen=True)
class Seen:
    """What a look at the validation split gave.

    Attributes:
        score: what weights are chosen by, the mean of `Terms.score`, in nats.
        rows: lines for the log, each with its `split`.
        shown: words for the progress bar.
    """

    score: float
    rows: tuple[Mapping[str, Any], ...]
    shown: Mapping[str, str] = field(default_factory=dict)


class Watch(Protocol):
    """Looks at a run where the loop does not. It changes nothing: neither weights nor what is drawn."""

    def steps(self, run: Watched, step: int, means: Mapping[str, float]) -> dict[str, str]:
        """Say what the progress bar shows of the steps since the last line.

        Args:
            run: the run.
            step: steps done.
            means: of the terms, by name.

        Returns:
            Words by name.
        """
        ...

    def validate(self, run: Watched, step: int, share: float) -> Seen:
        """Score the validation split, which is not empty, always with the same noise.

        Args:
            run: the run; its model holds the weights to score.
            step: steps done.
            share: share of the run that is done.

        Returns:
            The score, and what there is to say.
        """
        ...

    def warnings(self) -> list[str]:
        """Give what is wrong with what was learned so far; a line each."""
        ...


class _Rivalry:
    """Notes since when an adversary has been stuck, with a say in the loss."""

    def __init__(self) -> None:
        self.since, self.found = 0, ""

    def steps(self, run: Watched, step: int, means: Mapping[str, float]) -> dict[str, str]:
        """Look at the steps since the last line, and show how often it is right."""
        adversary = run.objective.adversary
        if adversary is None:
            return {}
        accuracy = means["adversary_accuracy"]
        found = adversary.finding(means["adversary"], accuracy)
        if not found or not run.objective.settled(step / run.total_steps):
            self.since, self.found = step, ""
        elif step - self.since >= max(COLLAPSE_AFTER, STUCK * run.total_steps):
            self.found = f"from step {self.since} on {found}"
        return {"adversary": f"{accuracy:.0%} right"}

    def warnings(self) -> list[str]:
        """Name an adversary that was stuck up to the last look."""
        return [self.found] if self.found else []


class LossWatch:
    """Looks at the loss alone: all that can be said of a model that need have no latents."""

    def __init__(self) -> None:
        """Start without a warning."""
        self._rivalry = _Rivalry()

    def steps(self, run: Watched, step: int, means: Mapping[str, float]) -> dict[str, str]:
        """Show the loss; see `Watch`."""
        return {"loss": f"{means['loss']:.4g}", **self._rivalry.steps(run, step, means)}

    def validate(self, run: Watched, step: int, share: float) -> Seen:
        """Average the terms; see `Watch`."""
        means = average_losses(
            run.objective.wrapped(run.model), run.objective, run.validation, progress=share,
            processes=run.processes,
        )  # fmt: skip
        return Seen(means["score"], ({"split": "validation", **means},), {"val": f"{means['score']:.4g}"})

    def warnings(self) -> list[str]:
        """Name an adversary that is stuck; see `Watch`."""
        return self._rivalry.warnings()


class LatentWatch:
    """Looks at a model with latents: its terms, bits per dimension, and at times what the latents carry."""

    def __init__(self) -> None:
        """Start without a warning."""
        self._warnings: list[str] = []
        self._rivalry = _Rivalry()

    def steps(self, run: Watched, step: int, means: Mapping[str, float]) -> dict[str, str]:
        """Show distortion, rate and, of a bound, bits per dimension; see `Watch`."""
        shown = {"recon": f"{means['distortion']:.2f}", "kl": f"{means['rate']:.2f}"}
        if run.objective.bound:
            bits = stored_bits(means["distortion"] + means["rate"], run.model, run.train)
            shown["bits/dim"] = f"{bits:.3f}"
        return shown | self._rivalry.steps(run, step, means)

    def validate(self, run: Watched, step: int, share: float) -> Seen:
        """Average the terms, and look at the latents where it is time; see `Watch`."""
        scores = average_terms(
            run.model, run.objective, run.validation, progress=share, processes=run.processes
        )
        rows, shown = [{"split": "validation", **scores.row()}], {"val": f"{scores.loss:.2f}"}
        if scores.rate_by_level:
            shown["rate by level"] = "+".join(f"{rate:.1f}" for rate in scores.rate_by_level)
        if math.isfinite(scores.score) and not run.model.copies and _health_due(run, step):
            figures = health_summary(run.model, run.validation)
            rows.append({"split": "health", **figures})
            shown |= self._judge(run, step, share, scores, figures)
        return Seen(scores.score, tuple(rows), shown)

    def _judge(
        self, run: Watched, step: int, share: float, scores: Averages, figures: Mapping[str, float]
    ) -> dict[str, str]:
        """Warn while the posterior is collapsed, unless it recovers."""
        if "codebook_use" in figures:
            return {"codes": f"{figures['codebook_use']:.0%}"}
        active, latents = int(figures["active_units"]), math.prod(run.model.latent)
        self._warnings.clear()
        if run.objective.bound and run.objective.settled(share) and step >= COLLAPSE_AFTER:
            finding = collapse(scores.rate, max(active, carrying(scores.kl)), latents)
            if finding and finding.name == "full collapse":
                self._warnings.append(f"{finding.name} at step {step}: {finding.what}; {finding.advice}")
        return {"active": f"{active}/{latents}"}

    def warnings(self) -> list[str]:
        """Name a collapse that the last look saw, and an adversary that is stuck; see `Watch`."""
        return [*self._warnings, *self._rivalry.warnings()]


def default_watch(model: nn.Module) -> Watch:
    """Choose a watch by what the model is.

    Args:
        model: what is trained.

    Returns:
        One that looks at latents, of a model that has them.
    """
    return LatentWatch() if isinstance(model, LatentModel) else LossWatch()


def _health_due(run: Watched, step: int) -> bool:
    """Say whether this validation looks at the latents: about twenty do, and the last one."""
    between = run.settings.validate_every * run.epoch_steps
    every = max(1, run.total_steps // between // HEALTH_CHECKS)
    return step == run.total_steps or step // between % every == 0


def diverged(run: Watched, progress: Progress) -> tuple[str, str]:
    """Tell whether the training loss ended far above where it began.

    A validation loss alone that is far above it says something of the examples that were held out: one that
    lies far outside of the others is enough.

    Args:
        run: the run.
        progress: where it ended.

    Returns:
        A warning where the weights that were kept are from before, and why what was learned is of no use
        where they are not; both empty where nothing diverged.
    """
    best = progress.best_score
    last = best if progress.last_loss is None else progress.last_loss
    if last is None or not _far(run, progress, last):
        return "", ""
    lr = run.settings.lr
    what = (
        f"the run diverged: its loss was {progress.first_loss:.4g} nats before the first step, and is "
        f"{last:.4g}; use training.lr={min(USUAL_LR, lr / 10):g} (now {lr:g})"
    )
    if best is None or _far(run, progress, best):
        return "", what
    return f"{what}; the weights of step {progress.best_step}, before it, were kept", ""


def _far(run: Watched, progress: Progress, loss: float) -> bool:
    """Whether a loss is so far above the first one that no weight on a schedule explains it."""
    first = progress.first_loss
    if first is None or not math.isfinite(first):
        return False
    return loss - first > FAR * max(abs(first), math.prod(run.train.event))
