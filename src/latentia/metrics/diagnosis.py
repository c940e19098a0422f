"""The diagnosis: what is wrong with a model's latents, by which figures, and what to change."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from latentia.metrics.figures import Figure
from latentia.metrics.known import Known

COLLAPSED = 0.1
"""A rate under this, in nats, says that all examples get the same latent."""
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
THIN = math.log(10)
"""A rate under this, in nats, tells fewer than ten examples apart."""
EXPLAINED = 0.5
"""A model that explains less of the variance than this explains little."""
LINEAR = 1.5
"""A squared error this many times that of PCA with as many numbers is more than a network should have."""
UNLIKE = 0.5
"""Precision or recall of samples below this share of that of real examples is worth a word."""
MENDED = 0.5
"""A sampler that closes this share of the gap between the prior's samples and real examples mends it."""


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
            f"the latents carry {rate:.3g} nats and {active} of {latents} are active: every example gets the "
            "same latent, so reconstructions and samples are one average example",
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
        advice.append(_less_kl(spec))
    return ", or ".join(advice)


def diagnose(
    figures: Mapping[str, Figure], spec: Mapping[str, Mapping[str, Any]] | None = None
) -> tuple[Finding, ...]:
    """Read the figures of an evaluation.

    Args:
        figures: by their stable names; what is absent is not judged.
        spec: the run's specification; without it no error is held against the mean's or PCA's.

    Returns:
        The findings, the gravest first; none where nothing is wrong.
    """
    known = Known(figures)
    rate, active, latents = known.rate, known.active, known.value("latents")
    fallen = None
    if rate is not None and active is not None and latents is not None:
        fallen = collapse(rate, active, int(latents))
    full = fallen is not None and fallen.name == "full collapse"
    found: list[Finding | None] = []
    if fallen is not None and full:  # what follows from it is not said again
        return (fallen if spec is None else replace(fallen, advice=_less_kl(spec)),)
    mse, floor = known.value("mse"), known.value("mse_mean")
    if mse is not None and floor is not None and spec is not None:
        below = below_mean(mse, floor, spec, rate)
        found.append(below or _near_collapse(known, spec) or _above_linear(known, spec))
    found.append(fallen)
    found.append(_idle_codes(known.value("codebook_use")))
    found.append(_unused(known.value("decoder_use"), rate))
    found.append(_scale(known.value("latent_spread"), rate is not None))
    found.append(_holes(known.value("prior_holes")))
    found += _samples(known)
    return tuple(finding for finding in found if finding)


def _near_collapse(known: Known, spec: Mapping[str, Mapping[str, Any]]) -> Finding | None:
    """Find a rate that is too small to tell examples apart, where it shows in the reconstructions."""
    rate, share, latents = known.rate, known.explained, known.value("latents")
    mse, linear = known.value("mse"), known.value("mse_pca")
    if rate is None or share is None or latents is None or rate >= THIN or share >= EXPLAINED:
        return None
    if mse is not None and linear is not None and mse <= LINEAR * linear:
        return None  # there is no more to be had with so few numbers
    return Finding(
        "near collapse",
        f"{latents:.0f} latents carry {rate:.3g} nats together, enough to tell {math.exp(rate):.1f} examples "
        f"apart, and reconstructions explain {share:.1%} of the variance",
        _more(spec, rate),
    )


def _above_linear(known: Known, spec: Mapping[str, Mapping[str, Any]]) -> Finding | None:
    """Find an error that PCA with as many numbers beats, though it needs no training."""
    rate = known.rate
    mse, linear, latents = (known.value(name) for name in ("mse", "mse_pca", "latents"))
    if mse is None or linear is None or latents is None or not mse > LINEAR * linear:
        return None
    if spec["likelihood"]["name"] in MEDIAN:
        return None
    return Finding(
        "worse than PCA",
        f"MSE {mse:.3g}, where PCA with as many numbers ({latents:.0f}) has {linear:.3g}",
        _more(spec, rate),
    )


def _more(spec: Mapping[str, Mapping[str, Any]], rate: float | None) -> str:
    """Say what lets latents carry more: first what is the likelier cause."""
    longer = f"train longer (training.epochs, now {spec['training']['epochs']}) or take a larger network"
    if rate is None:
        return longer
    less = _less_kl(spec)
    return f"{less}; or {longer}" if _pressed(spec) else f"{longer}; or {less}"


def _pressed(spec: Mapping[str, Mapping[str, Any]]) -> bool:
    """Say whether the rate weighs more than a bound on log p(x) has it."""
    return spec["objective"].get("beta", 1.0) > 1


def _less_kl(spec: Mapping[str, Mapping[str, Any]]) -> str:
    """Say what helps against a rate that presses too hard, of a run whose settings are known."""
    faster = ""
    if spec["training"]["lr"] > USUAL_LR:
        faster = f"; or lower training.lr to {USUAL_LR:g} (now {spec['training']['lr']:g})"
    if not _pressed(spec):
        return LESS_KL + faster
    beta = f"lower objective.beta (now {spec['objective']['beta']:g})"
    return f"{beta}, or let it rise slowly (objective.schedule=linear){faster}"


def _samples(known: Known) -> list[Finding]:
    """Judge samples of the prior beside other real examples, which no sampler can exceed by much."""
    words = {
        "precision": ("samples unlike the data", "{own:.0%} of the prior's samples lie among real examples"),
        "recall": ("samples lack variety", "the prior's samples cover {own:.0%} of the real examples"),
    }
    found = []
    for metric, (name, sentence) in words.items():
        own, real, mixture, posterior = (
            known.value(f"{metric}_{kind}") for kind in ("prior", "real", "mixture", "posterior")
        )
        if own is None or real is None or own >= UNLIKE * real:
            continue
        mends = own + MENDED * (real - own)
        if mixture is not None and mixture >= mends:
            advice = f"sample with --sampler mixture, whose {metric} is {mixture:.0%}"
        elif posterior is not None and posterior < mends:
            advice = (
                f"better latents would not help (from posteriors of data {metric} is {posterior:.0%}): let "
                "the decoder draw more detail with more latents, a larger network or a longer training"
            )
        else:
            advice = "sample with --sampler two_stage or flow, which fit the latents of data"
        what = f"{sentence.format(own=own)}, where other real examples have {real:.0%}"
        found.append(Finding(name, what, advice))
    return found


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
