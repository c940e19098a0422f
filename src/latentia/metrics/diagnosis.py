"""The diagnosis: what is wrong with a model's latents, by which figures, and what to change."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from latentia.metrics.figures import Figure

COLLAPSED = 0.1
"""A rate under this, in nats, says that all examples get the same latent."""
CARRIES = 0.01
"""A latent with less mean KL than this, in nats, carries nothing."""
IDLE = 0.25
"""More than this share of dead latents is a partial collapse."""
HOLES = 0.1
"""More than this share of the prior's draws in holes is worth a word; 0.01 is none."""
OFF = 1.5
"""Latents spread this many times wider or narrower than the prior are off its scale."""
FLOOR = 0.99
"""A squared error above this share of the mean example's is none that a model was needed for."""
USED = 0.5
"""With less than this share of the codes in use, a codebook is worth a word."""
UNUSED = 1.0
"""A latent that explains its example by less than this, in nats, better than another's does is not used."""


@dataclass(frozen=True)
class Finding:
    """One line of a diagnosis.

    Attributes:
        name: what was found, such as "partial collapse".
        what: the evidence, in a sentence with its numbers.
        advice: the setting to change.
    """

    name: str
    what: str
    advice: str


USUAL_LR = 1e-3
"""The learning rate that most networks learn with."""
MEDIAN = ("laplace", "l1", "student_t", "student_t_diagonal")
"""Likelihoods whose best constant is no mean."""

LESS_KL = (
    "with objective.name=elbo, lower objective.beta, let it rise slowly (objective.schedule=linear) or give "
    "each latent some nats for nothing (objective.free_bits=0.1)"
)
"""What helps against a rate that presses too hard; bounds of several samples have no such weight."""


def collapse(rate: float, active: int, latents: int) -> Finding | None:
    """Tell whether the posterior has collapsed onto the prior.

    Args:
        rate: mean KL from the prior, in nats.
        active: latents that carry something: by the spread of their means or by their KL.
        latents: all of them.

    Returns:
        Full collapse, where there is next to no rate or no latent carries any; partial collapse; or None.

    References:
        Samuel Bowman et al., "Generating Sentences from a Continuous Space", 2016.
    """
    if rate < COLLAPSED or not active:
        return Finding(
            "full collapse",
            f"the rate is {rate:.3g} nats and {active} of {latents} latents are active: every example gets "
            "the same latent",
            LESS_KL,
        )
    idle = latents - active
    if idle > IDLE * latents:
        return Finding(
            "partial collapse",
            f"{idle} of {latents} latents carry nothing; the other {active} carry {rate:.3g} nats",
            f"if more detail is wanted, {LESS_KL}; if not, {max(1, active)} latents do the same",
        )
    return None


def below_mean(
    mse: float, floor: float, spec: Mapping[str, Mapping[str, Any]], rate: float | None = None
) -> Finding | None:
    """Tell whether a model reconstructs no better than the mean of the training examples does.

    Args:
        mse: its squared error per value.
        floor: that of the mean example.
        spec: the run's specification, for what to change.
        rate: the model's rate, in nats; None where it has none.

    Returns:
        The finding, or None.
    """
    if not (floor > 0 and mse > FLOOR * floor):
        return None
    worse = "worse than" if mse > floor else "no better than"
    return Finding(
        f"{worse} the mean",
        f"MSE {mse:.3g}, where the mean of the training examples, given for every example, has {floor:.3g}",
        _learn(spec, rate),
    )


def _learn(spec: Mapping[str, Mapping[str, Any]], rate: float | None) -> str:
    """Say what lets a model learn more than the mean."""
    training, likelihood = spec["training"], spec["likelihood"]
    if likelihood["name"] in MEDIAN:
        return "the location of this likelihood is a median: use --likelihood mse or gaussian_optimal"
    advice = [f"train longer (training.epochs, now {training['epochs']})"]
    if training["lr"] > USUAL_LR:
        advice.insert(0, f"lower training.lr to {USUAL_LR:g} (now {training['lr']:g})")
    if rate is not None and rate < COLLAPSED:
        advice.append(LESS_KL)
    return ", or ".join(advice)


def carrying(kl: Sequence[float] | float) -> int:
    """Count the latents whose mean KL is above 0.01 nats: small latents may carry much.

    Args:
        kl: mean KL of each latent, in nats.

    Returns:
        How many.
    """
    return sum(value > CARRIES for value in kl) if isinstance(kl, Sequence) else 0


def diagnose(
    figures: Mapping[str, Figure], spec: Mapping[str, Mapping[str, Any]] | None = None
) -> tuple[Finding, ...]:
    """Read the figures of an evaluation.

    Args:
        figures: by their stable names; what is absent is not judged.
        spec: the run's specification; without it no error is held against the mean's.

    Returns:
        The findings, the gravest first; none where nothing is wrong.
    """

    def value(name: str) -> float | None:
        number = figures[name].value if name in figures else None
        return number if isinstance(number, float) and math.isfinite(number) else None

    found: list[Finding | None] = []
    rate, active, latents = value("rate"), value("active_units"), value("latents")
    bound = rate is not None
    fallen = None
    if rate is not None and active is not None and latents is not None:
        kl = figures["kl_per_dimension"].value if "kl_per_dimension" in figures else ()
        fallen = collapse(rate, max(int(active), carrying(kl)), int(latents))
        found.append(fallen)
    mse, floor = value("mse"), value("mse_mean")
    if mse is not None and floor is not None and spec is not None:
        found.insert(0, below_mean(mse, floor, spec, rate))
    found.append(_idle_codes(value("codebook_use")))
    if not (fallen and fallen.name == "full collapse"):
        found.append(_unused(value("decoder_use"), rate))
        found.append(_scale(value("latent_spread"), bound))
        found.append(_holes(value("prior_holes")))
    return tuple(finding for finding in found if finding)


def _unused(use: float | None, rate: float | None) -> Finding | None:
    if use is None or use >= UNUSED:
        return None
    carried = f"the latents carry {rate:.3g} nats, yet " if rate is not None else ""
    return Finding(
        "decoder ignores z",
        f"{carried}an example is explained only {use:.2g} nats better by its own latent than by another's",
        "train longer (training.epochs), or take a larger network.hidden"
        if rate is None
        else "take a weaker decoder (a smaller network.hidden or network.channels), or train longer with a "
        "lower objective.beta",
    )


def _idle_codes(used: float | None) -> Finding | None:
    if used is None or used >= USED:
        return None
    return Finding(
        "idle codes",
        f"{used:.0%} of the codes are ever chosen: the others cost bits and say nothing",
        "revive them sooner (posterior.revive=0.2), or take a smaller posterior.size",
    )


def _scale(spread: float | None, bound: bool) -> Finding | None:
    """Judge the ratio of the latents' spread to the prior's."""
    if spread is None or 1 / OFF <= spread <= OFF:
        return None
    way = "wider" if spread > 1 else "narrower"
    times = spread if spread > 1 else 1 / spread
    cure = (
        "raise objective.beta"
        if bound and spread > 1
        else LESS_KL
        if bound
        else "sample with --sampler mixture, or train --model vae, whose rate ties the latents to the prior"
    )
    return Finding(
        "latent scale off",
        f"the latents of data spread {times:.3g} times {way} than the prior, so that it samples elsewhere",
        cure,
    )


def _holes(share: float | None) -> Finding | None:
    if share is None or share <= HOLES:
        return None
    return Finding(
        "holes",
        f"{share:.0%} of the prior's draws fall where hardly any data are encoded (1 % where prior and data "
        "agree)",
        "sample with --sampler mixture, or raise objective.beta",
    )
