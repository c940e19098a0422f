"""Which of several values is called the best, and which are not compared at all."""

import dataclasses
import math

import numpy as np
import pytest

from latentia.metrics.figures import Figure
from latentia.report.marks import Column, Verdict, difference
from latentia.report.marks import judge as judge_columns

SAME = {"transform": "binarise", "likelihood": "bernoulli"}


def judge(figures, about):
    """Judge single runs; how far each is behind is not what most tests are about."""
    columns = [Column(f"run {i}", (figure,), (each,)) for i, (figure, each) in enumerate(zip(figures, about))]
    return dataclasses.replace(judge_columns(columns), behind={})


def figure(value, error=0.1, better="lower", unit="nats", split="test"):
    return Figure(value, unit, split, "made up", error, 100, better)


def test_the_best_is_marked_where_it_leads_by_more_than_two_errors_of_the_difference():
    # the error of the difference is sqrt(0.3^2 + 0.4^2) = 0.5, so the lead has to exceed 1
    assert judge([figure(10.0, 0.3), figure(11.1, 0.4)], [SAME, SAME]).best == 0
    assert judge([figure(10.0, 0.3), figure(10.9, 0.4)], [SAME, SAME]) == Verdict()


def test_exactly_two_errors_are_not_enough():
    assert judge([figure(10.0, 0.3), figure(11.0, 0.4)], [SAME, SAME]) == Verdict()


@pytest.mark.parametrize(("better", "best"), [("lower", 2), ("higher", 1), ("", None)])
def test_the_direction_decides(better, best):
    values = [figure(value, better=better) for value in (5.0, 9.0, 1.0)]
    assert judge(values, [SAME] * 3).best == best


def test_the_best_has_to_lead_before_every_other():
    """The third is so uncertain that it may be the best, though it is not the next best."""
    close = [figure(1.0, 0.1), figure(2.0, 0.1), figure(2.1, 3.0)]
    assert judge(close, [SAME] * 3).best is None
    assert judge(close[:2], [SAME] * 2).best == 0


def test_without_an_error_nothing_is_marked():
    assert judge([figure(1.0, None), figure(9.0)], [SAME, SAME]) == Verdict()
    assert judge([figure(1.0), figure(9.0, None)], [SAME, SAME]) == Verdict()
    assert judge([figure(1.0, math.nan), figure(9.0)], [SAME, SAME]) == Verdict()


@pytest.mark.parametrize("unit", ["nats", "bits", "bits per dimension", "nats/image"])
@pytest.mark.parametrize("part", ["transform", "likelihood"])
def test_nats_and_bits_of_other_likelihoods_are_not_compared(unit, part):
    other = {**SAME, part: "other"}
    verdict = judge([figure(1.0, unit=unit), figure(9.0, unit=unit)], [SAME, other])
    assert verdict == Verdict(note=f"Not compared: the runs differ in {part}.")


@pytest.mark.parametrize("unit", ["", "dB", "%"])
def test_other_units_are_compared_whatever_the_likelihood(unit):
    other = {"transform": "scale", "likelihood": "mse"}
    assert judge([figure(1.0, unit=unit), figure(9.0, unit=unit)], [SAME, other]).best == 0


def test_a_run_without_the_figure_does_not_stop_the_others_from_being_compared():
    other = {"transform": "scale", "likelihood": "mse"}
    assert judge([None, figure(9.0), figure(1.0)], [other, SAME, SAME]).best == 2
    assert judge([figure(math.nan), figure(9.0), figure(1.0)], [other, SAME, SAME]).best == 2
    assert judge([None, figure(1.0)], [SAME, SAME]) == Verdict()


def test_other_splits_and_units_are_not_compared():
    for other in (figure(9.0, split="validation"), figure(9.0, unit="bits")):
        assert "Not compared" in judge([figure(1.0), other], [SAME, SAME]).note


def test_figures_of_several_values_are_not_compared():
    several = Figure((1.0, 2.0), "nats", "test", "made up", (0.1, 0.1), 10, "lower", ("a", "b"))
    assert judge([several, several], [SAME, SAME]) == Verdict()


N = 1000
HARD = np.random.default_rng(0).normal(90, 16, N)
"""How hard each example is: it goes into the figure of every model."""


def each(values, rows=None, better="higher", **more):
    return Figure.mean_of(
        np.asarray(values),
        "nats",
        "test",
        "made up",
        better,
        rows=np.arange(N) if rows is None else rows,
        **more,
    )


def column(*figures, title="a", checksum="one"):
    return Column(title, figures, tuple({**SAME, "checksum": checksum} for _ in figures))


def noise(seed, scale):
    return np.random.default_rng(seed).normal(0, scale, N)


