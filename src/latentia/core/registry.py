"""Names of components: how a run file's `name = "vae"` finds its constructor.

A component is a class, or a function that builds one (a preset), registered under a kind. The
module that holds a kind is imported at the first look-up, so that importing this one costs
nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeVar

from latentia.core.errors import ConfigError, nearest

HOMES = {
    "network": "latentia.networks",
    "ladder": "latentia.networks",
    "features": "latentia.networks",
    "posterior": "latentia.probability",
    "prior": "latentia.probability",
    "likelihood": "latentia.probability",
    "schedule": "latentia.objectives",
    "objective": "latentia.objectives",
    "model": "latentia.models",
    "sampler": "latentia.sampling",
    "transform": "latentia.data.transforms",
    "corruption": "latentia.data.corruptions",
    "condition": "latentia.data.conditions",
    "tracker": "latentia.training.trackers",
}
"""The module whose import registers the components of each kind."""

_known: dict[str, dict[str, Callable[..., Any]]] = {kind: {} for kind in HOMES}
_Component = TypeVar("_Component", bound=Callable[..., Any])


def register(kind: str, name: str) -> Callable[[_Component], _Component]:
    """Register the decorated class or function under a name.

    Args:
        kind: one of the keys of `HOMES`.
        name: what run files and the command line call it.

    Returns:
        A decorator that gives its argument back.
    """

    def note(component: _Component) -> _Component:
        if name in _known[kind]:
            raise ValueError(f"two components of kind {kind} are named {name!r}")
        _known[kind][name] = component
        return component

    return note


def names(kind: str) -> list[str]:
    """List the names of a kind.

    Args:
        kind: one of the keys of `HOMES`.

    Returns:
        The names, sorted.
    """
    importlib.import_module(HOMES[kind])
    return sorted(_known[kind])


def lookup(kind: str, name: str) -> Callable[..., Any]:
    """Find a component.

    Args:
        kind: one of the keys of `HOMES`.
        name: its name.

    Returns:
        The constructor.

    Raises:
        ConfigError: if there is none of that name.
    """
    known = names(kind)
    if name not in known:
        raise ConfigError(f"unknown {kind} '{name}'{nearest(name, known)}")
    return _known[kind][name]
