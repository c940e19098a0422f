"""Samples by where their latents come from, how a diffusion comes to them, and what guidance does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from latentia.core.registry import names as registered
from latentia.plots.exhibits import Exhibit, Panel, Section, Words
from latentia.plots.theme import LIGHT
from latentia.report.group import VIEWS, Group
from latentia.report.inputs import GALLERY, in_turn
from latentia.report.latents import latent_view, shown
from latentia.report.study import Study
from latentia.report.views import IN_ROW, Made, View
from latentia.runs.chained import latents_of, same_condition
from latentia.sampling import DiffusionSampler, Sampler

if TYPE_CHECKING:
    from latentia.runs.run import Run

LOOKS = 8
"""Steps of a walk from noise that are shown."""
WALKED = 6
"""Samples whose walks are shown, and samples under a condition."""
GUIDANCE = (1, 2, 3, 4, 5)
OVERLAID = {1: "first", 3: "second"}
"""Guidance of rows of a table, over whose data they are drawn, and its colours."""
CLASSES = 10
"""Conditions that are shown at the most."""
TITLES = {
    "prior": "prior",
    "mixture": "mixture",
    "flow": "flow",
    "two_stage": "two-stage",
    "diffusion": "diffusion",
}


@dataclass(frozen=True, eq=False)
class Walker:
    """What draws by diffusion, and what becomes of its latents.

    Attributes:
        title: what it is.
        stem: the same as part of a file's name.
        run: the run whose sampler it is.
        sampler: the sampler.
        decode: turns its latents and their conditions into what is shown; with noise where it is asked for.
        view: how that is shown.
    """

    title: str
    stem: str
    run: Run
    sampler: Sampler
    decode: Callable[..., np.ndarray]
    view: View


def pair(study: Study) -> tuple[Run | None, Run | None]:
    """Tell who decodes from who draws.

    Args:
        study: the run.

    Returns:
        The run that decodes latents, or None; and the run that was trained on its latents, or None.
    """
    return (study.partner, study.run) if study.copies else (study.run, study.partner)


def has(study: Study) -> bool:
    """Say whether a run has more to draw latents with than a report shows anyway.

    Args:
        study: the run.

    Returns:
        Whether it has a diffusion, a partner, or a sampler that was fitted and kept.
    """
    return not study.coded and bool(study.copies or study.partner or _own(study.run, fitted=True))


def _own(run: Run, fitted: bool = False) -> dict[str, Sampler]:
    """Give a run's own samplers: those that are quick to fit, and those that are kept; or these alone."""
    found = {} if fitted else {name: run.sampler_as_fitted(name) for name in ("prior", "mixture")}
    found |= {"prior": prior} if fitted and (prior := run.sampler("prior")).denoises else {}
    for name in registered("sampler"):
        if name in TITLES and name not in ("prior", "mixture") and (kept := run.kept_sampler(name)):
            found[name] = kept
    return {name: found[name] for name in TITLES if name in found}


def section(group: Group) -> Section | None:
    """Show samples by sampler, walks from noise, and guidance.

    Args:
        group: the runs.

    Returns:
        The section; None where no run has more to draw latents with than a report shows anyway.
    """
    if all(pair(study)[0] is None for study in group.studies):
        return group.apiece("samplers", "From noise to latents", "", _panel)
    lead = "What decides how samples look is where their latents come from; a decoder is the same for all."
    return group.apiece("samplers", "Samples by sampler", lead, _panel)


def _panel(study: Study) -> Panel | None:
    if not has(study):
        return None
    view = study.view
    codec, other = pair(study)
    if codec is not None and codec is not study.run:
        view = VIEWS[codec.event.kind](codec.dataset)
    walkers = _walkers(study, view)
    exhibits = [] if codec is None else _samples(study, view, codec, other)
    exhibits += [_path(study, walker) for walker in walkers]
    if codec is not None:
        exhibits += [each for walker in walkers for each in _guided(study, walker, codec)]
    return Panel(study.title, tuple(exhibits)) if exhibits else None


def _samples(study: Study, view: View, codec: Run, other: Run | None) -> list[Exhibit]:
    """Show samples of each sampler with the same seed, and data."""
    count = view.samples_drawn if codec.event.kind == "vector" else IN_ROW
    noise = view.noise and codec.objective.bound
    c = codec.conditions_for(count, seed=study.seed)
    drawn = {
        TITLES[name]: codec.made(count, c, sampler, noise=noise, seed=study.seed)
        for name, sampler in _own(codec).items()
    }
    if other is not None:
        sampler = codec.sampler("run", path=str(other.folder.path))
        drawn[other.name] = codec.made(count, c, sampler, noise=noise, seed=study.seed)
    data = codec.dataset
    known = in_turn(data, data.splits["train"], GALLERY, study.seed)
    if codec.event.kind == "vector":
        rows = data.some(data.splits["train"])
        return [
            exhibit
            for name, made in drawn.items()
            if name not in ("prior", "mixture") or study.copies
            for exhibit in view.samples({name: (_words(study, name), [Made(name, made, "")])}, rows)
        ]
    rows = np.stack([*drawn.values(), np.asarray(data.x[known[:count]], np.float32)])
    words = Words(
        f"{study.prefix}by-sampler",
        "The same decoder, other latents",
        f"A row for each way to draw latents, all with seed {study.seed}, and training data below.",
        f"Samples decoded by {codec.name}: {', '.join(drawn)}, and real data",
    )
    return [view.traversal(words, rows, [*drawn, "real data"])]


