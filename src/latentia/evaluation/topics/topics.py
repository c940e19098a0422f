"""The topics of an assessment: which figure is measured on which data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from latentia.core.errors import DataError, RunError
from latentia.data.conditions import Labels, as_told
from latentia.evaluation.subject import Subject
from latentia.evaluation.topics.likelihood import likelihood
from latentia.evaluation.topics.rate import FITTED, PARTS, divided
from latentia.evaluation.topics.representations import disentanglement, representation
from latentia.metrics.codes import code_counts, code_use
from latentia.metrics.figures import Better, Figure, Unmeasurable, mean_and_error
from latentia.metrics.health import (
    Codes,
    active_units,
    decoder_use,
    encode_split,
    prior_distance,
    prior_holes,
)
from latentia.metrics.latents import latent_statistics
from latentia.metrics.reconstruction import principal_components, reconstruction
from latentia.probability import Hierarchy

GENERATED = 10_000


def health(subject: Subject) -> None:
    """Measure what the latents carry and whether the prior covers them.

    Args:
        subject: the run under assessment.
    """
    model, seed, split = subject.run.model, subject.settings.seed, subject.split
    codes = encode_split(model, subject.loader, seed=seed)
    count = len(codes)
    means = codes.mean.cpu().numpy()
    statistics = latent_statistics(means)
    if model.coder is not None:
        _codes(subject, codes)
        return
    prior = model.prior(codes.c)
    if isinstance(prior, Hierarchy):
        prior = prior.given(codes.drawn)  # each level around its mean given the levels above it
    apart = (codes.drawn - prior.mean).double().square().mean()
    spread = float(apart / prior.variance.double().mean())

    def figure(value: float, unit: str, what: str, better: Better = "") -> Figure:
        return Figure(float(value), unit, split, what, None, count, better)

    over = f"over all values of the posterior means of {count:,} examples"
    subject.ledger.figures |= {
        "latents": figure(subject.latents, "", "numbers in a latent"),
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
    divided(subject, codes)
    measure(["prior_holes"], partial(_holes, subject, codes))
    measure(["aggregate_mmd"], partial(_distance, subject, codes))
    measure(["decoder_use"], partial(_use, subject, codes))


CONTINUOUS = (
    "active_units", "latent_mean", "latent_std", "latent_min", "latent_max", "latent_spread",
    *PARTS, *FITTED, "prior_holes", "aggregate_mmd",
)  # fmt: skip
"""Figures of health that are about continuous latents."""


def _codes(subject: Subject, codes: Codes) -> None:
    """Measure the use that is made of codes."""
    coder = subject.run.coder
    used, perplexity = code_use(code_counts(codes.chosen, coder))
    each = math.prod(coder.code_shape)
    count = f"{len(codes):,} examples with {each:,} codes each"
    means = ", mean over levels" if coder.levels > 1 else ""

    def figure(value: float, unit: str, what: str, better: Better = "") -> Figure:
        return Figure(float(value), unit, subject.split, what, None, len(codes), better)

    subject.ledger.figures |= {
        "latents": figure(subject.latents, "", "numbers in a latent"),
        "codebook_use": figure(
            used, "share", f"of {coder.size} codes chosen at all in {count}{means}", "higher"
        ),
        "perplexity": figure(
            perplexity, "codes", f"exp of the entropy of the codes' frequencies, at most K = {coder.size}, "
            f"{count}{means}", "higher",
        ),
        "code_bits": figure(
            each * math.log2(coder.size), "bits", f"{each:,} codes of log2 {coder.size} bits for each example"
        ),
    }  # fmt: skip
    subject.ledger.missing.update(dict.fromkeys(CONTINUOUS, "the latents are codes, not continuous"))
    subject.ledger.measure(["decoder_use"], partial(_use, subject, codes))


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


def reconstructions(subject: Subject) -> None:
    """Measure reconstructions, beside PCA with as many numbers.

    Args:
        subject: the run under assessment.
    """
    run = subject.run
    given, decoded = (
        subject.unit(subject.scaled(subject.x)),
        subject.unit(subject.scaled_means(subject.codes, subject.rows)),
    )
    units = "data scaled to [0, 1]" if subject.image else "in the model's units"
    dataset = subject.dataset
    reconstruction(
        subject.ledger, given, decoded, image=subject.image, units=units, split=subject.split,
        labels=subject.labels(subject.rows), names=dataset.label_names,
    )  # fmt: skip

    if "corruption" in run.recipe:
        subject.ledger.measure(["mse_corrupted", "mse_denoised"], partial(_restored, subject, given, units))

    def constant() -> Mapping[str, Figure]:
        if not len(subject.known):
            raise Unmeasurable("there are no training examples to take the mean of")
        mean_example = subject.unit(subject.scaled(subject.known)).mean(axis=0, dtype=np.float64)
        mean, error = mean_and_error(((mean_example - given) ** 2).reshape(len(given), -1).mean(axis=1))
        how = (
            f"squared error per value of the mean of {len(subject.known):,} training examples, given for "
            f"every example, {units}"
        )
        return {"mse_mean": Figure(mean, "", subject.split, how, error, len(given))}

    def linear() -> Mapping[str, Figure]:
        known = subject.unit(subject.scaled(subject.known))
        _, _, back = principal_components(known, given, math.prod(run.latent), subject.settings.seed)
        errors = ((back - given) ** 2).reshape(len(given), -1).mean(axis=1)
        how = (
            f"squared error per value of PCA with {subject.latents} components, fitted to {len(known):,} "
            f"training examples, {units}"
        )
        return {"mse_pca": Figure.mean_of(errors, "", subject.split, how)}

    subject.ledger.measure(["mse_mean"], constant)
    subject.ledger.measure(["mse_pca"], linear)


MIDPOINT = "midpoint"
"""Latents halfway between those of two examples, in the place of a sampler's."""


