"""What training does to each image, anew in each epoch: mirroring and moving."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Change:
    """What becomes of images and clips of one size; nothing by default.

    Attributes:
        flip: every other one is mirrored, left to right.
        shift: each is moved by up to so many pixels along both sides, its border repeated where it was.
    """

    flip: bool = False
    shift: int = 0

    def __bool__(self) -> bool:
        """Say whether anything changes."""
        return self.flip or self.shift > 0

    def __call__(self, x: Tensor, draws: Tensor) -> Tensor:
        """Change examples.

        Args:
            x: shape `(B, ..., H, W)`.
            draws: uniform numbers in [0, 1) for down, right and mirroring, shape `(B, 3)`.

        Returns:
            Shape of `x`.
        """
        if self.shift:
            x = self._moved(x, draws[:, :2])
        if not self.flip:
            return x
        import torch

        turned = (draws[:, 2] < 0.5).long()
        # One of two for each example: a `where` over bytes took five times as long.
        both = torch.cat((x, x.flip(-1)))
        return both.index_select(0, torch.arange(len(x), device=x.device) + turned * len(x))

    def _moved(self, x: Tensor, draws: Tensor) -> Tensor:
        import torch

        count, height, width = len(x), *x.shape[-2:]
        by = (draws * (2 * self.shift + 1)).long() - self.shift
        rows, columns = (
            (torch.arange(size, device=x.device) - by[:, side : side + 1]).clamp(0, size - 1)
            for side, size in enumerate((height, width))
        )
        places = (rows.unsqueeze(2) * width + columns.unsqueeze(1)).view(count, 1, -1)
        planes = x.reshape(count, -1, height * width)
        return planes.gather(2, places.expand_as(planes)).view_as(x)


UNCHANGED = Change()
