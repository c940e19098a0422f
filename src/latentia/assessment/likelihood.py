"""The likelihood of a run's data: the bound and its terms, and log p(x) by sampling."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from latentia import compiling
from latentia.assessment.subject import Subject, flops
from latentia.evaluation.annealing import annealed
from latentia.evaluation.figures import Better, Figure, mean_and_error
from latentia.evaluation.health import encode_split
from latentia.evaluation.likelihood import Estimates, Score, importance_weighted, scorer, unsound
from latentia.evaluation.terms import by_level, per_example, stored_bits
from latentia.objectives import BOUND
from latentia.probability import codes_drawn

WORK = 5e13
"""Floating-point operations of decoding that the likelihood may take where no limit is given."""
SPEED = (1.3e11, 4e10)
"""Such operations of one thread in a second, uncompiled, in matrix products and in convolutions, the sum over
pixels included: measured with the networks `mlp` and `conv` on a Xeon."""
COST = compiling.Cost(15.0, 1.2)
"""For log p(x) on two busy cores: 12 to 18 s, and 1.2 to 1.9 times the speed, by network."""
MISTRUST = 0.05
"""A larger share of examples with few effective samples than this is worth a warning."""
TEMPERATURES, CHAINS = 500, 16
CHECKED = 1000
"""Examples that are looked at to tell whether data are binary."""


def likelihood(subject: Subject) -> None:
    """Measure the ELBO and its terms, a tighter bound that was trained on, and log p(x) by sampling.

    Args:
        subject: the run under assessment.
    """
    names = ["elbo", "distortion", "rate", "kl_per_dimension", "bits_per_dim"]
    sampled = ["log_likelihood", "log_likelihood_error", "effective_sample_size", "bits_per_dim_iw"]
    if reason := _unbounded(subject) or _off_level(subject):
        subject.ledger.missing.update(dict.fromkeys([*names, *sampled], reason))
        return
    _bound(subject)
    if reason := _unsound(subject):
        for name in ("elbo", "bits_per_dim", BOUND):
            subject.ledger.figures.pop(name, None)
        subject.ledger.missing.update(dict.fromkeys(["elbo", "bits_per_dim", *sampled], reason))
        return
    if subject.run.model.coder is not None:
        _code_prior(subject)
        reason = "a quantiser's choice is certain: each importance weight would be the bound itself"
        subject.ledger.missing.update(dict.fromkeys(sampled, reason))
        return
    estimates = _importance(subject)
    if subject.settings.ais:
        _check(subject, estimates)


def _code_prior(subject: Subject) -> None:
    """Measure the bound whose prior is the autoregressive sampler of the codes, where one was fitted."""
    from latentia.sampling import AutoregressiveSampler

    sampler = subject.run.kept_sampler("autoregressive")
    names = ("rate_autoregressive", "elbo_autoregressive")
    if not isinstance(sampler, AutoregressiveSampler):
        path = subject.run.folder.path
        reason = f"no sampler is fitted to the codes; run latentia sample {path} --sampler autoregressive"
        subject.ledger.missing.update(dict.fromkeys(names, reason))
        return
    found = encode_split(subject.run.model, subject.feed, seed=subject.settings.seed)
    with torch.no_grad():
        parts = found.drawn.split([len(q.mean) for q in found.posteriors])
        pairs = list(zip(found.posteriors, parts, strict=True))
        codes = torch.cat([codes_drawn(q, z) for q, z in pairs])
        own = torch.cat([q.log_prob(z) for q, z in pairs])  # 0 where the choice is certain
        nats = (own - sampler.log_prob(codes)).double().numpy()
    mean, error = mean_and_error(nats)
    distortion, split = subject.ledger.figures["distortion"], subject.split
    how = "log q(codes|x) - log p(codes) under the sampler fitted to codes"
    subject.ledger.figures["rate_autoregressive"] = Figure(
        mean, "nats", split, how, error, len(nats), "lower"
    )
    if isinstance(distortion.value, float) and isinstance(distortion.error, float) and error is not None:
        subject.ledger.figures["elbo_autoregressive"] = Figure(
            -(distortion.value + mean), "nats", split,
            "-(distortion + rate_autoregressive), its error as if the two were independent",
            math.hypot(distortion.error, error), len(nats), "higher",
        )  # fmt: skip


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


def convention(subject: Subject) -> str:
    """Say what a likelihood is a likelihood of.

    Args:
        subject: the run under assessment.

    Returns:
        A clause.
    """
    if subject.run.model.binary:
        drawn = ", drawn once for each example" if subject.transform.random else ""
        return f"probability of binary values{drawn}"
    if subject.run.model.discrete:
        return "probability of the whole numbers as stored, without dequantisation"
    if subject.dataset.x.dtype == np.uint8:
        return "density of values dequantised with uniform noise of one level, in the model's units"
    return "density of the values as stored, in the model's units"


def _terms(subject: Subject, samples: int) -> dict[str, np.ndarray]:
    """Give the objective's terms of each example."""
    model, objective, seed = subject.run.model, subject.run.objective, subject.settings.seed
    found: dict[str, list[np.ndarray]] = {}
    for terms in per_example(model, objective, subject.observed, samples=samples, seed=seed):
        for name, values in terms.items():
            found.setdefault(name, []).append(values.double().numpy())
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _tighter_bound(subject: Subject) -> None:
    """Measure the bound of several samples that a run was trained on; it is no ELBO."""
    samples = subject.run.objective.samples
    values = _terms(subject, samples)[BOUND]
    mean, error = mean_and_error(values)
    how = (
        f"log of the mean of k = {samples} importance weights: the bound that was trained on, not to be "
        f"compared with one of another k; {convention(subject)}"
    )
    subject.ledger.figures[BOUND] = Figure(mean, "nats", subject.split, how, error, len(values))


