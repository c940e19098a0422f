"""The processes that work on one run: one, or as many as torchrun started.

Whoever may be one of several asks the same questions of either: `Processes` answers for the single one, and
`Several` with torch.distributed. Only numbers, tensors and JSON travel.
"""

from __future__ import annotations

import atexit
import contextlib
import datetime
import functools
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from latentia.core.errors import ConfigError, LatentiaError, RunError, ToldElsewhere

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")

PATIENCE = datetime.timedelta(days=7)
"""How long one waits for another that decodes, writes or evaluates; that it has died is known at once."""
WITHIN = datetime.timedelta(minutes=10)
"""How long one waits for another within a step."""


@dataclass(frozen=True)
class Processes:
    """The processes of a run; this class stands for a single one.

    Attributes:
        rank: which one this is, from 0.
        count: how many there are.
        local: which one on this machine, from 0.
        pause: seconds between two times that they ask each other whether to stop.
    """

    rank: int = 0
    count: int = 1
    local: int = 0
    pause: float = 0.0

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def deal(self, parts: int) -> list[tuple[int, bool]]:
        """Give the parts that are this process's: every `count`-th.

        Args:
            parts: how many there are.

        Returns:
            The number of each part, and whether it counts: as everybody does as many, some are done twice.
        """
        rounds = range(self.rank, -(-parts // self.count) * self.count, self.count)
        return [(part % parts, part < parts) for part in rounds]

    def together(self, action: Callable[[], T]) -> T:
        """Do something in every process, and go on only if it went well in all of them.

        Args:
            action: what to do.

        Returns:
            What it gave here.

        Raises:
            LatentiaError: what it raised here; `ToldElsewhere` if another process says it.
        """
        return action()

    def alone(self, action: Callable[[], T]) -> T | None:
        """Do something in the first process, and go on only if it went well.

        Args:
            action: what to do.

        Returns:
            What it gave; None in the other processes.
        """
        return self.together(lambda: action() if self.first else None)

    def in_turn(self, action: Callable[[], T]) -> T:
        """Do something in the first process of every machine, and then in the others.

        Args:
            action: what leaves something behind on the machine that the others need not make again.

        Returns:
            What it gave here.
        """
        made = self.together(lambda: action() if self.local == 0 else None)
        return self.together(lambda: cast(T, made) if self.local == 0 else action())

    def refuse(self, error: LatentiaError) -> LatentiaError:
        """Give the error to raise where all processes have come to the same one.

        Args:
            error: what is wrong.

        Returns:
            The same in the first process, and one that is not told again in the others.
        """
        return error if self.first else ToldElsewhere(str(error))

    def tell(self, value: T) -> T:
        """Give everybody the first one's value.

        Args:
            value: what JSON can hold.

        Returns:
            That of the first process.
        """
        return value

    def sum(self, values: Tensor) -> Tensor:
        """Add up tensors of all processes; a shorter one is filled up with zeros.

        Args:
            values: numbers, shape `(n,)` or, of equal shapes everywhere, any other.

        Returns:
            The sum, on the CPU, the same everywhere.
        """
        return values.cpu()

    def highest(self, *values: float) -> list[float]:
        """Take the largest of each of some numbers.

        Args:
            values: as many everywhere.

        Returns:
            The largest ones.
        """
        return list(values)

    def gather(self, values: Tensor) -> Tensor:
        """Put tensors of one shape side by side.

        Args:
            values: any tensor.

        Returns:
            Shape `(count, *values.shape)`, by rank, on the tensor's device.
        """
        return values.unsqueeze(0)

    def spread(self, values: Tensor) -> None:
        """Overwrite a tensor with the first process's.

        Args:
            values: any tensor, in its place.
        """

    @contextlib.contextmanager
    def watched(self, advice: str = "") -> Iterator[None]:
        """Turn the loss of another process into one line.

        Args:
            advice: what to do then.

        Yields:
            Nothing.
        """
        yield


@dataclass(frozen=True)
class Several(Processes):
    """One of several processes, joined by torch.distributed; see `Processes`."""

    control: Any = None

    def together(self, action: Callable[[], T]) -> T:
        """Run and exchange what went wrong; see `Processes`."""
        own: Exception | None = None
        result: Any = None
        try:
            result = action()
        except (LatentiaError, OSError) as error:
            own = error
        said = self._exchange(None if own is None else str(own))
        failed = [rank for rank, line in enumerate(said) if line is not None]
        if not failed:
            return result
        if own is not None and failed[0] == self.rank:
            raise own
        raise ToldElsewhere(said[failed[0]]) from own

    def tell(self, value: T) -> T:
        """Broadcast as JSON; see `Processes`."""
        return self._exchange(value if self.first else None)[0]

    def sum(self, values: Tensor) -> Tensor:
        """Reduce; see `Processes`."""
        import torch
        from torch import distributed

        size = int(self.highest(values.numel())[0])
        held = values.cpu()
        if values.numel() < size:
            held = torch.cat([held, held.new_zeros(size - len(held))])
        held = held.contiguous()
        distributed.all_reduce(held, group=self.control)
        return held

    def highest(self, *values: float) -> list[float]:
        """Reduce; see `Processes`."""
        import torch
        from torch import distributed

        held = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(held, op=distributed.ReduceOp.MAX, group=self.control)
        return held.tolist()

    def gather(self, values: Tensor) -> Tensor:
        """Gather on the device; see `Processes`."""
        import torch
        from torch import distributed

        values = values.contiguous()
        found = [torch.empty_like(values) for _ in range(self.count)]
        distributed.all_gather(found, values)
        return torch.stack(found)

    def spread(self, values: Tensor) -> None:
        """Broadcast on the device; see `Processes`."""
        from torch import distributed

        distributed.broadcast(values, src=0)

    @contextlib.contextmanager
    def watched(self, advice: str = "") -> Iterator[None]:
        """See `Processes`."""
        try:
            yield
        except RuntimeError as error:
            if not _lost(error):
                raise
            raise RunError(
                f"process {self.rank} of {self.count} stops: another one has ended{advice}"
            ) from error

    def _exchange(self, value: Any) -> list[Any]:
        """Give everybody's value by rank, as JSON."""
        import torch
        from torch import distributed

        text = json.dumps(value).encode()
        size = int(self.highest(len(text))[0])
        own = torch.frombuffer(bytearray(text.ljust(size)), dtype=torch.uint8)
        found = [torch.empty_like(own) for _ in range(self.count)]
        distributed.all_gather(found, own, group=self.control)
        return [json.loads(bytes(each.tolist())) for each in found]


def _lost(error: RuntimeError) -> bool:
    """Say whether an error is about the others: torch has no type for all of them."""
    from torch import distributed

    words = ("Connection closed", "Connection reset", "Broken pipe", "gloo", "NCCL")
    return isinstance(error, distributed.DistError) or any(word in str(error) for word in words)


def started() -> tuple[int, int]:
    """Say what torchrun started, without joining.

    Returns:
        The rank and the number of processes.

    Raises:
        ConfigError: if the environment says one without the other.
    """
    return _number("RANK", 0), _number("WORLD_SIZE", 1)


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    several = os.environ.get("WORLD_SIZE", "1") != "1"
    if not text and not several:
        return default
    if not text.isdigit():
        raise ConfigError(
            f"the environment says WORLD_SIZE={os.environ.get('WORLD_SIZE')} and {name}={text or 'nothing'}; "
            "start several processes with: torchrun --nproc-per-node N -m latentia train ..."
        )
    return int(text)


def refuse_several(work: str) -> None:
    """Refuse to do the work of one process in several.

    Args:
        work: what it is.

    Raises:
        ConfigError: if torchrun started several.
    """
    if started()[1] > 1:
        raise ConfigError(f"{work} is the work of one process; start it without torchrun")


def apart() -> Processes:
    """Say which of the processes this is, for work in which they need not talk: nobody joins.

    Returns:
        Rank and number; what it does `together` it does alone.

    Raises:
        ConfigError: if the environment says one number without the others.
    """
    rank, count = started()
    return Processes(rank, count, _number("LOCAL_RANK", 0) if count > 1 else 0)


def join() -> Processes:
    """Join the processes that torchrun started, once; a single process joins nobody.

    Returns:
        The processes.

    Raises:
        ConfigError: if the others cannot be reached, or this torch cannot talk to them.
    """
    rank, count = started()
    return Processes() if count == 1 else _joined(rank, count, _number("LOCAL_RANK", 0))


@functools.cache
def _joined(rank: int, count: int, local: int) -> Several:
    import torch
    from torch import distributed

    if not distributed.is_available():
        raise ConfigError(f"this torch has no torch.distributed, and {count} processes need it; start one")
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    place = f"{os.environ.get('MASTER_ADDR', 'MASTER_ADDR')}:{os.environ.get('MASTER_PORT', 'MASTER_PORT')}"
    try:
        distributed.init_process_group(backend, timeout=WITHIN)
        control = distributed.new_group(backend="gloo", timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        if "EADDRINUSE" in str(error):
            raise ConfigError(f"{place} is in use; give torchrun another --master-port") from error
        reason = str(error).splitlines()[0]
        raise ConfigError(f"process {rank} of {count} cannot join the others at {place}: {reason}") from error
    several = Several(rank, count, local, 0.1, control)
    atexit.register(_leave, several)
    return several


def _leave(several: Several) -> None:
    """Take leave of the others before the interpreter ends.

    Torch forgets its groups then, but the threads of one live as long as a name holds it, and threads that
    outlive the interpreter abort the process after its work is done.
    """
    from torch import distributed

    distributed.destroy_process_group()
    object.__setattr__(several, "control", None)
