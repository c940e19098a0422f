"""A run with the latents of its training examples: what samplers are fitted to."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from latentia.networks.identity import as_moments
from latentia.runs.applied import Applied

FITTED_ON = 10_000
"""How many training examples the aggregate posterior is estimated from."""
MOMENTS = 1 << 26
"""Numbers of moments that are kept in memory."""


class Aggregated(Applied):
    """A run that knows where the latents of its training examples are, and under which conditions."""

    @cached_property
    def aggregate(self) -> np.ndarray:
        """Samples of the aggregate posterior: one for each of up to 10,000 training examples."""
        return self.encode_examples(self._some, sample=True)

    @cached_property
    def aggregate_c(self) -> np.ndarray | None:
        """The conditions that they were encoded under, `(N, C)`, or None for a model without."""
        return self.conditions_at(self._some)

    @cached_property
    def moments(self) -> np.ndarray:
        """Moments of the posteriors of training examples, as many as make 64 million numbers at the most.

        Means, then log variances, side by side in the channels, `(N, 2 C, ...)`; of posteriors without
        variances draws instead, whose variance is nothing.
        """
        x, c = self.dataset.part(self._many), self.moments_c
        mean, deviation = self.inference.posterior(x, c)
        if deviation is None:
            mean = self.inference.encode(x, c, sample=True)
            deviation = np.zeros_like(mean)
        return as_moments(mean, deviation)

    @cached_property
    def moments_c(self) -> np.ndarray | None:
        """The conditions of these examples, as `aggregate_c`."""
        return self.conditions_at(self._many)

    @cached_property
    def known_codes(self) -> np.ndarray:
        """The codes of the training split, shape `(N, *code_shape)`, of a model that has codes."""
        return self.inference.codes(self.dataset.part(self.dataset.splits["train"]), self.known_codes_c)

    @cached_property
    def known_codes_c(self) -> np.ndarray | None:
        """The conditions of these examples, as `aggregate_c`."""
        return self.conditions_at(self.dataset.splits["train"])

    @property
    def _some(self) -> np.ndarray:
        return self.examples("train", FITTED_ON)

    @property
    def _many(self) -> np.ndarray:
        return self.examples("train", max(1, MOMENTS // (2 * int(np.prod(self.latent)))))
