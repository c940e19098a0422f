"""Examples judged: scored, held against a threshold, with reasons, as a table that a person reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from latentia.core.errors import ConfigError, DataError, nearest
from latentia.data.column import column_names
from latentia.data.dataset import Dataset
from latentia.runs.anomaly import PART, Explanation
from latentia.runs.applied import Applied

USUAL = ("1", "anomaly", "anomalous", "outlier", "abnormal", "bad", "defect", "fraud", "attack", "true")
"""What labels of anomalies are called."""
LATENT = "(combination)"
"""What the latent's part of a score is called: columns that are unusual together, and not one by one."""


@dataclass(frozen=True, eq=False)
class Judged:
    """Scores of examples and what follows from them.

    Attributes:
        columns: `row`, `score`, `p_value`, `outlier`, `label` where there are labels, `reasons` of tables.
        threshold: the score beyond which an example counts as an outlier.
        figures: `auroc`, `average_precision` and `share`, where labels say what is anomalous.
        anomaly: the label that does.
    """

    columns: Mapping[str, np.ndarray]
    threshold: float
    figures: Mapping[str, float]
    anomaly: str = ""

    def summary(self) -> str:
        """Say in one line what was found."""
        flagged, count = int(self.columns["outlier"].sum()), len(self.columns["score"])
        line = f"{flagged:,} of {count:,} beyond {self.threshold:.4g}"
        if not self.figures:
            return line
        return (
            f"{line}; '{self.anomaly}' against others: AUROC {self.figures['auroc']:.4f}, average precision "
            f"{self.figures['average_precision']:.4f} (by chance {self.figures['share']:.4f})"
        )


def judge(
    run: Applied,
    source: Any = None,
    split: str | None = None,
    *,
    method: str = "auto",
    rate: float = 0.05,
    contamination: float | None = None,
    anomaly: str | None = None,
    label: str | None = None,
    reasons: int = 3,
    skip_bad: bool = False,
) -> Judged:
    """Score examples and hold them against a threshold.

    Args:
        run: the run.
        source: where the examples come from; the run's own data by default.
        split: which split of them, as `take` has it.
        method: which score; see `latentia.runs.anomaly.AnomalyScorer`.
        rate: share of examples held out of the training that may lie beyond the threshold.
        contamination: share of the examples themselves that count as outliers, instead.
        anomaly: the label of what is anomalous.
        label: where other data have their labels, as `latentia.load` takes it; by default as in the training.
        reasons: how many columns of a table are named.
        skip_bad: leave out files of other data that cannot be read.

    Returns:
        What was found.

    Raises:
        ConfigError: if a share is out of range, there is no such score, or labels are asked of no source.
        DataError: if labels cannot tell what is anomalous.
    """
    if contamination is not None and not 0 < contamination <= 0.5:
        raise ConfigError(f"contamination must be in (0, 0.5], not {contamination}")
    dataset = _data(run, source, label, skip_bad)
    rows = run.rows(dataset, split)
    strange, name = _anomalous(dataset, rows, anomaly)
    scorer, told = run.scorer(), run.event.kind == "vector" and reasons > 0
    found: list[np.ndarray] = []
    texts: list[str] = []
    for start in range(0, max(1, len(rows)), PART):  # so many are read, and not all
        some = rows[start : start + PART]
        x, c = dataset.part(some), run.conditions_at(some, dataset)
        if told:
            explained = scorer.explain(x, c, method=method)
            texts += _reasons(run, explained, reasons)
            found.append(explained.score)
        else:
            found.append(scorer.score(x, c, method=method))
    scores, limit = np.concatenate(found), scorer.threshold(rate, method)
    if contamination is not None:
        limit = float(np.quantile(scores, 1 - contamination, method="lower"))
    columns: dict[str, np.ndarray] = {
        "row": rows,
        "score": scores,
        "p_value": scorer.p_values(scores, method),
        "outlier": scores > limit,
    }
    if dataset.labels is not None:
        columns["label"] = _names(dataset)[dataset.labels[rows]]
    if told:
        columns["reasons"] = np.array(texts)
    return Judged(columns, limit, _figures(scores, strange), name)


def _data(run: Applied, source: Any, label: str | None, skip_bad: bool) -> Dataset:
    """Give the run's own data, or read others."""
    if source is None:
        if label is not None:
            raise ConfigError(
                "the labels of a run's own data are those of its training; give label with a source"
            )
        return run.dataset
    settings: dict[str, Any] = {"skip_bad": True} if skip_bad else {}
    return run.other(source, **settings, **({} if label is None else {"label": label}))


def _names(dataset: Dataset) -> np.ndarray:
    """Name the classes; the last name, of what has none, is empty."""
    count = int(np.max(dataset.labels, initial=-1)) + 1 if dataset.labels is not None else 0
    return np.array([*(dataset.label_names or map(str, range(count))), ""])


def _anomalous(dataset: Dataset, rows: np.ndarray, anomaly: str | None) -> tuple[np.ndarray | None, str]:
    """Say which examples the labels call anomalous; nothing where they say nothing of it."""
    if dataset.labels is None:
        if anomaly is not None:
            raise DataError(
                f"{dataset.name} has no labels, and one is asked for: '{anomaly}'; give data.label"
            )
        return None, ""
    names = _names(dataset)
    here = [str(name) for name in np.unique(names[dataset.labels[rows]]) if name]
    if anomaly is None:
        usual = [name for name in here if name.lower() in USUAL]
        if len(here) != 2 or len(usual) != 1:
            return None, ""
        anomaly = usual[0]
    elif anomaly not in here:
        raise DataError(f"{dataset.name}: no example here has the label '{anomaly}'{nearest(anomaly, here)}")
    if len(here) < 2:
        raise DataError(f"{dataset.name}: all examples have the label '{anomaly}', and two kinds are needed")
    return names[dataset.labels[rows]] == anomaly, anomaly


def _figures(scores: np.ndarray, strange: np.ndarray | None) -> dict[str, float]:
    if strange is None:
        return {}
    from sklearn.metrics import average_precision_score, roc_auc_score

    return {
        "auroc": float(roc_auc_score(strange, scores)),
        "average_precision": float(average_precision_score(strange, scores)),
        "share": float(strange.mean()),
    }


def reasons(run: Applied, explained: Explanation, count: int | None = None) -> list[dict[str, float]]:
    """Name what adds to each score.

    Args:
        run: one whose examples are rows.
        explained: what their scores are made of.
        count: how many columns at the most; all of them by default.

    Returns:
        For each row what its columns, and the latent, add, largest first; those that take from it are left
        out.
    """
    names = [*(run.record.columns or column_names(run.event[0])), LATENT]
    parts = np.concatenate([explained.entries, explained.latent[:, None]], axis=1)
    order = np.argsort(-parts, axis=1)[:, :count]
    values = np.take_along_axis(parts, order, axis=1)
    return [
        {names[at]: value for at, value in zip(*row, strict=True) if value > 0}
        for row in zip(order.tolist(), values.tolist(), strict=True)
    ]


def _reasons(run: Applied, explained: Explanation, count: int) -> list[str]:
    """Write the columns that add most to each score, and by how much."""
    return [
        ", ".join(f"{name} {value:+.2f}" for name, value in row.items())
        for row in reasons(run, explained, count)
    ]
