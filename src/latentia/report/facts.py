"""The numbers of a report, each with what it means."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from latentia.metrics.known import Known
from latentia.plots.exhibits import Fact, Row
from latentia.report.inputs import Inputs
from latentia.report.study import ACTIVE, Study
from latentia.report.words import NONE, minus, number, placeless, spaced

MEGABYTE = 2**20


def tabulate(columns: Sequence[Sequence[Fact]]) -> tuple[Row, ...]:
    """Turn lists of equal facts into rows with one value for each list.

    Args:
        columns: for each run, its facts, in the same order.

    Returns:
        The rows.
    """
    return tuple(
        Row(
            same[0].label,
            tuple(fact.value for fact in same),
            note=next((fact.note for fact in same if fact.note), ""),
        )
        for same in zip(*columns, strict=True)
    )


def model_line(study: Study) -> str:
    """Say in one line what was trained.

    Args:
        study: the run.

    Returns:
        Model, network, likelihood, latents, epochs, seed.
    """
    return " · ".join(_model_parts(study))


def shared_line(studies: Sequence[Study]) -> str:
    """Say in one line what several runs have in common.

    Args:
        studies: the runs.

    Returns:
        The parts of their lines that are the same in all.
    """
    first, *others = [_model_parts(study) for study in studies]
    return " · ".join(part for part in first if all(part in other for other in others))


def _model_parts(study: Study) -> list[str]:
    spec = study.run.spec
    likelihood, transform = spec["likelihood"]["name"], spec["transform"]["name"]
    latents = "x".join(map(str, study.run.latent))
    parts = [
        _MODELS.get(spec["model"]["name"], spaced(spec["model"]["name"])),
        f"{spec['network']['name']} network",
        f"{_LIKELIHOODS.get(likelihood, spaced(likelihood))} {_TRANSFORMS.get(transform, transform)}".strip(),
        f"{latents} latent dimension{'s' * (latents != '1')}",
        _epochs(study),
        f"seed {spec['training']['seed']}",
    ]
    if (objective := spec["objective"]["name"]) not in ("elbo", "reconstruction"):
        parts.insert(1, f"objective {objective}")
    beta = spec["objective"].get("beta", 1.0)
    if beta != 1:
        parts.insert(3, f"β = {beta:g}")
    return parts


_MODELS = {"vae": "VAE", "vqvae": "VQ-VAE", "gmvae": "Gaussian-mixture VAE", "rae": "regularised autoencoder"}
_LIKELIHOODS = {
    "mse": "squared error",
    "l1": "absolute error",
    "bce": "cross-entropy",
    "bernoulli": "Bernoulli likelihood",
    "columns": "a likelihood for each column,",
    "gaussian_optimal": "Gaussian likelihood of the best variance",
}
_TRANSFORMS = {
    "scale": "on values from 0 to 1",
    "signed": "on values from −1 to 1",
    "binarise": "on binarised values",
    "dequantise": "on dequantised values",
    "standardise": "on standardised columns",
    "none": "on the values as they are",
}
"""What components are called in a sentence; others by their names."""


def _epochs(study: Study) -> str:
    planned = study.run.spec["training"]["epochs"]
    rows = study.run.metrics("train")
    done = round(rows[-1]["epoch"], 1) if rows else 0
    return f"{planned} epochs" if done >= planned else f"{done:g} of {planned} epochs"


def tiles(study: Study) -> list[Fact]:
    """Give the key figures of the test split.

    Args:
        study: the run.

    Returns:
        The figures; none where the run has no logged test.
    """
    row = study.test
    if not row:
        return []
    if study.copies:
        return _of_prior(study)
    known = Known(study.known)
    what = f"squared error of the reconstruction, {study.error_of}, {_units(study)}"
    for name, title in (
        ("mse_mean", "the mean of the training examples"),
        ("mse_pca", "PCA with as many numbers"),
    ):
        if (value := known.value(name)) is not None:
            what += f"; {title} has {number(value)}"
    shown = [Fact("MSE", number(known.value("mse")), what)]
    if (share := known.explained) is not None and study.run.model.nominal is None:
        told = minus(f"{100 * share:.1f}")
        shown.append(Fact("Variance explained", told, "1 − MSE / variance of the data", "%"))
    if not study.bound:
        note = "−log p(x|z), summed over an example's values, with the likelihood's constant"
        return [*shown, Fact("Reconstruction loss", number(row["distortion"]), note, "nats")]
    elbo = row["distortion"] + row["rate"]
    return [
        *shown,
        Fact("Bits per dimension", number(row["bits_per_dim"]), _bits_note(study), "bits"),
        Fact("−ELBO", number(elbo), _bound_note(study), "nats"),
        Fact(
            "Distortion", number(row["distortion"]), "expected −log p(x|z): what reconstruction costs", "nats"
        ),
        Fact("Rate", number(row["rate"]), "KL(q(z|x) ‖ p(z)): what the latent carries", "nats"),
    ]


def _of_prior(study: Study) -> list[Fact]:
    """Give the key figures of a prior alone, which has no other terms than its bound."""
    row = study.test
    note = "upper bound on −log p of a latent, mean over examples; lower is better"
    bits = "−ELBO for each number of a latent, in bits; a density's, so it may be negative"
    return [
        Fact("−ELBO", number(row["distortion"] + row["rate"]), note, "nats"),
        Fact("Bits per dimension", number(row["bits_per_dim"]), bits, "bits"),
    ]


def _undequantised(study: Study) -> bool:
    """Say whether whole numbers were given to a density as they are, which bounds no probability."""
    whole = study.inputs.dataset.x.dtype.kind == "u"
    return whole and not study.run.model.discrete and not study.run.transform.random


def _bound_note(study: Study) -> str:
    if _undequantised(study):
        return "upper bound on −log p(x) of the values without dequantisation, which the evaluation adds"
    return "upper bound on −log p(x), mean over examples; lower is better"


def _bits_note(study: Study) -> str:
    if study.binary:
        return "−ELBO for each binary value, in bits"
    if study.run.model.discrete:
        return "−ELBO for each value of the stored data, in bits; a probability's, without dequantisation"
    without = " of values without dequantisation, not those of the evaluation" * _undequantised(study)
    if study.run.model.densities is not None:
        return (
            "−ELBO for each observed value of the stored data, in bits; categories and counts have "
            "probabilities, other numbers densities, so it may be negative"
        )
    return f"−ELBO for each value of the stored data, in bits; a density's{without}, so it may be negative"


def _units(study: Study) -> str:
    name = study.run.spec["transform"]["name"]
    words = {
        "scale": "data scaled to [0, 1]",
        "signed": "data scaled to [-1, 1]",
        "binarise": "values in [0, 1]",
        "dequantise": "data scaled to [0, 1]",
        "standardise": "columns of unit variance",
        "none": "in the data's units",
    }
    names = study.run.model.nominal
    wrong = ", a category 0 where it is right and 1 where not" if names is not None and names.any() else ""
    return words.get(name, f"in the units of the transform '{name}'") + wrong


def lecture(study: Study) -> list[Fact]:
    """Give sizes, compression and the statistics of the latents.

    Args:
        study: the run.

    Returns:
        The same labels for every run, so that runs can stand side by side.
    """
    run, inputs = study.run, study.inputs
    count = {name: _parameters(getattr(run.model, name)) for name in ("encoder", "decoder")}
    total = _parameters(run.model)
    values, latents = math.prod(run.event), math.prod(run.latent)
    statistics = run.latent_statistics(len(inputs.encoded))
    encoded = f"{statistics.examples:,} encoded {inputs.split} {inputs.noun}"
    shape = ", ".join(map(str, run.event)) + ("," if len(run.event) == 1 else "")
    latent = str(latents) if study.flat else f"{' × '.join(map(str, run.latent))} = {latents:,}"
    return [
        Fact("Encoder parameters", f"{count['encoder']:,}"),
        Fact("Decoder parameters", f"{count['decoder']:,}"),
        Fact("Total trainable parameters", f"{total:,}"),
        Fact("Model size", f"{4 * total / MEGABYTE:.2f} MB", "float32 weights; 1 MB = 1,048,576 bytes"),
        Fact("Input dimensions", f"({shape}) = {values:,} values"),
        Fact("Latent dimensions", latent),
        *_compression(values, latents),
        Fact("Latent mean", minus(f"{statistics.mean:.4f}"), f"over all values of {encoded}"),
        Fact("Latent standard deviation", f"{statistics.std:.4f}"),
        Fact("Latent minimum", minus(f"{statistics.minimum:.4f}")),
        Fact("Latent maximum", minus(f"{statistics.maximum:.4f}")),
    ]


def _compression(values: int, latents: int) -> list[Fact]:
    """Say how many fewer numbers a latent has; one of as many or more compresses nothing."""
    count = "counts numbers, not bits"
    if latents >= values:
        nothing = f"{latents:,} latent values for {values:,} values in"
        return [
            Fact("Compression ratio", "none", f"{nothing}; {count}"),
            Fact("Compression percentage", "none"),
            Fact("Share of numbers kept", "all"),
        ]
    return [
        Fact("Compression ratio", f"{values / latents:.2f}x", f"values in for each latent value; {count}"),
        Fact("Compression percentage", f"{100 * (1 - latents / values):.2f} %", "of the numbers left out"),
        Fact("Share of numbers kept", f"{100 * latents / values:.2f} %", "no measure of information"),
    ]


def _parameters(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def settings(study: Study) -> list[Fact]:
    """Give what distinguishes runs, for a table with one column for each run.

    Args:
        study: the run.

    Returns:
        The same labels for every run.
    """
    spec = study.run.spec
    return [
        Fact("Model", spec["model"]["name"]),
        Fact("Network", _component(spec["network"])),
        Fact("Likelihood", spec["likelihood"]["name"]),
        Fact("Objective", _component(spec["objective"])),
        Fact("Training", f"{_epochs(study)}, {_minutes(study)}"),
    ]


def outcome(study: Study) -> list[Fact]:
    """Give what came out of a run, for a table with one column for each run.

    Args:
        study: the run.

    Returns:
        The same labels for every run.
    """
    row, bound = study.test, study.bound
    elbo = row["distortion"] + row["rate"] if row and bound else None
    known = Known(study.known)
    mse = known.value("mse")
    explained = known.explained if study.run.model.nominal is None else None  # categories have no variance
    active = f"{sum(value > ACTIVE for value in study.kl)} of {len(study.kl)}" if study.kl else NONE
    return [
        Fact("MSE", number(mse), f"{study.error_of}, {_units(study)}"),
        Fact(
            "Variance explained",
            NONE if explained is None else minus(f"{100 * explained:.1f} %"),
            "1 − MSE / variance of the data",
        ),
        Fact("−ELBO, nats", number(elbo), "logged on the test split; an autoencoder has no bound"),
        Fact("Distortion, nats", number(row.get("distortion")), "comparable between equal likelihoods only"),
        Fact("Rate, nats", number(row.get("rate") if bound else None)),
        Fact("Bits per dimension", number(row.get("bits_per_dim"))),
        Fact("Active latent dimensions", active, f"KL above {ACTIVE} nats"),
    ]


def _component(table: Mapping[str, Any]) -> str:
    shown = [f"{key} {value:g}" for key, value in table.items() if key == "beta" and value != 1]
    shown += [
        f"{key} {'-'.join(map(str, value if isinstance(value, list) else [value]))}"
        for key, value in table.items()
        if key in ("hidden", "channels") and value
    ]
    return ", ".join([table["name"], *shown])


def _minutes(study: Study) -> str:
    rows = study.run.metrics("train")
    seconds = rows[-1]["seconds"] if rows else 0.0
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def data_facts(inputs: Inputs) -> list[Fact]:
    """Describe the data.

    Args:
        inputs: the chosen examples and their data.

    Returns:
        Shape, type, range, labels, splits and source.
    """
    dataset = inputs.dataset
    low, high = dataset.observed
    classes = dataset.classes
    splits = ", ".join(f"{len(rows):,} {name}" for name, rows in dataset.splits.items())
    given = [
        name
        for name, is_given in (("test", dataset.given_test), ("validation", dataset.given_validation))
        if is_given
    ]
    origin = f"{' and '.join(given)} as given" if given else "drawn with a seed"
    full = f"; {dataset.high:g} stands for 1" if dataset.x.dtype.kind == "u" else ""
    return [
        Fact("Source", placeless(dataset.source)),
        Fact("Examples", f"{len(dataset):,} {inputs.noun}"),
        Fact("Shape of one", f"({', '.join(map(str, dataset.event))})", _shape_note(inputs)),
        Fact(
            "Values",
            f"{dataset.x.dtype}, {number(low)} to {number(high)}{' in a sample' * dataset.sampled}{full}",
        ),
        Fact("Labels", f"{classes} classes" if classes else "none"),
        Fact("Splits", splits, origin),
    ]


def _shape_note(inputs: Inputs) -> str:
    return {
        "image": "channels, height, width",
        "video": "channels, time, height, width",
        "vector": "columns",
    }.get(inputs.kind, "")
