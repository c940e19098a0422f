"""A signal asks for an end after the step, in all processes alike, whenever it comes to each of them."""

import os
import signal

import pytest

from latentia.core.processes import Processes
from latentia.training.interrupts import Interrupts


class Beside(Processes):
    """One of two; the other one got a signal, or none."""

    def __init__(self, other):
        super().__init__(0, 2)
        object.__setattr__(self, "other", other)

    def highest(self, *values):
        return [max(value, self.other) for value in values]


@pytest.fixture
def deaths():
    """Count what would have ended the process."""
    died = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: died.append(number))
    yield died
    signal.signal(signal.SIGTERM, before)


def get(number=signal.SIGTERM):
    os.kill(os.getpid(), number)


def test_the_first_signal_is_noted_and_the_second_acts_as_ever(deaths):
    with Interrupts() as interrupts:
        get()
        assert (interrupts.received, deaths) == (signal.SIGTERM, [])
        get()
        assert deaths == [signal.SIGTERM]
    assert interrupts.together(Processes()) == signal.SIGTERM


def test_the_own_signal_that_comes_after_the_others_one_is_spent(deaths):
    with Interrupts() as interrupts:
        assert interrupts.together(Beside(signal.SIGTERM)) == signal.SIGTERM
    get()  # the launcher comes to this process after all have stopped
    assert deaths == []
    get()
    assert deaths == [signal.SIGTERM]


@pytest.mark.parametrize("processes", [Processes(), Beside(0)])
def test_after_a_training_that_no_signal_stopped_it_acts_as_ever(deaths, processes):
    with Interrupts() as interrupts:
        assert interrupts.together(processes) is None
    get()
    assert deaths == [signal.SIGTERM]


def test_an_error_puts_the_handlers_back(deaths):
    interrupts = Interrupts()

    def fail():
        with interrupts:
            interrupts.together(Beside(signal.SIGINT))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    get()
    assert deaths == [signal.SIGTERM]
