"""What the latents carry, and whether the prior covers them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

from latentia.evaluation.subject import ITSELF, Subject
from latentia.evaluation.topics.rate import FITTED, PARTS, divided
from latentia.metrics.figures import Better, Figure, mean_and_error
from latentia.metrics.health import Codes, active_units, decoder_use, prior_distance, prior_holes
from latentia.metrics.latents import latent_statistics
from latentia.probability import Hierarchy

CONTINUOUS = (
    "active_units", "latent_mean", "latent_std", "latent_min", "latent_max", "latent_spread",
    *PARTS, *FITTED, "prior_holes", "aggregate_mmd",
)  # fmt: skip
"""Figures of health that are about continuous latents."""
LEARNED = ("active_units", *PARTS, *FITTED, "decoder_use")
"""Those that are about what an encoder and a decoder have learned."""


def health(subject: Subject) -> None:
    """Measure what the latents carry and whether the prior covers them.

    Args:
        subject: the run under assessment.
    """
    model, split, codes = subject.run.model, subject.split, subject.drawn_codes
    count = len(codes)
    subject.ledger.figures["latents"] = Figure(
        float(subject.latents), "", split, "numbers in a latent", None, count
    )
    if model.coder is not None:
        subject.ledger.lack(CONTINUOUS, "the latents are codes, not continuous")
        subject.ledger.measure(["decoder_use"], partial(_use, subject, codes))
        return
    statistics = latent_statistics(codes.mean.cpu().numpy())
    prior = model.prior(codes.c)
    if isinstance(prior, Hierarchy):
        prior = prior.given(codes.drawn)  # each level around its mean given the levels above it
    apart = (codes.drawn - prior.mean).double().square().mean()
    spread = float(apart / prior.variance.double().mean())

    def figure(value: float, unit: str, what: str, better: Better = "") -> Figure:
        return Figure(float(value), unit, split, what, None, count, better)

    over = f"over all values of the posterior means of {count:,} examples"
    subject.ledger.figures |= {
        "active_units": figure(active_units(codes), "latents", "variance of the posterior mean over 0.01"),
        "latent_mean": figure(statistics.mean, "", f"mean {over}"),
        "latent_std": figure(statistics.std, "", f"standard deviation {over}"),
        "latent_min": figure(statistics.minimum, "", f"minimum {over}"),
        "latent_max": figure(statistics.maximum, "", f"maximum {over}"),
        "latent_spread": figure(
            math.sqrt(spread),
            "",
            "root mean square of drawn latents around the prior's mean, in its deviations; 1 is matched",
        ),
    }
    measure = subject.ledger.measure
    if not model.copies:
        divided(subject, codes)
    measure(["prior_holes"], partial(_holes, subject, codes))
    measure(["aggregate_mmd"], partial(_distance, subject, codes))
    if model.copies:
        del subject.ledger.figures["active_units"]
        subject.ledger.lack(LEARNED, ITSELF)
        return
    measure(["decoder_use"], partial(_use, subject, codes))


def _holes(subject: Subject, codes: Codes) -> Mapping[str, Figure]:
    share, error, drawn = prior_holes(subject.run.model, codes, subject.settings.seed)
    how = "prior draws where the aggregate posterior is thinner than at 99 % of latents of other examples"
    return {"prior_holes": Figure(share, "share", subject.split, how, error, drawn, "lower")}


def _distance(subject: Subject, codes: Codes) -> Mapping[str, Figure]:
    value, error, drawn = prior_distance(subject.run.model, codes, subject.settings.seed)
    how = "squared MMD of drawn latents and the prior, inverse multiquadratic kernel, C = 2 D, unbiased"
    return {"aggregate_mmd": Figure(value, "", subject.split, how, error, drawn, "lower")}


def _use(subject: Subject, codes: Codes) -> Mapping[str, Figure]:
    gains = decoder_use(subject.run.model, subject.loader, codes, seed=subject.settings.seed)
    mean, error = mean_and_error(gains)
    how = "log p(x|z) - log p(x|z'), z the example's own posterior mean and z' another's"
    return {"decoder_use": Figure(mean, "nats", subject.split, how, error, len(gains), "")}
