"""New data, made with the same noise by each run."""

from __future__ import annotations

from latentia.data.conditions import Labels
from latentia.plots.exhibits import Panel, Section, Words
from latentia.report.facets.codes import coded_samples
from latentia.report.group import Group
from latentia.report.latents import of_latents
from latentia.report.study import COMPONENTS
from latentia.report.words import listed


def section(group: Group) -> Section:
    """Show samples of each run, latents from its prior and from a density fitted to the latents of data.

    Args:
        group: the runs.

    Returns:
        The section.
    """
    if any(study.copies for study in group.studies):
        return of_latents(group)
    view = group.view
    count = view.samples_joint if group.several else view.samples_drawn
    what = "Samples" if group.several else f"{count} samples"
    drawn = {}
    for sampler, heading, caption in _samplers(group):
        alt = f"{what} of {group.names}, latents from the {sampler}"
        words = Words(f"samples-{sampler}", heading, caption, alt)
        made = group.made(
            lambda study, name=sampler: study.samples(name, count, noise=view.noise and study.bound)
        )
        drawn[sampler] = (words, made)
    data = group.inputs.dataset.x[view.gallery_of(group.inputs)]
    panel = Panel(exhibits=tuple(view.samples(drawn, data)), note=_note(group))
    lead = "New data, decoded from latents that come from no example."
    return Section("samples", "Samples", lead, (panel,))


def _samplers(group: Group) -> list[tuple[str, str, str]]:
    """Choose samplers, each with its heading and its caption."""
    if not group.several and group.studies[0].coded:
        return [
            (name, f"From the {name}" + " sampler" * (name != "prior"), f"{caption} Seed {group.seed}.")
            for name, caption in coded_samples(group.studies[0])
        ]
    mixture = "From a mixture fitted to the latents of data"
    return [("prior", "From the prior", _prior(group)), ("mixture", mixture, _mixture(group))]


def _prior(group: Group) -> str:
    caption = f"Latents from the prior p(z), seed {group.seed}."
    if group.several:
        caption += f" {shared_noise(group)}"
    untrained = [study.title for study in group.studies if not study.bound]
    if untrained:
        caption += (
            f" The prior took no part in training {listed(untrained)}, so its latents need not lie where "
            "the codes of data do."
        )
    return caption


def _mixture(group: Group) -> str:
    fitted = len(group.studies[0].run.aggregate)
    each = " for each run" * group.several
    components = min(COMPONENTS, max(1, fitted // 2))
    caption = (
        f"Latents from a mixture of {components} Gaussians, fitted{each} to those of {fitted:,} training "
        f"{group.inputs.noun}, seed {group.seed}."
    )
    if any(isinstance(study.run.condition, Labels) for study in group.studies):
        caption += " Where a model is told labels, each has a mixture of its own."
    coded = [study.title for study in group.studies if study.coded]
    if coded:
        caption += (
            f" In the place of a mixture, {listed(coded)} {'has' if len(coded) == 1 else 'have'} codes: "
            "from the autoregressive sampler where one is fitted, else uniform ones."
        )
    return caption


def _note(group: Group) -> str:
    bounds = {study.bound for study in group.studies}
    if group.view.noise and True in bounds:
        return (
            "Each sample is drawn from p(x|z)" + "; an autoencoder gives its mean" * (False in bounds) + "."
        )
    binary = {study.binary for study in group.studies}
    grey = ""
    if True in binary:
        where = (
            "the likelihood is binary, so grey"
            if binary == {True}
            else "where the likelihood is binary, grey"
        )
        grey = f"; {where} is the probability of a 1"
    return f"Each sample is the mean of p(x|z), without its noise{grey}."


def shared_noise(group: Group) -> str:
    """Say which of several runs decode the same latents.

    Args:
        group: the runs.

    Returns:
        A sentence.
    """
    alike: dict[tuple[str, str], list[str]] = {}
    for study in group.studies:
        kind = ("x".join(map(str, study.run.latent)), str(study.run.spec.get("prior")))
        alike.setdefault(kind, []).append(study.title)
    if len(alike) == 1:
        rows = ": what stands in one column comes from one draw" * (group.inputs.kind != "vector")
        return f"All runs decode the same latents{rows}."
    sizes = "; ".join(f"{listed(names)}: {kind[0]}" for kind, names in alike.items())
    what = "size" if len({kind[0] for kind in alike}) > 1 else "prior"
    shared = any(len(names) > 1 for names in alike.values())
    only = (
        f"Only runs of equal {what} decode the same latents" if shared else "No two decode the same latents"
    )
    return f"The runs differ in the {what} of their latents ({sizes}). {only}."
