"""Where the verbs that make data put them: pictures, arrays or tables, by the file's ending."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from latentia.core import storage
from latentia.core.errors import ConfigError
from latentia.data.readers.plain import write_csv

if TYPE_CHECKING:
    from latentia.data.layout import Layout
    from latentia.runs.run import Run

ENDINGS = (".png", ".npy", ".npz", ".csv")


def check_output(path: Path) -> Path:
    """Refuse a file that nobody could write, before the work is done.

    Args:
        path: the file.

    Returns:
        The same.

    Raises:
        ConfigError: if its ending is unknown.
    """
    if path.suffix.lower() not in ENDINGS:
        raise ConfigError(f"cannot write '{path}': end the name in one of {', '.join(ENDINGS)}")
    return path


def write_array(path: Path, array: np.ndarray, columns: tuple[str, ...] = ()) -> None:
    """Write an array as npy, npz or csv.

    Args:
        path: the file.
        array: shape `(N, ...)`; a csv has one row for each N.
        columns: names of a csv's columns.

    Raises:
        ConfigError: if the file is to be a picture.
    """
    ending = check_output(path).suffix.lower()
    if ending == ".png":
        raise ConfigError(f"cannot write '{path}': these are no images; end the name in .npy, .npz or .csv")
    with storage.atomic_write(path) as handle:
        if ending == ".npy":
            np.save(handle, array, allow_pickle=False)
        elif ending == ".npz":
            np.savez_compressed(handle, x=array)
        else:
            flat = array.reshape(len(array), -1)
            names = columns if len(columns) == flat.shape[1] else [f"v{i}" for i in range(flat.shape[1])]
            write_csv(handle, names, list(flat.T))
    click.echo(f"{path}: {'x'.join(map(str, array.shape))}")


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
) -> None:
    """Write data that a run made, as its own data were: a grid of images, arrays, or a table.

    Args:
        path: the file.
        run: where they come from.
        examples: data in the data's units, shape `(N, *event)`.
        per_row: images in a row of the grid.
        labels: the class of each, which a table that had a column of labels gets again.
    """
    record, ending = run.record, path.suffix.lower()
    if ending == ".png" and run.event.kind == "image":
        from latentia.plots.images import grid, save_png

        low, high = run.image_range
        save_png(grid(examples, low=low, high=high, columns=per_row), path)
        click.echo(f"{path}: {len(examples)} images")
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
        write_array(path, run.outward(examples))


def _columns(layout: Layout, made: np.ndarray) -> Iterator[np.ndarray]:
    """Give columns in their types, floats as they were made: digits of a wider type would say nothing."""
    for at, column in enumerate(layout.columns_of(made)):
        wider = column.dtype.kind == "f" and column.dtype.itemsize > made.dtype.itemsize
        yield made[:, at] if wider else column


output_option = click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="A .png, .npy, .npz or .csv file."
)
device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    help="Where to compute: cpu, cuda, cuda:1, ...; auto: a GPU if any.",
)
run_argument = click.argument("run", type=click.Path(path_type=Path))
skip_bad_option = click.option(
    "--skip-bad", is_flag=True, help="Leave out files of SOURCE that cannot be read."
)
