"""Arrays: in memory, `.npy` and `.npz`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from latentia.core.errors import DataError, nearest, reason
from latentia.data.layout import Layout
from latentia.data.raw import SPLIT_WORDS, SPLITS, Options, Raw, consecutive
from latentia.data.readers import factors
from latentia.data.readers import labels as label_codes
from latentia.data.readers.factors import Factors
from latentia.data.readers.labels import NO_LABEL, NO_LABELS
from latentia.data.readers.streams import READ_ERRORS
from latentia.data.readers.values import require_one_scale, streamed, tidy, top_of

_DATA_NAMES = ("x", "data", "images", "imgs", "image", "features", "arr_0")
_NO_OBJECTS = "Python objects and pickles are never read: save plain numbers"


def from_memory(array: Any, labels: Any, where: str, channels: str = "auto") -> Raw:
    """Take an array that is already in memory; it is not copied where it already fits.

    Args:
        array: numpy array, torch tensor, or anything with `__array__`, first dimension the examples.
        labels: one label for each example, or None.
        where: what messages call it.
        channels: where they are: first, last, or auto to find out.

    Returns:
        The examples, with their labels.

    Raises:
        DataError: if it holds no usable numbers, values are masked, or the labels do not fit.
    """
    x, high, layout = tidy(_plain(array, where), where, channels)
    if labels is None:
        return Raw(x, high=high, layout=layout)
    values = _plain(labels, f"{where}, labels")
    encoded = label_codes.encode(values) if len(values) == len(x) else None
    if encoded is None:
        raise DataError(
            f"{where}: labels of shape {values.shape} and type {values.dtype} do not fit {len(x)} examples; "
            "give one whole number or string for each"
        )
    return Raw(x, *encoded, high=high, layout=layout)


def _plain(array: Any, where: str) -> np.ndarray:
    if hasattr(array, "detach"):  # a torch tensor, perhaps with a gradient or on another device
        array = array.detach().cpu()
    if isinstance(array, np.ma.MaskedArray) and array.dtype.kind in "buif" and np.ma.count_masked(array):
        wide = array.dtype.kind in "iu" and array.dtype.itemsize > 2
        kind = np.result_type(array.dtype, np.float64 if wide else np.float32)
        # What lies under the mask is no value: NaN says so.
        array = np.where(np.ma.getmaskarray(array), np.nan, array.data.astype(kind)).astype(kind)
    try:
        plain = np.asarray(array)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: cannot become an array ({reason(error)}); give a numpy array") from error
    return plain if plain.ndim else plain[None]


def read_npy(path: Path, options: Options) -> Raw:
    """Read one array; one that is larger than the buffer stays in its file.

    Args:
        path: a `.npy` file.
        options: buffer and channels are used.

    Returns:
        Its examples, without labels.

    Raises:
        DataError: if the file is damaged or holds no usable numbers.
    """
    try:
        # Mapped, so that a change of type or layout needs no second copy of the whole.
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, *READ_ERRORS) as error:
        detail = _NO_OBJECTS if "object" in str(error).lower() else "copy it again"
        raise DataError(f"{path}: cannot be read ({reason(error)}); {detail}") from error
    if mapped.nbytes > options.buffer and mapped.flags.c_contiguous:
        x, high, layout = streamed(mapped, path, options.channels)
        return Raw(x, high=high, layout=layout)
    x, high, layout = tidy(mapped, str(path), options.channels)
    return Raw(x.copy() if np.may_share_memory(x, mapped) else x, high=high, layout=layout)


class Header(NamedTuple):
    """What is known of an array before it is read."""

    shape: tuple[int, ...]
    dtype: np.dtype


def read_npz(path: Path, options: Options) -> Raw:
    """Read the data, the labels and the splits from the arrays of a `.npz` file.

    The data are the array named by `options.key`; else arrays such as `x_train` and `x_test` (or
    `train_images`, `test_images`), which are then the given splits; else one called x, data,
    images or imgs; else the only one with two dimensions or more. Labels are found
    likewise. An array called `..._indexed` beside a `palette` of colours becomes RGB. Other arrays of such
    examples are left out, and counted.

    Known factors of variation are read as dSprites stores them, from `latents_classes` (examples,
    factors) and `latents_names`, or from `factors` and `factor_names`; a file with given splits has
    none. `options.label` may name one of them instead of an array.

    Args:
        path: the file.
        options: key, label and channels are used.

    Returns:
        Its examples.

    Raises:
        DataError: if the file is damaged, the data are not found, they hold no usable numbers, or the
            factors do not fit them.

    References:
        Loic Matthey, Irina Higgins, Demis Hassabis, Alexander Lerchner, "dSprites: Disentanglement
        testing Sprites dataset", 2017.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return read_named(archive, _headers(archive), options, path)
    except (ValueError, KeyError, *READ_ERRORS) as error:
        raise DataError(f"{path}: cannot be read ({reason(error)}); copy or download it again") from error


