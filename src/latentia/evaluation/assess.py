"""The driver: topic by topic, each kept in the run folder as soon as it is done."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import latentia
from latentia.core.memory import kept_memory
from latentia.data.matching import where_of
from latentia.data.shards import Shards
from latentia.evaluation.facets import of_topic
from latentia.evaluation.keeping import checksum, keep, kept, read
from latentia.evaluation.records import TOPICS, Assessment, Settings
from latentia.evaluation.subject import Subject
from latentia.evaluation.topics.topics import MEASURES
from latentia.metrics.diagnosis import diagnose
from latentia.metrics.figures import Figure, Ledger
from latentia.metrics.known import completed
from latentia.metrics.verdict import verdict

if TYPE_CHECKING:
    from latentia.runs.run import Run

FORMAT = 11
"""Counts up when figures are measured otherwise: what was kept before is measured anew."""
SHUFFLED = ("likelihood", "health")
"""Topics that look at the examples in the order of the loader; the others do in that of the split."""
OWN: Mapping[str, tuple[str, ...]] = {
    "likelihood": ("samples", "limit", "ais"),
    "generation": ("inception", "samplers", "latent_run"),
}
"""The settings that one topic alone depends on: a change of them leaves the other topics as they are."""


def assess(
    run: Run, settings: Settings, *, quiet: bool = True, say: Callable[[str], None] | None = None
) -> Assessment:
    """Measure every figure that the run's model and data allow.

    Each topic is kept in the run folder's `evaluation.json` when it is done, unless it is about other data;
    what is there already for the same weights, data and settings is not measured again, so an
    interrupted evaluation goes on.

    Args:
        run: the run.
        settings: what to assess, and how.
        quiet: show no progress bars.
        say: called with a line before each topic, and with others that a person wants to read.

    Returns:
        The assessment.

    Raises:
        LatentiaError: if the data or the split cannot be used; a figure that cannot be measured is
            reported as missing instead.
    """
    subject = Subject(run, settings, quiet, say or (lambda line: None))
    about = _about(subject)
    known = kept(run, about["key"]) or Assessment({**about, "topics": {}}, {}, {})
    with kept_memory(run.device):
        for topic in TOPICS:
            own = _own(run, settings, topic)
            if topic not in settings.only or _measured(known, topic, own):
                continue
            subject.say(f"{topic} ...")
            subject.ledger, subject.warnings = Ledger({}, {}), []
            MEASURES[topic](subject)
            for facet in of_topic(run, topic):
                facet.measure(subject)
            subject.ledger.drop_what_is_not_finite()
            _place(subject, topic)
            # Another process may have kept other topics meanwhile.
            known = _with(kept(run, about["key"]) or known, topic, own, subject.ledger, subject.warnings)
            known = diagnosed(run, known)
            if settings.data is None:
                keep(run, known, say)
    return _chosen(known, settings.only, run)


def _place(subject: Subject, topic: str) -> None:
    """Say of which examples the values behind a topic's figures are."""
    order = subject.loader.rows.numpy() if topic in SHUFFLED else subject.rows
    for name, figure in subject.ledger.figures.items():
        if figure.values is not None and figure.rows is None:
            subject.ledger.figures[name] = replace(figure, rows=order[: len(figure.values)])


def _own(run: Run, settings: Settings, topic: str) -> dict[str, Any]:
    """Give what a topic alone depends on; of a file, what is in it."""
    own = {name: getattr(settings, name) for name in OWN.get(topic, ())}
    if "samplers" in own:
        own["samplers"] = list(own["samplers"])  # as JSON gives it back
    if own.get("inception"):
        own["inception"] = hashlib.sha256(Path(own["inception"]).read_bytes()).hexdigest()
    fit = run.folder.samplers / "autoregressive.safetensors"
    if run.model.coder is not None and topic in ("likelihood", "generation", "files") and fit.is_file():
        own["autoregressive"] = hashlib.sha256(fit.read_bytes()).hexdigest()
    return own


def _measured(kept: Assessment, topic: str, own: Mapping[str, Any]) -> bool:
    """Say whether a topic is kept, was measured as it is asked for, and lacks no package."""
    done = kept.about["topics"].get(topic)
    return done is not None and done["asked"] == own and not _lacks_a_package(kept, done["names"])


def _names(kept: Assessment, topic: str) -> list[str]:
    """List the figures of a topic, missing ones included; none where it was not measured."""
    return kept.about["topics"].get(topic, {}).get("names", [])


def _with(
    kept: Assessment, topic: str, own: Mapping[str, Any], ledger: Ledger, warnings: Iterable[str]
) -> Assessment:
    """Add a topic to what is kept, in the place of what was kept of it before."""
    before = set(_names(kept, topic))
    names = [*ledger.figures, *ledger.missing]
    done = {"asked": dict(own), "names": names, "examples": checksum(ledger.figures)}
    return Assessment(
        about={**kept.about, "topics": {**kept.about["topics"], topic: done}},
        figures={**_without(kept.figures, before), **ledger.figures},
        missing={**_without(kept.missing, before), **ledger.missing},
        warnings=(*(line for line in kept.warnings if line.partition(":")[0] not in before), *warnings),
    )


