"""The failures that a user can cause and mend.

Everything that is the program's own fault stays an ordinary exception with a traceback; a
`LatentiaError` is one line that says what was wrong, where, and what to do. The command line
prints that line and exits with status 2.
"""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import Iterable, Sequence

from latentia.core.hints import here


class LatentiaError(Exception):
    """A failure of the user's input or machine, told in one line."""

    def __str__(self) -> str:
        """Give the message in one line, with commands as they work where it is read."""
        return here(" ".join(super().__str__().splitlines()))


class DataError(LatentiaError):
    """A source of data that cannot be read, or data that cannot be used."""


class ConfigError(LatentiaError):
    """A setting that does not exist, does not fit its type, or does not fit another setting."""


class MissingComponent(ConfigError):
    """A component of another package that is not installed here, or does not hold it."""


class RunError(LatentiaError):
    """A run folder that is missing, in use, damaged, or of another shape than the data."""


class TrainingError(LatentiaError):
    """Training that cannot go on, such as a loss that is not finite."""


class Note(UserWarning):
    """What was done to the user's data on the way, in one line: nothing is done to them without a word."""


class ToldElsewhere(LatentiaError):
    """A failure that stops all processes of a run, and of which another one tells the user."""


class MissingExtra(LatentiaError):
    """An optional dependency that is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        """Name the package, the extra that brings it, and what it is needed for.

        Args:
            package: the module that could not be imported.
            extra: the name of the extra that installs it.
            purpose: what the user asked for, as the subject of "needs".
        """
        super().__init__(f"{purpose} needs the package {package}: pip install 'latentia[{extra}]'")


def shell(path: str | os.PathLike[str]) -> str:
    """Write a path as a command line takes it: quoted where it has spaces.

    Args:
        path: the path.

    Returns:
        The word.
    """
    return shlex.quote(os.fspath(path))


def nearest(word: str, known: Iterable[str]) -> str:
    """Say which of the known names a mistyped one is closest to.

    Args:
        word: what the user wrote.
        known: the names that exist.

    Returns:
        A clause that starts with a semicolon: the suggestion, or all the known names.
    """
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; known: {', '.join(names)}" if names else ""


def quoted(names: Sequence[str], most: int = 5) -> str:
    """List names in a message: each in quotes, and an ellipsis for those that are too many.

    Args:
        names: the names.
        most: how many are written.

    Returns:
        Such as "'a', 'b', ...".
    """
    return ", ".join(f"'{name}'" for name in names[:most]) + ", ..." * (len(names) > most)


def reason(error: BaseException) -> str:
    """Put an exception into one line.

    Args:
        error: any exception.

    Returns:
        What the operating system or the library said, without line breaks.
    """
    text = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
    return " ".join(str(text).split())
