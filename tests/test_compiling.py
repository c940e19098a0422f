"""Compiling is decided from the work ahead, and a failure is told and survived."""

import sys
from collections.abc import Callable

import pytest
import torch

from latentia.core import compiling
from latentia.core.compiling import Compiled, Cost, decide

CPU = torch.device("cpu")
COST = Cost(seconds=10.0, gain=2.0)


@pytest.fixture(autouse=True)
def at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "unavailable", lambda device: "")


def failing(error: Exception) -> Callable[..., object]:
    def fail(*args, **kwargs):
        raise error

    return lambda function, **settings: fail


def test_what_is_saved_is_what_compiling_gives_less_what_it_takes():
    assert COST.saved(100.0) == pytest.approx(100 - 50 - 10)


@pytest.mark.parametrize(("seconds", "answer"), [(19.0, False), (21.0, True)])
def test_compiling_is_chosen_where_it_pays(seconds, answer):
    decision = decide("auto", CPU, seconds, COST)
    assert decision.compile is answer
    assert f"{seconds:.0f} s" in decision.why


def test_a_choice_overrides_the_estimate():
    assert decide("always", CPU, 0.0, COST).compile
    assert not decide("never", CPU, 1e9, COST).compile


def test_what_cannot_be_compiled_here_is_not_and_says_why(monkeypatch):
    monkeypatch.setattr(compiling, "unavailable", lambda device: "no compiler")
    assert decide("always", CPU, 1e9, COST) == compiling.Decision(False, "not compiled: no compiler")


def test_a_training_is_compiled_where_it_is_long_and_nothing_speaks_against_it():
    long = 100_000
    assert not compiling.of_training("auto", CPU, 43_000).compile
    assert compiling.of_training("auto", CPU, long).compile
    assert compiling.of_training("auto", torch.device("cuda"), long, convolves=True).compile
    assert not compiling.of_training("auto", CPU, long, convolves=True).compile
    assert compiling.of_training("always", CPU, 1, convolves=True).compile
    assert compiling.of_training("auto", CPU, long, divided=True) == compiling.Decision(False, "")
    assert compiling.of_training("never", CPU, long, differentiates=True) == compiling.Decision(False, "")
    refused = compiling.of_training("always", CPU, 1, differentiates=True)
    assert not refused.compile and "differentiates while it scores" in refused.why


def test_a_likelihood_is_compiled_where_decoding_takes_longer_than_compiling(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    seconds = 15 / (1 - 1 / 1.2)  # 90 s, that compiling would save 15 of
    operations = 2 * seconds * 1.3e11
    assert not compiling.of_likelihood("auto", CPU, (0.99 * operations, 0)).compile
    assert compiling.of_likelihood("auto", CPU, (0.99 * operations, 0.02 * operations)).compile


def test_a_failing_compilation_runs_the_function_and_tells_once(monkeypatch):
    monkeypatch.setattr(torch, "compile", failing(OSError("disk full\nand more")))
    said: list[str] = []
    double = Compiled(lambda x: 2 * x, said.append)
    assert double(3) == 6
    assert double(4) == 8
    assert said == ["not compiled: OSError: disk full"]
    assert double.reason == "OSError: disk full"


def test_a_fault_of_the_function_itself_comes_out(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda function, **settings: function)
    with pytest.raises(ZeroDivisionError):
        Compiled(lambda x: x / 0, lambda line: None)(1)


def test_a_compiler_that_is_missing_is_named(monkeypatch):
    monkeypatch.undo()
    from torch._inductor import cpp_builder, exc

    def missing() -> str:
        raise exc.InvalidCxxCompiler

    monkeypatch.setattr(cpp_builder, "get_cpp_compiler", missing)
    assert "C++ compiler" in compiling.unavailable(CPU)


def test_triton_is_needed_on_a_gpu(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "triton", None)
    assert "triton" in compiling.unavailable(torch.device("cuda"))


def test_other_devices_are_refused_by_name(monkeypatch):
    monkeypatch.undo()
    assert "'meta'" in compiling.unavailable(torch.device("meta"))