def _bound(subject: Subject) -> None:
    """Measure the ELBO and its terms: with one latent for each example, whatever was trained on."""
    model, objective = subject.run.model, subject.run.objective
    terms = _terms(subject, 1)
    if objective.samples > 1 and not np.isnan(terms[BOUND]).any():
        _tighter_bound(subject)
    drawn = "1 latent sample for each example"
    kind = convention(subject)

    def figure(values: np.ndarray, unit: str, what: str, better: Better) -> Figure:
        mean, error = mean_and_error(values)
        return Figure(mean, unit, subject.split, what, error, len(values), better)

    total = terms["distortion"] + terms["rate"]
    bits = np.array([stored_bits(value, model, subject.feed) for value in total])
    unit = "bits for each binary value" if model.binary else "bits for each value of the stored data"
    kl = terms["kl"]
    subject.ledger.figures |= {
        "elbo": figure(-total, "nats", f"-(distortion + rate), {drawn}; {kind}", "higher"),
        "distortion": figure(terms["distortion"], "nats", f"{objective.reads[0]}, {drawn}; {kind}", ""),
        "rate": figure(terms["rate"], "nats", objective.reads[1], ""),
        "bits_per_dim": figure(bits, "bits", f"-ELBO in {unit}; {kind}", "lower"),
    }
    if kl.shape[1] != subject.latents:
        reason = "the rate of this pair of posterior and prior is one number, which has no parts"
        subject.ledger.missing["kl_per_dimension"] = reason
        return
    subject.ledger.figures |= {
        "kl_per_dimension": Figure(
            tuple(kl.mean(axis=0).tolist()),
            "nats",
            subject.split,
            "KL(q(z_j|x) || p(z_j)), mean over examples",
            tuple((kl.std(axis=0, ddof=1) / math.sqrt(len(kl))).tolist()) if len(kl) > 1 else None,
            len(kl),
            parts=tuple(f"z{dim}" for dim in range(kl.shape[1])),
        ),
    }
    rates = by_level(torch.from_numpy(kl), model.levels).numpy()
    if rates.shape[1]:
        errors = tuple(mean_and_error(rates[:, level])[1] or math.nan for level in range(rates.shape[1]))
        subject.ledger.figures["rate_by_level"] = Figure(
            tuple(rates.mean(axis=0).tolist()),
            "nats",
            subject.split,
            "KL(q(z_l|z above, x) || p(z_l|z above)) of each level, the top one first, mean over examples",
            errors if len(kl) > 1 else None,
            len(kl),
            parts=tuple(f"z{level + 1}" for level in range(rates.shape[1])),
        )


def _examples(subject: Subject) -> int:
    """Choose how many examples the likelihood is estimated for."""
    count = subject.settings.limit
    if count is None:
        count = max(100, int(WORK / max(1, sum(_work(subject)))))
    return min(count, len(subject.feed))


