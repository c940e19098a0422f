"""Where `torch.compile` is decided and done: what it costs, whether it pays, and what happens if it fails.

Two kinds of work are compiled, steps of training and log p(x|z) of many latents: what they gain, and the
rules for both, stand here. A compilation that fails is never silent: the function runs as it is, and whoever
asked is told why. Nothing of the compiler is imported before somebody wants it (it takes 1.5 seconds).
"""

from __future__ import annotations

import contextlib
import inspect
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, TypeVar

if TYPE_CHECKING:
    import torch

Choice = Literal["auto", "always", "never"]
"""Whether to compile: where it pays, wherever it can be done, or nowhere."""

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Cost:
    """What compiling takes and gives, measured for one kind of work.

    Attributes:
        seconds: time to compile with an empty cache.
        gain: how much faster the work is afterwards.
    """

    seconds: float
    gain: float

    def saved(self, eager: float) -> float:
        """Give the seconds saved by compiling work, less those of compiling.

        Args:
            eager: seconds that the work takes uncompiled.

        Returns:
            The difference, negative where compiling does not pay.
        """
        return eager * (1 - 1 / self.gain) - self.seconds


STEP = Cost(20.0, 1.13)
"""For a small network's step of training, measured on two cores: it pays from 43,000 steps on."""
SMALL_STEP = 0.004
"""Seconds of such a step; a larger network gains no more of them."""
LIKELIHOOD = Cost(15.0, 1.2)
"""For log p(x|z) on two busy cores: 12 to 18 s, and 1.2 to 1.9 times the speed, by network."""
SPEED = (1.3e11, 4e10)
"""Floating-point operations of one thread in a second of log p(x|z), uncompiled, in matrix products and in
convolutions, the sum over pixels included: measured with the networks `mlp` and `conv` on a Xeon."""


@dataclass(frozen=True)
class Decision:
    """Whether to compile.

    Attributes:
        compile: the answer.
        why: one clause for the log; empty where nobody asked.
    """

    compile: bool
    why: str


def unavailable(device: torch.device) -> str:
    """Say why code for a device cannot be compiled here.

    Args:
        device: where it would run.

    Returns:
        The reason; empty if it can.
    """
    from torch._dynamo.eval_frame import check_if_dynamo_supported

    try:
        check_if_dynamo_supported()
    except RuntimeError as error:
        return _line(error)
    if device.type == "cuda":
        return _no_triton(device)
    if device.type == "cpu":
        return _no_compiler()
    return f"torch compiles for CPUs and CUDA devices, not for '{device.type}'"


def _no_triton(device: torch.device) -> str:
    import torch
    from torch.utils._triton import has_triton_package

    if not has_triton_package():
        return "the package triton, with which torch compiles for GPUs, is not installed"
    if torch.version.hip is None and torch.cuda.get_device_capability(device) < (7, 0):
        return f"{torch.cuda.get_device_name(device)} is older than the GPUs that triton compiles for"
    return ""


def _no_compiler() -> str:
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        return "there is no C++ compiler; install g++, or name one in the variable CXX"
    headers = Path(sysconfig.get_paths()["include"], "Python.h")
    if not headers.is_file():
        return f"Python's headers are not installed ({headers}); the package is often called python3-dev"
    return ""


def decide(choice: Choice, device: torch.device, eager: float, cost: Cost) -> Decision:
    """Decide whether to compile, from the work that lies ahead.

    Args:
        choice: what the user wants.
        device: where the work runs.
        eager: an estimate of the seconds that the work takes uncompiled.
        cost: what compiling it takes and gives.

    Returns:
        The decision, with its reason.
    """
    if choice == "never":
        return Decision(False, "not compiled, as asked")
    saved = cost.saved(eager)
    if choice == "auto" and saved <= 0:
        why = (
            f"not compiled: about {eager:.0f} s of work do not pay for some {cost.seconds:.0f} s of compiling"
        )
        return Decision(False, why)
    if reason := unavailable(device):
        return Decision(False, f"not compiled: {reason}")
    if choice == "always":
        return Decision(True, "compiled, as asked")
    return Decision(True, f"compiled: saves about {saved:.0f} of {eager:.0f} s (compile=never leaves it out)")