def _words(study: Study, name: str) -> Words:
    return Words(
        f"{study.prefix}by-sampler-{name}",
        f"From the sampler {name}",
        f"Latents from {name}, seed {study.seed}.",
        f"Histograms of each column: data and samples from {name}",
    )


def _walkers(study: Study, view: View) -> list[Walker]:
    """Give all that draws by diffusion."""
    codec, other = pair(study)
    found: list[Walker] = []
    if codec is not None:
        decoder = codec.inference
        found += [
            Walker(f"The {TITLES[name]}", name, codec, sampler, decoder.decode, view)
            for name, sampler in _own(codec, fitted=True).items()
            if sampler.denoises
        ]
    if other is None or not (sampler := other.sampler("prior")).denoises:
        return found
    if codec is None:
        view, _ = latent_view(study)
        return [Walker(other.name, "run", other, sampler, lambda z, _: shown(z), view)]

    def decode(z: np.ndarray, c: np.ndarray | None, noise: bool = False) -> np.ndarray:
        own = c if same_condition(codec, other) else codec.conditions_for(len(z), seed=study.seed)
        return codec.inference.decode(latents_of(other, z, c), own, noise=noise)

    return [*found, Walker(other.name, "run", other, sampler, decode, view)]


def _told(study: Study, run: Run) -> tuple[list[str], np.ndarray | None]:
    """Choose the conditions of walks: the first classes, or those of examples, or none."""
    names, rows = run.named_conditions()
    if names:
        return names[:WALKED], np.asarray(rows[:WALKED])
    return [str(number + 1) for number in range(WALKED)], run.conditions_for(WALKED, seed=study.seed)


def _path(study: Study, walker: Walker) -> Exhibit:
    """Show what is made of noise on the way to a sample."""
    names, rows = _told(study, walker.run)
    count = len(names)
    tensor = walker.run.condition_tensor(rows, count)
    seen = walker.sampler.to(walker.run.device).denoising(count, study.seed, tensor, LOOKS)
    made = np.stack([walker.decode(z, rows) for z in seen], axis=1)
    words = Words(
        f"{study.prefix}denoising-{walker.stem}",
        f"{walker.title}: from noise",
        f"What the denoiser takes each latent for at {len(seen)} of its steps, from the first to the last, "
        f"which is the sample. Seed {study.seed}.",
        f"{count} samples on their way from noise, drawn by {walker.title}",
    )
    return walker.view.traversal(words, made, names)


def _guided(study: Study, walker: Walker, codec: Run) -> list[Exhibit]:
    """Show samples under each condition, guided towards it more and more, all from the same noise."""
    run = walker.run
    names, rows = run.named_conditions()
    names, rows = names[:CLASSES], rows[:CLASSES]
    if not names or not walker.sampler.guides:
        return []
    if walker.view.noise:
        return _guided_rows(study, walker, codec, names, rows)
    c = np.repeat(rows, WALKED, axis=0)
    found = []
    for guidance in GUIDANCE:
        z = run.draw(len(c), c, _towards(walker, guidance), seed=study.seed)
        made = walker.decode(z, c).reshape(len(rows), WALKED, *walker.view.dataset.event)
        plain = ", which is the condition's own distribution" * (guidance == 1)
        words = Words(
            f"{study.prefix}guidance-{walker.stem}-{guidance}",
            f"{walker.title}: guidance {guidance}",
            f"A row for each condition, guidance {guidance}{plain}. All from the same noise, seed "
            f"{study.seed}.",
            f"Samples of {walker.title} by condition under guidance {guidance}",
        )
        found.append(replace(walker.view.traversal(words, made, names), wide=False))  # side by side
    return found


def _towards(walker: Walker, guidance: float) -> Sampler:
    """Give the sampler of a walker, guided; a fit that is kept as it is."""
    if isinstance(walker.sampler, DiffusionSampler):
        return walker.sampler.by(guidance=float(guidance))
    return walker.run.sampler("prior", guidance=float(guidance))


def _guided_rows(
    study: Study, walker: Walker, codec: Run, names: list[str], rows: np.ndarray
) -> list[Exhibit]:
    """Show how rows of a table are distributed under each condition and its guidance, over those of data."""
    data, count = walker.view.dataset, walker.view.samples_drawn
    known, found = data.splits["train"], []
    for number, (name, row) in enumerate(zip(names, rows, strict=True), 1):
        own = known if data.labels is None else known[data.labels[known] == row.argmax()]
        if not len(own):
            continue
        c = np.repeat(row[None], count, axis=0)
        made = []
        for guidance, colour in OVERLAID.items():
            z = walker.run.draw(count, c, _towards(walker, guidance), seed=study.seed)
            x = walker.decode(z, c, noise=codec.objective.bound)
            made.append(Made(f"guidance {guidance}", x, LIGHT[colour]))
        words = Words(
            f"{study.prefix}guidance-{walker.stem}-{number}",
            f"{walker.title}: {name}",
            f"Rows under the condition {name}, guidance {' and '.join(map(str, OVERLAID))}, from the same "
            f"noise, seed {study.seed}, over data of {name}.",
            f"Histograms of each column: data of {name}, and samples of {walker.title} under guidance",
        )
        found += walker.view.samples({name: (words, made)}, data.some(own))
    return found