def _work(subject: Subject) -> tuple[int, int]:
    """Count the operations of decoding that the likelihood of one example takes; see `flops`."""
    model = subject.run.model
    times = subject.settings.samples * (model.condition if model.classifies else 1)
    products, convolutions = flops(model, torch.zeros(1, *subject.run.latent))
    return times * products, times * convolutions


def _score(subject: Subject, count: int) -> Score:
    """Choose what scores latents: compiled where that pays, and say so.

    The choice goes by a count of operations, not by the clock: the same evaluation runs the same code.
    """
    score = scorer(subject.run.model)
    each = sum(work / speed for work, speed in zip(_work(subject), SPEED, strict=True))
    seconds = count * each / torch.get_num_threads()
    device = subject.feed.device
    decision = compiling.decide(subject.settings.compile, device, seconds, COST)
    subject.say(f"log p(x) {decision.why}")
    if not decision.compile:
        return score
    return compiling.Compiled(score, lambda why: subject.say(f"log p(x) {why}"), constant=True)


def _importance(subject: Subject) -> Estimates:
    """Estimate log p(x) with a bar that shows the mean so far."""
    model, samples, count = subject.run.model, subject.settings.samples, _examples(subject)
    score = _score(subject, count)
    with subject.progress("importance sampling", count) as bar:
        estimates = importance_weighted(
            model, subject.observed, samples,
            limit=count, seed=subject.settings.seed, score=score, tick=_running(bar),
        )  # fmt: skip
    values = estimates.log_likelihood
    mean, error = mean_and_error(values)
    some = (
        ""
        if count == len(subject.feed)
        else f" of {count:,} of {len(subject.feed):,} examples, drawn at random"
    )
    summed = f", summed over {model.condition} classes" if model.classifies else ""
    how = f"log of the mean of K = {samples:,} importance weights{summed}{some}"
    split = subject.split
    effective, spread = mean_and_error(estimates.effective)
    bits = np.array([stored_bits(-value, model, subject.feed) for value in values])
    bits_mean, bits_error = mean_and_error(bits)
    subject.ledger.figures |= {
        "log_likelihood": Figure(
            mean, "nats", split, f"{how}; {convention(subject)}", error, count, "higher"
        ),
        "log_likelihood_error": Figure(
            estimates.sampling_error,
            "nats",
            split,
            "standard error of log_likelihood that the finite K causes, by the delta method",
            None,
            count,
        ),
        "effective_sample_size": Figure(
            effective, "samples", split, f"(sum w)^2 / sum w^2, K = {samples:,} weights, mean over examples",
            spread, count, "",
        ),
        "bits_per_dim_iw": Figure(
            bits_mean, "bits", split, f"-log_likelihood in bits per dimension; {convention(subject)}",
            bits_error, count, "lower",
        ),
    }  # fmt: skip
    if samples == 1:
        del subject.ledger.figures["log_likelihood_error"]
        subject.ledger.missing["log_likelihood_error"] = "a single weight says nothing of its spread"
    if estimates.untrusted > MISTRUST:
        subject.warnings.append(
            f"log_likelihood: for {estimates.untrusted:.0%} of the examples it rests on fewer than 10 "
            f"effective samples of {samples:,}; the truth is higher by an unknown amount: raise --samples, "
            "or check with --ais 100"
        )
    return estimates


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
    mean, error = mean_and_error(checked.log_likelihood)
    gap = checked.log_likelihood - estimates.log_likelihood[:count]
    difference, spread = mean_and_error(gap)
    how = f"{CHAINS} chains, {TEMPERATURES} temperatures, {count:,} examples"
    subject.ledger.figures |= {
        "log_likelihood_ais": Figure(
            mean, "nats", subject.split, f"annealed importance sampling, {how}", error, count, "higher"
        ),
        "ais_gap": Figure(
            difference, "nats", subject.split,
            f"log_likelihood_ais - log_likelihood on the same examples; {how}", spread, count,
        ),
    }  # fmt: skip
    if abs(difference) > max(0.1, 3 * (spread or 0.0)):
        nearer = "annealing" if difference > 0 else "importance sampling"
        subject.warnings.append(
            f"log_likelihood: importance sampling and annealing differ by {difference:.2f} nats; both are "
            f"lower bounds, so {nearer} is nearer to the truth"
        )
