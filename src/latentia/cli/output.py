"""Where the verbs that make data put them: pictures, arrays or tables, by the file's ending."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click
import numpy as np

from latentia.core import storage
from latentia.core.errors import ConfigError
from latentia.core.extras import optional
from latentia.data.readers.plain import texts, write_csv
from latentia.data.series import pandas_for

if TYPE_CHECKING:
    from latentia.data.layout import Layout
    from latentia.data.schema import Schema
    from latentia.runs.run import Run

WRITTEN = (".mp4", ".mkv", ".gif")
"""Endings of films."""
ENDINGS = (".png", ".npy", ".npz", ".csv", ".parquet", *WRITTEN)


def check_output(path: Path) -> Path:
    """Refuse a file that nobody could write, before the work is done.

    Args:
        path: the file.

    Returns:
        The same.

    Raises:
        ConfigError: if its ending is unknown.
        LatentiaError: if it is a folder, or its folder cannot be made or written.
    """
    if path.suffix.lower() not in ENDINGS:
        raise ConfigError(f"cannot write '{path}': end the name in one of {', '.join(ENDINGS)}")
    storage.check_writable(path)
    return path


def check_apart(path: Path, source: str | Path | None) -> None:
    """Refuse to write over what is read.

    Args:
        path: the file to write.
        source: what is read, or a name that is no file.

    Raises:
        ConfigError: if they are one file.
    """
    if source is not None and path.is_file() and Path(source).exists() and path.samefile(source):
        raise ConfigError(f"cannot write '{path}': it is what is read; give another name")


def check_pictures(path: Path, run: Run) -> None:
    """Refuse a picture of what is none, before the work is done.

    Args:
        path: the file.
        run: where the examples come from.

    Raises:
        ConfigError: if it is to be a picture, and the run's examples are none.
    """
    if path.suffix.lower() == ".png" and run.event.kind != "image":
        raise _no_images(path)


def _no_images(path: Path) -> ConfigError:
    return ConfigError(
        f"cannot write '{path}': these are no images; end the name in .npy, .npz, .csv or .parquet"
    )


def write_array(path: Path, array: np.ndarray, columns: tuple[str, ...] = ()) -> None:
    """Write an array as npy, npz, csv or parquet.

    Args:
        path: the file.
        array: shape `(N, ...)`; a table has one row for each N.
        columns: names of a table's columns.

    Raises:
        ConfigError: if the file is to be a picture.
    """
    ending = check_output(path).suffix.lower()
    if ending == ".png":
        raise _no_images(path)
    with storage.atomic_write(path) as handle:
        if ending == ".npy":
            np.save(handle, array, allow_pickle=False)
        elif ending == ".npz":
            np.savez_compressed(handle, x=array)
        else:
            flat = array.reshape(len(array), -1)
            names = columns if len(columns) == flat.shape[1] else [f"v{i}" for i in range(flat.shape[1])]
            if ending == ".csv":
                write_csv(handle, names, list(flat.T))
            else:
                _write_parquet(handle, path, pandas_for(f"'{path}'").DataFrame(flat, columns=names))
    click.echo(f"{path}: {'x'.join(map(str, array.shape))}")


def check_table(path: Path) -> Path:
    """Refuse a file that is no table, before anything is computed.

    Args:
        path: the file.

    Returns:
        The same.

    Raises:
        ConfigError: if it is to be of another kind.
        LatentiaError: if it is a folder, or its folder cannot be made or written.
    """
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise ConfigError(f"cannot write '{path}': this is a table; end the name in .csv or .parquet")
    storage.check_writable(path)
    return path


def write_columns(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Write a table of columns of any type, as csv or parquet.

    Args:
        path: the file.
        columns: their cells by name, `(N,)` each.

    Raises:
        ConfigError: if the file is to be of another kind.
        MissingExtra: if pandas is not installed, which writes parquet.
    """
    ending = check_table(path).suffix.lower()
    rows = len(next(iter(columns.values())))
    with storage.atomic_write(path) as handle:
        if ending == ".csv":
            cells = [
                column if column.dtype.kind in "iuf" else column.astype(str).tolist()
                for column in columns.values()
            ]
            write_csv(handle, list(columns), cells)
        else:
            _write_parquet(handle, path, pandas_for(f"'{path}'").DataFrame(dict(columns)))
    click.echo(f"{path}: {rows}x{len(columns)}")