def _restored(subject: Subject, given: np.ndarray, units: str) -> Mapping[str, Figure]:
    """Measure what a corruption does to examples, and what the model leaves of it."""
    run = subject.run
    name = run.recipe["corruption"]["name"]
    pair = run.inference.restore(subject.x, seed=subject.settings.seed)
    found = {}
    for word, made in zip(("corrupted", "denoised"), pair, strict=True):
        errors = (subject.unit(subject.scaled(made)) - given) ** 2
        how = f"squared error per value of examples under '{name}', {word}, against the clean ones, {units}"
        each = errors.reshape(len(errors), -1).mean(axis=1)
        found[f"mse_{word}"] = Figure.mean_of(each, "", subject.split, how, "lower")
    return found


def generation(subject: Subject) -> None:
    """Compare samples with data in a feature space, and data with data.

    Args:
        subject: the run under assessment.
    """
    from latentia.metrics.generation import METRICS, compare_samples

    kinds = _kinds(subject)

    def measure() -> Mapping[str, Figure]:
        space = _feature_space(subject)
        count = min(GENERATED, len(subject.x), len(subject.known))
        generated = {kind: space(_generated(subject, kind, count)) for kind in kinds}
        compare_samples(
            subject.ledger, space(subject.drawn(subject.x, count)), generated,
            space(subject.drawn(subject.known, count)),
            space=space.name, split=subject.split, seed=subject.settings.seed,
        )  # fmt: skip
        return _recognised(subject, space)

    names = [f"{metric}_{kind}" for metric in METRICS for kind in (*kinds, "real")]
    try:
        subject.ledger.measure(names, measure)
    except (RunError, DataError) as error:  # the mixture is fitted to the run's own data, which may be gone
        subject.ledger.missing.update(dict.fromkeys(names, str(error)))


def _kinds(subject: Subject) -> tuple[str, ...]:
    """Say where the latents of samples come from: of a model with codes, nowhere but from codes."""
    asked = subject.settings.samplers
    if subject.run.model.coder is None:
        return (*asked, MIDPOINT)
    fit = ["autoregressive"] if subject.run.kept_sampler("autoregressive") else []
    return tuple(dict.fromkeys([name for name in asked if name in ("prior", "autoregressive")] + fit))


