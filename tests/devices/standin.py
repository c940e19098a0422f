"""A second device for a machine that has none: the CPU's arithmetic behind another name.

Its tensors say that they live on `standin`: torch refuses `.numpy()` of them, and an operation that meets one
of them together with a tensor of the CPU is refused here, as a GPU refuses it. A scalar of the CPU may meet
them, a copy may cross over, and positions on the CPU may index them: a GPU lets these pass, too.

What it cannot show: the numbers of another device's generator and arithmetic, types that a device lacks
(float64 on Apple's), streams, memory, graphs and compiled code.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.utils import _pytree as trees
from torch.utils._python_dispatch import return_and_correct_aliasing
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

NAME = "standin"
CROSSES = {torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default}
INDEXES = {torch.ops.aten.index.Tensor, torch.ops.aten.index_put.default, torch.ops.aten.index_put_.default}
_aten = torch.library.Library("aten", "IMPL")


class OtherSide(torch.Tensor):
    """A tensor of the stand-in: its values are those of a tensor of the CPU that nobody else sees."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> OtherSide:
        made = torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride(), dtype=inner.dtype,
            storage_offset=inner.storage_offset(), device=torch.device(NAME, 0),
        )  # fmt: skip
        made.inner = inner
        return made

    def __repr__(self, **_: Any) -> str:
        return f"OtherSide({self.inner!r})"

    def tolist(self) -> Any:
        """Give numbers, as every device does."""
        return self.inner.tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return compute(func, args, kwargs or {})


def compute(func: Any, args: Any, kwargs: Any) -> Any:
    """Compute on the CPU what has tensors of one side alone."""
    given = args[:1] if func in INDEXES else (args, kwargs)
    flat = [value for value in trees.tree_leaves(given) if isinstance(value, torch.Tensor)]
    there = any(isinstance(value, OtherSide) for value in flat)
    if func not in CROSSES:
        for value in flat:
            if there and not isinstance(value, OtherSide) and value.dim():
                raise RuntimeError(f"{func}: tensors of the CPU and of the stand-in meet")
    if func in INDEXES and not there:
        raise RuntimeError(f"{func}: a tensor of the CPU is indexed by one of the stand-in")
    wanted = kwargs.get("device")
    there = there if wanted is None else torch.device(wanted).type == NAME
    if func is torch.ops.aten.copy_.default:
        there = isinstance(args[0], OtherSide)
    own = {**kwargs, "device": torch.device("cpu")} if there and wanted is not None else kwargs
    inside, named = trees.tree_map_only(OtherSide, lambda value: value.inner, (args, own))
    made = func(*inside, **named)
    if not there or func is torch.ops.aten._local_scalar_dense.default:
        return made
    return return_and_correct_aliasing(func, args, kwargs, trees.tree_map_only(torch.Tensor, OtherSide, made))


class Backend(_DummyBackendModule):
    """What torch asks of a device beside its operations."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        """Name the types of autocast."""
        return [torch.bfloat16]


def _empty(size: Any, *, dtype: Any = None, memory_format: Any = None, **_: Any) -> OtherSide:
    return OtherSide(torch.empty(size, dtype=dtype, memory_format=memory_format or torch.contiguous_format))


def _empty_strided(size: Any, stride: Any, *, dtype: Any = None, **_: Any) -> OtherSide:
    return OtherSide(torch.empty_strided(size, stride, dtype=dtype))


def _copy_from(given: torch.Tensor, to: OtherSide, non_blocking: bool = False) -> torch.Tensor:
    to.inner.copy_(given.inner if isinstance(given, OtherSide) else given)
    return to


def register() -> torch.device:
    """Let torch know the stand-in; once in a process."""
    if torch._C._get_privateuse1_backend_name() != NAME:
        _setup_privateuseone_for_python_backend(NAME, Backend())
        _aten.impl("empty.memory_format", _empty, "PrivateUse1")
        _aten.impl("empty_strided", _empty_strided, "PrivateUse1")
        _aten.impl("_copy_from", _copy_from, "PrivateUse1")
    return torch.device(NAME)
