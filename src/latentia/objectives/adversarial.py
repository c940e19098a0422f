"""Reconstructions that a discriminator of patches cannot tell from data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn import functional

from latentia.core.errors import ConfigError
from latentia.core.event import Event
from latentia.core.needs import ADVERSARY, COMPLETE, DIFFERENTIATES, Words
from latentia.core.registry import register
from latentia.core.types import Pass, Terms
from latentia.networks.patches import frames, patches
from latentia.objectives.adversary import Adversary, checked_betas
from latentia.objectives.base import Objective, at_least
from latentia.objectives.classes import labels
from latentia.objectives.schedules import Delayed
from latentia.objectives.wrapper import Wrapper
from latentia.probability import Moving

EPSILON = 1e-4
"""What is added to the norm of the discriminator's gradient, as in LDM."""
WON = 0.05
"""A hinge loss up to which a discriminator has won; it starts at about 1."""
BLIND = 0.02
"""How far from one half the accuracy of a discriminator is at the most that sees nothing."""


class Levels(nn.Module, Moving):
    """Moving averages of what a discriminator says of data and of reconstructions."""

    true: Tensor
    false: Tensor
    begun: Tensor

    def __init__(self, decay: float = 0.99) -> None:
        """Begin without any.

        Args:
            decay: what a step leaves of an average; the first step leaves nothing.
        """
        super().__init__()
        self.decay = decay
        for name in ("true", "false", "begun"):
            self.register_buffer(name, torch.zeros(()))

    @torch.no_grad()
    def move(self, *seen: Tensor) -> None:
        """Move by the means of a batch, each of shape `()`; see `Moving`."""
        for average, value in zip((self.true, self.false), seen, strict=True):
            average.lerp_(value, 1 - self.decay * self.begun)
        self.begun.fill_(1.0)


class PatchDiscriminator(Adversary):
    """Tells patches of data, above 0, from patches of reconstructions, below 0, by the hinge loss.

    Minimised is 1/2 (E[max(0, 1 - D(x))] + E[max(0, 1 + D(xhat))]) over patches and latent samples, and with
    LeCam's regularisation w (E[max(0, D(x) - f)^2] + E[max(0, t - D(xhat))^2]) on top, t and f being moving
    averages of D over data and over reconstructions: it holds D back where there are few data.

    References:
        Jae Hyun Lim, Jong Chul Ye, "Geometric GAN", 2017 (the hinge).
        Hung-Yu Tseng et al., "Regularizing Generative Adversarial Networks under Limited Data", 2021 (LeCam;
        with the one-sided squares of its code).
    """

    def __init__(self, network: nn.Module, lr: float, betas: tuple[float, ...], lecam: float = 0.0) -> None:
        """Take the network.

        Args:
            network: maps images, or the frames of clips, to a number for each patch, `(B, 1, ...)`.
            lr: peak learning rate of its Adam.
            betas: decay of the two moments of its Adam.
            lecam: weight w of LeCam's regularisation; 0 leaves it out.
        """
        super().__init__()
        self.lr = lr
        self.betas = checked_betas(betas)
        self.network = network
        self.lecam = lecam
        self.levels = Levels() if lecam else None

    def forward(self, x: Tensor) -> Tensor:
        """Judge images or clips `(N, *event)`, each patch of each frame for itself, shape `(P, N)`."""
        return self.network(frames(x)).reshape(len(x), -1).T.float()

    def logits(self, state: Pass) -> tuple[Tensor, Tensor]:
        """Judge data and reconstructions; see `Adversary`."""
        x, guess = state.batch.x, reconstructed(state).detach()
        # One pass over both: normalisation is by example, and one large pass is faster than two.
        found = self(torch.cat([x, guess.flatten(0, 1)]))
        true, false = found[:, : len(x)], found[:, len(x) :]
        return true, false.unflatten(1, guess.shape[:2]).flatten(0, 1)

    def losses(self, true: Tensor, false: Tensor) -> Tensor:
        """Give the hinge loss, with LeCam's regularisation where it is asked for; see `Adversary`."""
        hinge = functional.relu(1 - true).mean(dim=0) + functional.relu(1 + false).mean(dim=0)
        if self.levels is None:
            return 0.5 * hinge
        levels = self.levels
        above = functional.relu(true - levels.false).square().mean(dim=0)
        below = functional.relu(levels.true - false).square().mean(dim=0)
        held = levels.begun * self.lecam * (above + below)
        levels.see(true.detach().mean(), false.detach().mean())
        return 0.5 * hinge + held

    def finding(self, loss: float, accuracy: float) -> str:
        """Name a discriminator that has won, or sees nothing; see `Adversary`."""
        about = f"the discriminator is right about {accuracy:.0%} of the patches"
        if loss <= WON:
            return (
                f"{about}, its loss is {loss:.2g}, and it learns no more; use objective.lr={self.lr / 4:g} "
                f"(now {self.lr:g}), or objective.lecam=0.001"
            )
        if abs(accuracy - 0.5) <= BLIND:
            return (
                f"{about}, as by chance; use objective.lr={self.lr * 4:g} (now {self.lr:g}), or a smaller "
                "objective.weight"
            )
        return ""


