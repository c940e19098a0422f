"""What an annotation lets a setting be."""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Sequence
from typing import Any, Literal, Union


def component_kind(annotation: Any) -> str | None:
    """Give the kind of component that a parameter takes.

    Args:
        annotation: its annotation, resolved.

    Returns:
        The kind; None where it takes none.
    """
    for option in typing.get_args(annotation) or (annotation,):
        kind = getattr(option, "kind", None)
        if inspect.isclass(option) and isinstance(kind, str):
            return kind
    return None


NO = object()


def is_union(annotation: Any) -> bool:
    """Say whether an annotation has several options.

    Args:
        annotation: resolved.

    Returns:
        Whether it has.
    """
    return typing.get_origin(annotation) in (Union, types.UnionType)


def converted(value: Any, option: Any) -> Any:
    """Convert to one plain type, without guessing: 3 is a float, 3.0 an int, "3" neither.

    Args:
        value: what the user gave.
        option: the type.

    Returns:
        The value, or `NO` where it does not fit.
    """
    origin = typing.get_origin(option)
    if origin is Literal:
        return value if value in typing.get_args(option) else NO
    if origin in (tuple, Sequence):
        items = list(value) if isinstance(value, (list, tuple)) else [value]
        fitted = [converted(item, typing.get_args(option)[0]) for item in items]
        return NO if any(item is NO for item in fitted) else fitted
    if option is Any:
        return value
    if option is float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return float(value) if number and math.isfinite(value) else NO
    if option is int:
        whole = (isinstance(value, int) and not isinstance(value, bool)) or (
            isinstance(value, float) and value.is_integer()
        )
        return int(value) if whole else NO
    if option in (type(None), None):
        return None if value is None or value == "none" else NO
    return value if inspect.isclass(option) and isinstance(value, option) else NO


def describe(annotation: Any) -> str:
    """Say in words what a parameter takes.

    Args:
        annotation: its annotation, resolved.

    Returns:
        Such as "a number or none".
    """
    if kind := component_kind(annotation):
        return f"a {kind}"
    if typing.get_origin(annotation) is Literal:
        return "one of " + ", ".join(repr(option) for option in typing.get_args(annotation))
    if is_union(annotation):
        return " or ".join(dict.fromkeys(describe(option) for option in typing.get_args(annotation)))
    if typing.get_origin(annotation) in (tuple, Sequence):
        inner = typing.get_args(annotation)[0]
        return f"a list of {getattr(inner, '__name__', inner)}"
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "none"}
    return words.get(annotation, getattr(annotation, "__name__", str(annotation)))
