"""From whatever the user points at to a `Dataset`."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np

from latentia.core import registry
from latentia.core.errors import ConfigError, DataError, reason
from latentia.data import identity
from latentia.data.change import Change
from latentia.data.dataset import Dataset
from latentia.data.options import Types, make_options
from latentia.data.raw import SPLITS, Options, Raw
from latentia.data.readers import arrays, hub, outside, shaping, tables, torch_data
from latentia.data.readers.kinds import CLIPS, HUB, IMAGES, KNOWN, WORDS, Reader, built_in, reader_for, stem
from latentia.data.schema import Schema
from latentia.data.splits import make_splits


class SupportsArray(Protocol):
    """Anything that numpy can turn into an array: arrays, torch tensors, data frames."""

    def __array__(self) -> np.ndarray:
        """Give the values as a numpy array."""
        ...


Source: TypeAlias = "str | os.PathLike[str] | SupportsArray | tuple[SupportsArray, Any]"


def load(
    source: Source,
    *,
    size: int | Sequence[int] | None = None,
    skip_bad: bool = False,
    label: str | None = None,
    key: str | None = None,
    header: bool | None = None,
    shape: Sequence[int] | None = None,
    validation: float = 0.05,
    test: float = 0.1,
    seed: int = 0,
    buffer: int = 1024,
    fingerprint: str | None = None,
    fit: str = "crop",
    channels: str = "auto",
    pages: str = "first",
    columns: str | Sequence[str] | None = None,
    drop: str | Sequence[str] | None = None,
    types: Types | None = None,
    labels: str | None = None,
    crop: int | Sequence[int] | None = None,
    flip: bool = False,
    shift: int = 0,
    frames: int | None = None,
    stride: int | None = None,
    rate: float | None = None,
) -> Dataset:
    """Load data from wherever they are.

    Packed data (`latentia.pack`) and `.npy` files that are larger than `buffer` stay in their files: `x`
    reads what it is asked for, and training streams them through memory in a shuffled order. All other
    data are resident.

    Args:
        source: `clothing`, `digits` or `sprites`; a path of an IDX file or a folder with MNIST's four, of a
            folder, zip or tar archive of images, of a folder that `latentia.pack` wrote, of a `.npy`, `.npz`,
            `.csv`, `.tsv` or `.parquet` file, or of a folder that holds one such file; `hf:owner/name` or
            `hf:` and a local folder; `package.module:function`, a reader of another package, which returns
            what follows here, or a `latentia.data.Raw`; an array, a tensor, a data frame, or a tuple of one
            of these and labels; a `Dataset` or `DataLoader` of torch, which is read whole.
        size: bring images to this height and width in pixels (one number for both).
        skip_bad: leave images out that cannot be decoded, instead of stopping at the first.
        label: the column, or the array of a `.npz` file, that holds the labels; or the known factor, of
            `sprites` or of a `.npz` file, that becomes the labels; `none` where no column of a table does.
        key: the array of a `.npz` file, the sheet of an Excel file, or the column of a Hugging Face data set,
            that holds the data.
        header: whether the first line of a table of text or of Excel holds names; by default it is compared
            with the lines below it.
        shape: what each row of a table becomes, such as (28, 28) for a grey image or (3, 32, 32) for one of
            three channels.
        validation: share of the training examples that validates, unless the source brings a
            validation split.
        test: share of the examples held out as test, unless the source brings a test split.
        seed: seed of the splits that are drawn; packed data bring theirs.
        buffer: MiB of examples that training may hold in memory.
        fingerprint: that of the data that are meant, as a run records it; None for whatever is there.
        fit: how images of another shape come to the size: `crop`, scaled until they cover it and cut to it
            around the middle; `pad`, scaled until they fit into it, with bars of the lowest value; `stretch`;
            `short`, scaled until the shorter side has it, shapes kept, where examples are crops.
        channels: where an array has its channels: `first`, `last`, or `auto` to find out, by their number.
        pages: what the pages of a TIFF and the frames of an animation are: `first` reads one of each file,
            `examples` all, each on its own, `channels` all as one example.
        columns: the columns of a table that are read, beside that of the labels; all by default.
        drop: those that are not read.
        types: what some of them hold, where it is not told by their cells, as `{"zip": "category"}` or
            `["zip:category"]`: `real`, `integer`, `category`, `ordered`, `boolean` or `time`.
        labels: a `.csv` or `.tsv` file with the names of picture files, with or without their endings, and a
            label for each; `label` names the column where there are several.
        crop: height and width in pixels (one number for both) of what a model sees of pictures, which may
            then be of any sizes: training takes it from a random place, anew in each epoch, everything else
            around the middle. Pictures with a shorter side are enlarged to it.
        flip: training mirrors each image, left to right, in half of the epochs, at random.
        shift: training moves each image by up to so many pixels along both sides, anew in each epoch; its
            border is repeated where it was.
        frames: how many a window of a clip has, 17 by default; of a folder of pictures, that each of its
            folders is a clip, and with 1 that each picture is one. Films, as `.mp4`, are clips anyway.
        stride: frames from the beginning of a window to that of the next; as many as it has by default.
        rate: frames per second that clips are brought to, by repeating and leaving out; their own by default.

    Returns:
        The data with their splits.

    Raises:
        DataError: if the source does not exist, cannot be read, holds data that cannot be used, or is
            not the one that is meant.
        ConfigError: if a setting is out of range or does not apply to the source.
        MissingExtra: if reading it needs a package that is not installed.
    """
    options = make_options(**asked(locals()))
    return _loaded(source, options, validation, test, seed, fingerprint)


def load_again(
    source: Source, *, expected: tuple[str, ...] = (), schema: Schema | None = None, **settings: Any
) -> Dataset:
    """Load data as `load` did it before: a table's columns hold what they held then.

    Args:
        source: as `load`.
        expected: what the columns of a table were called.
        schema: what they held.
        settings: as `load`.

    Returns:
        The data with their splits.
    """
    given = asked(settings)
    options = make_options(**given)._replace(expected=expected, schema=schema)
    seed, fingerprint = settings.get("seed", 0), settings.get("fingerprint")
    return _loaded(source, options, given["validation"], given["test"], seed, fingerprint)


def usual() -> dict[str, Any]:
    """Give the settings of `load` as they are by default.

    Returns:
        A value for each.
    """
    parameters = inspect.signature(load).parameters
    return {name: each.default for name, each in parameters.items() if name != "source"}


def asked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Give what `make_options` takes: the settings, and what is usual for the others.

    Args:
        settings: as `load`.

    Returns:
        A value for each of its arguments.
    """
    return {name: {**usual(), **settings}[name] for name in inspect.signature(make_options).parameters}


