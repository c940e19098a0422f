"""Settings: read from run files and overrides, checked against signatures, built into objects.

The constructor's signature is the only configuration there is. A setting is a path of names
(`objective.beta`); its value must fit the annotation of the parameter that it names. A parameter
annotated with a component's base class (one with a `kind`) takes a name or a table
`{name = "...", ...}` and is checked the same way, to any depth.
"""

from __future__ import annotations

import functools
import inspect
import tomllib
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import latentia.core.registry as registry
from latentia.core.annotations import NO, component_kind, converted, describe, is_union
from latentia.core.errors import ConfigError, nearest

Table = dict[str, Any]
Facts = Mapping[str, Mapping[str, Callable[[], Any]]]


def read_toml(path: str | Path) -> Table:
    """Read a run file.

    Args:
        path: a TOML file.

    Returns:
        Its tables.

    Raises:
        ConfigError: if it is missing or is not TOML.
    """
    try:
        with Path(path).open("rb") as handle:
            return tomllib.load(handle)
    except OSError as error:
        raise ConfigError(f"cannot read the run file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not a TOML run file: {error}") from error


def write_toml(settings: Mapping[str, Any]) -> str:
    """Turn settings into the text of a run file. What is None is left out: it is the default.

    Args:
        settings: tables of plain values.

    Returns:
        TOML text.
    """
    import tomli_w

    return tomli_w.dumps(_plain(settings))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def parse_override(text: str) -> tuple[list[str], Any]:
    """Read one `dotted.key=value` from the command line.

    The value is TOML where it parses as TOML (`1e-3`, `true`, `[512, 256]`), a list where it has
    commas (`512,256`), a string else.

    Args:
        text: the argument.

    Returns:
        The parts of the key, and the value.

    Raises:
        ConfigError: if there is no `=` or no key.

    Example:
        >>> parse_override("network.hidden=512,256")
        (['network', 'hidden'], [512, 256])
    """
    key, equals, value = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"'{text}' is not an override; write section.key=value, such as objective.beta=4")
    return parts, parse_value(value.strip())


def parse_value(text: str) -> Any:
    """Read a value as `parse_override` does.

    Args:
        text: what the user wrote.

    Returns:
        A TOML value, a list, or the text.
    """
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        if "," in text:
            return [parse_value(part.strip()) for part in text.split(",") if part.strip()]
        return text


def put(settings: Table, path: Iterable[str], value: Any) -> None:
    """Set one value in nested tables; a component given by name alone becomes a table first.

    Args:
        settings: changed in place.
        path: the names from the outermost table to the key.
        value: what to set.
    """
    *tables, key = path
    for name in tables:
        inner = settings.get(name)
        if not isinstance(inner, dict):
            inner = {} if inner is None else {"name": inner}
            settings[name] = inner
        settings = inner
    # A new name for a table keeps the arguments: they are checked against the new signature.
    if isinstance(settings.get(key), dict) and isinstance(value, str):
        settings[key] = {**settings[key], "name": value}
    else:
        settings[key] = value