def read_named(archive: Any, headers: Mapping[str, Header], options: Options, path: Path) -> Raw:
    """Choose among named arrays those of data, labels and factors, as `read_npz` says, and read them.

    Args:
        archive: gives the array of a name.
        headers: shape and type of each.
        options: key, label and channels are used.
        path: the file, for messages.

    Returns:
        The examples.

    Raises:
        DataError: if the data are not found, hold no usable numbers, or the factors do not fit them.
    """
    if options.key:
        if options.key not in headers:
            raise DataError(
                f"{path}: has no array '{options.key}' for the data{nearest(options.key, headers)}"
            )
        keys = {"train": options.key}
    else:
        keys = _find(headers, _DATA_NAMES, at_least=2) or {"train": _only(headers, path)}
    parts = {part: _read(archive, key, headers, path) for part, key in keys.items()}
    counts = {part: len(x) for part, x in parts.items()}
    known = _read_factors(archive, headers, keys, counts, path)
    labels: Any = None
    if options.label == NO_LABELS and options.label not in headers:
        pass
    elif options.label and options.label not in headers:
        labels = *_factor_as_labels(options.label, headers, known, path), options.label
    else:
        labels = _read_labels(archive, headers, options.label, counts, path)
    coloured = all(_indexed(key, headers) for key in keys.values())
    x, given, high, layout = _join(parts, keys, "first" if coloured else options.channels, path)
    codes, names, label = labels or (None, (), "")
    beside = _beside(headers, keys, label)
    raw = Raw(x, codes, names, given, high, layout=layout, label=label, left_out=beside)
    return replace(raw, factors=known.classes, factor_names=known.names) if known else raw


def _indexed(key: str, headers: Mapping[str, Header]) -> bool:
    return key.endswith("_indexed") and "palette" in headers and headers[key].dtype.kind in "ui"


def _beside(headers: Mapping[str, Header], data: Mapping[str, str], label: str) -> dict[str, int]:
    """Count what looks like more examples and is not read."""
    used = {*data.values(), *factors.ARRAYS, factors.VALUES, label}
    shape = headers[data["train"]].shape[1:]
    return {
        f"examples of '{key}'": header.shape[0]
        for key, header in headers.items()
        if key not in used and header.shape[1:] == shape and header.dtype.kind in "buif"
    }


def _headers(archive: Any) -> dict[str, Header]:
    """Read shape and type of each array without reading the array."""
    headers = {}
    for key in archive.files:
        with archive.zip.open(f"{key}.npy" if f"{key}.npy" in archive.zip.NameToInfo else key) as handle:
            version = np.lib.format.read_magic(handle)
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = read(handle)
        headers[key] = Header(shape, dtype)
    return headers


def _find(headers: Mapping[str, Header], names: Iterable[str], at_least: int) -> dict[str, str]:
    """Find arrays by name: {'train': key, 'test': key} for a family, {'train': key} for a single one."""
    lowered = {key.lower(): key for key, header in headers.items() if len(header.shape) >= at_least}
    for name in names:
        family: dict[str, str] = {}
        for word, split in SPLIT_WORDS.items():
            for key in (f"{name}_{word}", f"{word}_{name}", f"{name}{word}"):
                if key in lowered:
                    family.setdefault(split, lowered[key])
        if "train" in family:
            return {part: family[part] for part in SPLITS if part in family}
    single = next(
        (lowered[key] for name in names for key in (name, f"{name}_indexed") if key in lowered), None
    )
    return {"train": single} if single else {}


def _only(headers: Mapping[str, Header], path: Path) -> str:
    """Choose the one array that can be data."""
    indexed = [key for key in headers if key.endswith("_indexed") and "palette" in headers]
    arrays = indexed or [key for key, header in headers.items() if len(header.shape) >= 2]
    beside = {*factors.ARRAYS, factors.VALUES}
    arrays = [key for key in arrays if key.lower() not in beside] or arrays
    if len(arrays) == 1:
        return arrays[0]
    shapes = ", ".join(f"{key} {header.shape}" for key, header in headers.items())
    raise DataError(
        f"{path}: which array holds the data? it has {shapes or 'none'}; say so with data.key=NAME"
    )


