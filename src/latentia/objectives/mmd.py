"""Objectives that hold the aggregate posterior to the prior by samples of both: InfoVAE and WAE-MMD."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from latentia.core.errors import ConfigError
from latentia.core.needs import BATCHWISE, BOUND, CONTINUOUS, Words
from latentia.core.registry import register
from latentia.core.types import Pass, Terms
from latentia.objectives.base import Objective, at_least, distortion
from latentia.objectives.elbo import ELBO
from latentia.probability import discrepancy

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Kernels of several widths, as in the code of Tolstikhin et al.: one alone is blind far from its own."""


def aggregate_discrepancy(state: Pass, scales: tuple[float, ...]) -> Tensor:
    r"""Estimate the squared MMD of the batch's latents from as many draws of the prior, without bias.

    The kernels are C / (C + |a - b|^2) with C = 2 D s for each scale s; their mean is taken. A batch of
    one says nothing of an aggregate: its value is 0.

    Args:
        state: what the model computed.
        scales: the scales s, in units of a standard normal prior.

    Returns:
        One number for the batch, shape `()`: 0 where both are equal, at most 2.
    """
    p, z = state.p_z, state.z
    if z.shape[1] < 2:
        return z.new_zeros(())
    draw = p.rsample if p.has_rsample else p.sample
    prior = draw(z.shape[: 2 - len(p.batch_shape)]).flatten(start_dim=2)
    z = z.flatten(start_dim=2)
    return discrepancy(z, prior, [2 * z.shape[2] * scale for scale in scales]).mean()


def _check_scales(scales: tuple[float, ...]) -> None:
    if not scales or not min(scales) > 0:
        raise ConfigError(f"'objective.scales' must be positive numbers, not {list(scales)}")


@register("objective", "info_vae")
class InfoVAE(Objective):
    r"""E_q[-log p(x|z)] + (1 - alpha) KL(q(z|x) || p(z)) + (alpha + lambda - 1) MMD(q(z), p(z)).

    The rate's weight is 1 - alpha; the MMD is the penalty, one number for the whole batch.

    References:
        Shengjia Zhao, Jiaming Song, Stefano Ermon, "InfoVAE: Balancing Learning and Inference in
        Variational Autoencoders", 2019.
    """

    gives: Words = frozenset({BOUND, BATCHWISE})

    def __init__(
        self, alpha: float = 0.0, mmd: float = 100.0, scales: tuple[float, ...] = SCALES, samples: int = 1
    ) -> None:
        """Set the weights.

        Args:
            alpha: weight of the mutual information of x and z; 1 takes the KL away.
            mmd: lambda, the weight of the divergence of the aggregate posterior from the prior.
            scales: scales of the kernels.
            samples: latent samples for each example.
        """
        at_least(0, mmd=mmd)
        at_least(1, samples=samples)
        _check_scales(scales)
        if not 1 - mmd <= alpha <= 1:
            raise ConfigError(f"'objective.alpha' must be from 1 - mmd = {1 - mmd:g} to 1, not {alpha}")
        self.weights = (1 - alpha, alpha + mmd - 1)
        self.scales = scales
        self.elbo = ELBO(samples=samples)
        self.samples = samples

    def __call__(self, state: Pass, progress: float = 1.0) -> Terms:
        """Score a pass; see `Objective`."""
        terms = self.elbo(state)
        penalty = self.weights[1] * aggregate_discrepancy(state, self.scales).expand_as(terms.rate)
        return replace(terms, weight=self.weights[0], penalty=penalty)


@register("objective", "wae_mmd")
class WAE(Objective):
    r"""E_q[-log p(x|z)] + lambda MMD(q(z), p(z)), with any posterior, a point as well.

    It has no rate and bounds no likelihood. The MMD is the penalty, one number for the whole batch.

    References:
        Ilya Tolstikhin, Olivier Bousquet, Sylvain Gelly, Bernhard Schoelkopf, "Wasserstein
        Auto-Encoders", 2018.
    """

    needs: Words = frozenset({CONTINUOUS})
    gives: Words = frozenset({BATCHWISE})

    def __init__(self, mmd: float = 100.0, scales: tuple[float, ...] = SCALES) -> None:
        """Set the weight.

        Args:
            mmd: lambda, the weight of the divergence.
            scales: scales of the kernels.
        """
        at_least(0, mmd=mmd)
        _check_scales(scales)
        self.mmd = mmd
        self.scales = scales

    def __call__(self, state: Pass, progress: float = 1.0) -> Terms:
        """Score a pass; see `Objective`."""
        value = distortion(state)
        penalty = self.mmd * aggregate_discrepancy(state, self.scales).expand_as(value)
        return Terms(value, value.new_zeros(()).expand_as(value), penalty)
