"""Processes that share a work: what stops one of them is told in one line."""

import multiprocessing
import os
import signal
import time

import pytest

from latentia.core.errors import ConfigError, DataError, RunError
from latentia.core.pool import pool


def worked(processes):
    return list(processes.in_order(divmod, ((n, (n, 3)) for n in range(7)), 1))


def test_ctrl_c_does_not_reach_a_process_that_starts(capfd):
    with pool(2, RunError("died")) as processes:
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGINT)  # as a terminal does
        assert worked(processes) == [(n, divmod(n, 3)) for n in range(7)]
    assert not any(capfd.readouterr())
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def interrupt(seconds):
    os.kill(os.getppid(), signal.SIGINT)
    time.sleep(seconds)


@pytest.mark.usefixtures("interruptible")
def test_nobody_waits_for_the_processes_at_ctrl_c():
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), pool(2, RunError("died")) as processes:
        list(processes.in_order(interrupt, [(None, (100,))]))
    assert time.monotonic() - started < 50 and not multiprocessing.active_children()


def refuse(why):
    raise ConfigError(f"no {why}")


def test_a_process_that_cannot_begin_says_why(capfd):
    with (
        pytest.raises(RunError, match=r"^another process cannot begin: no run; go on with"),
        pool(2, RunError("died"), refuse, "run") as processes,
    ):
        worked(processes)
    assert not any(capfd.readouterr())


def test_a_process_that_dies_is_told_as_its_caller_says():
    with pytest.raises(RunError, match=r"^died$"), pool(2, RunError("died"), os._exit, 1) as processes:
        worked(processes)


def fail(n):
    raise DataError(f"part {n} is damaged")


def test_what_stops_a_part_is_raised_as_it_is():
    with pytest.raises(DataError, match="part 0 is damaged"), pool(2, RunError("died")) as processes:
        list(processes.in_order(fail, ((n, (n,)) for n in range(3))))
