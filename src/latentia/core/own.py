"""Objects of a program that stand in for components: a pair of modules, a function.

A run records names and no objects. What can be imported has a name already, `package.module:NAME`; what
lives in a notebook or a script alone gets one of this session, `session:NAME`, under which only this session,
or one that holds the same object again, finds it.
"""

from __future__ import annotations

import re
import sys
import zlib
from typing import Any

from latentia.core import registry
from latentia.core.errors import MissingComponent

SESSION = "session:"

_held: dict[str, Any] = {}


def named(value: Any, label: str, content: str) -> str:
    """Give the name under which a run finds an object again.

    Args:
        value: the object.
        label: what it is called.
        content: a text that changes with what it is.

    Returns:
        Its place in a module that can be imported, or a name of this session.
    """
    module, path = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    if isinstance(module, str) and module != "__main__" and re.fullmatch(r"[\w.]+", path):
        found: Any = sys.modules.get(module)
        for part in path.split("."):
            found = getattr(found, part, None)
        if found is value:
            return f"{module}:{path}"
    word = re.sub(r"\W+", "_", label).strip("_") or "object"
    return hold(f"{SESSION}{word}_{zlib.crc32(content.encode()):08x}", value)


def hold(name: str, value: Any) -> str:
    """Keep an object of this session under a name.

    Args:
        name: the name, which begins with `session:`.
        value: the object.

    Returns:
        The name.
    """
    _held[name] = value
    return name


def found(name: str, what: str) -> Any:
    """Find an object by its name.

    Args:
        name: `package.module:NAME`, or a name of this session.
        what: what it is needed as, for messages.

    Returns:
        The object.

    Raises:
        ConfigError: if the name is none.
        MissingComponent: if it cannot be imported, or belongs to another session.
    """
    if not name.startswith(SESSION):
        return registry.imported(name, what)
    if name not in _held:
        raise MissingComponent(
            f"the {what} '{name.removeprefix(SESSION)}' is an object of the program that trained this run, "
            f"and no command line has it; open the run in Python, with latentia.open_run(PATH, {what}=...)"
        )
    return _held[name]
