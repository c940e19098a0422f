"""Noise as a function of seeds: torch's generators, seeded for a while or for the next draw.

Generators of different devices give different numbers for one seed. What is drawn inside `seeded` is
therefore drawn on the CPU, wherever it is wanted: samples and figures are functions of the seed, and a device
changes no more of them than its arithmetic does. The steps of training (`seed_next`) draw where they compute:
there speed counts.

`torch.manual_seed` and `torch.random.fork_rng` look at every kind of device there may be, which takes longer
than to encode an image with a small network.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

DRAWS = (
    "rand", "randn", "randint", "rand_like", "randn_like", "randint_like", "normal", "bernoulli",
    "multinomial", "poisson", "binomial", "_standard_gamma", "_sample_dirichlet", "gumbel_softmax", "normal_",
    "uniform_", "random_", "bernoulli_", "exponential_", "cauchy_", "geometric_", "log_normal_",
)  # fmt: skip
"""What torch calls its draws."""


def _generators() -> list[torch.Generator]:
    """Give the generators that anything has been drawn from: the CPU's and those of devices in use."""
    found = [torch.default_generator, *torch.cuda.default_generators]
    if torch.backends.mps.is_available():
        found.append(torch.mps._get_default_mps_generator())
    return found


def _elsewhere() -> bool:
    """Say whether anything may be drawn on another device than the CPU."""
    return len(_generators()) > 1


class _OnTheCpu(TorchFunctionMode):
    """Inside it draws are made on the CPU, and brought to where they are wanted."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function, or draw for it."""
        given = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name not in DRAWS or given.get("generator") is not None:
            return func(*args, **given)
        tensors = [value for value in (*args, *given.values()) if isinstance(value, Tensor)]
        wanted = given.get("device") or (tensors[0].device if tensors else torch.get_default_device())
        device = torch.device(wanted)
        if device.type in ("cpu", "meta"):
            return func(*args, **given)
        unread = name.endswith(("_like", "_"))
        here = [_here(value, unread and value is args[0]) for value in args]
        named = {key: "cpu" if key == "device" else _here(value, False) for key, value in given.items()}
        drawn = func(*here, **named)
        return args[0].copy_(drawn) if name.endswith("_") else drawn.to(device)


def _here(value: Any, unread: bool) -> Any:
    """Give a tensor on the CPU, or one like it where its values do not matter."""
    if not isinstance(value, Tensor):
        return value
    return torch.empty_like(value, device="cpu") if unread else value.cpu()


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from a seed inside the context and leave torch's generators untouched.

    Draws are the same on every device: they are made on the CPU.

    Args:
        seed: the seed.

    Yields:
        Nothing.
    """
    before = [(generator, generator.get_state()) for generator in _generators()]
    for generator, _ in before:
        generator.manual_seed(seed)
    try:
        with _OnTheCpu() if _elsewhere() else contextlib.nullcontext():
            yield
    finally:
        for generator, state in before:
            generator.set_state(state)


def mixed(*numbers: int) -> int:
    """Make one seed of some numbers, of neighbouring ones very different seeds.

    Args:
        numbers: not negative.

    Returns:
        64 bits.
    """
    seed = 0
    for number in numbers:
        seed = (seed ^ number) * 0x9E3779B97F4A7C15 % 2**64
        seed ^= seed >> 29
    return seed


def seed_next(*numbers: int) -> None:
    """Make what is drawn next a function of some numbers alone.

    Args:
        numbers: not negative, such as seed, step and part.
    """
    seed = mixed(*numbers)
    for generator in _generators():
        generator.manual_seed(seed)