def _loaded(
    source: Source, options: Options, validation: float, test: float, seed: int, fingerprint: str | None
) -> Dataset:
    name, where, raw = _read_shaped(source, options)
    if len(raw.x) < 2:
        raise DataError(
            f"{where}: holds {len(raw.x)} example{'s' * (len(raw.x) != 1)}; at least 2 are needed"
        )
    if raw.given is None:
        splits = make_splits(len(raw.x), raw.parts, validation, test, seed, where, raw.groups)
        given = {part for part, at in raw.parts.items() if len(at)}
    else:
        splits, given = dict(raw.parts), set(raw.given)
    dataset = _dataset(name, where, raw, splits, given, options)
    if fingerprint is not None and identity.fingerprint(dataset) != fingerprint:
        raise DataError(
            f"{where}: holds other data than the run was trained on; give the run's own back, or train anew"
        )
    return dataset


def load_other(
    source: Source,
    *,
    draw: bool = False,
    expected: tuple[str, ...] = (),
    schema: Schema | None = None,
    **settings: Any,
) -> Dataset:
    """Load data with the settings that others were loaded with, of which those that apply are used.

    One example is enough, and unless it is asked for, no split is drawn.

    Args:
        source: as `load`.
        draw: draw the splits that the source does not bring.
        expected: what the columns of a table are expected to be called.
        schema: what those of a table hold, or None to find it out.
        settings: as `load`.

    Returns:
        The data, in the splits that the source brings, and in those that were drawn.

    Raises:
        DataError: as `load`, or if there is no example at all.
    """
    given = asked(settings)
    options = make_options(**given)._replace(inherited=True, expected=expected, schema=schema)
    name, where, raw = _read_shaped(source, options)
    if not len(raw.x):
        raise DataError(f"{where}: holds no example; at least 1 is needed")
    parts = {part: at for part, at in raw.parts.items() if len(at)}
    if draw and raw.given is None:
        splits = make_splits(
            len(raw.x), raw.parts, given["validation"], given["test"], where=where, groups=raw.groups
        )
    else:
        splits = {part: parts.get(part, np.empty(0, np.int64)) for part in SPLITS}
    return _dataset(name, where, raw, splits, set(parts if raw.given is None else raw.given), options)


