"""What follows the data by moving averages instead of gradients."""

from __future__ import annotations

from torch import Tensor


class Moving:
    """A module that moves buffers of its own with every batch that it sees in training.

    What a batch is seen as is a few tensors of fixed shape. A batch that is worked through in parts, in one
    process or several, is seen as the merger of what its parts were, and moves the buffers once.

    Attributes:
        seen: what the last pass was seen as.
        still: whether it stays as it is, whatever it sees.
    """

    seen: tuple[Tensor, ...] = ()
    still: bool = False

    def see(self, *seen: Tensor) -> None:
        """Move the buffers, and remember by what; nothing where they stand still.

        Args:
            seen: what a pass was seen as.
        """
        if self.still:
            return
        self.seen = seen
        self.move(*seen)

    def move(self, *seen: Tensor) -> None:
        """Move the buffers.

        Args:
            seen: what a batch was seen as.
        """
        raise TypeError("what moves says how")

    def merge(self, *seen: Tensor) -> tuple[Tensor, ...]:
        """Merge what parts of a batch were seen as; the mean, where nothing else is said.

        Args:
            seen: the same tensors with a first dimension for the parts.

        Returns:
            What the batch is seen as.
        """
        return tuple(each.mean(dim=0) for each in seen)