def _read(archive: Any, key: str, headers: Mapping[str, Header], path: Path) -> np.ndarray:
    where = f"{path}, array '{key}'"
    if headers[key].dtype.hasobject:
        raise DataError(f"{where}: holds Python objects; {_NO_OBJECTS}")
    array = archive[key]
    if _indexed(key, headers):
        palette = archive["palette"]
        if array.max(initial=0) >= len(palette):
            raise DataError(
                f"{where}: holds the index {array.max()}, but 'palette' has {len(palette)} colours"
            )
        colours = np.empty((len(array), palette.shape[1], *array.shape[1:]), palette.dtype)
        for channel in range(palette.shape[1]):
            colours[:, channel] = palette[:, channel][array]
        array = colours
    return array


def _read_factors(
    archive: Any,
    headers: Mapping[str, Header],
    data: Mapping[str, str],
    counts: Mapping[str, int],
    path: Path,
) -> Factors | None:
    """Read the known factors; None where there are none, or where the data come in parts."""
    # Python objects are passed over: dSprites keeps its names in one.
    lowered = {key.lower(): key for key, header in headers.items() if not header.dtype.hasobject}
    word = next((w for w in factors.ARRAYS if w in lowered and lowered[w] not in data.values()), None)
    if word is None or len(data) > 1:
        return None
    key, named = lowered[word], lowered.get(factors.ARRAYS[word])
    names = factors.read_names(archive[named], f"{path}, array '{named}'") if named else None
    return factors.encode(archive[key], names, sum(counts.values()), f"{path}, array '{key}'")


def _factor_as_labels(
    name: str, headers: Mapping[str, Header], known: Factors | None, path: Path
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Take the factor of a name that no array has."""
    if known is None:
        raise DataError(f"{path}: has no array '{name}' for the labels{nearest(name, headers)}")
    if name not in known.names:
        clause = nearest(name, {*headers, *known.names})
        raise DataError(f"{path}: has no array or factor '{name}' for the labels{clause}")
    return known.labels(name)


def _read_labels(
    archive: Any, headers: Mapping[str, Header], named: str | None, counts: Mapping[str, int], path: Path
) -> tuple[np.ndarray, tuple[str, ...], str] | None:
    """Read the labels of all parts, encoded together, and their array's name; None where none fit."""
    plain = {key: header for key, header in headers.items() if not header.dtype.hasobject}
    keys = {"train": named} if named else _find(plain, label_codes.NAMES, at_least=1)
    pieces = {part: archive[key] for part, key in keys.items() if part in counts}
    fitting = {part: a.reshape(-1) for part, a in pieces.items() if a.size == len(a) == counts[part]}
    encoded = None
    if fitting:
        kinds = {values.dtype.kind for values in fitting.values()}
        missing = None if kinds & set("OSU") else NO_LABEL
        whole = [fitting.get(part, np.full(count, missing)) for part, count in counts.items()]
        encoded = label_codes.encode(np.concatenate(whole))
    if named and encoded is None:
        raise DataError(
            f"{path}: array '{named}' cannot be labels; one whole number or string per example is needed"
        )
    return encoded and (*encoded, next(iter(keys.values())))


def _join(
    parts: Mapping[str, np.ndarray], keys: Mapping[str, str], channels: str, path: Path
) -> tuple[np.ndarray, dict[str, np.ndarray], float, Layout]:
    """Make one array of all parts, in the project's order and type; give their places and how they looked."""
    first = parts["train"].shape[1:]
    for part, x in parts.items():
        if x.shape[1:] != first:
            raise DataError(
                f"{path}: its {part} part has examples of shape {x.shape[1:]}, its train part of "
                f"{first}; the parts do not belong together"
            )
    tidied = [tidy(x, f"{path}, array '{keys[part]}'", channels) for part, x in parts.items()]
    if len(tidied) == 1:
        return tidied[0].x, {}, tidied[0].high, tidied[0].layout
    require_one_scale({keys[part]: x for part, x in parts.items()}, str(path))
    x = np.concatenate([each.x for each in tidied])
    types = (np.result_type(*(x.dtype for x in parts.values())).name,)
    given = consecutive({part: len(each) for part, each in parts.items()})
    return x, given, top_of(x), replace(tidied[0].layout, types=types)
