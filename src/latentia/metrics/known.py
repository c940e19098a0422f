"""What is known of a run: figures of its evaluation, and for want of them what its training logged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from latentia.metrics.figures import Figure

CARRIES = 0.01
"""A latent with less mean KL than this, in nats, carries nothing."""
PARTS = ("mutual_information", "total_correlation", "dimension_wise_kl")
"""The parts of the rate; where they are known, so is the rate: their sum."""
LOGGED = {"mse": "mse", "mse_of_mean": "mse_mean"}
OF_BOUND = {"rate": "rate", "kl": "kl_per_dimension"}
"""What training logs of a split, and of a model with a rate, by the names of an evaluation."""


@dataclass(frozen=True)
class Known:
    """Figures as a diagnosis reads them.

    Attributes:
        figures: by their stable names.
    """

    figures: Mapping[str, Figure]

    def value(self, name: str) -> float | None:
        """Give a number.

        Args:
            name: of a figure.

        Returns:
            Its value; None where it is unknown, not finite, or several numbers.
        """
        number = self.figures[name].value if name in self.figures else None
        return number if isinstance(number, float) and math.isfinite(number) else None

    @property
    def rate(self) -> float | None:
        """The rate in nats: as it was measured, or as the sum of its parts."""
        if (rate := self.value("rate")) is not None:
            return rate
        parts = [part for name in PARTS if (part := self.value(name)) is not None]
        return sum(parts) if len(parts) == len(PARTS) else None

    @property
    def active(self) -> int | None:
        """How many latents carry something, by the spread of their means or by their KL."""
        spread = self.value("active_units")
        kl = self.figures["kl_per_dimension"].value if "kl_per_dimension" in self.figures else ()
        return max(int(spread or 0), carrying(kl)) if spread is not None or kl else None

    @property
    def explained(self) -> float | None:
        """The share of the variance that reconstructions explain: 1 - MSE / MSE of the mean example."""
        mse, floor = self.value("mse"), self.value("mse_mean")
        return 1 - mse / floor if mse is not None and floor else None


def carrying(kl: Sequence[float] | float) -> int:
    """Count the latents whose mean KL is above 0.01 nats: small latents may carry much.

    Args:
        kl: mean KL of each latent, in nats.

    Returns:
        How many.
    """
    return sum(value > CARRIES for value in kl) if isinstance(kl, Sequence) else 0


def completed(
    figures: Mapping[str, Figure], row: Mapping[str, Any], *, bound: bool, latents: int
) -> dict[str, Figure]:
    """Add to the figures of an evaluation what was logged of a split.

    A diagnosis, and its advice, then is the same whichever part of an evaluation was asked for.

    Args:
        figures: by their stable names; none where there is no evaluation.
        row: what training logged, in nats; empty where there is nothing.
        bound: whether the model has a rate.
        latents: numbers in a latent.

    Returns:
        Figures by name. An error that was measured stands beside none that was logged.
    """
    names = ({} if "mse" in figures else LOGGED) | (OF_BOUND if bound else {})
    found = {"latents": Figure(float(latents), "", "", "numbers in a latent")}
    for key, name in names.items():
        value = row.get(key)
        if value is not None and value != []:
            several = isinstance(value, Sequence)
            number = tuple(map(float, value)) if several else float(value)
            found[name] = Figure(number, "", row.get("split", ""), "logged by training")
    return {**found, **figures}
