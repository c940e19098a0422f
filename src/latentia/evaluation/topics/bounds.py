"""The bounds on log p(x) that need no importance sampling, and what a likelihood is one of."""

from __future__ import annotations

import numpy as np
import torch

from latentia.evaluation.subject import Subject
from latentia.metrics.figures import Better, Figure, mean_and_error
from latentia.metrics.health import encode_split
from latentia.metrics.terms import by_level, per_example, stored_bits
from latentia.objectives import BOUND
from latentia.probability import codes_drawn


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
            found.setdefault(name, []).append(values.cpu().double().numpy())
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _tighter_bound(subject: Subject) -> None:
    """Measure the bound of several samples that a run was trained on; it is no ELBO."""
    samples = subject.run.objective.samples
    values = _terms(subject, samples)[BOUND]
    how = (
        f"log of the mean of k = {samples} importance weights: the bound that was trained on, not to be "
        f"compared with one of another k; {convention(subject)}"
    )
    subject.ledger.figures[BOUND] = Figure.mean_of(values, "nats", subject.split, how)


def elbo(subject: Subject) -> dict[str, np.ndarray]:
    """Measure the ELBO and its terms, with one latent for each example whatever was trained on.

    Args:
        subject: the run under assessment.

    Returns:
        The terms of each example, in the order of the loader, among them `elbo`.
    """
    model, objective = subject.run.model, subject.run.objective
    terms = _terms(subject, 1)
    if objective.samples > 1 and not np.isnan(terms[BOUND]).any():
        _tighter_bound(subject)
    drawn = "1 latent sample for each example"
    kind = convention(subject)

    def figure(values: np.ndarray, unit: str, what: str, better: Better) -> Figure:
        return Figure.mean_of(values, unit, subject.split, what, better)

    total = terms["distortion"] + terms["rate"]
    terms["elbo"] = -total
    bits = np.array([stored_bits(value, model, subject.loader) for value in total])
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
        return terms
    of = subject.split
    subject.ledger.figures["kl_per_dimension"] = Figure.of_parts(
        map(mean_and_error, kl.T), "nats", of, "KL(q(z_j|x) || p(z_j)), mean over examples", len(kl), "",
        tuple(f"z{dim}" for dim in range(kl.shape[1])),
    )  # fmt: skip
    rates = by_level(torch.from_numpy(kl), model.levels).numpy()
    if rates.shape[1]:
        how = "KL(q(z_l|z above, x) || p(z_l|z above)) of each level, the top one first, mean over examples"
        names = tuple(f"z{level + 1}" for level in range(rates.shape[1]))
        pairs = map(mean_and_error, rates.T)
        subject.ledger.figures["rate_by_level"] = Figure.of_parts(pairs, "nats", of, how, len(kl), "", names)
    return terms


def code_prior(subject: Subject, distortion: np.ndarray) -> None:
    """Measure the bound whose prior is the autoregressive sampler of the codes, where one was fitted.

    Args:
        subject: the run under assessment.
        distortion: that of each example, in the order of the loader.
    """
    from latentia.sampling import AutoregressiveSampler

    sampler = subject.run.kept_sampler("autoregressive")
    names = ("rate_autoregressive", "elbo_autoregressive")
    if not isinstance(sampler, AutoregressiveSampler):
        path = subject.run.folder.path
        reason = f"no sampler is fitted to the codes; run latentia sample {path} --sampler autoregressive"
        subject.ledger.lack(names, reason)
        return
    found = encode_split(subject.run.model, subject.loader, seed=subject.settings.seed)
    with torch.no_grad():
        parts = found.drawn.split([len(q.mean) for q in found.posteriors])
        pairs = list(zip(found.posteriors, parts, strict=True))
        codes = torch.cat([codes_drawn(q, z) for q, z in pairs])
        own = torch.cat([q.log_prob(z) for q, z in pairs])  # 0 where the choice is certain
        nats = (own - sampler.log_prob(codes, found.c)).cpu().double().numpy()

    how = "log q(codes|x) - log p(codes) under the sampler fitted to codes"
    bound, sum_of = -(distortion + nats), "-(distortion + rate_autoregressive)"
    subject.ledger.figures |= {
        "rate_autoregressive": Figure.mean_of(nats, "nats", subject.split, how, "lower"),
        "elbo_autoregressive": Figure.mean_of(bound, "nats", subject.split, sum_of, "higher"),
    }
