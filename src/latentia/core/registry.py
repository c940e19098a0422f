"""Names of components: how a run file's `name = "vae"` finds its constructor.

A component is a class, or a function that builds one (a preset), registered under a kind. The
module that holds a kind is imported at the first look-up, so that importing this one costs
nothing. Components of other packages go by `package.module:Class`, or by the entry points of
those packages.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import typing
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from latentia.core.errors import ConfigError, MissingComponent, nearest, reason

HOMES = {
    "network": "latentia.networks",
    "ladder": "latentia.networks",
    "denoiser": "latentia.networks",
    "features": "latentia.networks",
    "inputs": "latentia.networks",
    "posterior": "latentia.probability",
    "prior": "latentia.probability",
    "likelihood": "latentia.probability",
    "schedule": "latentia.objectives",
    "objective": "latentia.objectives",
    "model": "latentia.models",
    "sampler": "latentia.runs.chained",
    "transform": "latentia.data.transforms",
    "corruption": "latentia.data.corruptions",
    "condition": "latentia.data.conditions",
    "tracker": "latentia.training.trackers",
}
"""The module whose import registers the components of each kind."""

BASES = {
    "network": "latentia.networks.Network",
    "ladder": "latentia.networks.Ladder",
    "denoiser": "latentia.networks.Denoiser",
    "features": "latentia.networks.Features",
    "inputs": "latentia.networks.Inputs",
    "posterior": "latentia.probability.Posterior",
    "prior": "latentia.probability.Prior",
    "likelihood": "latentia.probability.Likelihood",
    "schedule": "latentia.objectives.Schedule",
    "objective": "latentia.objectives.Objective",
    "model": "latentia.core.types.LatentModel",
    "sampler": "latentia.sampling.Sampler",
    "transform": "latentia.data.transforms.Transform",
    "corruption": "latentia.data.corruptions.Corruption",
    "condition": "latentia.data.conditions.Condition",
    "tracker": "latentia.training.trackers.Tracker",
}
"""What a component of each kind is a subclass of."""

SUPPLIED = {
    "model": ("event", "condition", "corruption", "inputs", "network", "posterior", "prior", "likelihood"),
    "corruption": ("event",),
    "posterior": ("latent",),
    "prior": ("latent", "event", "condition", "posterior", "network"),
    "objective": ("event", "latent"),
    "sampler": ("latent", "coder", "told", "labels"),
    "tracker": ("folder",),
}
"""Parameters of each kind that the program provides, at any depth, so that nobody sets them."""

ENTRY_POINTS = "latentia.components"
"""The group of entry points in which other packages name components, as `kind.name`."""

_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
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
    """List the names of a kind: those registered here, and the entry points of other packages.

    Args:
        kind: one of the keys of `HOMES`.

    Returns:
        The names, sorted.
    """
    importlib.import_module(HOMES[kind])
    return sorted({*_known[kind], *_entries(kind)})


def lookup(kind: str, name: str) -> Callable[..., Any]:
    """Find a component.

    Args:
        kind: one of the keys of `HOMES`.
        name: its name; or `package.module:Class`, where it is in another package.

    Returns:
        The constructor.

    Raises:
        ConfigError: if there is none of that name, or it cannot be imported, or is of another kind.
    """
    importlib.import_module(HOMES[kind])
    if name in _known[kind]:
        return _known[kind][name]
    entry = _entries(kind).get(name)
    where = name if entry is None else entry.value
    if ":" not in where:
        raise ConfigError(f"unknown {kind} '{name}'{nearest(name, names(kind))}")
    component = imported(where, kind)
    made = made_by(component)
    if getattr(made, "kind", None) != kind:
        raise ConfigError(
            f"'{where}' is no {kind}: a subclass of {BASES[kind]} is needed, or a function whose annotation "
            "says that it returns one"
        )
    if inspect.isabstract(made) and made is component:
        missing = ", ".join(sorted(made.__abstractmethods__))
        raise ConfigError(f"{kind} '{where}' cannot be built: it does not define {missing}")
    return component


def name_of(kind: str, component: Callable[..., Any]) -> str:
    """Give the name that a component is found under.

    Args:
        kind: one of the keys of `HOMES`.
        component: a class, or a function that builds one.

    Returns:
        Its registered name, or `package.module:Class`.
    """
    importlib.import_module(HOMES[kind])
    registered = (name for name, known in _known[kind].items() if known is component)
    return next(registered, f"{component.__module__}:{component.__qualname__}")


def is_dotted(name: str) -> bool:
    """Say whether a name is of the form `package.module:attribute`.

    Args:
        name: what the user wrote.

    Returns:
        Whether it is.
    """
    return _DOTTED.fullmatch(name) is not None


def imported(name: str, what: str) -> Any:
    """Import what `package.module:attribute` names.

    Args:
        name: the module, a colon, and what it holds.
        what: what it is needed as, for messages.

    Returns:
        What is there.

    Raises:
        ConfigError: if the name is none.
        MissingComponent: if the module cannot be imported, or holds nothing of that name.
    """
    if not is_dotted(name):
        raise ConfigError(f"{what} '{name}' is no name; write package.module:NAME")
    module, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:  # the module is the user's, and may fail in any way
        raise MissingComponent(
            f"{what} '{name}': the module '{module}' cannot be imported ({type(error).__name__}: "
            f"{reason(error)}); install its package into this environment, or put its folder on PYTHONPATH"
        ) from error
    for part in path.split("."):
        if not hasattr(found, part):
            own = [key for key, value in vars(found).items() if getattr(value, "__module__", "") == module]
            raise MissingComponent(f"{what} '{name}': '{module}' has no '{path}'{nearest(part, own)}")
        found = getattr(found, part)
    return found


def made_by(component: Callable[..., Any]) -> Any:
    """Give the class of what a component builds.

    Args:
        component: a class, or a function whose annotation says what it returns.

    Returns:
        The class; None where a function does not say it.
    """
    if inspect.isclass(component) or not callable(component):
        return component
    return typing.get_type_hints(component).get("return")


def outside(table: Any) -> Iterator[str]:
    """Find the names of components of other packages in recorded constructor calls, at any depth.

    Args:
        table: what was recorded.

    Yields:
        Each `package.module:Class`.
    """
    if isinstance(table, Mapping):
        for name in (table.get("name"), table.get("of")):
            if isinstance(name, str) and is_dotted(name):
                yield name
        for value in table.values():
            yield from outside(value)
    elif isinstance(table, (list, tuple)):
        for value in table:
            yield from outside(value)


@functools.cache
def _entries(kind: str) -> dict[str, EntryPoint]:
    """Give the entry points that name components of a kind, by the name after `kind.`."""
    prefix = f"{kind}."
    return {
        entry.name.removeprefix(prefix): entry
        for entry in entry_points(group=ENTRY_POINTS)
        if entry.name.startswith(prefix)
    }
