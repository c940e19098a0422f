"""Every setting there is, as the registries, the signatures and the docstrings have it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from latentia.assembly.settings import SECTIONS
from latentia.core import config, registry
from latentia.core.annotations import describe
from latentia.core.errors import ConfigError, nearest

INNER = ("schedule", "denoiser", "features", "ladder", "sampler", "tracker")
"""Kinds of components that stand inside of others, or are named where they are used."""
KINDS = (*(name for name in SECTIONS if name in registry.HOMES), *INNER)
"""What is listed by component."""

_ARGUMENTS = re.compile(r"^[ ]*(?:Args|Attributes):\n((?:[ ]+.*\n?|\n)*)", re.MULTILINE)
_ENTRY = re.compile(r"^\**(\w+): ")


@dataclass(frozen=True)
class Argument:
    """A setting.

    Attributes:
        name: its key.
        type: what it takes, in words.
        default: what it is where nobody says it; empty where it has to be given, or the data say it.
        meaning: what it does.
    """

    name: str
    type: str
    default: str
    meaning: str


@dataclass(frozen=True)
class Component:
    """What a section can name.

    Attributes:
        name: its name; empty where a section has settings of its own.
        meaning: what it is.
        arguments: its settings.
    """

    name: str
    meaning: str
    arguments: tuple[Argument, ...]


def sections(plain: Mapping[str, Callable[..., Any]]) -> list[str]:
    """List what can be asked for.

    Args:
        plain: sections with settings of their own, by name, such as `training`.

    Returns:
        The sections of a run file, and the kinds of what stands inside them.
    """
    return [name for name in (*SECTIONS, *INNER) if name in plain or name in KINDS]


def catalogue(section: str, plain: Mapping[str, Callable[..., Any]]) -> Iterator[Component]:
    """List the components of a section with their settings.

    Args:
        section: the section, or the kind of a component.
        plain: as `sections`.

    Yields:
        The components, by name.

    Raises:
        ConfigError: if there is no such section.
    """
    if section in plain:
        yield _described("", plain[section], ("source",))
        return
    if section not in KINDS:
        raise ConfigError(f"unknown section '{section}'{nearest(section, sections(plain))}")
    for name in registry.names(section):
        yield _described(name, registry.lookup(section, name), registry.SUPPLIED.get(section, ()))


def _described(name: str, component: Callable[..., Any], supplied: tuple[str, ...]) -> Component:
    made = registry.made_by(component)  # a function that builds a class shares its parameters
    meanings = {**(meanings_of(made) if inspect.isclass(made) else {}), **meanings_of(component)}
    arguments = [
        Argument(key, describe(found.annotation), _shown(found), meanings.get(key, ""))
        for key, found in config.parameters(component).items()
        if key not in supplied
    ]
    summary = (inspect.getdoc(component) or "").split("\n\n")[0]
    return Component(name, " ".join(summary.split()), tuple(arguments))


def meanings_of(component: Callable[..., Any]) -> dict[str, str]:
    """Read what a docstring says of each argument: of a class, of its bases, and of their constructors.

    Args:
        component: a class or a function.

    Returns:
        The texts by name.
    """
    found: dict[str, str] = {}
    owners = reversed(component.__mro__) if inspect.isclass(component) else (component,)
    for owner in owners:
        own = vars(owner).get("__init__") if inspect.isclass(owner) else None
        for text in (owner.__doc__, getattr(own, "__doc__", None)):
            if owner is not object and text:
                found |= _entries(inspect.cleandoc(text))
    return found


def _entries(text: str) -> dict[str, str]:
    """Read the section of arguments in a docstring of Google's style."""
    found: dict[str, str] = {}
    for block in _ARGUMENTS.findall(text):
        entries = inspect.cleandoc("\n" + block).split("\n")
        name = ""
        for line in entries:
            entry = _ENTRY.match(line) if not line.startswith(" ") else None
            if entry:
                name = entry[1]
                found[name] = line[entry.end() :].strip()
            elif name:
                found[name] = f"{found[name]} {line.strip()}".strip()
    return found


def _shown(parameter: inspect.Parameter) -> str:
    """Write a default as a run file has it."""
    value = parameter.default
    if value is inspect.Parameter.empty:
        return ""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value)) or "none"
    kind = getattr(value, "kind", None)
    return registry.name_of(kind, type(value)) if isinstance(kind, str) else str(value)
