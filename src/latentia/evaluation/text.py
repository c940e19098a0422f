"""An assessment as lines of text."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from latentia.metrics.figures import Figure, rounded

if TYPE_CHECKING:
    from latentia.evaluation.records import Assessment

NOTHING = 1e-7
"""An error of this share of its value is one of float32's."""
SHOWN = 8
"""Parts of a figure that are written out; of more, the ends are."""


def lines(assessment: Assessment) -> Iterator[str]:
    """Write the figures, what is missing and why, the warnings and the diagnosis.

    Args:
        assessment: what an evaluation says.

    Yields:
        The lines.
    """
    about = assessment.about
    count, whole = about["examples"], about.get("of", about["examples"])
    sampled = f" evenly spaced of {whole:,}, for the data outgrow memory" if count < whole else ""
    data = f"other data, {about['other']}" if "other" in about else about["data"]
    split = "all" if about["split"] == "all" else f"{about['split']} split,"
    yield f"{about['run']}: {data}, {split} {count:,} examples{sampled}, seed {about['seed']}"
    width = max((len(name) for name in assessment.figures), default=0)
    for name, figure in assessment.figures.items():
        yield f"  {name.ljust(width)}  {value_and_error(figure)}"
    for reason in dict.fromkeys(assessment.missing.values()):
        names = [name for name, why in assessment.missing.items() if why == reason]
        yield f"missing {', '.join(names)}: {reason}"
    for warning in assessment.warnings:
        yield f"warning {warning}"
    for finding in assessment.diagnosis:
        yield f"{finding.name}: {finding.what}; {finding.advice}"
    if not assessment.diagnosis and assessment.verdict is not None:
        yield f"diagnosis: nothing wrong found: {assessment.verdict.text}"


def value_and_error(figure: Figure) -> str:
    """Write a figure's value with as many digits as its error allows.

    Args:
        figure: the figure.

    Returns:
        Value, plus-minus error, unit.
    """
    unit = f" {figure.unit}" if figure.unit else ""
    if isinstance(figure.value, tuple):
        pairs = [f"{part} {_digits(value)}" for part, value in zip(figure.parts, figure.value, strict=True)]
        if len(pairs) > SHOWN:
            pairs = [*pairs[: SHOWN - 1], f"... {pairs[-1]}"]
        return ", ".join(pairs) + unit
    error = figure.error if isinstance(figure.error, float) and math.isfinite(figure.error) else None
    if error and error < NOTHING * abs(figure.value):
        error = None  # of rounding: its digits would mean nothing
    if error and math.isfinite(figure.value):
        return " ± ".join(rounded(figure.value, error)) + unit
    return _digits(figure.value) + unit


def _digits(value: float) -> str:
    """Round to four digits."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:,.0f}" if value == round(value) and abs(value) < 1e9 else f"{value:.4g}"
