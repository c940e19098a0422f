"""What a server says no to: one line and a status for each."""

from __future__ import annotations

from typing import ClassVar

from latentia.core.errors import LatentiaError


class Refusal(LatentiaError):
    """A request that cannot be answered as it is: 422."""

    status: ClassVar[int] = 422


class TooMuch(Refusal):
    """More than the limit at once."""

    status = 413


class NotThere(Refusal):
    """Something that this run does not have, or not yet."""

    status = 404


class Gone(Refusal):
    """Something that was in the run folder, which is no longer there."""

    status = 410


class WrongKind(Refusal):
    """A body of a type that the server does not read."""

    status = 415


class NotMade(Refusal):
    """An answer of a type that the server does not make."""

    status = 406


class Busy(Refusal):
    """More requests are waiting than the server keeps; come again."""

    status = 503


def status_of(error: LatentiaError) -> int:
    """Give the status of an error that a user can mend.

    Args:
        error: the error.

    Returns:
        Its own for a `Refusal`, else 422.
    """
    return error.status if isinstance(error, Refusal) else Refusal.status
