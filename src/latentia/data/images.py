"""Folders and archives of images: labels and splits from sub-folders, decoded once."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from latentia.data import cache
from latentia.data.files import Files, open_files
from latentia.data.labels import NO_LABEL
from latentia.data.raw import SPLIT_WORDS, SPLITS, Options, Raw, consecutive
from latentia.data.stack import decode_all
from latentia.data.streams import READ_ERRORS, reason
from latentia.errors import DataError


def read(path: Path, options: Options) -> Raw:
    """Read a folder, a zip or a tar archive of images, from the cache where possible.

    A single root folder is ignored. If all first-level folders are then called train, test, val
    or the like, they are the splits. The first folder below is the label. An image in no
    folder has no label.

    Args:
        path: the folder or archive.
        options: size and skip_bad are used.

    Returns:
        Images `(N, 1 or 3, H, W)`, uint8: training, validation, test, each sorted by name.

    Raises:
        DataError: if there are no images, one is damaged, or their sizes differ.
    """
    kept = cache.entry(path, options.size)
    raw = cache.load(kept) if kept else None
    if raw is not None and (options.skip_bad or not raw.skipped):
        return raw
    try:
        with open_files(path) as files:
            if not files.names:
                raise DataError(
                    f"{path}: holds no images; give a folder or archive of png, jpg or similar files"
                )
            raw = _decode(files, options, str(path))
    except READ_ERRORS as error:
        raise DataError(f"{path}: cannot be read ({reason(error)}); copy or download it again") from error
    if kept:
        cache.save(kept, raw)
    return raw


class Layout(NamedTuple):
    """What the names of a source's files say.

    Attributes:
        rank: position of each file in the array.
        labels: class of each position, -1 for none, or None if there are no classes.
        label_names: names of the classes, sorted.
        parts: positions of the splits; empty if there are none.
    """

    rank: np.ndarray
    labels: np.ndarray | None
    label_names: tuple[str, ...]
    parts: dict[str, np.ndarray]


def arrange(names: list[str]) -> Layout:
    """Read splits and labels off the names of files.

    Args:
        names: paths inside the source, parts separated by slashes, in any order.

    Returns:
        The order of the files in the array, their labels and splits.
    """
    paths = [tuple(name.split("/")) for name in names]
    while len({path[0] for path in paths}) == 1 and all(len(path) > 1 for path in paths):
        paths = [path[1:] for path in paths]
    split_of = [SPLIT_WORDS.get(path[0].lower()) if len(path) > 1 else None for path in paths]
    has_splits = None not in split_of
    if has_splits:
        paths = [path[1:] for path in paths]
    place = {split: number for number, split in enumerate((None, *SPLITS))}
    splits: list[str | None] = split_of if has_splits else [None] * len(paths)
    order = sorted(range(len(paths)), key=lambda i: (place[splits[i]], paths[i]))
    rank = np.empty(len(paths), dtype=np.int64)
    rank[order] = np.arange(len(paths))
    classes = [paths[i][0] if len(paths[i]) > 1 else None for i in order]
    label_names = tuple(sorted({name for name in classes if name is not None}))
    code: dict[str | None, int] = {name: number for number, name in enumerate(label_names)}
    labels = np.array([code.get(name, NO_LABEL) for name in classes], dtype=np.int64) if label_names else None
    counts = {split: splits.count(split) for split in SPLITS if split in splits}
    return Layout(rank, labels, label_names, consecutive(counts))


def _decode(files: Files, options: Options, where: str) -> Raw:
    layout = arrange(files.names)
    x, good, skipped = decode_all(files, layout.rank, options, where)
    position = np.cumsum(good) - 1
    parts = {name: position[at[good[at]]] for name, at in layout.parts.items()}
    labels = None if layout.labels is None else layout.labels[good]
    return Raw(x, labels, layout.label_names, parts, skipped=skipped)
