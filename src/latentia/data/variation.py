"""What training makes of resident examples anew in each epoch: random crops, and what becomes of them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from latentia.data.change import Change
from latentia.data.pictures import Pictures


class Variation:
    """Cuts whole pictures at random places, and changes what is cut."""

    def __init__(
        self, pictures: Pictures | None, crop: tuple[int, ...], change: Change, device: torch.device
    ) -> None:
        """Bring the pictures to a device.

        Args:
            pictures: whole pictures in memory, none smaller than the crop; None where nothing is cut.
            crop: height and width of a crop.
            change: what becomes of each example.
            device: where they are wanted; on the CPU nothing is copied.
        """
        self.change = change
        self.values: Tensor | None = None
        if pictures is None:
            return
        values = np.asarray(pictures.values)
        self.values = torch.from_numpy(values if values.flags.writeable else np.array(values)).to(device)
        self.starts = torch.from_numpy(pictures.starts).to(device)
        self.sizes = torch.from_numpy(pictures.sizes).to(device)
        self.room = self.sizes - torch.tensor(crop, device=device)
        self.width = crop[1]
        self.lead = pictures.lead
        self.planes = torch.arange(pictures.planes, device=device).view(-1, 1)
        self.lines = torch.arange(crop[0], device=device)

    def __call__(self, data: Tensor, index: Tensor, draws: Tensor) -> Tensor:
        """Give examples as training sees them.

        Args:
            data: all examples as everything else sees them, shape `(N, *event)`.
            index: positions, shape `(B,)`.
            draws: uniform numbers in [0, 1) for top, left and mirroring, shape `(B, 3)`.

        Returns:
            Shape `(B, *event)`.
        """
        x = data.index_select(0, index) if self.values is None else self._cut(self.values, index, draws)
        return self.change(x, draws)

    def _cut(self, values: Tensor, index: Tensor, draws: Tensor) -> Tensor:
        """Gather the lines of the crops, each a stretch of neighbouring values."""
        room = self.room.index_select(0, index)
        top, left = torch.minimum((draws[:, :2] * (room + 1)).long(), room).unbind(1)
        height, width = self.sizes.index_select(0, index).unbind(1)
        line = self.planes * height.view(-1, 1, 1) + top.view(-1, 1, 1) + self.lines
        begin = self.starts.index_select(0, index) + left
        at = begin.view(-1, 1, 1) + line * width.view(-1, 1, 1)
        stretches = values.unfold(0, self.width, 1)  # a view: every stretch of a crop's width
        lines = stretches.index_select(0, at.view(-1))
        return lines.view(len(at), *self.lead, at.shape[-1], self.width)
