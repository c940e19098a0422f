"""What a coder is known by: a name that any weight or table changes, and a checksum of how it computes."""

from __future__ import annotations

import abc
import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from torch import nn

from latentia.core.errors import RunError


class Stamped(abc.ABC):
    """A coder of whole numbers, which is the same on every machine.

    Attributes:
        tables: whole numbers by name, computed once and kept beside the run.
    """

    tables: Mapping[str, np.ndarray]

    @abc.abstractmethod
    def header(self) -> dict[str, Any]:
        """Say what the coder's numbers are, of plain values."""

    @abc.abstractmethod
    def networks(self) -> list[nn.Module]:
        """Give all exact networks, in an order that stays."""

    @abc.abstractmethod
    def probed(self) -> Iterable[np.ndarray]:
        """Code fixed examples, and give all numbers that it takes."""

    @cached_property
    def name(self) -> bytes:
        """Eight bytes that change with any weight, table or setting."""
        found = hashlib.sha256(json.dumps(self.header(), sort_keys=True).encode())
        for key in sorted(self.tables):
            found.update(key.encode() + self.tables[key].astype("<i8").tobytes())
        for network in self.networks():
            for key, value in sorted(network.state_dict().items()):
                found.update(key.encode() + value.numpy().astype("<i8").tobytes())
        return found.digest()[:8]

    def probe(self) -> str:
        """Give a checksum of what coding fixed examples takes.

        Returns:
            The SHA-256 in hexadecimal digits.
        """
        found = hashlib.sha256()
        for part in self.probed():
            found.update(np.ascontiguousarray(part).astype("<f8").tobytes())
        return found.hexdigest()

    def check(self, probe: str) -> None:
        """Refuse a machine that computes otherwise.

        Args:
            probe: what `probe` gave where the coder was made.

        Raises:
            RunError: if it is another here.
        """
        if self.probe() != probe:
            raise RunError(
                "this machine computes a fixed example otherwise than the one that made the coder: its "
                "arithmetic is not that of IEEE 754 doubles, or the run's compressor.safetensors is another "
                "version's; use the version of latentia that wrote it"
            )
