"""A diagnosis in a sentence: what stands at the top of a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from latentia.metrics.diagnosis import Finding
from latentia.metrics.figures import Figure
from latentia.metrics.known import Known


@dataclass(frozen=True)
class Verdict:
    """A diagnosis in a sentence, for the top of a page.

    Attributes:
        name: of the gravest finding; empty where nothing is wrong.
        text: what is so, in a clause with its numbers.
        cure: what to change, as a clause; empty where nothing is wrong.
        more: how many further findings there are.
    """

    name: str
    text: str
    cure: str = ""
    more: int = 0

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.name


def verdict(figures: Mapping[str, Figure], findings: Sequence[Finding]) -> Verdict:
    """Say how a run is, in one sentence and with the cure.

    Args:
        figures: by their stable names.
        findings: what `diagnose` made of them.

    Returns:
        The gravest finding, or what speaks for the run.
    """
    if findings:
        first, *others = findings
        return Verdict(first.name, first.what, first.advice, len(others))
    known = Known(figures)
    clauses = [clause for clause in (_of_variance(known), _of_latents(known), _of_samples(known)) if clause]
    return Verdict("", "; ".join(clauses) or "nothing was measured that could tell")


def _of_variance(known: Known) -> str:
    share, mse, linear = known.explained, known.value("mse"), known.value("mse_pca")
    if share is None:
        return ""
    said = f"reconstructions explain {share:.0%} of the variance"
    if mse is not None and linear is not None:
        said += f" (MSE {mse:.3g}, PCA with as many numbers {linear:.3g})"
    return said


def _of_latents(known: Known) -> str:
    rate, active, latents = known.rate, known.active, known.value("latents")
    if active is None or latents is None:
        return ""
    carried = f", {rate:.3g} nats together" if rate is not None else ""
    return f"{active} of {latents:.0f} latents carry something{carried}"


def _of_samples(known: Known) -> str:
    precision, recall = known.value("precision_prior"), known.value("recall_prior")
    if precision is None or recall is None:
        return ""
    return f"{precision:.0%} of samples look real, and they cover {recall:.0%} of the data"
