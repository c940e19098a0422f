"""The likelihood of a run's data: the bound and its terms, and log p(x) by sampling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from latentia.core import compiling
from latentia.evaluation.subject import Subject, flops
from latentia.evaluation.topics.bounds import code_prior, convention, elbo
from latentia.metrics.annealing import annealed
from latentia.metrics.figures import Better, Figure, Unmeasurable, mean_and_error
from latentia.metrics.likelihood import (
    Estimates,
    Score,
    importance_weighted,
    scorer,
    unsound,
    unweighted,
)
from latentia.metrics.tails import HEAVY, tail_length
from latentia.metrics.terms import stored_bits
from latentia.objectives import BOUND

FEWEST = 100
"""Examples that the likelihood is estimated for, at the least, where no limit is given."""
WORK = 5e13
"""Floating-point operations of decoding that the likelihood may take where no limit is given."""
MOST = 4
"""So many times of it, at the most, for a hundred examples; more is left to whoever asks for it."""
SAMPLED = (
    "log_likelihood", "log_likelihood_error", "likelihood_gap", "effective_sample_size", "pareto_k",
    "heavy_tails", "bits_per_dim_iw",
)  # fmt: skip
"""The figures that importance sampling gives."""
MISTRUST = 0.05
"""A larger share than this of examples with few effective samples or heavy tails is worth a warning."""
TEMPERATURES, CHAINS = 500, 16
CHECKED = 1000
"""Examples that are looked at to tell whether data are binary."""


def likelihood(subject: Subject) -> None:
    """Measure the ELBO and its terms, a tighter bound that was trained on, and log p(x) by sampling.

    Args:
        subject: the run under assessment.
    """
    names = ["elbo", "distortion", "rate", "kl_per_dimension", "bits_per_dim"]
    sampled = list(SAMPLED)
    if reason := _unbounded(subject) or _off_level(subject):
        subject.ledger.lack([*names, *sampled], reason)
        return
    terms = elbo(subject)
    if reason := _unsound(subject):
        for name in ("elbo", "bits_per_dim", BOUND):
            subject.ledger.figures.pop(name, None)
        subject.ledger.lack(["elbo", "bits_per_dim", *sampled], reason)
        return
    coder = subject.run.model.coder
    if coder is not None:
        code_prior(subject, terms["distortion"])
    if reason := unweighted(subject.run.model) or _too_long(subject):
        subject.ledger.lack(sampled, reason)
        return
    estimates = _importance(subject, terms["elbo"])
    if not subject.settings.ais:
        return
    if coder is not None:
        reason = "between codes no chain can move by degrees"
        subject.ledger.lack(["log_likelihood_ais", "ais_gap"], reason)
        return
    _check(subject, estimates)


def unfit(subject: Subject) -> str:
    """Say why the data have no probability under the model, if they have none.

    Args:
        subject: the run under assessment.

    Returns:
        The reason; empty where there is none.
    """
    return _unbounded(subject) or _off_level(subject) or _unsound(subject)


def _unbounded(subject: Subject) -> str:
    """Say why the model has no bound, if it has none."""
    if subject.bound:
        return ""
    name = subject.run.recipe["objective"]["name"]
    return f"objective '{name}' has no rate, as that of an autoencoder, and so no bound on log p(x)"


def _unsound(subject: Subject) -> str:
    """Say why the likelihood is none of these data, if it is not."""
    given = subject.scaled(subject.drawn(subject.x, CHECKED))
    return unsound(subject.run.model, subject.run.transform, given)


def _off_level(subject: Subject) -> str:
    """Say why data are not on the levels of the model, if they are not: they have no probability at all."""
    if subject.run.model.binary or not subject.run.model.discrete:
        return ""
    dataset = subject.dataset
    top = round(float(subject.run.transform.invert(torch.ones(()))))
    whole = dataset.x.dtype == np.uint8
    if whole and dataset.high == top:
        return ""
    kind = f"has whole numbers up to {dataset.high:g}" if whole else "has others"
    return f"the likelihood knows the whole numbers from 0 to {top} alone, and {dataset.name} {kind}"


def _too_long(subject: Subject) -> str:
    """Say why nobody waits for the likelihood unasked, if that is so: a decoder of large pictures."""
    work = sum(_work(subject))
    if subject.settings.limit is not None or FEWEST * work <= MOST * WORK:
        return ""
    fewer = max(1, int(WORK / (FEWEST * work) * subject.settings.samples))
    return (
        f"{subject.settings.samples:,} importance samples of {FEWEST} examples are {FEWEST * work:.0e} "
        f"operations of decoding; --samples {fewer} or --limit N takes it on"
    )


def _examples(subject: Subject) -> int:
    """Choose how many examples the likelihood is estimated for."""
    count = subject.settings.limit
    if count is None:
        count = max(FEWEST, int(WORK / max(1, sum(_work(subject)))))
    return min(count, len(subject.loader))


def _work(subject: Subject) -> tuple[int, int]:
    """Count the operations of decoding that the likelihood of one example takes; see `flops`."""
    model = subject.run.model
    times = subject.settings.samples * (model.condition if model.classifies else 1)
    products, convolutions = flops(model, torch.zeros(1, *subject.run.latent, device=subject.run.device))
    return times * products, times * convolutions


def _score(subject: Subject, count: int) -> Score:
    """Choose what scores latents: compiled where that pays, and say so."""
    score = scorer(subject.run.model)
    products, convolutions = _work(subject)
    work = count * products, count * convolutions
    decision = compiling.of_likelihood(subject.settings.compile, subject.loader.device, work)
    subject.say(f"log p(x) {decision.why}")
    if not decision.compile:
        return score
    return compiling.Compiled(score, lambda why: subject.say(f"log p(x) {why}"), constant=True)


def _importance(subject: Subject, lower: np.ndarray) -> Estimates:
    """Estimate log p(x) with a bar that shows the mean so far, and what it is above the ELBO."""
    model, samples, count = subject.run.model, subject.settings.samples, _examples(subject)
    score = _score(subject, count)
    with subject.progress("importance sampling", count) as bar:
        estimates = importance_weighted(
            model, subject.observed, samples,
            limit=count, seed=subject.settings.seed, score=score, tick=_running(bar),
        )  # fmt: skip
    whole = count == len(subject.loader)
    some = "" if whole else f" of {count:,} of {len(subject.loader):,} examples, drawn at random"
    summed = f", summed over {model.condition} classes" if model.classifies else ""
    how = f"log of the mean of K = {samples:,} importance weights{summed}{some}"
    values = estimates.log_likelihood
    bits = np.array([stored_bits(-value, model, subject.loader) for value in values])

    doubt = _doubt(subject, estimates) if estimates.untrusted > MISTRUST else ""
    basis = {"number of importance samples": f"{samples:,}"}

    def figure(values: np.ndarray, unit: str, what: str, better: Better = "") -> Figure:
        return Figure.mean_of(values, unit, subject.split, what, better, doubt=doubt, basis=basis)

    subject.ledger.figures |= {
        "log_likelihood": figure(values, "nats", f"{how}; {convention(subject)}", "higher"),
        "log_likelihood_error": Figure(
            estimates.sampling_error, "nats", subject.split,
            "standard error of log_likelihood that the finite K causes, by the delta method", None, count,
            doubt=doubt,
        ),
        "likelihood_gap": _gap(estimates, lower[:count], figure),
        "effective_sample_size": figure(
            estimates.effective, "samples", f"(sum w)^2 / sum w^2, K = {samples:,}, mean over examples"
        ),
        "bits_per_dim_iw": figure(
            bits, "bits", f"-log_likelihood in bits per dimension{some}; {convention(subject)}", "lower"
        ),
    }  # fmt: skip
    if samples == 1:
        del subject.ledger.figures["log_likelihood_error"]
        subject.ledger.missing["log_likelihood_error"] = "a single weight says nothing of its spread"
    subject.ledger.measure(["pareto_k", "heavy_tails"], lambda: _tails(subject, estimates))
    if doubt:
        check = ", or check with --ais 100" if model.coder is None else ""
        subject.warnings.append(f"log_likelihood: {doubt}: raise --samples{check}")
    return estimates


def _gap(estimates: Estimates, elbo: np.ndarray, figure: Callable[..., Figure]) -> Figure:
    """Measure how far log p(x) is above the ELBO, on the same examples: the KL of q(z|x) from p(z|x).

    The ELBO is that of the same draws where it can be: of the same weights the log of the mean is never below
    the mean of the logs.
    """
    values, how = estimates.log_likelihood, f"log_likelihood - ELBO on the same {len(elbo):,} examples"
    if estimates.mean_log_weight is not None:
        elbo, how = estimates.mean_log_weight, f"{how} and latents"
    return figure(values - elbo, "nats", f"{how}, of which the ELBO is {elbo.mean():.2f} nats")


def _tails(subject: Subject, estimates: Estimates) -> dict[str, Figure]:
    """Say how heavy the tails of the weights are."""
    count = tail_length(estimates.samples)
    if not count:
        raise Unmeasurable("a tail needs 25 importance weights")
    how = f"Pareto k of the {count:,} largest of {estimates.samples:,} weights of an example"
    heavy = (estimates.tail > HEAVY).astype(float)
    share, error = mean_and_error(heavy)
    middle = float(np.median(estimates.tail))
    return {
        "pareto_k": Figure(middle, "", subject.split, f"{how}, median over examples", None, len(heavy)),
        "heavy_tails": Figure(
            share, "share", subject.split, f"examples whose weights have no usable mean: {how}, over {HEAVY}",
            error, len(heavy),
        ),
    }  # fmt: skip


def _doubt(subject: Subject, estimates: Estimates) -> str:
    """Say for how many examples too few of the weights that matter were drawn."""
    samples = subject.settings.samples
    reasons = []
    if estimates.few > 0:
        reasons.append(f"on fewer than 10 effective samples of {samples:,} ({estimates.few:.0%})")
    if estimates.heavy > 0:
        reasons.append(f"on weights with too heavy a tail, Pareto k over {HEAVY} ({estimates.heavy:.0%})")
    return (
        f"for {estimates.untrusted:.0%} of the examples it rests {' or '.join(reasons)}; the truth is higher "
        "by an unknown amount"
    )


def _running(bar: Any) -> Callable[[np.ndarray, np.ndarray], None]:
    total = [0.0, 0.0, 0]

    def tick(values: np.ndarray, effective: np.ndarray) -> None:
        total[0] += float(values.sum())
        total[1] += float(effective.sum())
        total[2] += len(values)
        shown = {"log p": f"{total[0] / total[2]:.2f}", "ESS": f"{total[1] / total[2]:.0f}"}
        bar.set_postfix(shown, refresh=False)
        bar.update(len(values))

    return tick


def _check(subject: Subject, estimates: Estimates) -> None:
    """Hold the importance-weighted estimate against annealing, on the same examples."""
    count = min(subject.settings.ais, len(estimates.log_likelihood))
    with subject.progress("annealed importance sampling", count) as bar:
        checked = annealed(
            subject.run.model, subject.observed, CHAINS, TEMPERATURES,
            limit=count, seed=subject.settings.seed, tick=_running(bar),
        )  # fmt: skip
    gap = checked.log_likelihood - estimates.log_likelihood[:count]
    difference, spread = mean_and_error(gap)
    effort = f"{CHAINS} chains, {TEMPERATURES} temperatures"
    how, split, basis = f"{effort}, {count:,} examples", subject.split, {"annealing": effort}
    about = f"log_likelihood_ais - log_likelihood on the same examples; {how}"
    subject.ledger.figures |= {
        "log_likelihood_ais": Figure.mean_of(
            checked.log_likelihood, "nats", split, f"annealed importance sampling, {how}", "higher",
            basis=basis,
        ),
        "ais_gap": Figure.mean_of(gap, "nats", split, about),
    }  # fmt: skip
    if abs(difference) > max(0.1, 3 * (spread or 0.0)):
        nearer = "annealing" if difference > 0 else "importance sampling"
        low = ("log_likelihood", "bits_per_dim_iw") if difference > 0 else ("log_likelihood_ais",)
        for name in low:
            doubt = f"it is a lower bound, and {nearer} is {abs(difference):.2f} nats nearer to the truth"
            subject.ledger.figures[name] = replace(subject.ledger.figures[name], doubt=doubt)
        subject.warnings.append(
            f"log_likelihood: importance sampling and annealing differ by {difference:.2f} nats; both are "
            f"lower bounds, so {nearer} is nearer to the truth"
        )
