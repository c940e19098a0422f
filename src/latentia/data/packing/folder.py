"""The folder that shards are written into: not another's, begun with a plan, ended with an index."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from latentia.core import storage
from latentia.core.errors import ConfigError, DataError, LatentiaError
from latentia.data.packing.writer import Planned, Record
from latentia.data.raw import SPLITS, Options
from latentia.data.readers import packed

_LATER = {name: Options._field_defaults[name] for name in ("fit", "channels", "pages")}
"""Settings that plans of earlier versions do not have, as they were then."""


class Facts(Protocol):
    """What an index says beside its shards; see `Job`."""

    given: tuple[str, ...]
    about: Mapping[str, Any]
    beside: Mapping[str, np.ndarray]


def refuse_other(folder: Path, verb: str) -> None:
    """Refuse a place that holds something else than shards.

    Args:
        folder: where shards are to go.
        verb: the verb that writes them.

    Raises:
        ConfigError: if it is a file, or a folder with something else.
        LatentiaError: if it cannot be read.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"{folder} is a file; give a folder to {verb} into")
        held = folder.iterdir() if folder.is_dir() and not packed.is_packed(folder) else ()
        if any(not path.name.startswith(".") for path in held):
            raise ConfigError(f"{folder} holds something else; {verb} into a new folder")
    except OSError as error:
        raise storage.cannot_write(folder, error) from error


def begin(
    folder: Path,
    verb: str,
    recipe: Mapping[str, Any],
    changed: Mapping[str, LatentiaError],
    again: str = "",
) -> None:
    """Write the plan, or hold what is asked for against the one that is there.

    Args:
        folder: where the shards go.
        verb: the verb that writes them.
        recipe: all that their content depends on, as JSON.
        changed: what to say where an entry of the recipe is another one; other entries are settings.
        again: the command that goes on, if it is not `latentia pack SOURCE FOLDER`.

    Raises:
        ConfigError: if a setting is another one than the plan's, or another verb began.
        LatentiaError: one of `changed`.
    """
    path = folder / packed.PLAN
    if not path.is_file():
        own = {} if verb == "pack" else {"verb": verb, "again": again}
        storage.write_json(path, {**own, **recipe})
        return
    begun = storage.read_json(path)
    if not isinstance(begun, dict):
        raise DataError(f"{path} is damaged; {verb} into a new folder")
    if (other := begun.get("verb", "pack")) != verb:
        raise ConfigError(f"{folder} holds what latentia {other} began; {verb} into a new folder")
    for name, value in recipe.items():
        if begun.get(name, _LATER.get(name)) == value:
            continue
        if name in changed:
            raise changed[name]
        raise ConfigError(
            f"{folder} was begun with {name}={begun.get(name)}, not {value}; give the same, or {verb} into a "
            "new folder"
        )


def write_index(
    folder: Path, where: str, shards: Sequence[Planned], known: Sequence[Record], facts: Facts
) -> None:
    """Write the index, unless the same is there.

    Args:
        folder: where the shards are.
        where: what the source is called.
        shards: all of them.
        known: the record of each.
        facts: what the index says beside them.

    Raises:
        DataError: if there are fewer than two examples.
    """
    full = [about for about in known if about["rows"]]
    if sum(about["rows"] for about in full) < 2:
        raise DataError(f"{where}: fewer than 2 of its examples can be used")
    listed: dict[str, list[Record]] = {split: [] for split in SPLITS}
    for shard, about in zip(shards, known, strict=True):
        if about["rows"]:
            listed[shard.split].append({key: about[key] for key in ("rows", "files")})
    path = folder / packed.INDEX
    index: dict[str, Any] = {
        "format": packed.FORMAT,
        "source": where,
        "event": full[0]["event"],
        "dtype": full[0]["dtype"],
        "observed": [min(about["low"] for about in full), max(about["high"] for about in full)],
        **facts.about,
        "labels": "labels" in facts.beside,
        "given": facts.given,
        "skipped": [name for about in known for name in about["skipped"]],
        "shards": listed,
    }
    try:
        same = json.loads(path.read_text(encoding="utf-8")) == json.loads(json.dumps(index))
    except (OSError, ValueError):
        same = False
    if not same:
        storage.write_json(path, index)
