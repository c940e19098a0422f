"""The use that is made of codes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from latentia.evaluation.subject import Subject
from latentia.metrics.codes import code_counts, code_use
from latentia.metrics.figures import Better, Figure

if TYPE_CHECKING:
    from latentia.runs.run import Run

TOPIC = "health"


def has(run: Run) -> bool:
    """Say whether the latents of a run are codes.

    Args:
        run: the run.

    Returns:
        Whether it does.
    """
    return run.model.coder is not None


def measure(subject: Subject) -> None:
    """Measure it.

    Args:
        subject: the run under assessment.
    """
    coder, codes = subject.run.coder, subject.drawn_codes
    used, perplexity = code_use(code_counts(codes.chosen, coder))
    each = math.prod(coder.code_shape)
    count = f"{len(codes):,} examples with {each:,} codes each"
    means = ", mean over levels" if coder.levels > 1 else ""

    def figure(value: float, unit: str, what: str, better: Better = "") -> Figure:
        return Figure(float(value), unit, subject.split, what, None, len(codes), better)

    subject.ledger.figures |= {
        "codebook_use": figure(
            used, "share", f"of {coder.size} codes chosen at all in {count}{means}", "higher"
        ),
        "perplexity": figure(
            perplexity, "codes", f"exp of the entropy of the codes' frequencies, at most K = {coder.size}, "
            f"{count}{means}", "higher",
        ),
        "code_bits": figure(
            each * math.log2(coder.size), "bits", f"{each:,} codes of log2 {coder.size} bits for each example"
        ),
    }  # fmt: skip