def _read_shaped(source: Source, options: Options) -> tuple[str, str, Raw]:
    name, where, raw = _read(source, options)
    rows = raw.x.shape[1:] == (math.prod(options.shape or ()),)
    if options.shape and (rows or not options.inherited):
        raw = shaping.shaped(raw, options.shape, where)
    return name, where, shaping.cropped(shaping.resized(raw, options, where), options, where)


def _dataset(
    name: str, where: str, raw: Raw, splits: Mapping[str, np.ndarray], given: set[str], options: Options
) -> Dataset:
    return Dataset(
        name,
        where,
        raw.x,
        splits,
        labels=raw.labels,
        label_names=raw.label_names,
        high=raw.high,
        columns=raw.columns,
        given_test="test" in given,
        given_validation="validation" in given,
        skipped=raw.skipped,
        names=raw.names,
        factors=raw.factors,
        factor_names=raw.factor_names,
        buffer=options.buffer,
        fingerprint=raw.fingerprint,
        layout=raw.layout,
        label=raw.label,
        left_out=raw.left_out,
        notes=raw.notes,
        schema=_fitted(raw, splits["train"]) if options.schema is None else raw.schema,
        pictures=raw.pictures,
        encoded=raw.encoded,
        change=Change(options.flip, options.shift),
    )


def _fitted(raw: Raw, train: np.ndarray) -> Schema | None:
    """Let the schema of a table say what its training split is like; packed data were asked before."""
    if raw.schema is None or raw.given is not None or not len(train):
        return raw.schema
    x = raw.x[train]
    ends = np.nan_to_num(np.stack([np.fmin.reduce(x), np.fmax.reduce(x)], axis=1).astype(np.float64))
    holes = np.isnan(x).sum(axis=0).astype(bool).tolist()
    return raw.schema.fitted([(low, high) for low, high in ends.tolist()], holes)


def _read(source: Source, options: Options) -> tuple[str, str, Raw]:
    """Find the reader for a source; give a name, what the source is called, and what it holds."""
    if isinstance(source, str) and source in WORDS:
        word = built_in(source)
        _require_taken(options, word.takes, source)
        return source, source, word.read(Path(source), options)
    if isinstance(source, str) and source.startswith(HUB):
        return _from_hub(source.removeprefix(HUB), options)
    if isinstance(source, str) and registry.is_dotted(source) and not Path(source).exists():
        return _from_reader(source, options)
    if isinstance(source, (str, os.PathLike)):
        path = Path(os.path.abspath(Path(source).expanduser())) if str(source).strip() else None
        if path is None:
            raise DataError(f"no source of data is given; latentia reads {KNOWN}")
        reader, path = reader_for(path, isinstance(source, str) and os.sep not in source, _as_clips(options))
        _require_taken(options, reader.takes, str(path))
        try:
            return stem(path), str(path), reader.read(path, options)
        except OSError as error:
            raise DataError(
                f"{path}: cannot be read ({reason(error)}); check the path and its permissions"
            ) from error
    return _from_memory(source, options)


