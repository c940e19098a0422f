"""Decoded images, kept as memory-mapped arrays so that each source is decoded once.

An entry is two files: the array as `.npy`, and what belongs to it as `.json`. Their name holds a hash of
the source's place and what is asked for, and one of its content's names, sizes and times: a source
that changed is decoded again and replaces its old entry. The cache lives in
`$LATENTIA_CACHE` (`off` switches it off), else `$XDG_CACHE_HOME/latentia`, else
`~/.cache/latentia`; it may be deleted at any time. Where it cannot be written, nothing is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from latentia.core import storage
from latentia.core.errors import LatentiaError
from latentia.core.storage import atomic_write, write_json
from latentia.data.layout import Layout
from latentia.data.pictures import Crops, Pictures
from latentia.data.raw import Options, Raw
from latentia.data.readers.files import walk

_FORMAT = 4  # counts up when decoding or layout changes, which makes older entries unused


def entry(path: Path, options: Options, labels: str = "", state: str | None = None) -> Path | None:
    """Name the cache entry of a source as it is now.

    Args:
        path: a folder or an archive of images.
        options: size, fit, crop and pages are used.
        labels: changes with what labels come from a table beside the source.
        state: changes with the source; that of a source of images by default.

    Returns:
        The path of the entry without a suffix, or None if the cache is off.
    """
    home = storage.cache_folder()
    if home is None:
        return None
    wanted = f"{_FORMAT}\0{path}\0{options.size}\0{options.fit}\0{options.pages}"
    wanted += f"\0{labels}" * bool(labels) + f"\0crop {options.crop}" * bool(options.crop)
    if state is not None:
        wanted += f"\0clips {options.frames} {options.stride} {options.rate}"
    place = hashlib.sha256(wanted.encode("utf-8", "surrogateescape"))
    return home / f"{place.hexdigest()[:16]}-{(state or state_of(path))[:24]}"


def state_of(path: Path, names: Iterable[str] | None = None) -> str:
    """Give a text that changes with the names, sizes and times of a source of images and what is beside them.

    Args:
        path: a folder or a file.
        names: the image files of a folder, where they are known.

    Returns:
        Hexadecimal digits.
    """
    others: Counter[str] = Counter()
    listed = walk(path, names, others) if path.is_dir() else [(path.name, path.stat())]
    state = hashlib.sha256()
    for name, status in listed:
        state.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0".encode("utf-8", "surrogateescape"))
    state.update(repr(sorted(others.items())).encode())
    return state.hexdigest()


def load(kept: Path) -> Raw | None:
    """Load an entry.

    Args:
        kept: what `entry` gave.

    Returns:
        The source as it was decoded, its array mapped into memory (writing to it changes no
        file), or None if there is no such entry or it is damaged.
    """
    try:
        about = json.loads(kept.with_suffix(".json").read_text(encoding="utf-8"))
        x = np.load(kept.with_suffix(".npy"), mmap_mode="c", allow_pickle=False).view(np.ndarray)
        if list(x.shape) != about["shape"] or x.dtype.name not in ("uint8", "float32", "float64"):
            return None
        return Raw(
            _crops(x, about["pictures"]) if "pictures" in about else x,
            labels=None if about["labels"] is None else np.array(about["labels"], dtype=np.int64),
            label_names=tuple(about["label_names"]),
            parts={name: np.array(at, dtype=np.int64) for name, at in about["parts"].items()},
            high=float(about["high"]),
            skipped=tuple(about["skipped"]),
            names=tuple(about.get("names", ())),
            layout=Layout.from_record(about["layout"]),
            label=about["label"],
            left_out=about["left_out"],
            notes=tuple(about.get("notes", ())),
            groups=None if about.get("groups") is None else np.array(about["groups"], np.int64),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _crops(values: np.ndarray, about: Mapping[str, Any]) -> Crops:
    sizes, starts = np.array(about["sizes"], np.int64).reshape(-1, 2), np.array(about["starts"], np.int64)
    pictures = Pictures(values, about["channels"], sizes, starts, about.get("frames"))
    return Crops(pictures, tuple(about["crop"]))


def save(kept: Path, raw: Raw) -> None:
    """Keep a decoded source and forget what was decoded from an older state of it.

    Args:
        kept: what `entry` gave.
        raw: the decoded source.
    """
    pictures = raw.x.pictures if isinstance(raw.x, Crops) else None
    x = raw.x if pictures is None else pictures.values
    about = {
        "shape": x.shape,
        "labels": None if raw.labels is None else raw.labels.tolist(),
        "label_names": raw.label_names,
        "parts": {name: at.tolist() for name, at in raw.parts.items()},
        "high": raw.high,
        "skipped": raw.skipped,
        "names": raw.names,
        "layout": raw.layout.record(),
        "label": raw.label,
        "left_out": dict(raw.left_out),
        "notes": raw.notes,
        "groups": None if raw.groups is None else raw.groups.tolist(),
    }
    if isinstance(raw.x, Crops) and pictures is not None:
        crop = raw.x.crop
        sizes, starts = pictures.sizes.tolist(), pictures.starts.tolist()
        about["pictures"] = {
            "channels": pictures.channels,
            "frames": pictures.frames,
            "sizes": sizes,
            "starts": starts,
            "crop": crop,
        }
    # The cache is a convenience: a full disk or a read-only home costs time, not the run.
    with contextlib.suppress(OSError, LatentiaError):
        with atomic_write(kept.with_suffix(".npy")) as handle:
            np.save(handle, x, allow_pickle=False)
        write_json(kept.with_suffix(".json"), about)
        place = kept.name.split("-")[0]
        for old in kept.parent.glob(f"{place}-*"):
            if old.stem != kept.name:
                old.unlink(missing_ok=True)