def test_on_the_same_examples_the_error_is_that_of_the_differences():
    one, other = -HARD + noise(1, 2) + 0.5, -HARD + noise(2, 2)
    apart = one - other
    verdict = judge_columns([column(each(other)), column(each(one), title="b")])
    found = verdict.behind[0]
    assert found.paired and found.value == pytest.approx(-apart.mean(), abs=1e-4)
    assert found.error == pytest.approx(apart.std(ddof=1) / N**0.5, rel=1e-4)
    assert verdict.best == 1  # 0.5 ahead with a paired error of 0.09; the unpaired one is 0.72
    assert judge([each(other), each(one)], [SAME, SAME]) == Verdict()


def test_examples_are_paired_by_their_place_in_the_data_whatever_their_order():
    order = np.random.default_rng(3).permutation(N)
    one, other = -HARD + 1.0, -HARD
    found = difference(column(each(one)), column(each(other[order], order)))
    assert found.paired and found.error == pytest.approx(0, abs=1e-5)
    assert found.value == pytest.approx(1.0, abs=1e-5)


def test_of_unequally_many_examples_those_in_common_are_compared():
    one, other = -HARD + noise(1, 2), -HARD
    found = difference(column(each(one)), column(each(other[300:700], np.arange(300, 700))))
    assert found.value == pytest.approx(noise(1, 2)[300:700].mean(), abs=1e-4)
    assert found.error == pytest.approx(noise(1, 2)[300:700].std(ddof=1) / 20, rel=1e-3)


def test_other_data_are_not_paired():
    found = difference(column(each(-HARD)), column(each(-HARD), checksum="two"))
    assert not found.paired and found.error == pytest.approx(2**0.5 * each(HARD).error)
    assert difference(column(each(-HARD)), Column("b", (figure(1.0),), (SAME,))).paired is False


def seeds(level, spread, first=10, count=3):
    """Three runs of a recipe whose means are spread evenly."""
    means = level + spread * np.linspace(-1, 1, count)
    return [
        each(-HARD + noise(first + i, 0.1) - noise(first + i, 0.1).mean() + m) for i, m in enumerate(means)
    ]


def test_the_spread_over_seeds_comes_to_the_error():
    one, other = column(*seeds(1.0, 0.3)), column(*seeds(0.0, 0.3, first=20))
    found = difference(one, other)
    over_seeds = 0.3 * (2 / 3) ** 0.5
    assert one.spread == pytest.approx(0.3, abs=1e-4)
    assert found.value == pytest.approx(1.0, abs=1e-4)
    assert found.error == pytest.approx(over_seeds, rel=1e-2)  # over examples it is 0.003
    # Student's t of 4 degrees of freedom that is exceeded as seldom as two standard errors are: 2.87
    assert found.least == pytest.approx(2.869 * over_seeds, rel=1e-2)
    assert judge_columns([one, other]).best == 0
    near = column(*seeds(0.6, 0.3))
    assert judge_columns([near, other]).best is None  # more than two errors, but of three seeds each


def test_one_run_is_taken_to_vary_as_the_seeds_of_the_other_do():
    found = difference(column(*seeds(1.0, 0.3)), column(each(-HARD)))
    assert found.error == pytest.approx(0.3 * (1 / 3 + 1) ** 0.5, rel=1e-2)
    assert found.least == pytest.approx(4.53 * found.error, rel=1e-2)  # two degrees of freedom


def test_seeds_have_a_spread_where_a_value_has_no_error():
    one, other = ([figure(level + i, None) for i in (-0.1, 0, 0.1)] for level in (1.0, 9.0))
    assert judge_columns([column(*one), column(*other)]).best == 0
    assert judge_columns([column(*one), column(other[0])]).best is None


@pytest.mark.parametrize(
    ("name", "values", "note"),
    [
        ("number of importance samples", ("100", "5,000"), "number of importance samples (100, 5,000)"),
        ("feature space", ("classifier", "Inception"), "feature space (classifier, Inception)"),
    ],
)
def test_what_rests_on_something_else_is_not_compared(name, values, note):
    one, other = (dataclasses.replace(figure(v), basis={name: b}) for v, b in zip((1.0, 9.0), values))
    assert judge([one, other], [SAME, SAME]) == Verdict(note=f"Not compared: the runs differ in the {note}.")
    alike = dataclasses.replace(other, basis=one.basis)
    assert judge([one, alike], [SAME, SAME]).best == 0


def test_nothing_is_best_where_an_estimate_is_not_to_be_trusted():
    doubted = dataclasses.replace(figure(9.0), doubt="the estimate rests on few samples")
    verdict = judge([figure(1.0), doubted], [SAME, SAME])
    assert verdict == Verdict(note="Not judged: of run 1, the estimate rests on few samples.")
    verdict = judge([doubted, figure(1.0), doubted], [SAME] * 3)
    assert verdict.note.endswith(
        "of run 0, the estimate rests on few samples. Nor is it to be trusted of run 2."
    )


def test_a_bound_under_a_condition_is_not_held_against_one_without():
    told = {**SAME, "told": "labels"}
    note = "Not compared: the runs differ in what they are told of an example."
    assert judge([figure(1.0), figure(9.0)], [{**SAME, "told": "nothing"}, told]) == Verdict(note=note)
