"""One step of training: from the positions of a batch to updated weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from latentia.core.compiling import Choice, Compiled, of_training
from latentia.core.devices import autocast
from latentia.core.needs import DIFFERENTIATES
from latentia.core.noise import seed_next
from latentia.data.loader import Loader
from latentia.objectives import Objective
from latentia.objectives.schedules import TensorSchedule
from latentia.training.buffers import MovingBuffers
from latentia.training.discriminator import TrainedDiscriminator
from latentia.training.engines import Engine, local, whole
from latentia.training.optimiser import Adam
from latentia.training.settings import Training

TERMS = ("loss", "distortion", "rate", "penalty")
"""What a step says of each example, in this order."""
ADVERSARY = ("adversarial", "adversary", "adversary_accuracy")
"""What follows where there is an adversary: its term of the model's loss, its own loss, and the share of its
judgements that are right."""


class LossModule(nn.Module):
    """What a step differentiates: gather, transform, forward pass, objective.

    All that learns in a run is a parameter of it: the model, and the adversary where there is one. What moves
    without a gradient is a buffer of it, that of the objective as well.
    """

    def __init__(self, model: nn.Module, objective: Objective, loader: Loader) -> None:
        """Bring the parts together.

        Args:
            model: maps a `Batch` to a `Pass`, or to what else the objective reads.
            objective: maps a `Pass` to `Terms`.
            loader: the training split.
        """
        super().__init__()
        self.model = model
        self.adversary = objective.adversary
        self.objective = objective
        self.moving = nn.ModuleList(objective.moving().values())
        self.loader = loader

    def forward(self, index: Tensor, progress: float = 1.0) -> tuple[Tensor, ...]:
        """Score examples.

        Args:
            index: their positions in the data, shape `(B,)`.
            progress: share of the run that is done.

        Returns:
            The terms, each of shape `(B,)`, in nats, in the order of `TERMS` and `ADVERSARY`.
        """
        state = self.model(self.loader.batch(index, varied=True), self.objective.samples)
        terms = self.objective(state, progress)
        self.objective.observe(terms)
        parts = (terms.distortion, terms.rate, terms.penalty)
        if self.adversary is None:  # the score is all of the loss
            return terms.score, *parts
        added = terms.adversarial if terms.adversarial is not None else torch.zeros_like(terms.rate)
        return terms.loss, *parts, added, *self.adversary.loss(state)


def compiled(
    loss_module: LossModule, choice: Choice, steps: int, say: Callable[[str], None], divided: bool = False
) -> Callable[..., Any]:
    """Compile what a step differentiates, where that is asked for or pays; the backward pass comes with it.

    It draws the noise that uncompiled code draws, so that the curve is the same to float accuracy.

    Args:
        loss_module: what to compile.
        choice: always, never, or auto.
        steps: how many steps the run has, from its start: a resumed run decides as the unbroken one.
        say: called with the decision, where one was made.
        divided: the weights are divided between processes.

    Returns:
        What to call in its place: itself where it is not compiled.
    """
    parameters = list(loss_module.parameters())
    device = parameters[0].device
    decision = of_training(
        choice, device, steps,
        convolves=any(p.dim() > 2 for p in parameters),
        differentiates=DIFFERENTIATES in loss_module.objective.gives,
        divided=divided,
    )  # fmt: skip
    if decision.why:
        say(decision.why)
    if not decision.compile:
        return loss_module
    objective = loss_module.objective.with_tensor_schedules(device)
    factors = [part for _, part in objective.parts() if isinstance(part, TensorSchedule)]
    held = LossModule(loss_module.model, objective, loss_module.loader)
    options = {"fallback_random": True, "triton.cudagraphs": device.type == "cuda"}
    # In parts where it must be: data that stream are gathered by Python.
    fast = Compiled(held.forward, say, whole=False, options=options)

    def forward(index: Tensor, progress: float) -> tuple[Tensor, ...]:
        for factor in factors:
            factor.set(progress)
        found = fast(index)
        # What a replayed graph gave is overwritten by the next replay, that of the batch's next part too.
        return tuple(values.clone() for values in found) if device.type == "cuda" else found

    return forward


class Step:
    """Gather, forward, backward, clip, update; nothing in it waits for the device.

    A batch is worked through in `training.accumulate` parts of one size. The noise of a part is a function of
    the seed, the step and the part alone: which process draws it, and what was drawn before, makes no
    difference, so that a resumed run and a run on several processes draw the same. The gradient is that of
    the mean over all parts, whoever works on them.
    """

    def __init__(
        self, engine: Engine, optimiser: Adam, discriminator: TrainedDiscriminator | None, settings: Training
    ) -> None:
        """Bring the parts together.

        Args:
            engine: what gives the terms.
            optimiser: of the model's parameters.
            discriminator: the adversary with its optimiser, if the objective has one.
            settings: how to train.
        """
        self.engine = engine
        self.optimiser = optimiser
        self.discriminator = discriminator
        self.settings = settings
        self.device = optimiser.parameters[0].device
        self.average = [p.detach().clone() for p in optimiser.parameters] if settings.ema else []
        self.weights: dict[tuple[int, bool], Tensor] = {}
        self.buffers = MovingBuffers(engine.loss_module, engine.processes, settings.accumulate)

    def __call__(self, index: Tensor, number: int, progress: float) -> tuple[Sequence[Tensor], Tensor | None]:
        """Take one optimiser step.

        Args:
            index: positions of the batch's examples in the data, shape `(B,)`.
            number: which step of the run it is, from 0.
            progress: share of the run that is done.

        Returns:
            The terms before the step of the examples that this process works on, each of shape `(b,)`, in
            nats; and 1 if the step was left out, else 0, shape `()`, or None where no step is ever left out.
        """
        self.optimiser.zero_grad()
        if self.discriminator is not None:
            self.discriminator.optimiser.zero_grad()
        count = self.settings.accumulate
        parts = [index] if count == 1 else index.chunk(count)
        dealt = self.engine.processes.deal(count)
        self.buffers.start()
        terms = []
        for part, counts in dealt:
            last = len(terms) + 1 == len(dealt)
            found = self._backward(parts[part], number, part, progress, last, counts)
            terms.append(found if counts else [values[:0] for values in found])
            self.buffers.note()
        self.buffers.finish()
        skipped = self._update(number, progress)
        return terms[0] if len(terms) == 1 else [torch.cat(parts) for parts in zip(*terms)], skipped

    def _backward(
        self, index: Tensor, number: int, part: int, progress: float, last: bool, counts: bool
    ) -> tuple[Tensor, ...]:
        """Add the gradient of one part's share of the mean loss."""
        seed_next(self.settings.seed, number, part)
        with autocast(self.settings.precision, self.device):
            found = self.engine(index, progress, last)
        # Losses of the model and of the adversary: neither reaches the other's parameters.
        losses = found[:1] if self.discriminator is None else (found[0], found[-2])
        torch.autograd.backward(losses, self._weights(found[0], counts) * len(losses))
        return tuple([values.detach() for values in found])

    def _weights(self, losses: Tensor, counts: bool) -> tuple[Tensor]:
        """Give what a part's losses add to the loss, each: made once, where a mean costs two operations."""
        key = len(losses), counts
        if key not in self.weights:
            # Several processes average their gradients.
            share = self.engine.processes.count / self.settings.accumulate if counts else 0.0
            self.weights[key] = torch.full_like(losses, share / len(losses), requires_grad=False)
        return (self.weights[key],)

    def _update(self, number: int, progress: float) -> Tensor | None:
        """Move the weights along the gradient that was gathered."""
        settings, factor = self.settings, self.settings.schedule(progress)
        learners = [(self.optimiser, settings.lr)]
        if self.discriminator is not None:
            learners.append((self.discriminator.optimiser, self.discriminator.lr))
        skipped = None
        if settings.skip:  # all or none: model and adversary take their steps on the same pass
            skipped = torch.stack([_unfit(each.parameters, settings.skip) for each, _ in learners]).amax()
        for optimiser, lr in learners:
            if settings.clip:
                nn.utils.clip_grad_norm_(optimiser.parameters, settings.clip)
            optimiser.step(lr * factor, skipped)
        if self.average:
            share = 1 - decay(settings.ema, number)
            _drift(list(map(local, self.average)), list(map(local, self.optimiser.parameters)), share)
        return skipped


def _unfit(parameters: list[nn.Parameter], limit: float) -> Tensor:
    """Give 1 if the gradient's norm is over the limit or not finite, else 0, on the device."""
    norm = whole(nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None]))
    return (~(norm <= limit)).to(norm.dtype)


def decay(limit: float, number: int) -> float:
    """Give the decay of the average at a step: (1 + n) / (10 + n), and no more than the setting.

    The average starts at random weights. With one decay from the start on, 0.999 of them would be left after
    the first step and 0.93 after 72; so they are gone after a few, and the average of n steps looks back on
    about n / 9 of them until the setting's 1 / (1 - decay) is reached.

    Args:
        limit: `training.ema`.
        number: which step of the run it is, from 0.

    Returns:
        What the average keeps of itself.
    """
    return min(limit, (1 + number) / (10 + number))


@torch.no_grad()
def _drift(average: list[Tensor], parameters: list[Tensor], share: float) -> None:
    """Move the average towards the parameters, in place."""
    torch._foreach_lerp_(average, parameters, share)  # pyright: ignore[reportPrivateImportUsage]