def _without(table: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name not in names}


def _about(subject: Subject) -> dict[str, Any]:
    """Say what the figures are about; `key` changes whenever they would."""
    run, settings, dataset = subject.run, subject.settings, subject.dataset
    apart = {"data", "skip_bad", "only", "compile", *(name for names in OWN.values() for name in names)}
    given = {each.name: getattr(settings, each.name) for each in fields(settings)}
    asked = {name: value for name, value in given.items() if name not in apart} | {
        "split": subject.split,
        "other": settings.data is not None,
    }
    weights = run.folder.weights_file.read_bytes()
    state = json.dumps([FORMAT, asked, run.spec, latentia.__version__], sort_keys=True, default=str)
    digest = hashlib.sha256(state.encode())
    digest.update(weights)
    x = dataset.x
    values = hashlib.sha256(x.state.encode() if isinstance(x, Shards) else np.ascontiguousarray(x).data)
    digest.update(values.digest())
    values.update(np.ascontiguousarray(subject.rows).data)
    for part in (dataset.labels, dataset.factors, *dataset.splits.values()):
        digest.update(b"" if part is None else np.ascontiguousarray(part).data)
    return {
        "run": run.name,
        "latentia": latentia.__version__,
        "model": run.spec["model"]["name"],
        "latents": subject.latents,
        "network": run.spec["network"]["name"],
        "likelihood": run.spec["likelihood"]["name"],
        "objective": run.spec["objective"],
        "transform": run.spec["transform"]["name"],
        "told": _told(run),
        "data": dataset.name,
        **({"other": where_of(dataset)} if settings.data is not None else {}),
        "split": subject.split,
        "examples": len(subject.rows),
        "of": len(subject.whole),
        "samples": settings.samples,
        "seed": settings.seed,
        "checksum": values.hexdigest(),
        "weights": _weights_of(run),
        "key": digest.hexdigest(),
    }


def _weights_of(run: Run) -> str:
    """Give a text that changes with the weights."""
    return hashlib.sha256(run.folder.weights_file.read_bytes()).hexdigest()[:16]


def latest(run: Run) -> Assessment | None:
    """Give what the last evaluation found, if the run's weights are still those that it was of.

    Args:
        run: the run.

    Returns:
        The assessment, of every topic that was measured; None where there is none, or of other weights.
    """
    found = read(run)
    if found is None or found.about.get("weights") != _weights_of(run):
        return None
    return _chosen(found, found.about["topics"], run)


def all_known(run: Run, kept: Assessment | None) -> dict[str, Figure]:
    """Put together what a run was evaluated to and, where it was not, what its training logged.

    Args:
        run: the run.
        kept: its evaluation; None where there is none.

    Returns:
        Figures by their stable names. What was logged is of the run's own data, and beside no others.
    """
    rows = run.metrics("test") if kept is None or "other" not in kept.about else []
    figures = {} if kept is None else kept.figures
    size = math.prod(run.latent)
    return completed(figures, rows[-1] if rows else {}, bound=run.objective.bound, latents=size)


def diagnosed(run: Run, kept: Assessment) -> Assessment:
    """Say what is wrong with a run, by all that is known of it.

    Args:
        run: the run.
        kept: its evaluation.

    Returns:
        The same with its diagnosis and its verdict.
    """
    known = all_known(run, kept)
    findings = diagnose(known, run.spec)
    return replace(kept, diagnosis=findings, verdict=verdict(known, findings))


def _told(run: Run) -> str:
    """Say what the model is told of an example: p(x|c) is on another scale than p(x)."""
    if run.condition is None or run.model.classifies:
        return "nothing"
    return run.spec["condition"]["name"]


def _lacks_a_package(kept: Assessment, names: Iterable[str]) -> bool:
    """Say whether a figure was missing for want of a package, which may be there now."""
    return any("pip install" in kept.missing.get(name, "") for name in names)


def _chosen(kept: Assessment, topics: Iterable[str], run: Run) -> Assessment:
    """Give the topics that were asked for, with the diagnosis that they allow."""
    names = {name for topic in topics for name in _names(kept, topic)}
    about = {name: value for name, value in kept.about.items() if name not in ("key", "topics")}
    figures = {name: figure for name, figure in kept.figures.items() if name in names}
    whole = diagnosed(run, kept)  # by all that is known, whatever was asked
    return Assessment(
        about=about,
        figures=figures,
        missing={name: reason for name, reason in kept.missing.items() if name in names},
        diagnosis=whole.diagnosis,
        verdict=whole.verdict,
        warnings=tuple(line for line in kept.warnings if line.partition(":")[0] in names),
    )
