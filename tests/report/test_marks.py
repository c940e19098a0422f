"""Which of several values is called the best, and which are not compared at all."""

import math

import pytest

from latentia.evaluation.figures import Figure
from latentia.report.marks import Verdict, judge

SAME = {"transform": "binarise", "likelihood": "bernoulli"}


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
