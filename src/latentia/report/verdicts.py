"""What stands at the top of a page: how each run is, in a sentence, and what to change."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from latentia.metrics.verdict import Verdict
from latentia.report.group import Group
from latentia.report.recipes import recipes
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
    first: dict[str, tuple[str, Verdict]] = {}
    for recipe in recipes(group.studies):
        study = min(recipe.studies, key=lambda each: each.verdict.sound)  # one seed that fell speaks for all
        alike.setdefault(study.verdict.name, []).append(recipe.title)
        first.setdefault(study.verdict.name, (study.title, study.verdict))
    return tuple(_of_many(*first[name], titles, len(alike) == 1) for name, titles in alike.items())


def _of_many(title: str, verdict: Verdict, titles: list[str], whole: bool) -> Spoken:
    spoken = _spoken(verdict, "All runs" if whole and len(titles) > 1 else listed(titles))
    return replace(spoken, text=f"{title}: {verdict.text[:1]}{spoken.text[1:]}")


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
    linear = " and a PCA of the same data" * any(math.isfinite(study.linear) for study in group.studies)
    return (
        f"By what training logged{linear}; latentia {verb} also judges samples, what the "
        "decoder makes of the latents, and how well the prior covers them."
    )
