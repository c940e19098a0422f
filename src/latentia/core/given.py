"""Settings checked as they were given, before the data say the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from latentia.core import config, registry
from latentia.core.annotations import component_kind


def check_given(kind: str, value: str | Mapping[str, Any], where: str) -> None:
    """Check of a component, at any depth, what was given: the rest may be for the data to say.

    Args:
        kind: what it must be.
        value: its name, or a table with its name and arguments.
        where: the section, for messages.

    Raises:
        ConfigError: for an unknown name or key, or a value of another type.
    """
    table = {"name": value} if isinstance(value, str) else dict(value)
    name = table.pop("name", None)
    if isinstance(name, str):
        component = registry.lookup(kind, name)
        check_arguments(component, table, where, registry.SUPPLIED.get(kind, ()))


def check_arguments(
    component: Callable[..., Any], arguments: Mapping[str, Any], where: str, supplied: Iterable[str] = ()
) -> None:
    """Check those arguments of a constructor that were given; see `check_given`.

    Args:
        component: the constructor.
        arguments: the values given.
        where: the section, for messages.
        supplied: names of parameters that the program provides.

    Raises:
        ConfigError: for an unknown key, or a value of another type.
    """
    known = config.settable(component, arguments, where, supplied)
    for key, value in arguments.items():
        inner = component_kind(known[key].annotation)
        if inner and isinstance(value, (str, Mapping)):
            check_given(inner, value, f"{where}.{key}")
        else:
            config.fit(value, known[key].annotation, f"{where}.{key}")