RECOGNISED = 1000
"""Samples for each label that a classifier is asked about, in all ten times as many at the most."""


def _recognised(subject: Subject, space: Any) -> Mapping[str, Figure]:
    """Ask a classifier of the data whether samples under a label look like that label."""
    run = subject.run
    if not isinstance(run.condition, Labels) or not hasattr(space, "classify"):
        return {}
    known = [row for _, row in run.condition.examples(run.label_names)]
    count = max(1, min(RECOGNISED, GENERATED // len(known)))
    c = as_told(np.repeat(np.stack(known), count, axis=0))
    z = run.sample_latents(len(c), c=c, seed=subject.settings.seed)
    hits = (space.classify(run.inference.decode(z, c)) == c.argmax(axis=1)).astype(float).reshape(-1, count)
    mean, error = mean_and_error(hits.ravel())
    spread = hits.std(axis=1, ddof=1) / math.sqrt(count) if count > 1 else None
    own = next(iter(space.accuracy.values()))
    how = (
        f"samples under a label that are recognised as it, {count:,} for each label, by a classifier of the "
        f"data that is right for {own:.2%} of the test split"
    )
    words = tuple(word for word, _ in run.condition.examples(run.label_names))
    return {
        "condition_accuracy": Figure(mean, "share", subject.split, how, error, len(c), "higher"),
        "condition_accuracy_by_label": Figure(
            tuple(hits.mean(axis=1).tolist()), "share", subject.split, how,
            None if spread is None else tuple(spread.tolist()), len(c), "higher", words,
        ),
    }  # fmt: skip


def _generated(subject: Subject, kind: str, count: int) -> np.ndarray:
    """Decode latents of one kind to the likelihood's means, in the data's units."""
    seed = subject.settings.seed
    if kind == "autoregressive" and (sampler := subject.run.kept_sampler(kind)):
        return subject.run.inference.decode(sampler.sample(count, seed))
    if kind != MIDPOINT:
        c = subject.run.conditions_for(count, seed=seed)
        return subject.run.made(count, c, kind, seed=seed, quiet=subject.quiet)
    order = np.random.default_rng([seed, 1]).permutation(len(subject.codes))  # not the one of the data
    halfway = 0.5 * (subject.codes[order] + subject.codes[np.roll(order, 1)])[:count]
    c = subject.run.told(
        subject.rows[order][:count], subject.dataset
    )  # both ends under the first's condition
    return subject.run.inference.decode(halfway.reshape(len(halfway), *subject.run.latent), c)


def _feature_space(subject: Subject) -> Any:
    """Choose the feature space: Inception where its weights are given, else a classifier's."""
    low, high = subject.run.image_range
    if subject.settings.inception:
        from latentia.metrics.inception import InceptionFeatures

        if not subject.image:
            raise Unmeasurable("the Inception network needs images")
        return InceptionFeatures(
            subject.settings.inception, low=low, high=high, device=subject.run.device, quiet=subject.quiet
        )
    from latentia.evaluation.classifier import classifier_features

    dataset, split = subject.own.dataset, subject.own.dataset.splits
    targets = dataset.factors if dataset.labels is None else dataset.labels[:, None]
    if targets is None:
        raise Unmeasurable(
            "a feature space needs labels or known factors to train a classifier on, or the weights of the "
            "Inception network (--inception FILE)"
        )
    heads = dataset.factor_names if dataset.labels is None else ("label",)
    train = dataset.few(split["train"])
    test = dataset.few(split["test"] if len(split["test"]) else split["train"])
    return classifier_features(
        dataset.x[train], targets[train], dataset.x[test], targets[test],
        low=low, high=high, head_names=heads, quiet=subject.quiet, device=subject.run.device,
    )  # fmt: skip


MEASURES: Mapping[str, Callable[[Subject], None]] = {
    "likelihood": likelihood,
    "health": health,
    "reconstruction": reconstructions,
    "generation": generation,
    "representation": representation,
    "disentanglement": disentanglement,
}
"""What measures each topic."""
