"""Feature spaces: maps from examples to vectors in which distances mean more than between raw values."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from latentia.core import progress


class FeatureSpace:
    """A network whose output is used as features."""

    def __init__(
        self,
        name: str,
        network: nn.Module,
        *,
        batch_size: int = 500,
        device: torch.device | str = "cpu",
        quiet: bool = True,
    ) -> None:
        """Put a network to use.

        Args:
            name: what the features are, for a protocol.
            network: maps what `prepare` gives to features, `(B, D)`.
            batch_size: examples at a time.
            device: where it runs.
            quiet: show no progress bar.
        """
        self.name = name
        self.network = network.to(device).eval().requires_grad_(False)
        self.batch_size = batch_size
        self.device = device
        self.quiet = quiet

    def prepare(self, x: Tensor) -> Tensor:
        """Bring examples to what the network takes.

        Args:
            x: examples in data units, `(B, *event)` float32.

        Returns:
            As they are.
        """
        return x

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Map examples to features.

        Args:
            x: examples in data units, `(N, *event)`, uint8 or float.

        Returns:
            Shape `(N, D)`, float32.
        """
        return self._apply(self.network, x)

    def _apply(self, network: nn.Module, x: np.ndarray) -> np.ndarray:
        found = [network(self._shown(x, part)).float().cpu().numpy() for part in self._parts(len(x))]
        return np.concatenate(found)

    def _parts(self, count: int) -> Iterator[slice]:
        """Give parts of so many examples, without gradients, one of no example at the least."""
        starts = range(0, max(count, 1), self.batch_size)
        with torch.no_grad(), progress.bar(starts, desc="features", quiet=self.quiet, leave=False) as bar:
            for start in bar:
                yield slice(start, start + self.batch_size)

    def _shown(self, x: np.ndarray, part: slice) -> Tensor:
        """Give examples as the network takes them."""
        return self.prepare(torch.from_numpy(x[part].astype(np.float32)).to(self.device))