def _from_hub(name: str, options: Options) -> tuple[str, str, Raw]:
    place = Path(name).expanduser()
    local = bool(name.strip()) and place.is_dir()  # a local folder comes before a name on the Hub
    if not local and (not name.strip() or name.startswith((".", "/", "~"))):
        raise DataError(
            f"hf:{name}: no such folder; give hf:owner/name or hf: and the path of a local folder"
        )
    full = str(place.resolve()) if local else name
    short = Path(full).name if local else "/".join(name.split("/")[:2]).rsplit("/", 1)[-1]
    return short, f"hf:{full}", hub.read(full, options)


def _from_reader(source: str, options: Options) -> tuple[str, str, Raw]:
    found, takes = outside.read(source, options)
    name = source.rpartition(":")[2]
    if isinstance(found, Raw):
        _require_taken(options, takes | {"shape"}, source)
        return name, source, found
    # What the reader took is done; what is left is asked of the array or frame that it gave.
    left = options._replace(**{option: Options._field_defaults[option] for option in takes})
    return name, source, _from_memory(found, left, source)[2]


def _from_memory(source: Any, options: Options, where: str = "") -> tuple[str, str, Raw]:
    source = torch_data.examples_of(source) if torch_data.is_torch(source) else source
    data, labels = source if isinstance(source, tuple) and len(source) == 2 else (source, None)
    if hasattr(data, "columns") and hasattr(data, "__getitem__"):
        _require_taken(options, tables.TAKES, where or "a data frame")
        raw = tables.from_frame(data, options, where or "the data frame")
        if labels is not None:
            coded = arrays.from_memory(raw.x, labels, where or "the data frame")
            raw = replace(raw, labels=coded.labels, label_names=coded.label_names, label="")
        return "table", "memory", raw
    if not hasattr(data, "__array__"):
        given = f" that {where} gave" if where else ""
        raise DataError(
            f"cannot load data from a {type(source).__name__}{given}; latentia reads {KNOWN}, and arrays"
        )
    _require_taken(options, frozenset({"channels", "shape"}), where or "an array")
    return "array", "memory", arrays.from_memory(data, labels, where or "the array", options.channels)


def _require_taken(options: Options, takes: frozenset[str], where: str) -> None:
    """Refuse a setting that would have no effect, unless it was given for other data than these."""
    if options.inherited:
        return
    for name in (
        "label",
        "key",
        "channels",
        "pages",
        "header",
        "shape",
        "columns",
        "drop",
        "types",
        "labels",
        "frames",
        "stride",
        "rate",
    ):
        if getattr(options, name) != Options._field_defaults[name] and name not in takes:
            raise ConfigError(f"data.{name}={getattr(options, name)} does not apply to {where}; leave it out")


def _as_clips(options: Options) -> bool:
    """Tell whether what could be pictures is to be read as clips."""
    return options.frames is not None


def files_of(source: Source, options: Options) -> tuple[Reader, Path] | None:
    """Find out whether a source is one of image files, or of clips.

    Args:
        source: what `load` would be given.
        options: frames is used.

    Returns:
        `IMAGES` or `CLIPS`, and the file, folder or archive; None for other sources.
    """
    if not isinstance(source, (str, os.PathLike)) or not str(source).strip():
        return None
    if str(source) in WORDS or str(source).startswith(HUB) or registry.is_dotted(str(source)):
        return None
    place = Path(os.path.abspath(Path(source).expanduser()))
    reader, path = reader_for(place, bare=False, clips=_as_clips(options))
    return (reader, path) if reader in (IMAGES, CLIPS) else None
