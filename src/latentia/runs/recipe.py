"""What `model.json` holds: what an example is, and the constructor calls of a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from latentia.core import storage
from latentia.core.errors import RunError
from latentia.core.event import Event
from latentia.data.record import DataRecord

FORMAT = 2
"""1: the event is its shape alone, and `data` says what kind it is. 2: the event is a record of both."""

PARTS = (
    "model",
    "network",
    "posterior",
    "prior",
    "likelihood",
    "transform",
    "objective",
    "condition",
    "corruption",
    "inputs",
)


def describe(
    spec: Mapping[str, Any],
    event: Event,
    label_names: tuple[str, ...] = (),
    data: DataRecord | None = None,
) -> dict[str, Any]:
    """Record the constructor calls of a model.

    Args:
        spec: the resolved specification.
        event: what one example is.
        label_names: what the classes are called.
        data: what is to be remembered of the data.

    Returns:
        What `model.json` holds.
    """
    recorded = {kind: spec[kind] for kind in PARTS if kind in spec}
    known = {} if data is None else {"data": data.table()}
    return {
        "format": FORMAT,
        "event": event.record(),
        "label_names": list(label_names),
        **known,
        **recorded,
    }


def read_recipe(path: Path) -> dict[str, Any]:
    """Read a `model.json`, one of an earlier format as one of today's.

    Args:
        path: the file.

    Returns:
        What `describe` gave.

    Raises:
        RunError: if it is damaged, or of a format that this version does not know.
    """
    recipe = storage.read_json(path)
    if not isinstance(recipe, dict) or not isinstance(recipe.get("format"), int):
        raise RunError(f"{path} is damaged: it holds no table of a known form")
    if recipe["format"] > FORMAT:
        raise RunError(
            f"{path} is of format {recipe['format']}, and this version reads up to {FORMAT}; use a newer "
            "latentia"
        )
    try:
        if recipe["format"] == 1:
            recipe = {**recipe, "format": FORMAT, "event": Event.of(recipe["event"]).record()}
        Event.from_record(recipe["event"])
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path} is damaged: its event is no kind and shape ({error})") from error
    return recipe
