"""Sections that only some models have: conditions, levels of a hierarchy, codes, corruptions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from latentia.data.conditions import as_told
from latentia.plots.charts import bars
from latentia.plots.exhibits import Panel, Section, Words
from latentia.report.codes import codes_section
from latentia.report.facts import number
from latentia.report.inputs import class_name
from latentia.report.study import Study
from latentia.report.views import View

IN_ROW = 10
MOST = 20
"""Conditions side by side at the most."""
EDITED = 6


def own_sections(study: Study, view: View) -> list[Section]:
    """Write the sections that belong to the model of a run alone.

    Args:
        study: the run.
        view: how the data are shown.

    Returns:
        The sections; none for most models.
    """
    return [*_conditions(study, view), *_levels(study, view), *codes_section(study), *_restored(study, view)]


def _restored(study: Study, view: View) -> list[Section]:
    """Show examples, what the encoder saw of them, and what the model made of that."""
    run = study.run
    if "corruption" not in run.recipe:
        return []
    positions = study.inputs.shown[:IN_ROW]
    x = study.inputs.dataset.x[positions]
    saw, made = run.inference.restore(x, seed=study.seed)
    rows = np.stack([np.asarray(x, dtype=np.float32), saw, made])
    name = run.recipe["corruption"]["name"]
    shown = view.traversal(
        Words(
            f"{study.prefix}restored",
            "Clean, corrupted, restored",
            f"Held-out examples, the same under the corruption '{name}', and what the model makes of these. "
            f"Seed {study.seed}.",
            f"{len(x)} examples clean, corrupted, and restored by {study.title}",
        ),
        rows,
        ["clean", "corrupted", "restored"],
    )
    lead = "What the encoder is shown, and what comes back."
    return [Section("restored", "Restoration", lead, (Panel(study.title, (shown,)),))]


def _conditions(study: Study, view: View) -> list[Section]:
    """Show the same latents under each condition, and examples decoded under others than their own."""
    run = study.run
    known = run.condition.examples(run.label_names)[:MOST] if run.condition else []
    if not known:
        return []
    rows = as_told(np.stack([row for _, row in known]))
    names = [name for name, _ in known]
    c = np.repeat(rows, IN_ROW, axis=0)
    # One draw of noise for all rows: what differs down a column is what the condition does.
    drawn = [
        run.sample_latents(IN_ROW, c=np.repeat(row[None], IN_ROW, axis=0), seed=study.seed) for row in rows
    ]
    made = run.inference.decode(np.concatenate(drawn), c).reshape(len(rows), IN_ROW, *run.event)
    grid = view.traversal(
        Words(
            f"{study.prefix}by-condition",
            "Samples by condition",
            f"One row for each condition; the noise of a column is the same in all rows. Seed {study.seed}.",
            f"Samples of {study.title}, one row for each of {len(names)} conditions",
        ),
        made,
        names,
    )
    positions = study.inputs.shown[:EDITED]
    x = study.inputs.dataset.x[positions]
    codes = run.encode_examples(positions)
    changed = [run.inference.decode(codes, row) for row in rows]
    walks = np.stack([np.asarray(x, dtype=np.float32), *changed], axis=1)
    edited = view.traversal(
        Words(
            f"{study.prefix}edited",
            "Edited by condition",
            f"An example first, then its latent decoded under each condition: {', '.join(names)}.",
            f"{len(x)} examples decoded by {study.title} under each condition",
        ),
        walks,
        [class_name(study.inputs.dataset, int(position)) for position in positions],
    )
    lead = "What the condition says, and what is left to the latent."
    return [Section("conditions", "By condition", lead, (Panel(study.title, (grid, edited)),))]


def _levels(study: Study, view: View) -> list[Section]:
    """Show what each level of a hierarchy carries, and samples in which only the lower levels differ."""
    run, sizes = study.run, study.run.model.levels
    if not sizes:
        return []
    names = [f"z{level + 1}" for level in range(len(sizes))]
    kept = np.repeat(run.sample_latents(1, seed=study.seed), IN_ROW, axis=0)
    drawn = [run.redraw(kept, level, seed=study.seed) for level in range(len(sizes))]
    made = run.inference.decode(np.concatenate(drawn)).reshape(len(sizes), IN_ROW, *run.event)
    samples = view.traversal(
        Words(
            f"{study.prefix}levels",
            "Samples level by level",
            "In each row the levels above the named one are those of one sample; this level and all below it "
            f"are drawn anew in each column. Seed {study.seed}.",
            f"Samples of {study.title} that share ever more of their upper levels, row by row",
        ),
        made,
        [f"{name} and below" if name != names[-1] else name for name in names],
    )
    exhibits = [samples]
    if len(study.kl) == sum(sizes):
        ends = np.cumsum([0, *sizes])
        rates = [sum(study.kl[a:b]) for a, b in pairwise(ends)]
        labels = [f"{name} ({size})" for name, size in zip(names, sizes, strict=True)]
        words = Words(
            f"{study.prefix}rate-by-level",
            "KL by level",
            f"Mean KL of each level given the levels above it, on held-out data: {number(sum(rates))} nats "
            "together.",
            f"Bar chart of the KL of each level of {study.title}",
        )
        exhibits.append(bars(words, rates, labels, "level and its numbers, top first", "nats"))
    lead = "What the upper levels decide, and what they leave to those below."
    return [Section("levels", "Level by level", lead, (Panel(study.title, tuple(exhibits)),))]
