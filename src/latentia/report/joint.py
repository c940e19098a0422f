"""What several runs made of the same inputs and the same noise, row by row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from latentia.plots.exhibits import Exhibit, Panel, Words
from latentia.plots.joint_charts import HIGHEST, densities, latent_reach
from latentia.report import facts
from latentia.report.inputs import class_name
from latentia.report.study import COMPONENTS, Study
from latentia.report.views import Made, View

FEW = 4
"""Up to as many runs have charts of their own; of more, one chart shows all."""


def reconstructions(studies: Sequence[Study], view: View, colours: Sequence[str]) -> Panel:
    """Show the same originals as each run reconstructs them.

    Args:
        studies: the runs.
        view: how the data are shown.
        colours: one for each run.

    Returns:
        The panel.
    """
    inputs = studies[0].inputs
    chosen = view.compared_of(inputs)
    x = inputs.dataset.x[chosen]
    how = {
        "image": "The originals, and below them one row for each run.",
        "vector": "What came out over what went in, in the data's units; on the line they are equal.",
    }.get(inputs.kind, "Originals and reconstructions.")
    errors = [f"{study.title} {facts.number(study.accuracy[0])}" for study in studies]
    if len(studies) <= FEW:
        how += f" Mean squared error of {len(inputs.encoded):,} {inputs.split} {inputs.noun}: "
        how += f"{', '.join(errors)}."
    alt = f"{len(x)} originals and their reconstructions by {_names(studies)}"
    words = Words("reconstructions", "Originals and reconstructions", how, alt)
    made = _made(studies, colours, [study.reconstructed(chosen) for study in studies])
    return Panel(exhibits=tuple(view.compare_runs(words, x, made)))


def samples(studies: Sequence[Study], view: View, colours: Sequence[str]) -> Panel:
    """Show samples of each run, made with the same noise.

    Args:
        studies: the runs.
        view: how the data are shown.
        colours: one for each run.

    Returns:
        The panel.
    """
    inputs = studies[0].inputs
    data = inputs.dataset.x[view.gallery_of(inputs)]
    normal = f"Latents from the prior p(z), seed {studies[0].seed}. {shared_noise(studies)}"
    untrained = [study.title for study in studies if not study.bound]
    if untrained:
        normal += (
            f" The prior took no part in training {_listed(untrained)}, so its latents need not lie where "
            "the codes of data do."
        )
    fitted = len(studies[0].run.aggregate)
    mixture = (
        f"Latents from a mixture of {min(COMPONENTS, max(1, fitted // 2))} Gaussians, fitted for each run to "
        f"those of {fitted:,} training {inputs.noun}; all are drawn with seed {studies[0].seed}."
    )
    coded = [study.title for study in studies if study.coded]
    if coded:
        mixture += (
            f" In the place of a mixture, {_listed(coded)} {'has' if len(coded) == 1 else 'have'} codes: "
            "from the autoregressive sampler where one is fitted, else uniform ones."
        )
    exhibits: list[Exhibit] = []
    for sampler, heading, caption in (
        ("prior", "From the prior", normal),
        ("mixture", "From a mixture fitted to the latents of data", mixture),
    ):
        alt = f"Samples of {_names(studies)}, latents from the {sampler}"
        words = Words(f"samples-{sampler}", heading, caption, alt)
        drawn = [study.samples(sampler, view.samples_joint, view.noise and study.bound) for study in studies]
        exhibits += view.sample_runs(words, _made(studies, colours, drawn), data)
    return Panel(exhibits=tuple(exhibits), note=_sampled(studies, view))


def _sampled(studies: Sequence[Study], view: View) -> str:
    if view.noise:
        exact = any(not study.bound for study in studies)
        return "Each sample is drawn from p(x|z)" + "; an autoencoder gives its mean" * exact + "."
    grey = "; where the likelihood is binary, grey is the probability of a 1" * any(
        study.binary for study in studies
    )
    return f"Each sample is the mean of p(x|z), without its noise{grey}."


def shared_noise(studies: Sequence[Study]) -> str:
    """Say which runs decode the same latents.

    Args:
        studies: the runs.

    Returns:
        A sentence.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for study in studies:
        kind = ("x".join(map(str, study.run.latent)), str(study.run.spec.get("prior")))
        groups.setdefault(kind, []).append(study.title)
    if len(groups) == 1:
        rows = ": what stands in one column comes from one draw" * (studies[0].inputs.kind != "vector")
        return f"All runs decode the same latents{rows}."
    sizes = "; ".join(f"{_listed(names)}: {kind[0]}" for kind, names in groups.items())
    what = "size" if len({kind[0] for kind in groups}) > 1 else "prior"
    shared = any(len(names) > 1 for names in groups.values())
    only = (
        f"Only runs of equal {what} decode the same latents" if shared else "No two decode the same latents"
    )
    return f"The runs differ in the {what} of their latents ({sizes}). {only}."


def interpolations(studies: Sequence[Study], view: View, colours: Sequence[str]) -> Panel:
    """Walk between the same pairs in each run.

    Args:
        studies: the runs.
        view: how the data are shown.
        colours: one for each run.

    Returns:
        The panel.
    """
    inputs = studies[0].inputs
    if not inputs.pairs:
        return Panel(note="There are too few examples to walk between.")
    ends = np.stack([inputs.dataset.x[list(pair)] for pair in inputs.pairs])
    labels = [" → ".join(class_name(inputs.dataset, end) for end in pair) for pair in inputs.pairs]
    how = (
        "A block for each pair, in it a row for each run. The outer two of each row are the originals."
        if inputs.kind == "image"
        else "From the first example (dark) to the second (light)."
    )
    kinds = [("linear", "Straight"), ("spherical", "Spherical")]
    exhibits: list[Exhibit] = []
    for kind, heading in kinds if len(studies) <= FEW else kinds[:1]:
        alt = f"{kind} interpolations by {_names(studies)}"
        words = Words(f"interpolation-{kind}", heading, how, alt)
        made = _made(studies, colours, [study.paths(kind) for study in studies])
        exhibits += view.path_runs(words, made, ends, labels)
    return Panel(exhibits=tuple(exhibits))


def codes_panel(studies: Sequence[Study]) -> Panel:
    """Draw how the latents of each run are distributed, over the standard normal density.

    Args:
        studies: the runs.

    Returns:
        The panel.
    """
    inputs = studies[0].inputs
    reach = latent_reach([study.codes for study in studies])
    outside = [float((np.abs(study.codes) > reach).mean()) for study in studies]
    beyond = [
        f"{100 * share:.1f} % of {study.title}"
        for study, share in zip(studies, outside, strict=True)
        if share > 0.005
    ]
    caption = (
        f"All latent values of {len(inputs.encoded):,} {inputs.split} {inputs.noun}, at their posterior "
        f"means, and the density of N(0, 1). Densities above {HIGHEST:g} are cut off: latents that "
        "carry nothing all lie at zero."
    )
    if beyond:
        caption += f" Outside the axis: {', '.join(beyond)}."
    words = Words(
        "codes", "All latent values", caption, f"Histograms of the latent values of {_names(studies)}"
    )
    return Panel(exhibits=(densities(words, [(study.title, study.codes) for study in studies]),))


def _made(studies: Sequence[Study], colours: Sequence[str], arrays: Sequence[np.ndarray]) -> list[Made]:
    return [Made(study.title, x, colour) for study, x, colour in zip(studies, arrays, colours, strict=True)]


def _names(studies: Sequence[Study]) -> str:
    return _listed([study.title for study in studies])


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