LATE = 0.9
"""From which share of a run on its weights are compared."""


@register("objective", "adversarial")
class Adversarial(Wrapper):
    r"""Another objective, and weight * ramp(t) * lambda * -D(E[x|z]) against a discriminator of patches.

    D of an image is the mean over its patches, of a clip over those of all of its frames, each judged for
    itself, and over the latent samples. lambda weighs the gradients of
    both sides of an example against each other where they meet, at the reconstruction:

        lambda = ||d(distortion + penalty)/d theta|| / (||d(-D)/d theta|| + 1e-4),

    a constant for the gradient. So the term never pulls harder than `weight` times the rest, and lambda needs
    no limit, which would depend on the size of the images. theta is what the mean of p(x|z) is computed from:
    the mean itself where that is a parameter, as of the Gaussian and the Laplace distribution, and logits or
    the like where it is not; parameters that the mean does not depend on, as a scale, do not count. The loss
    of an example depends on none beside it.

    D learns from the first step on, and has a say from `start` on. Its term is no part of what weights are
    chosen by, and is not computed without gradients. Under a model with classes D sees the reconstruction
    under the likeliest one.

    References:
        Patrick Esser, Robin Rombach, Björn Ommer, "Taming Transformers for High-Resolution Image
        Synthesis", 2021.
        Robin Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", 2022. There the
        ratio is that of a batch at the weights of the last layer, 1e4 at the most, and D learns from `start`
        on.
    """

    needs: Words = frozenset({COMPLETE, ADVERSARY})
    gives: Words = frozenset({DIFFERENTIATES})
    measure: ClassVar[str] = "judgement"

    def __init__(
        self,
        event: tuple[int, ...],
        base: Objective,
        weight: float = 0.1,
        start: float = 0.2,
        ramp: float = 0.05,
        channels: int = 64,
        layers: int = 3,
        lr: float = 1e-4,
        betas: tuple[float, ...] = (0.5, 0.9),
        lecam: float = 0.0,
    ) -> None:
        """Build the discriminator.

        Args:
            event: what one example is; the program provides it.
            base: what the term is added to; a run takes its model's own.
            weight: size of the term's gradient at the reconstruction, that of all else being 1.
            start: share of the run from which on the term counts.
            ramp: share of the run over which it then rises to its weight.
            channels: channels of the discriminator's first layer.
            layers: how many times it halves an image.
            lr: peak learning rate of its Adam; the schedule is the run's.
            betas: decay of the two moments of its Adam.
            lecam: weight of LeCam's regularisation of the discriminator; 0 leaves it out.

        Raises:
            ConfigError: if examples are neither images nor clips or have no patch, the discriminator would
                have no say, or the other objective has an adversary of its own.
        """
        super().__init__(base, weight, Delayed(start, ramp))
        # What the discriminator asks for costs some of the score: the least would be of the time before.
        self.chosen_from = LATE
        at_least(0, lecam=lecam)
        at_least(1, channels=channels, layers=layers)
        if not lr > 0:
            raise ConfigError(f"'objective.lr' must be positive, not {lr}")
        if weight == 0 or start >= 1:
            which = f"objective.weight={weight:g}" if weight == 0 else f"objective.start={start:g}"
            raise ConfigError(f"with {which} the discriminator has no say; use objective.name=elbo")
        if base.adversary is not None:
            raise ConfigError("'objective.base' has an adversary of its own; use objective.base.name=elbo")
        frame = Event.of(event).frame
        if frame.kind != "image":
            shape = "x".join(map(str, event))
            raise ConfigError(
                f"objective 'adversarial' judges images and clips, and an example, of shape {shape}, is of "
                f"kind '{frame.kind}'; use objective.name=elbo"
            )
        self._adversary = PatchDiscriminator(patches(frame, channels, layers), lr, betas, lecam)

    @property
    def adversary(self) -> PatchDiscriminator:
        """The discriminator; see `Objective`."""
        return self._adversary

    def added(self, state: Pass) -> Tensor:
        """Give -D of the reconstructions; see `Wrapper`."""
        return self._judged(reconstructed(state))

    def _judged(self, guess: Tensor) -> Tensor:
        """Give -D of `(S, B, *event)`, over patches and samples, `(B,)`; D's weights are constants."""
        judged = self.adversary.frozen(guess.flatten(0, 1)).unflatten(1, guess.shape[:2])
        return -judged.mean(dim=(0, 1))

    def __call__(self, state: Pass, progress: float = 1.0) -> Terms:
        """Score a pass; see `Objective`.

        The diagnostics hold `judgement`, -D, and `adversarial_weight`, lambda, where the term counts.
        """
        # Before others look at p(x|z), which may keep what it computes for them.
        parameters = {id(each): each for each in _parameters(state.p_x)}
        terms = self.base(state, progress)
        factor = self.weight * self.schedule(progress)
        guess = reconstructed(state)
        if factor == 0 or not (torch.is_grad_enabled() and guess.requires_grad):
            return terms
        leaf = guess.detach().requires_grad_()
        judged = self._judged(leaf)
        (slope,) = torch.autograd.grad(judged.sum(), leaf)
        # The value of the judgement with its gradient, found once: D is not passed again on the way back.
        linear = (guess - leaf.detach()).mul(slope).transpose(0, 1).flatten(start_dim=1).sum(dim=1)
        judged = judged.detach() + linear
        ratio = self._ratio(state, list(parameters.values()), terms.distortion + terms.penalty, linear)
        diagnostics = {**terms.diagnostics, self.measure: judged.detach(), "adversarial_weight": ratio}
        return replace(terms, adversarial=factor * ratio * judged, diagnostics=diagnostics)

    @staticmethod
    def _ratio(state: Pass, parameters: list[Tensor], rest: Tensor, judged: Tensor) -> Tensor:
        """Give lambda of each example, `(B,)`, where both losses `(B,)` depend on the same parameters."""
        sides = [
            torch.autograd.grad(loss.sum(), parameters, retain_graph=True, allow_unused=True)
            for loss in (rest, judged)
        ]
        pairs = [(one, other) for one, other in zip(*sides) if one is not None and other is not None]
        if not pairs:
            raise TypeError(
                "the objective 'adversarial' needs a p(x|z) that holds what its mean is computed from"
            )
        norms = [
            torch.stack([chosen(state, slope).square().transpose(0, 1).flatten(1).sum(1) for slope in side])
            for side in zip(*pairs)
        ]
        own, other = (norm.sum(dim=0).sqrt() for norm in norms)
        return own / (other + EPSILON)


def _parameters(distribution: Distribution) -> Iterator[Tensor]:
    """Give the tensors with a gradient that a distribution holds, and those that it is made of."""
    for value in vars(distribution).values():
        if isinstance(value, Distribution):
            yield from _parameters(value)
        elif isinstance(value, Tensor) and value.requires_grad:
            yield value


def chosen(state: Pass, rows: Tensor) -> Tensor:
    """Take one row of the posterior for each example: of a model with classes that of the likeliest class.

    Args:
        state: what the model computed.
        rows: values for each row of its posterior, shape `(S, Y * B, ...)`.

    Returns:
        Shape `(S, B, ...)`; the values themselves for a model without classes.
    """
    if state.q_y is None:
        return rows
    known, label = labels(state)
    likeliest = torch.where(known, label, state.q_y.logits).argmax(dim=1)
    count = len(likeliest)
    return rows[:, likeliest * count + torch.arange(count, device=rows.device)]


def reconstructed(state: Pass) -> Tensor:
    """Give the decoded means of the examples.

    Args:
        state: what the model computed.

    Returns:
        Shape `(S, B, *event)`.
    """
    return chosen(state, state.p_x.mean)
