"""Folders and archives of images: labels and splits from sub-folders, decoded once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from latentia.core.errors import DataError, reason
from latentia.data.raw import Options, Raw
from latentia.data.readers import cache
from latentia.data.readers.arrangement import arrange
from latentia.data.readers.files import Files, open_files
from latentia.data.readers.label_files import LabelFile, beside, labelled, read_labels
from latentia.data.readers.pages import paged
from latentia.data.readers.stack import decode_all
from latentia.data.readers.streams import READ_ERRORS


def read(path: Path, options: Options) -> Raw:
    """Read a folder, a zip or a tar archive of images, from the cache where possible.

    What folders mean is said at `arrange`. Files that are no pictures, and pictures that are no examples,
    are counted.

    Args:
        path: the folder or archive.
        options: size, fit, crop, pages, labels, label and skip_bad are used.

    Returns:
        Images `(N, 1 or 3, H, W)`, or crops of pictures of any sizes where those are asked for: training,
        validation, test, each sorted by name; uint8, or floats in the files' own units where they have more
        than 8 bits.

    Raises:
        DataError: if there are no images, one is damaged, or their sizes or depths differ.
    """
    table = read_labels(options, str(path))
    kept = cache.entry(path, options, table.state if table else "")
    raw = cache.load(kept) if kept else None
    if raw is not None and (options.skip_bad or not raw.skipped):
        return raw
    try:
        with open_files(path) as files:
            if not files.names:
                raise DataError(
                    f"{path}: holds no images; give a folder or archive of png, jpg or similar files"
                )
            raw = _decode(paged(files, options), options, table, str(path))
    except READ_ERRORS as error:
        raise DataError(f"{path}: cannot be read ({reason(error)}); copy or download it again") from error
    raw = replace(raw, left_out={**raw.left_out, **beside(files.others, table, path)})
    if kept:
        cache.save(kept, raw)
    return raw


def _decode(files: Files, options: Options, table: LabelFile | None, where: str) -> Raw:
    arrangement, label, notes = labelled(arrange(files.names, where), files.names, table, where)
    x, high, good, skipped, layout, left_out, done = decode_all(files, arrangement.order, options, where)
    position = np.cumsum(good) - 1
    parts = {name: position[at[good[at]]] for name, at in arrangement.parts.items()}
    labels = None if arrangement.labels is None else arrangement.labels[good]
    return Raw(
        x,
        labels,
        arrangement.label_names,
        parts,
        high,
        skipped=skipped,
        names=tuple(files.names[at] for at in arrangement.order[good].tolist()),
        layout=layout,
        label=label,
        left_out={**arrangement.left_out, **left_out},
        notes=(*notes, *done),
    )