def write_splits(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the arrays of all splits as one npz, which can be trained on.

    Args:
        path: the file.
        arrays: by name, as `x_train` and `y_train`.

    Raises:
        ConfigError: if the file is to be of another kind.
    """
    if path.suffix.lower() != ".npz":
        raise ConfigError(f"cannot write '{path}': several splits need a .npz file; end the name in .npz")
    with storage.atomic_write(path) as handle:
        np.savez_compressed(handle, **arrays)  # pyright: ignore[reportArgumentType]
    shapes = ", ".join(f"{name} {'x'.join(map(str, array.shape))}" for name, array in arrays.items())
    click.echo(f"{path}: {shapes}")


def write_examples(
    path: Path,
    run: Run,
    examples: np.ndarray,
    per_row: int | None = None,
    labels: Sequence[str] | None = None,
    *,
    clip: bool = False,
) -> None:
    """Write data that a run made, as its own data were: a grid of images, arrays, or a table.

    Args:
        path: the file.
        run: where they come from.
        examples: data in the data's units, shape `(N, *event)`.
        per_row: images in a row of the grid.
        labels: the class of each, which a table that had a column of labels gets again.
        clip: keep a table's numbers within the ends of the training split.
    """
    record, ending = run.record, path.suffix.lower()
    if ending == ".png" and run.event.kind == "image":
        from latentia.plots.images import grid, save_png

        low, high = run.image_range
        save_png(grid(examples, low=low, high=high, columns=per_row), path)
        click.echo(f"{path}: {len(examples)} images")
    elif ending in WRITTEN:
        write_clips(path, run, examples)
    elif record.schema is not None and ending in (".csv", ".parquet"):
        _write_table(path, record.schema, examples, record.label if labels is not None else "", labels, clip)
    elif ending == ".csv" and (run.event.kind == "vector" or record.layout.axes == "flat"):
        rows = examples.reshape(len(examples), -1)
        columns: list[np.ndarray | Sequence[str]] = list(_columns(record.layout, rows))
        names = list(record.columns) or [f"v{i}" for i in range(len(columns))]
        if labels is not None and record.label:
            names, columns = [*names, record.label], [*columns, labels]
        with storage.atomic_write(path) as handle:
            write_csv(handle, names, columns)
        click.echo(f"{path}: {len(examples)}x{len(columns)}")
    else:
        # What has words is written as its codes where a file has no place for words.
        write_array(path, record.layout.restore(examples))


def write_clips(path: Path, run: Run, clips: np.ndarray) -> None:
    """Write clips as a film that shows them side by side.

    Args:
        path: the file.
        run: where they come from.
        clips: in the data's units, `(N, C, T, H, W)`.

    Raises:
        ConfigError: if the run's examples are no clips.
    """
    from latentia.plots.images import grid
    from latentia.runs.films import RATE, write_film

    if run.event.kind != "video":
        raise ConfigError(f"'{path}' is a film, and the run's examples are no clips; end it in .npy")
    low, high = run.image_range
    shown = (grid(clips[:, :, at], low=low, high=high) for at in range(clips.shape[2]))
    frames = (np.asarray(picture.convert("RGB")).transpose(2, 0, 1) for picture in shown)
    count = write_film(path, frames, run.record.options.get("rate") or RATE, (0.0, 255.0))
    click.echo(f"{path}: {len(clips)} clips of {count} frames")


def streamed(path: Path, frames: Iterable[np.ndarray], run: Run, rate: float, total: int | None) -> None:
    """Write a film while it is made, with a bar that says frames per second.

    Args:
        path: the file.
        frames: `(C, H, W)` each, in the data's units.
        run: where they come from.
        rate: frames per second.
        total: how many there will be, about.
    """
    from latentia.core import progress
    from latentia.runs.films import write_film

    bar = progress.bar(frames, desc=path.name, total=total, unit=" frames")
    count = write_film(path, bar, rate, run.image_range)
    click.echo(f"{path}: {count} frames")


def _write_table(
    path: Path, schema: Schema, x: np.ndarray, label: str, labels: Sequence[str] | None, clip: bool
) -> None:
    """Write rows with the names and in the types of a table's columns, the labels last."""
    names = [*schema.names, *([label] if label else [])]
    with storage.atomic_write(path) as handle:
        if path.suffix.lower() == ".csv":
            columns: list[Sequence[str]] = [
                texts(column, x[:, at], clip=clip) for at, column in enumerate(schema.columns)
            ]
            write_csv(handle, names, [*columns, *([labels or ()] if label else [])])
        else:
            frame = schema.frame(x, clip=clip)
            _write_parquet(handle, path, frame.assign(**{label: labels}) if label else frame)
    click.echo(f"{path}: {len(x)}x{len(names)}")


def write_frame(path: Path, frame: Any) -> None:
    """Write a data frame as csv or parquet.

    Args:
        path: the file.
        frame: the frame, of pandas.

    Raises:
        ConfigError: if the file is to be of another kind.
    """
    ending = check_table(path).suffix.lower()
    with storage.atomic_write(path) as handle:
        if ending == ".csv":
            frame.to_csv(handle, index=False, lineterminator="\n")
        else:
            _write_parquet(handle, path, frame)
    click.echo(f"{path}: {len(frame)}x{len(frame.columns)}")


def _write_parquet(handle: BinaryIO, path: Path, frame: Any) -> None:
    optional("pyarrow", "tables", f"writing '{path}'")
    frame.to_parquet(handle, index=False)


def _columns(layout: Layout, made: np.ndarray) -> Iterator[np.ndarray]:
    """Give columns in their types, floats as they were made: digits of a wider type would say nothing."""
    for at, column in enumerate(layout.columns_of(made)):
        wider = column.dtype.kind == "f" and column.dtype.itemsize > made.dtype.itemsize
        yield made[:, at] if wider else column


output_option = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="A .png, .npy, .npz, .csv or .parquet file; of clips a .mp4, .mkv or .gif, too.",
)
device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    help="Where to compute: cpu, cuda, cuda:1, ...; auto: a GPU if any.",
)
run_argument = click.argument("run", type=click.Path(path_type=Path))
workers_option = click.option(
    "--workers",
    type=int,
    help="Processes that code; one for each core by default, where there is much to do.",
)
skip_bad_option = click.option(
    "--skip-bad", is_flag=True, help="Leave out files of SOURCE that cannot be read."
)
split_option = click.option(
    "--split", help="Which split; by default test of the run's own data, and all of SOURCE, as all takes it."
)
