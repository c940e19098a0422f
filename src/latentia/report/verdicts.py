"""What stands at the top of a page: how each run is, in a sentence, and what to change."""

from __future__ import annotations

from dataclasses import dataclass

from latentia.metrics.verdict import Verdict
from latentia.report.group import Group
from latentia.report.words import capital, listed, sentence

SOUND = "Nothing wrong found"


@dataclass(frozen=True)
class Spoken:
    """A verdict as the page has it.

    Attributes:
        sound: whether nothing is wrong.
        runs: the runs that it is about; empty where there is one alone.
        name: what was found, in a word or two.
        text: the evidence, as a sentence.
        cure: what to change, as a sentence; empty where nothing is wrong.
    """

    sound: bool
    runs: str
    name: str
    text: str
    cure: str


def verdicts(group: Group) -> tuple[Spoken, ...]:
    """Say how each run is; of many runs those of one finding together, by the example of the first.

    Args:
        group: the runs.

    Returns:
        The verdicts, in the order of the runs.
    """
    if not group.several:
        return (_spoken(group.studies[0].verdict, ""),)
    if group.few:
        return tuple(_spoken(study.verdict, study.title) for study in group.studies)
    alike: dict[str, list[str]] = {}
    first: dict[str, Verdict] = {}
    for study in group.studies:
        found = study.verdict
        alike.setdefault(found.name, []).append(study.title)
        first.setdefault(found.name, found)
    return tuple(_of_many(first[name], titles) for name, titles in alike.items())


def _of_many(verdict: Verdict, titles: list[str]) -> Spoken:
    spoken = _spoken(verdict, listed(titles))
    if len(titles) == 1 or verdict.sound:
        return spoken
    return Spoken(False, spoken.runs, spoken.name, f"Of {titles[0]}: {verdict.text}.", spoken.cure)


def _spoken(verdict: Verdict, runs: str) -> Spoken:
    more = f" Further findings: {verdict.more}, under Evaluation." if verdict.more else ""
    name = SOUND if verdict.sound else capital(verdict.name)
    cure = sentence(verdict.cure) if verdict.cure else ""
    return Spoken(verdict.sound, runs, name, sentence(verdict.text) + more, cure)


def unlooked(group: Group) -> str:
    """Say what an evaluation would add, where there is none.

    Args:
        group: the runs.

    Returns:
        A sentence with its command; nothing where every run was evaluated.
    """
    if all(study.assessment is not None for study in group.studies):
        return ""
    verb = "compare" if group.several else "evaluate"
    return (
        f"By what training logged and a PCA of the same data; latentia {verb} also judges samples, what the "
        "decoder makes of the latents, and how well the prior covers them."
    )
