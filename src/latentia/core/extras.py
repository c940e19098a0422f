"""Packages that an extra brings: imported where they are used, or missed in one line that names the extra."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from latentia.core.errors import MissingExtra


def optional(module: str, extra: str, purpose: str) -> Any:
    """Import a module of an optional package.

    Args:
        module: its dotted name, such as `zuko.flows`.
        extra: the extra of latentia that installs the package.
        purpose: what the user asked for, as the subject of "needs".

    Returns:
        The module.

    Raises:
        MissingExtra: if it cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(module.partition(".")[0], extra, purpose) from error


def installed(package: str) -> bool:
    """Say whether a package can be imported, without the time that it takes to import it.

    Args:
        package: its name.

    Returns:
        True where it is installed; a mere folder of that name is no package.
    """
    found = importlib.util.find_spec(package)
    return found is not None and found.origin is not None
