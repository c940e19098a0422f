"""Data sets of the Hugging Face Hub, or a local folder of the same kind, through `datasets`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from latentia.core.errors import DataError, nearest, reason
from latentia.core.extras import optional
from latentia.data.raw import SPLITS, Options, Raw, consecutive, split_of
from latentia.data.readers import labels as label_codes
from latentia.data.readers.files import Files
from latentia.data.readers.stack import decode_all
from latentia.data.readers.tables import Table, from_table


def read(name: str, options: Options) -> Raw:
    """Read a data set of images or of numeric columns.

    Args:
        name: `owner/name`, `owner/name/config`, or the path of a local folder.
        options: size, skip_bad, label and key (the column of images) are used.

    Returns:
        Its examples, with the splits that it brings.

    Raises:
        DataError: if it cannot be fetched, or has neither images nor numbers.
        MissingExtra: if `datasets` is not installed.
    """
    datasets = optional("datasets", "datasets", f"reading hf:{name}")
    where = f"hf:{name}"
    try:
        parts, left_out = _parts(_fetch(datasets, name), where)
        features = next(iter(parts.values())).features
    except DataError:
        raise
    except Exception as error:  # network, authentication, format: its exceptions have no common base
        raise DataError(
            f"{where}: cannot be loaded ({reason(error)[:300]}); check the name and the network"
        ) from error
    given = consecutive({part: len(rows) for part, rows in parts.items()}) if len(parts) > 1 else {}
    key = options.key or next(
        (word for word, kind in features.items() if isinstance(kind, datasets.Image)), None
    )
    if key is None:
        raw = _table(parts, features, options, given, where)
    elif isinstance(features.get(key), datasets.Image):
        raw = _images(parts, key, features, options, given, where)
    else:
        raise DataError(f"{where}: has no column of images '{key}'{nearest(key, features)}")
    return replace(raw, left_out={**raw.left_out, **left_out})


def _fetch(datasets: Any, name: str) -> Any:
    place = Path(name).expanduser()
    if place.is_dir():
        saved = (place / "dataset_dict.json").exists() or (place / "state.json").exists()
        return datasets.load_from_disk(str(place)) if saved else datasets.load_dataset(str(place))
    owner_and_name, config = "/".join(name.split("/")[:2]), "/".join(name.split("/")[2:])
    return datasets.load_dataset(owner_and_name, config or None)


def _parts(loaded: Any, where: str) -> tuple[dict[str, Any], dict[str, int]]:
    """Give the splits that have one of the three meanings, or the only one there is, and count the others."""
    if not isinstance(loaded, Mapping):
        return {"train": loaded}, {}
    known: dict[str, str] = {}
    for word in loaded:
        if split := split_of(word):
            known.setdefault(split, word)
    if "train" in known:
        left = {f"examples of '{word}'": len(loaded[word]) for word in loaded if word not in known.values()}
        return {part: loaded[known[part]] for part in SPLITS if part in known}, left
    if len(loaded) == 1:
        return {"train": next(iter(loaded.values()))}, {}
    raise DataError(f"{where}: has the splits {', '.join(loaded)}, none of which is train")


def _column(parts: Mapping[str, Any], word: str) -> np.ndarray:
    return np.concatenate(
        [rows.select_columns([word]).with_format("numpy")[:][word] for rows in parts.values()]
    )


def _label_word(features: Mapping[str, Any], named: str | None) -> str | None:
    """Choose the column of labels: the one asked for, one declared as such, or one of the usual names."""
    if named:
        return None if named == label_codes.NO_LABELS and named not in features else named
    declared = next((word for word, kind in features.items() if type(kind).__name__ == "ClassLabel"), None)
    lowered = {word.lower(): word for word in features}
    return declared or next((lowered[name] for name in label_codes.NAMES if name in lowered), None)


def _declared(
    parts: Mapping[str, Any], features: Mapping[str, Any], word: str
) -> tuple[np.ndarray, tuple[str, ...]] | None:
    """Give the codes and names of a column that is declared as labels; None for another column."""
    if type(features[word]).__name__ != "ClassLabel":
        return None
    return _column(parts, word).astype(np.int64), tuple(features[word].names)


def _table(
    parts: Mapping[str, Any],
    features: Mapping[str, Any],
    options: Options,
    given: Mapping[str, np.ndarray],
    where: str,
) -> Raw:
    word = _label_word(features, options.label)
    declared = word is not None and word in features and _declared(parts, features, word)
    # Without a declaration, `from_table` decides whether a column of a usual name holds classes.
    table = Table(tuple(features), lambda name: _column(parts, name), parts=given)
    raw = from_table(table, options._replace(label=word if declared else options.label), where)
    return replace(raw, labels=declared[0], label_names=declared[1]) if declared else raw


def _images(
    parts: Mapping[str, Any],
    key: str,
    features: Mapping[str, Any],
    options: Options,
    given: Mapping[str, np.ndarray],
    where: str,
) -> Raw:
    word = _label_word(features, options.label)
    encoded = None
    if word is not None:
        if word not in features:
            raise DataError(f"{where}: has no column '{word}' for the labels{nearest(word, features)}")
        encoded = _declared(parts, features, word) or label_codes.encode(_column(parts, word))
        if options.label and encoded is None:
            raise DataError(
                f"{where}: column '{word}' cannot be labels; one whole number or string each is needed"
            )
    files = _Rows(parts, key)
    x, high, good, skipped, layout, left_out, done = decode_all(
        files, np.arange(len(files.names)), options, where
    )
    position = np.cumsum(good) - 1
    labels, names = encoded or (None, ())
    return Raw(
        x,
        None if labels is None else labels[good],
        names,
        {part: position[at[good[at]]] for part, at in given.items()},
        high,
        skipped=skipped,
        layout=layout,
        label=word if word is not None and labels is not None else "",
        left_out=left_out,
        notes=done,
    )


class _Rows(Files):
    """The encoded images of a column, part after part."""

    def __init__(self, parts: Mapping[str, Any], key: str) -> None:
        from datasets import Image

        self._key = key
        self._parts = [
            rows.select_columns([key]).cast_column(key, Image(decode=False)) for rows in parts.values()
        ]
        self._where = [(number, row) for number, rows in enumerate(self._parts) for row in range(len(rows))]
        words = list(parts)
        self.names = [f"{words[number]}[{row}]" for number, row in self._where]

    def read(self, index: int) -> bytes:
        number, row = self._where[index]
        cell = self._parts[number][row][self._key] or {}
        if cell.get("bytes") is not None:
            return cell["bytes"]
        if not cell.get("path"):
            raise ValueError("the cell is empty")
        return Path(cell["path"]).read_bytes()