@functools.cache
def parameters(component: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Give the parameters of a constructor, with their annotations resolved.

    Args:
        component: a class or a function.

    Returns:
        Parameters by name, without `self`.

    Raises:
        ConfigError: if an annotation names what its module does not have.
    """
    target = component.__init__ if inspect.isclass(component) else component
    try:
        hints = typing.get_type_hints(target)
    except NameError as error:
        raise ConfigError(
            f"the annotations of {component.__module__}:{component.__qualname__} cannot be read ({error}); "
            "import the name where the module runs, not under TYPE_CHECKING alone"
        ) from error
    found = {}
    for name, parameter in inspect.signature(component).parameters.items():
        if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            # `**parts: Unpack[SomeTypedDict]` stands for its keys; torch's own `*args, **kwargs` for nothing.
            for key, hint in _unpacked(hints.get(name)).items():
                found[key] = inspect.Parameter(
                    key, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hint
                )
            continue
        found[name] = parameter.replace(annotation=hints.get(name, Any))
    return found


def _unpacked(annotation: Any) -> Mapping[str, Any]:
    """Give the keys of what `Unpack` stands around, which may all be left out, with their types."""
    if typing.get_origin(annotation) is not typing.Unpack:
        return {}
    return typing.get_type_hints(typing.get_args(annotation)[0])


def check(
    component: Callable[..., Any], arguments: Mapping[str, Any], where: str, supplied: Iterable[str] = ()
) -> Table:
    """Check arguments against a signature and fill in its defaults.

    Args:
        component: the constructor.
        arguments: the values given.
        where: the section, for messages.
        supplied: names of parameters that the program provides; nobody may set them.

    Returns:
        All settable arguments, plain, defaults included.

    Raises:
        ConfigError: for an unknown key, a missing one, or a value of another type.
    """
    known = settable(component, arguments, where, supplied)
    checked: Table = {}
    for name, parameter in known.items():
        if name in arguments:
            checked[name] = fit(arguments[name], parameter.annotation, f"{where}.{name}")
        elif parameter.default is inspect.Parameter.empty:
            raise ConfigError(f"'{where}.{name}' is missing: give {where}.{name}=...")
        else:
            checked[name] = _default(parameter, f"{where}.{name}")
    return checked


def settable(
    component: Callable[..., Any], arguments: Mapping[str, Any], where: str, supplied: Iterable[str]
) -> dict[str, inspect.Parameter]:
    """Give the parameters that a user may set, and refuse what is none of them.

    Args:
        component: the constructor.
        arguments: the values given.
        where: the section, for messages.
        supplied: names of parameters that the program provides.

    Returns:
        The parameters by name.

    Raises:
        ConfigError: for an unknown key.
    """
    known = {name: p for name, p in parameters(component).items() if name not in set(supplied)}
    for key in arguments:
        if key not in known:
            raise ConfigError(f"unknown key '{where}.{key}'{nearest(key, known)}")
    return known


def _default(parameter: inspect.Parameter, where: str) -> Any:
    """Write a default as a run file would: a default component as its table."""
    kind, value = component_kind(parameter.annotation), parameter.default
    if not kind or value is None:
        return fit(value, parameter.annotation, where)
    name = registry.name_of(kind, type(value))
    given = {key: getattr(value, key) for key in parameters(type(value))}
    return check_component(kind, {"name": name, **given}, where)


def check_component(kind: str, value: str | Mapping[str, Any], where: str) -> Table:
    """Check a component given as a name or a table with a name.

    Args:
        kind: what it must be, such as "network".
        value: the name, or `{"name": ..., **arguments}`.
        where: the section, for messages.

    Returns:
        The whole table: name and every settable argument.

    Raises:
        ConfigError: as `check`, and for an unknown name.
    """
    table = {"name": value} if isinstance(value, str) else dict(value)
    name = table.pop("name", None)
    if not isinstance(name, str):
        raise ConfigError(f"'{where}' needs a name{nearest('', registry.names(kind))}")
    return {"name": name, **check(registry.lookup(kind, name), table, where, registry.SUPPLIED.get(kind, ()))}


def build(kind: str, table: Mapping[str, Any], **context: Any) -> Any:
    """Build a checked component.

    Args:
        kind: what it is.
        table: what `check_component` gave.
        context: values for the parameters that the program provides, those of `registry.SUPPLIED`. A
            component inside gets the same, for its own kind.

    Returns:
        The object.
    """
    arguments = dict(table)
    component = registry.lookup(kind, arguments.pop("name"))
    supplied = {
        name: context[name]
        for name in registry.SUPPLIED.get(kind, ())
        if name in context and name in parameters(component)
    }
    return construct(component, {**arguments, **supplied}, **context)


def construct(component: Callable[..., Any], table: Mapping[str, Any], **context: Any) -> Any:
    """Call a constructor with checked arguments, building those that are components themselves.

    Args:
        component: the constructor.
        table: its arguments, as `check` gave them.
        context: what the components inside are built with; see `build`.

    Returns:
        The object.
    """
    known, arguments = parameters(component), dict(table)
    for name, value in arguments.items():
        inner = component_kind(known[name].annotation)
        if inner and isinstance(value, Mapping):
            arguments[name] = build(inner, value, **context)
        elif isinstance(value, list):
            arguments[name] = tuple(value)
    return component(**arguments)


def fill(kind: str, table: Mapping[str, Any], facts: Facts) -> Table:
    """Fill in, at any depth, the arguments that the data or the model say where the user said nothing.

    Args:
        kind: what the component is.
        table: its name and arguments, as the user gave them.
        facts: what gives a value, by the kind that it is for and the name of the parameter; a value that is
            a component's name goes beside arguments that were given without one.

    Returns:
        The completed table.
    """
    filled, component = dict(table), registry.lookup(kind, table["name"])
    for name in parameters(component).keys() & facts.get(kind, {}).keys():
        given = filled.get(name)
        if given is None or (isinstance(given, Mapping) and "name" not in given):
            value = facts[kind][name]()
            filled[name] = value if given is None else {"name": value, **given}
    for name, inner in component_kinds(component).items():
        given = filled.get(name)
        given = {"name": given} if isinstance(given, str) else given
        if isinstance(given, Mapping) and isinstance(given.get("name"), str):
            filled[name] = fill(inner, given, facts)
    return filled


def parts(kind: str, table: Mapping[str, Any]) -> Iterator[tuple[str, str, Callable[..., Any]]]:
    """Find a component and all components inside it, those inside first.

    Args:
        kind: what it is.
        table: what `check_component` gave.

    Yields:
        The kind of each, its name, and its constructor.
    """
    component = registry.lookup(kind, table["name"])
    for name, inner in component_kinds(component).items():
        if isinstance(table.get(name), Mapping):
            yield from parts(inner, table[name])
    yield kind, table["name"], component


def component_kinds(component: Callable[..., Any]) -> dict[str, str]:
    """Give the kinds of the parts that a constructor takes.

    Args:
        component: the constructor.

    Returns:
        The kind of each parameter that is a component, by its name.
    """
    found = {name: component_kind(p.annotation) for name, p in parameters(component).items()}
    return {name: kind for name, kind in found.items() if kind}


def fit(value: Any, annotation: Any, where: str) -> Any:
    """Bring a value to its parameter's type, without guessing.

    Args:
        value: what the user gave.
        annotation: the parameter's, resolved.
        where: the setting, for messages.

    Returns:
        The value as the type holds it.

    Raises:
        ConfigError: if it does not fit.
    """
    kind = component_kind(annotation)
    if kind and isinstance(value, (str, dict)):
        return check_component(kind, value, where)
    options = typing.get_args(annotation) if is_union(annotation) else (annotation,)
    for option in options:
        fitted = converted(value, option)
        if fitted is not NO:
            return fitted
    raise ConfigError(f"'{where}' must be {describe(annotation)}, not {value!r}")
