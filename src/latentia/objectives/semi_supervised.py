"""The bound on log p(x) where the label is a latent, too, and on log p(x, y) where it is known."""

from __future__ import annotations

import math

import torch

from latentia.core.errors import ConfigError
from latentia.core.needs import BOUND, CLASSIFIED, CLASSIFIER, Words
from latentia.core.registry import register
from latentia.core.types import Pass, Terms
from latentia.objectives.base import Objective, at_least
from latentia.objectives.classes import by_class, labels
from latentia.objectives.elbo import ELBO


@register("objective", "semi_supervised")
class SemiSupervised(Objective):
    r"""E_w(y)[-ELBO(x, y)] + KL(w(y) || p(y)), with w = q(y|x), or all weight on a label that is known.

    p(y) is uniform over the Y classes, and the sum over them is exact. -(distortion + rate) is a lower
    bound on log p(x) without a label and on log p(x, y) with one; the penalty of a labelled example is
    -alpha * log q(y|x), which trains the classifier.

    References:
        Diederik Kingma, Danilo Rezende, Shakir Mohamed, Max Welling, "Semi-supervised Learning with Deep
        Generative Models", 2014.
    """

    needs: Words = Objective.needs | {CLASSIFIER}
    gives: Words = frozenset({BOUND, CLASSIFIED})
    reads: tuple[str, str] = ("E_q[-log p(x|y, z)]", "KL(q(y, z|x) || p(y) p(z))")

    def __init__(self, alpha: float = 5.0, samples: int = 1) -> None:
        """Set the weights.

        Args:
            alpha: weight of a labelled example's cross-entropy.
            samples: latent samples for each example and class.
        """
        at_least(0, alpha=alpha)
        self.alpha = alpha
        self.elbo = ELBO(samples=samples)
        self.samples = samples

    def __call__(self, state: Pass, progress: float = 1.0) -> Terms:
        """Score a pass; see `Objective`. The diagnostics hold `kl`, shape `(B, *latent)`."""
        if state.q_y is None:
            raise ConfigError("objective 'semi_supervised' needs a model with q(y|x): semi_supervised_vae")
        log_q = state.q_y.logits  # log q(y|x), (B, Y)
        known, label = labels(state)
        rows, averaged = by_class(state)
        given = self.elbo(rows)
        label_rate = math.log(log_q.shape[1]) + torch.where(known, 0.0, log_q.exp() * log_q).sum(dim=1)
        penalty = -self.alpha * torch.where(known, label * log_q, 0.0).sum(dim=1)
        rate = averaged(given.rate) + label_rate
        return Terms(
            averaged(given.distortion), rate, penalty, 1.0, {"kl": averaged(given.diagnostics["kl"])}
        )
