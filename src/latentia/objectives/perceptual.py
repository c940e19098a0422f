"""Objectives that add a distance of pictures, or of the frames of clips: multi-scale SSIM, deep features."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable
from typing import ClassVar

from torch import Tensor

from latentia.core.errors import ConfigError
from latentia.core.event import Event
from latentia.core.extras import optional
from latentia.core.needs import COMPLETE, Words
from latentia.core.registry import register
from latentia.core.types import Pass
from latentia.networks import Features, unit_distance
from latentia.networks.patches import frames
from latentia.objectives.base import Objective, at_least
from latentia.objectives.schedules import Constant, Schedule
from latentia.objectives.wrapper import Wrapper

EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Those of Wang et al. for five scales, from the finest on; fewer are divided by their sum."""


class Compared(Wrapper):
    """Another objective, with weight * D * distance(E[x|z], x) added to its penalty; D data dimensions.

    Distortion and rate stay the other's, and its bound a bound; the mean is over the latent samples. The
    diagnostics hold `distance`, times D.
    """

    needs: Words = frozenset({COMPLETE})
    measure: ClassVar[str] = "distance"

    @abc.abstractmethod
    def distance(self, guess: Tensor, x: Tensor) -> Tensor:
        """Compare decoded means with data, both `(N, *event)`; shape `(N,)`, 0 where equal.

        Of clips it is the mean over their frames.
        """

    def added(self, state: Pass) -> Tensor:
        """Give D times the distance, the mean over the latent samples; see `Wrapper`."""
        guess = state.p_x.mean
        x = state.batch.x.expand_as(guess)
        distance = self.distance(guess.flatten(0, 1), x.flatten(0, 1)).unflatten(0, guess.shape[:2])
        return math.prod(state.batch.x.shape[1:]) * distance.mean(dim=0)


@register("objective", "ms_ssim")
class MultiScaleSSIM(Compared):
    """Adds weight * D * (1 - MS-SSIM), each similarity s of contrast or structure taken as (1 + s) / 2.

    It is torchmetrics' MS-SSIM, not the figure `ms_ssim` of an evaluation: at the coarsest scale, where
    luminance counts, windows reach over the edge and see the picture reflected. Small pictures have but one
    window within them there, and without the others no gradient of luminance away from their middle.

    References:
        Zhou Wang, Eero Simoncelli, Alan Bovik, "Multiscale Structural Similarity for Image Quality
        Assessment", 2003.
        Jake Snell et al., "Learning to Generate Images with Perceptual Similarity Metrics", 2017.
    """

    extra: ClassVar[tuple[str, str]] = ("torchmetrics", "metrics")

    def __init__(
        self,
        event: tuple[int, ...],
        base: Objective,
        data_range: float,
        weight: float = 1.0,
        scales: int = 3,
        window: int = 7,
        schedule: Schedule = Constant(),  # noqa: B008
    ) -> None:
        """Set the scales.

        Args:
            event: shape of one example; the program provides it.
            base: what the distance is added to; a run takes its model's own.
            data_range: largest value of the data minus the smallest; a run fills it in.
            weight: weight of the distance, in nats for each data dimension.
            scales: resolutions, each half of the one before, at most 5.
            window: side of the Gaussian window, in pixels, odd.
            schedule: what the weight is multiplied with along the run.
        """
        super().__init__(base, weight, schedule)
        _check_windows(event, scales, window)
        used = EXPONENTS[:scales]
        self.options = {
            "sigma": (window - 1) / 7, "kernel_size": window, "data_range": data_range,
            "betas": tuple(exponent / sum(used) for exponent in used),
        }  # fmt: skip

    def distance(self, guess: Tensor, x: Tensor) -> Tensor:
        """Give 1 - MS-SSIM; see `Compared`."""
        # Negative similarities cut at 0, the other way to have powers of them, have no gradient.
        pair = frames(guess.float()), frames(x.float())
        found = _similarity()(*pair, reduction="none", normalize="simple", **self.options)
        return 1 - found.reshape(len(x), -1).mean(dim=1)


def _similarity() -> Callable[..., Tensor]:
    """Give torchmetrics' MS-SSIM, which takes a second and a half to import."""
    images = optional("torchmetrics.functional.image", "metrics", "objective 'ms_ssim'")
    return images.multiscale_structural_similarity_index_measure


def _check_windows(event: tuple[int, ...], scales: int, window: int) -> None:
    """Refuse what is no window or no picture, or too small a one for the windows of the coarsest scale."""
    event = Event.of(event).frame
    at_least(1, scales=scales, window=window)
    if scales > len(EXPONENTS):
        raise ConfigError(f"'objective.scales' must be at most {len(EXPONENTS)}, not {scales}")
    if window % 2 == 0:
        raise ConfigError(f"'objective.window' must be odd, not {window}")
    if len(event) != 3:
        shape = "x".join(map(str, event))
        raise ConfigError(
            f"objective 'ms_ssim' compares images, and an example has shape {shape}; use objective.name=elbo"
        )
    least = [max(2**n, window * max(1, n - 1) ** 2) for n in range(1, len(EXPONENTS) + 1)]
    if min(event[1:]) < least[scales - 1]:
        fitting = sum(size <= min(event[1:]) for size in least)
        advice = f"objective.scales={fitting}" if fitting else "a smaller objective.window"
        raise ConfigError(
            f"objective 'ms_ssim' with {scales} scales and windows of {window} needs images of at least "
            f"{least[scales - 1]} pixels a side, and these have {min(event[1:])}; use {advice}"
        )


@register("objective", "perceptual")
class Perceptual(Compared):
    """Adds weight * D * the mean squared distance of unit feature vectors, over places and feature maps.

    The gradient reaches the decoder through a network whose weights are fixed. It is LPIPS' form without its
    learnt weights of channels, and no LPIPS.

    References:
        Xianxu Hou et al., "Deep Feature Consistent Variational Autoencoder", 2017.
        Richard Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", 2018.
    """

    def __init__(
        self,
        event: tuple[int, ...],
        base: Objective,
        features: Features,
        weight: float = 1.0,
        schedule: Schedule = Constant(),  # noqa: B008
    ) -> None:
        """Build the network of features.

        Args:
            event: shape of one example; the program provides it.
            base: what the distance is added to; a run takes its model's own.
            features: the recipe of the network.
            weight: weight of the distance, in nats for each data dimension.
            schedule: what the weight is multiplied with along the run.
        """
        super().__init__(base, weight, schedule)
        self.network = features.network(Event.of(event).frame).eval()

    def distance(self, guess: Tensor, x: Tensor) -> Tensor:
        """Compare feature by feature; see `Compared`."""
        found = unit_distance(self.network(frames(guess)), self.network(frames(x)))
        return found.view(len(x), -1).mean(dim=1)