def of_training(
    choice: Choice,
    device: torch.device,
    steps: int,
    *,
    convolves: bool = False,
    differentiates: bool = False,
    divided: bool = False,
) -> Decision:
    """Decide whether to compile the steps of a training.

    Args:
        choice: what the user wants.
        device: where they run.
        steps: how many there are.
        convolves: the networks have convolutions.
        differentiates: the objective differentiates while it scores.
        divided: the weights are divided between processes: they come and go by hooks.

    Returns:
        The decision; without a reason where it is no by default.
    """
    # oneDNN's convolutions gain nothing: compiled they had 0.92 of the speed.
    slower = convolves and device.type == "cpu"
    eager = steps * SMALL_STEP
    if divided or choice == "never" or (choice == "auto" and (slower or STEP.saved(eager) <= 0)):
        return Decision(False, "")
    if differentiates:
        return Decision(
            False, "not compiled: the objective differentiates while it scores, which compiled code cannot"
        )
    return decide(choice, device, eager, STEP)


def of_likelihood(choice: Choice, device: torch.device, work: tuple[float, float]) -> Decision:
    """Decide whether to compile log p(x|z).

    It goes by a count of operations, not by the clock: the same evaluation runs the same code.

    Args:
        choice: what the user wants.
        device: where it runs.
        work: floating-point operations in matrix products and in convolutions.

    Returns:
        The decision, with its reason.
    """
    import torch

    each = sum(operations / speed for operations, speed in zip(work, SPEED, strict=True))
    return decide(choice, device, each / torch.get_num_threads(), LIKELIHOOD)


class Compiled(Generic[P, R]):
    """A function that is compiled at its first call, and runs as it is where that fails.

    Attributes:
        reason: why it runs uncompiled; empty while it does not.
    """

    def __init__(
        self,
        function: Callable[P, R],
        say: Callable[[str], None],
        *,
        whole: bool = True,
        constant: bool = False,
        options: dict[str, Any] | None = None,
    ) -> None:
        """Prepare to compile; that alone costs the import of the compiler.

        Each function is compiled for the shapes and numbers that it meets: those that vary cost a compilation
        each.

        Args:
            function: what to compile. A failing compilation calls it again: with `whole` nothing of it has
                run by then, so it may change things.
            say: called with one line if it cannot be compiled.
            whole: refuse to compile it in parts, between which Python runs.
            constant: the weights that it reads never change again, and no gradient is wanted: they are laid
                out once for the matrix products.
            options: inductor's settings.
        """
        import torch

        settings: dict[str, Any] = {"fullgraph": whole, "dynamic": False, "options": options}
        if "isolate_recompiles" in inspect.signature(torch.compile).parameters:
            # Functions of one source otherwise share a limit of eight compilations: eight models, say.
            settings["isolate_recompiles"] = True
        self._plain, self._say = function, say
        self._fast = torch.compile(function, **settings)
        self._constant = constant
        self._ran = False
        self.reason = ""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function."""
        if self.reason:
            return self._plain(*args, **kwargs)
        from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException
        from torch._inductor import config

        try:
            # Given as an option it would reach inductor, but not the tracing before it.
            with config.patch(freezing=True) if self._constant else contextlib.nullcontext():
                result = self._fast(*args, **kwargs)
        except (TorchDynamoException, FailOnRecompileLimitHit) as error:
            self.reason = _line(error)
        except Exception as error:
            # The first call compiles, and so may fail in every way in which compilers and disks fail. If the
            # fault is the function's own, it comes out again below.
            if self._ran:
                raise
            self.reason = _line(error)
        else:
            self._ran = True
            return result
        self._say(f"not compiled: {self.reason}")
        return self._plain(*args, **kwargs)


def _line(error: BaseException) -> str:
    """Give the first line of an error that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
