"""Readers of other packages: a function named as `package.module:function`."""

from __future__ import annotations

import inspect
from typing import Any

from latentia.core import registry
from latentia.core.errors import ConfigError, DataError
from latentia.data.raw import Options


def read(source: str, options: Options) -> tuple[Any, frozenset[str]]:
    """Call a reader with those settings of `load` that are its parameters.

    Args:
        source: its name.
        options: the settings.

    Returns:
        What it gives: an array, a frame, a tuple with labels, or a `Raw`; and the settings that it took.

    Raises:
        DataError: if there is no such reader, or it cannot be called with these settings.
    """
    try:
        reader = registry.imported(source, "source")
    except ConfigError as error:
        raise DataError(str(error)) from error
    if not callable(reader):
        raise DataError(f"{source} is no function; name one that returns an array, or (array, labels)")
    known = inspect.signature(reader).parameters
    takes = frozenset(known) & frozenset(Options._fields)
    for name, parameter in known.items():
        many = parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        if name not in takes and parameter.default is inspect.Parameter.empty and not many:
            raise DataError(
                f"{source} needs '{name}', which is no setting of data; a reader's parameters are settings, "
                "such as key, label or size, or have defaults"
            )
    return reader(**{name: getattr(options, name) for name in takes}), takes
