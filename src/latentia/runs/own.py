"""Parts of the user's own, given to a training as objects: what a run file can say of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from latentia.core import own
from latentia.core.errors import ConfigError, RunError
from latentia.runs.recipe import read_recipe


def network_of(given: Any) -> Any:
    """Turn a pair of modules into the section `network`.

    Args:
        given: a name or a table, left as it is; or a tuple of an encoder and a decoder.

    Returns:
        What a run file would say.

    Raises:
        ConfigError: if it is anything else.
    """
    if given is None or isinstance(given, (str, Mapping)):
        return given
    from torch import nn

    if isinstance(given, (tuple, list)) and len(given) == 2 and all(isinstance(m, nn.Module) for m in given):
        pair = tuple(given)
        label = "_".join(type(module).__name__ for module in pair)
        return {"name": "modules", "of": own.named(pair, label, repr(pair))}
    raise ConfigError(
        f"network={type(given).__name__}: give a name, a table of settings, or a tuple of two modules, an "
        "encoder and a decoder"
    )


def objective_of(given: Any) -> Any:
    """Turn a function into the section `objective`.

    Args:
        given: a name or a table, left as it is; or a function of a `Pass`.

    Returns:
        What a run file would say.

    Raises:
        ConfigError: if it is anything else.
    """
    if given is None or isinstance(given, (str, Mapping)):
        return given
    if not callable(given):
        raise ConfigError(f"objective={given!r}: give a name, a table of settings, or a function")
    return {"name": "function", "of": own.named(given, _label(given), _content(given))}


def _label(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _content(function: Callable[..., Any]) -> str:
    code = getattr(function, "__code__", None)
    return repr(function) if code is None else repr((code.co_code, code.co_consts, code.co_names))


def bound_to_session(settings: Mapping[str, Any]) -> list[str]:
    """List the sections whose parts no other program can find.

    Args:
        settings: nested sections.

    Returns:
        Their names.
    """
    tables = {name: table for name, table in settings.items() if isinstance(table, Mapping)}
    return [name for name, table in tables.items() if str(table.get("of", "")).startswith(own.SESSION)]


def told(sections: list[str]) -> str:
    """Say, before training, what cannot be opened again from the command line.

    Args:
        sections: those that are bound to the session.

    Returns:
        A line.
    """
    named = " and ".join(sections)
    given = ", ".join(f"{section}=..." for section in sections)
    verb = "is" if len(sections) == 1 else "are"
    return (
        f"the command line cannot open this run again: its {named} {verb} of this session alone; "
        f"latentia.open_run(PATH, {given}) opens it in Python, and what stands in a module that can be "
        "imported is found everywhere"
    )


def lend(path: str | os.PathLike[str], given: Mapping[str, Any]) -> None:
    """Hold objects of the user's for a run that was trained with such.

    Args:
        path: the run folder.
        given: a pair of modules as `network`, a function as `objective`; what is None is left out.

    Raises:
        RunError: if the run was trained without such a part.
    """
    recipe = None
    for section, value in given.items():
        if value is None:
            continue
        recipe = recipe or read_recipe(Path(path) / "model.json")
        name = str(dict(recipe.get(section, {})).get("of", ""))
        if not name.startswith(own.SESSION):
            raise RunError(f"{path} needs no {section}: it was trained with one that it can find")
        own.hold(name, tuple(value) if section == "network" else value)
