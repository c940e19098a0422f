"""The sections of the report: on one run, on several side by side, or on a sweep."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Callable, Sequence

import numpy as np

from latentia.plots.charts import PER_TICK, bars, run_colours
from latentia.plots.exhibits import Exhibit, Panel, Row, Section, Words
from latentia.report import facts, joint, joint_latents
from latentia.report.assessed import evaluation
from latentia.report.axis import Axis
from latentia.report.facets import own_sections
from latentia.report.facets.codes import coded_samples
from latentia.report.inputs import Inputs, class_name, class_names
from latentia.report.latent_sections import kl_panel, map_panel, traversal_panel
from latentia.report.progress import curves_panel
from latentia.report.study import COMPONENTS, Study
from latentia.report.sweep import rate_section
from latentia.report.views import View


def sections(studies: Sequence[Study], view: View, axis: Axis | None = None) -> list[Section]:
    """Write all sections.

    Args:
        studies: the runs, on the same data.
        view: how these data are shown.
        axis: what a sweep changes from run to run.

    Returns:
        The sections in the order of the page.
    """
    inputs = studies[0].inputs
    numbers = [_data(inputs, view), _sizes(studies)]
    if len(studies) == 1:
        shown = _alone(studies[0], view)
        return [*numbers, *shown, *evaluation(studies), _repeat(studies)]
    curves, *shown = _joint(studies, view, axis)
    assessed = evaluation(studies)
    side = _comparison(studies, bool(assessed))
    if axis is None:
        return [side, *numbers, curves, *shown, *assessed, _repeat(studies)]
    return [rate_section(studies, axis), *shown, *assessed, side, *numbers, curves, _repeat(studies)]


def _alone(study: Study, view: View) -> list[Section]:
    """Write what is shown of a single run."""

    def panel(draw: Callable[[Study, View], Panel]) -> tuple[Panel, ...]:
        return (draw(study, view),)

    leads = _leads([study])
    return [
        Section("curves", "Training", leads["curves"], (curves_panel(study),)),
        Section("reconstructions", "Reconstructions", leads["reconstructions"], panel(_reconstructions)),
        Section("samples", "Samples", leads["samples"], panel(_samples)),
        *own_sections(study, view),
        Section("interpolations", "Interpolations", leads["interpolations"], panel(_interpolations)),
        Section("map", "Latent map", leads["map"], panel(map_panel)),
        Section("dimensions", DIMENSIONS, leads["dimensions"], panel(kl_panel)),
        Section("traversals", "Traversals", leads["traversals"], panel(traversal_panel)),
    ]


def _joint(studies: Sequence[Study], view: View, axis: Axis | None) -> list[Section]:
    """Write what is shown of several runs: together, or each in a panel of its own where they are few."""
    colours = run_colours(len(studies), ordered=axis is not None)
    few = len(studies) <= joint.FEW
    leads = _leads(studies)
    if few:
        training = tuple(curves_panel(study) for study in studies)
        used = tuple(kl_panel(study, view) for study in studies)
        walked = tuple(traversal_panel(study, view) for study in studies)
    else:
        training = (joint_latents.curves_panel(studies, colours),)
        used = (joint_latents.dimensions_panel(studies, colours),)
        walked = ()
    parts = [
        Section("curves", "Training", leads["curves"], training),
        Section(
            "reconstructions",
            "Reconstructions",
            leads["reconstructions"],
            (joint.reconstructions(studies, view, colours),),
        ),
        Section("samples", "Samples", leads["samples"], (joint.samples(studies, view, colours),)),
        Section(
            "interpolations",
            "Interpolations",
            leads["interpolations"],
            (joint.interpolations(studies, view, colours),),
        ),
        Section(
            "codes",
            "Latent values",
            "A VAE's rate pulls its latents towards the prior; nothing pulls an autoencoder's.",
            (joint.codes_panel(studies),),
        ),
        Section("map", "Latent maps", leads["map"], (joint_latents.maps_panel(studies, view),)),
        Section("dimensions", DIMENSIONS, leads["dimensions"], used),
        *([Section("traversals", "Traversals", leads["traversals"], walked)] if walked else []),
    ]
    return parts


DIMENSIONS = "Use of the latent dimensions"


def _leads(studies: Sequence[Study]) -> dict[str, str]:
    """Give what the reader needs to know first, by section."""
    inputs = studies[0].inputs
    held_out = f"{inputs.split} {inputs.noun}"
    spherical = (
        " The spherical path turns from one direction to the other and changes its length evenly; the "
        "straight one cuts the corner."
    )
    return {
        "curves": "What training minimised, split into its terms. The first steps are off the scale.",
        "reconstructions": f"{held_out.capitalize()}, encoded to the posterior's mean and decoded to the "
        "likelihood's mean.",
        "samples": "New data, decoded from latents that come from no example.",
        "interpolations": f"Paths between the latents of two {held_out}."
        + (spherical if len(studies) <= joint.FEW else ""),
        "map": f"Where the encoder puts the {inputs.noun}.",
        "dimensions": _dimensions_lead(studies),
        "traversals": "One latent dimension moves, from three standard deviations below to three above the "
        "mean of the training data's latents; the others stay. The most used dimensions come first.",
    }


def _dimensions_lead(studies: Sequence[Study]) -> str:
    kl = "How much each dimension says about an example: its KL from the prior, averaged over held-out data."
    spread = "An autoencoder has no KL; the spread of its codes shows which dimensions it uses."
    kinds = {study.bound for study in studies}
    return " ".join([kl] * (True in kinds) + [spread] * (False in kinds))


def tabulate(columns: Sequence[Sequence[facts.Fact]]) -> tuple[Row, ...]:
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


def _data(inputs: Inputs, view: View) -> Section:
    dataset = inputs.dataset
    chosen = view.gallery_of(inputs)
    classes = class_names(dataset)
    in_turn = " Classes take turns." if classes and inputs.kind != "vector" else ""
    gallery = view.gallery(
        Words(
            "data",
            "Examples" if inputs.kind != "vector" else "Distributions",
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


def _comparison(studies: Sequence[Study], assessed: bool) -> Section:
    """Put settings side by side, and what was logged where no evaluation has its own table."""
    columns = [facts.settings(study) + ([] if assessed else facts.outcome(study)) for study in studies]
    titles = tuple(study.title for study in studies)
    return Section("comparison", "Side by side", "", facts=tabulate(columns), columns=titles)


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
        "vector": "What came out over what went in, in the data's units; on the line they are equal.",
    }.get(study.inputs.kind, "Originals and reconstructions.")
    caption = (
        f"{how} Mean squared error of those shown {facts.number(float(shown.mean()))}, "
        f"of {len(study.inputs.encoded):,} {study.inputs.split} {study.inputs.noun} {facts.number(mse)}."
    )
    alt = f"{len(x)} originals and their reconstructions by {study.title}"
    words = Words(f"{study.prefix}reconstructions", "Originals and reconstructions", caption, alt)
    return Panel(study.title, (view.compare(words, x, study.reconstructed(view.compared_of(study.inputs))),))


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
    captions = (("prior", prior), ("mixture", mixture)) if not study.coded else coded_samples(study)
    for sampler, caption in captions:
        alt = f"{count} samples of {study.title}, latents from the {sampler}"
        caption += f" Seed {study.seed}."
        heading = f"From the {sampler}" + (" sampler" if sampler not in ("prior", "mixture") else "")
        words = Words(f"{study.prefix}samples-{sampler}", heading, caption, alt)
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
        if study.inputs.kind == "image"
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

    from latentia.core.version import __version__

    commands = []
    for study in studies:
        path = study.run.folder.path
        folder, settings = shlex.quote(str(path)), shlex.quote(str(path / "run.toml"))
        again = shlex.quote(f"{path}-again")
        picture = "samples.png" if study.inputs.kind == "image" else "samples.npy"
        commands.append(("Train the same again", f"latentia train --config {settings} --out {again}"))
        if len(studies) <= joint.FEW:
            draw = f"latentia sample {folder} -n 64 --sampler mixture -o {picture}"
            commands.append(("Draw samples", draw))
    files = tuple(
        (f"run.toml of {study.title}", study.run.folder.run_file.read_text(encoding="utf-8"))
        for study in studies
    )
    versions = f"latentia {__version__}, torch {torch.__version__} and Python {platform.python_version()}"
    lead = f"Written with {versions}. A run file holds every setting and every seed."
    return Section("repeat", "How to repeat it", lead, commands=tuple(commands), files=files)
