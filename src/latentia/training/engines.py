"""How the processes of a run share what a step differentiates: not at all, as replicas, or in shards."""

from __future__ import annotations

import contextlib
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from latentia.core.processes import Processes
from latentia.networks.base import ResidualBlock

Sharding = Literal["none", "full"]
"""Whether every process holds all weights, or each a share of them, of their gradients and moments."""


def local(tensor: Tensor) -> Tensor:
    """Give what this process holds of a tensor, to be changed in place.

    Args:
        tensor: any tensor, or one in shards.

    Returns:
        The tensor itself, or its shard.
    """
    shard: Callable[[], Tensor] | None = getattr(tensor, "to_local", None)
    return tensor if shard is None else shard()


def whole(tensor: Tensor) -> Tensor:
    """Put a tensor together that may be in shards; all processes must ask.

    Args:
        tensor: any tensor, or one in shards.

    Returns:
        The tensor itself, or all of it.
    """
    full: Callable[[], Tensor] | None = getattr(tensor, "full_tensor", None)
    return tensor if full is None else full()


class Engine:
    """The single process: the module as it is."""

    def __init__(self, loss_module: nn.Module, processes: Processes) -> None:
        """Take the module.

        Args:
            loss_module: what a step differentiates.
            processes: who works on it.
        """
        self.processes = processes
        self.loss_module = loss_module

    def __call__(self, index: Tensor, progress: float, last: bool) -> tuple[Tensor, ...]:
        """Score a part of a batch; the gradient is the mean over the processes once the last one is done.

        Args:
            index: positions in the data, shape `(B,)`.
            progress: share of the run that is done.
            last: whether no part of this process follows.

        Returns:
            What the module gives.
        """
        return self.loss_module(index, progress)

    @contextlib.contextmanager
    def gathered(self) -> Iterator[None]:
        """Hold all weights in every process for a while, to evaluate; they must not change.

        Yields:
            Nothing.
        """
        yield

    def collect(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Bring tensors together in the first process.

        Args:
            tensors: by name, as each process holds them.

        Returns:
            All of each tensor; nothing in the other processes where there are shards.
        """
        return dict(tensors)

    @torch.no_grad()
    def fill(self, tensors: Mapping[str, Tensor], given: Mapping[str, Tensor] | None) -> None:
        """Overwrite tensors in place in every process.

        Args:
            tensors: by name, as each process holds them.
            given: all of each tensor, in the first process.
        """
        for name, tensor in tensors.items():
            if given is not None:
                tensor.copy_(given[name])
            self.processes.spread(tensor)


class Replicated(Engine):
    """Every process holds everything, and gradients are averaged: torch's DistributedDataParallel."""

    def __init__(self, loss_module: nn.Module, processes: Processes) -> None:
        """Wrap the module; see `Engine`."""
        from torch.nn.parallel import DistributedDataParallel

        super().__init__(loss_module, processes)
        # A channels-last weight of one channel has strides that mean the same and are not equal.
        warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
        # Buffers that training moves are merged by the step. Weights may be unused, as an objective pleases.
        known = inspect.signature(DistributedDataParallel).parameters
        unsynced = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
        options: dict[str, Any] = {unsynced: False, "find_unused_parameters": True}
        self.replica = DistributedDataParallel(loss_module, **options)

    def __call__(self, index: Tensor, progress: float, last: bool) -> tuple[Tensor, ...]:
        """Score a part; only the last one talks to the other processes; see `Engine`."""
        with contextlib.nullcontext() if last else self.replica.no_sync():
            return self.replica(index, progress)


class Sharded(Engine):
    """Each process holds its share of every weight, gradient and moment: torch's FSDP2.

    Weights are put together block by block, as the pass needs them.
    """

    def __init__(self, loss_module: nn.Module, processes: Processes) -> None:
        """Divide the module; its parameters are others afterwards; see `Engine`."""
        from torch.distributed.fsdp import FSDPModule, fully_shard

        super().__init__(loss_module, processes)
        for parameter in loss_module.parameters():
            parameter.data = parameter.data.contiguous()  # what is divided by rows must lie in rows
        for module in loss_module.modules():
            if isinstance(module, ResidualBlock):
                fully_shard(module)
        fully_shard(loss_module)
        self.units = [module for module in loss_module.modules() if isinstance(module, FSDPModule)]

    @contextlib.contextmanager
    def gathered(self) -> Iterator[None]:
        """Put all weights together; see `Engine`."""
        for unit in self.units:
            unit.set_reshard_after_forward(False, recurse=False)
            unit.unshard()
        try:
            yield
        finally:
            for unit in self.units:
                unit.reshard()
                unit.set_reshard_after_forward(unit is not self.loss_module, recurse=False)

    def collect(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Put one tensor together at a time, and keep it where it will be written; see `Engine`."""
        found = {}
        for name, tensor in tensors.items():
            full = whole(tensor)
            if self.processes.first:
                found[name] = full.cpu()
        return found

    @torch.no_grad()
    def fill(self, tensors: Mapping[str, Tensor], given: Mapping[str, Tensor] | None) -> None:
        """Send every process its shards; see `Engine`."""
        for name, tensor in tensors.items():
            held = local(tensor)
            full = torch.empty(tensor.shape, dtype=held.dtype, device=held.device)
            if given is not None:
                full.copy_(given[name])
            self.processes.spread(full)
            held.copy_(local(_like(full, tensor)))


def _like(full: Tensor, tensor: Any) -> Tensor:
    """Divide a tensor that every process has as another one is divided."""
    if not hasattr(tensor, "placements"):
        return full
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(full, tensor.device_mesh, tensor.placements, src_data_rank=None)


def engine(loss_module: nn.Module, processes: Processes, sharding: Sharding) -> Engine:
    """Choose how the processes share a module; a single one holds all of it.

    Args:
        loss_module: what a step differentiates.
        processes: who works on it.
        sharding: whether weights are divided between several processes.

    Returns:
        The engine.
    """
    if processes.count == 1:
        return Engine(loss_module, processes)
    return (Sharded if sharding == "full" else Replicated)(loss_module, processes)
