"""The sections of the report. Each loops over the runs, whether there is one or several."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Callable, Sequence

import numpy as np

from latentia.report import facts
from latentia.report.charts import PER_TICK, bars
from latentia.report.exhibits import Exhibit, Panel, Section, Words
from latentia.report.inputs import Inputs, class_name, class_names
from latentia.report.latent_sections import kl_panel, map_panel, traversal_panel
from latentia.report.progress import curves_panel
from latentia.report.study import COMPONENTS, Study
from latentia.report.views import View

Rows = tuple[tuple[str, str, tuple[str, ...]], ...]


def sections(studies: Sequence[Study], view: View) -> list[Section]:
    """Write all sections.

    Args:
        studies: the runs, on the same data.
        view: how these data are shown.

    Returns:
        The sections in the order of the page.
    """
    inputs = studies[0].inputs

    def panels(panel: Callable[[Study, View], Panel]) -> tuple[Panel, ...]:
        return tuple(panel(study, view) for study in studies)

    what, held_out = inputs.noun, f"{inputs.split} {inputs.noun}"
    parts = [
        *([_comparison(studies)] if len(studies) > 1 else []),
        _data(inputs, view),
        _sizes(studies),
        Section(
            "curves",
            "Training",
            "What training minimised, split into its terms. The first steps are off the scale.",
            panels(lambda study, _: curves_panel(study)),
        ),
        Section(
            "reconstructions",
            "Reconstructions",
            f"{held_out.capitalize()}, encoded to the posterior's mean and decoded to the likelihood's mean.",
            panels(_reconstructions),
        ),
        Section(
            "samples",
            "Samples",
            "New data, decoded from latents that come from no example.",
            panels(_samples),
        ),
        Section(
            "interpolations",
            "Interpolations",
            f"Paths between the latents of two {held_out}. The spherical path turns from one direction to "
            "the other and changes its length evenly; the straight one cuts the corner.",
            panels(_interpolations),
        ),
        Section("map", "Latent map", f"Where the encoder puts the {what}.", panels(map_panel)),
        Section("dimensions", "Use of the latent dimensions", _dimensions_lead(studies), panels(kl_panel)),
        Section(
            "traversals",
            "Traversals",
            "One latent dimension moves, from three standard deviations below to three above the mean of the "
            "training data's latents; the others stay. The most used dimensions come first.",
            panels(traversal_panel),
        ),
        _repeat(studies),
    ]
    return parts


def _dimensions_lead(studies: Sequence[Study]) -> str:
    kl = "How much each dimension says about an example: its KL from the prior, averaged over held-out data."
    spread = "An autoencoder has no KL; the spread of its codes shows which dimensions it uses."
    kinds = {study.bound for study in studies}
    return " ".join([kl] * (True in kinds) + [spread] * (False in kinds))


def tabulate(columns: Sequence[Sequence[facts.Fact]]) -> Rows:
    """Turn lists of equal facts into rows with one value for each list.

    Args:
        columns: for each run, its facts, in the same order.

    Returns:
        Label, note and values of each row.
    """
    return tuple(
        (
            same[0].label,
            next((fact.note for fact in same if fact.note), ""),
            tuple(fact.value for fact in same),
        )
        for same in zip(*columns, strict=True)
    )


def _data(inputs: Inputs, view: View) -> Section:
    dataset = inputs.dataset
    chosen = view.gallery_of(inputs)
    classes = class_names(dataset)
    in_turn = " Classes take turns." if classes and inputs.form != "table" else ""
    gallery = view.gallery(
        Words(
            "data",
            "Examples" if inputs.form != "table" else "Distributions",
            f"{len(chosen):,} training {inputs.noun}.{in_turn} {view.remark}".strip(),
            f"{len(chosen)} {inputs.noun} from the training split",
        ),
        dataset.x[chosen],
        len(classes) if 5 <= len(classes) <= 12 else 10,
    )
    exhibits = [gallery, _label_counts(inputs, classes)] if classes else [gallery]
    return Section(
        "data",
        "What the data are",
        "",
        (Panel(exhibits=tuple(exhibits)),),
        facts=tabulate([facts.data_facts(inputs)]),
    )


def _label_counts(inputs: Inputs, names: Sequence[str]) -> Exhibit:
    labels = inputs.dataset.labels
    counts = np.bincount(labels[labels >= 0], minlength=len(names)) if labels is not None else np.zeros(0)
    equal = counts.min() == counts.max()
    ends = f"{counts.max():,} each" if equal else f"{counts.min():,} to {counts.max():,}"
    caption = f"{inputs.noun.capitalize()} in each class, all splits together: {ends}."
    if len(names) > PER_TICK:
        caption += f" {len(names)} classes, in the order of their labels."
    alt = "Bar chart of the number of examples in each class"
    return bars(Words("labels", "Classes", caption, alt), counts.tolist(), names, "class", inputs.noun)


def _comparison(studies: Sequence[Study]) -> Section:
    rows = tabulate([facts.comparison(study) for study in studies])
    return Section(
        "comparison", "Side by side", "", facts=rows, columns=tuple(study.title for study in studies)
    )


def _sizes(studies: Sequence[Study]) -> Section:
    rows = tabulate([facts.lecture(study) for study in studies])
    lead = "What the networks weigh and how far they compress. Compression counts numbers, not bits."
    columns = tuple(study.title for study in studies) if len(studies) > 1 else ()
    return Section("sizes", "Sizes and compression", lead, facts=rows, columns=columns)


def _reconstructions(study: Study, view: View) -> Panel:
    x = study.inputs.dataset.x[view.compared_of(study.inputs)]
    shown, _ = study.errors(view.compared_of(study.inputs))
    mse, _ = study.accuracy
    how = {
        "image": "Each row of originals stands over its reconstructions.",
        "table": "What came out over what went in, in the data's units; on the line they are equal.",
    }.get(study.inputs.form, "Originals and reconstructions.")
    caption = (
        f"{how} Mean squared error of those shown {facts.number(float(shown.mean()))}, "
        f"of {len(study.inputs.encoded):,} {study.inputs.split} {study.inputs.noun} {facts.number(mse)}."
    )
    alt = f"{len(x)} originals and their reconstructions by {study.title}"
    words = Words(f"{study.prefix}reconstructions", "Originals and reconstructions", caption, alt)
    return Panel(study.title, (view.compare(words, x, study.run.reconstruct(x)),))


def _samples(study: Study, view: View) -> Panel:
    count = view.samples_drawn
    noise = view.noise and study.bound
    fitted = len(study.run.aggregate)
    components = min(COMPONENTS, max(1, fitted // 2))
    prior = (
        "Latents from the prior p(z)."
        if study.bound
        else "Latents from a standard normal. It took no part in training this autoencoder, so they need not "
        "lie where the codes of data do."
    )
    mixture = (
        f"Latents from a mixture of {components} Gaussians, fitted to those of {fitted:,} training "
        f"{study.inputs.noun}."
    )
    drawn = {}
    for sampler, caption in (("prior", prior), ("mixture", mixture)):
        alt = f"{count} samples of {study.title}, latents from the {sampler}"
        caption += f" Seed {study.seed}."
        words = Words(f"{study.prefix}samples-{sampler}", f"From the {sampler}", caption, alt)
        drawn[sampler] = (words, study.samples(sampler, count, noise))
    note = (
        "Each sample is drawn from p(x|z)."
        if noise
        else "Each sample is the mean of p(x|z), without its noise"
    )
    if not noise:
        note += "; the likelihood is binary, so grey is the probability of a 1." if study.binary else "."
    data = study.inputs.dataset.x[view.gallery_of(study.inputs)]
    return Panel(study.title, tuple(view.samples(drawn, data)), note)


def _interpolations(study: Study, view: View) -> Panel:
    pairs = study.inputs.pairs
    if not pairs:
        return Panel(study.title, note="There are too few examples to walk between.")
    dataset = study.inputs.dataset
    ends = np.stack([dataset.x[list(pair)] for pair in pairs])
    labels = [" → ".join(class_name(dataset, end) for end in pair) for pair in pairs]
    how = (
        "The outer two of each row are the originals."
        if study.inputs.form == "image"
        else "From the first example (dark) to the second (light)."
    )
    exhibits = []
    for kind, title in (("linear", "Straight"), ("spherical", "Spherical")):
        alt = f"{kind} interpolations by {study.title}: {', '.join(labels)}"
        words = Words(f"{study.prefix}interpolation-{kind}", title, how, alt)
        exhibits.append(view.paths(words, study.paths(kind), ends, labels))
    return Panel(study.title, tuple(exhibits))


def _repeat(studies: Sequence[Study]) -> Section:
    import torch

    from latentia import __version__

    commands = []
    for study in studies:
        path = study.run.folder.path
        folder, settings = shlex.quote(str(path)), shlex.quote(str(path / "run.toml"))
        again = shlex.quote(f"{path}-again")
        picture = "samples.png" if study.inputs.form == "image" else "samples.npy"
        commands += [
            ("Train the same again", f"latentia train --config {settings} --out {again}"),
            ("Draw samples", f"latentia sample {folder} -n 64 --sampler mixture -o {picture}"),
        ]
    files = tuple(
        (f"run.toml of {study.title}", study.run.folder.run_file.read_text(encoding="utf-8"))
        for study in studies
    )
    versions = f"latentia {__version__}, torch {torch.__version__} and Python {platform.python_version()}"
    lead = f"Written with {versions}. A run file holds every setting and every seed."
    return Section("repeat", "How to repeat it", lead, commands=tuple(commands), files=files)
