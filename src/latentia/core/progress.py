"""Progress where a person looks: a bar on a terminal, one in a notebook, none in a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from latentia.core.extras import installed
from latentia.core.hints import here


def in_notebook() -> bool:
    """Say whether a notebook's kernel runs this: what is shown lands under a cell."""
    found = sys.modules.get("IPython")
    shell = found.get_ipython() if found is not None else None
    return getattr(shell, "kernel", None) is not None


def interactive() -> bool:
    """Say whether a person types what is run: in a notebook, in IPython, at Python's own prompt."""
    found = sys.modules.get("IPython")
    return hasattr(sys, "ps1") or (found is not None and found.get_ipython() is not None)


def bar(items: Iterable[Any] | None = None, *, quiet: bool = False, **options: Any) -> Any:
    """Make a progress bar: tqdm's, that of a notebook in a notebook.

    Args:
        items: what to go through; None for a bar that is told by `update`.
        quiet: show none.
        options: tqdm's own: `total`, `desc`, `unit`, `leave`, ...

    Returns:
        The bar, shown on a terminal and in a notebook alone.
    """
    quiet = quiet or "TQDM_DISABLE" in os.environ
    if in_notebook():
        if installed("ipywidgets"):
            from tqdm.auto import tqdm
        else:
            from tqdm import tqdm
        options = {"file": sys.stdout, **options}
        return tqdm(items, disable=quiet, **options)
    from tqdm import tqdm

    options = {"file": sys.stderr, **options}
    return tqdm(items, disable=True if quiet else None, **options)


def heard(quiet: bool | None) -> tuple[bool, Callable[[str], None]]:
    """Say whether to be quiet, and give what says lines.

    Args:
        quiet: what was asked for; None for quiet where no person types.

    Returns:
        Whether to be quiet, and what is called with each line.
    """
    quiet = not interactive() if quiet is None else quiet
    return quiet, _silent if quiet else _print


def _silent(line: str) -> None:
    """Say nothing."""


def _print(line: str) -> None:
    """Show a line with its commands as they work here."""
    sys.stdout.write(here(line) + "\n")
