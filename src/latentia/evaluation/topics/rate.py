"""The rate divided into what latents say of examples and how far they are from the prior."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from latentia.evaluation.subject import Subject
from latentia.metrics.aggregate import Split, split_rate
from latentia.metrics.density_fit import fitted_split
from latentia.metrics.encoded import Codes
from latentia.metrics.figures import Better, Figure, mean_and_error

PARTS = ("mutual_information", "total_correlation", "dimension_wise_kl", "aggregate_kl")
FITTED = ("mutual_information_fit", "total_correlation_fit", "aggregate_kl_fit")


def divided(subject: Subject, codes: Codes) -> None:
    """Divide the rate by the mixture of all posteriors, and by a density fitted to latents.

    Args:
        subject: the run under assessment.
        codes: the posteriors of its split.
    """
    split: list[Split] = []

    def mixed() -> Mapping[str, Figure]:
        split.append(split_rate(subject.run.model, codes, subject.settings.seed))
        return _mixed(subject, split[0])

    subject.ledger.measure(PARTS, mixed)
    subject.ledger.measure(FITTED, lambda: _fitted(subject, codes, split[0] if split else None))
    if not split:
        return
    found = split[0].parts
    reason = {
        "total_correlation": "the posterior is no product over the latent's dimensions",
        "dimension_wise_kl": "the posterior or the prior is no product over the latent's dimensions",
    }
    subject.ledger.missing.update({name: why for name, why in reason.items() if name not in found})
    if split[0].saturated:
        instead = [name for name in FITTED if name in subject.ledger.figures]
        told = f"; {', '.join(instead)} are not capped" if instead else ""
        subject.warnings.append(f"mutual_information: {_doubt(split[0])}{told}")


def _doubt(split: Split) -> str:
    """Say what a saturated estimate leaves open, with what that does to the other parts."""
    least, most = split.between
    return (
        f"{split.examples:,} examples tell no more than log N = {math.log(split.examples):.2f} nats: it is "
        f"between {least:.2f} and {most:.2f} nats, and up to {most - least:.2f} nats of it are counted as "
        "aggregate_kl and total_correlation instead"
    )


def _mixed(subject: Subject, split: Split) -> Mapping[str, Figure]:
    drawn = len(split.mutual_information)
    of = f"of the aggregate posterior of {split.examples:,} examples, {drawn:,} latents"
    most, saturated = math.log(split.examples), split.saturated
    what: dict[str, tuple[str, Better]] = {
        "mutual_information": (f"E[log q(z|x) - log q(z)], at most log N = {most:.2f},", ""),
        "total_correlation": ("KL(q(z) || prod_j q(z_j))", ""),
        "dimension_wise_kl": ("sum_j KL(q(z_j) || p(z_j))", ""),
        "aggregate_kl": ("KL(q(z) || p(z))", "" if saturated else "lower"),
    }
    found = {}
    for name, values in split.parts.items():
        mean, error = mean_and_error(values)
        how, better = what[name]
        bound = {"mutual_information": "a lower bound, ", "dimension_wise_kl": ""}.get(
            name, "an upper bound, "
        )
        how = f"{bound * saturated}{how} {of}"
        doubt = _doubt(split) if saturated and bound else ""
        basis = {"number of examples": f"{split.examples:,}"}  # the mixture of more is nearer to the truth
        found[name] = Figure(mean, "nats", subject.split, how, error, drawn, better, doubt=doubt, basis=basis)
    return found


def _fitted(subject: Subject, codes: Codes, split: Split | None) -> Mapping[str, Figure]:
    """Say what a fitted density tells; what it misses of the aggregate makes bounds of all three."""
    fit = fitted_split(subject.run.model, codes, split, subject.settings.seed)
    of = (
        f"r(z) being {fit.density}, fitted to latents of {fit.fitted:,} examples and scored on those of "
        f"{len(fit.aggregate_kl):,} others, as which it is held in the error; not capped by log N"
    )

    def figure(values: np.ndarray, what: str) -> Figure:
        mean, error = mean_and_error(values)
        return Figure(mean, "nats", subject.split, f"{what}, {of}", error, len(values))

    figures = {
        "mutual_information_fit": figure(fit.mutual_information, "E[log q(z|x) - log r(z)], an upper bound"),
        "aggregate_kl_fit": figure(fit.aggregate_kl, "E[log r(z) - log p(z)], a lower bound"),
    }
    if fit.total_correlation is None:
        subject.ledger.missing["total_correlation_fit"] = "the posterior's marginals are unknown"
        return figures
    what = "E[log r(z) - sum_j log q(z_j)], a lower bound"
    return {**figures, "total_correlation_fit": figure(fit.total_correlation, what)}
