"""The verb `decompress`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from latentia.cli.output import (
    check_apart,
    check_output,
    check_pictures,
    workers_option,
    write_array,
    write_examples,
)
from latentia.core import storage
from latentia.core.errors import ConfigError

if TYPE_CHECKING:
    from latentia.runs.run import Run


@click.command("decompress", short_help="Give back the examples of such a file.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--run", type=click.Path(path_type=Path), help="The run that wrote it; found here, if not given."
)
@click.option("--rows", help="Some of the examples, such as 512:768, counted from 0; all by default.")
@click.option("--resume", is_flag=True, help="Go on with what was interrupted, of a whole file as .npy.")
@workers_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="A .png, .npy, .npz, .csv or .parquet file; of pictures with loss also a new folder.",
)
def command(
    file: Path, run: Path | None, rows: str | None, resume: bool, workers: int | None, output: Path
) -> None:
    """Give back the examples of FILE, which 'latentia compress' wrote.

    Pictures of any sizes, which come with loss, become numbered .png files of a new folder. Of a file that
    holds codes alone the decoder makes the examples, with loss.
    """
    check_apart(output, file)
    if output.suffix:
        check_output(output)
    if resume and (rows is not None or output.suffix.lower() != ".npy"):
        raise click.UsageError("--resume is for a whole file as .npy: end the name so, and leave out --rows")
    import numpy as np

    from latentia.api import open_run
    from latentia.coding import lossy
    from latentia.runs.compression import Compressed
    from latentia.runs.kept_coders import run_of

    opened = open_run(run_of(file) if run is None else run, device="cpu")
    if lossy(opened.model):
        if resume:
            raise click.UsageError("--resume is for files without loss; leave it out")
        _pictures(file, opened, rows, workers, output)
        return
    check_output(output)
    check_pictures(output, opened)
    with file.open("rb") as handle:
        found = Compressed(opened, handle, str(file), workers)
        ends = _ends(rows, found.header.count)
        if found.loss:
            click.echo(f"of {found.held}: examples come back with loss, as the decoder has them")
        if output.suffix.lower() == ".npy":
            try:
                shape = found.save(output, *ends, resume=resume, quiet=False)
            except KeyboardInterrupt:
                click.echo(
                    "interrupted; what is done stays: go on with the same command and --resume", err=True
                )
                click.get_current_context().exit(130)
            click.echo(f"{output}: {'x'.join(map(str, shape))}")
            return
        examples = np.concatenate(list(found.read(*ends, quiet=False)))
    write_examples(output, opened, examples)


def _pictures(file: Path, opened: Run, rows: str | None, workers: int | None, output: Path) -> None:
    """Write pictures as files of a new folder, as one file, or side by side in an array."""
    from latentia.runs.pictures import PictureFile, drawn, saved

    if output.suffix.lower() not in ("", ".png", ".npy", ".npz"):
        raise ConfigError(f"cannot write '{output}': name a new folder, or a .png, .npy or .npz file")
    if not output.suffix:
        storage.check_new(output)
    with file.open("rb") as handle:
        found = PictureFile(opened, handle, str(file), workers)
        first, end = _ends(rows, found.header.count)
        read = found.read(first, end, quiet=False)
        if not output.suffix:
            click.echo(f"{output}: {saved(read, output)} pictures")
            return
        made = list(read)
    if output.suffix.lower() == ".png":
        if len(made) > 1:
            raise ConfigError(
                f"'{output}' is one picture, and there are {len(made)}; name a new folder, or take one of "
                "them with --rows 0:1"
            )
        with storage.atomic_write(output) as target:
            drawn(made[0]).save(target, "PNG")
        click.echo(f"{output}: 1 picture")
        return
    if len({each.shape for each in made}) > 1:
        raise ConfigError(f"'{output}' is one array, and the pictures differ in size; name a new folder")
    import numpy as np

    write_array(output, opened.record.layout.restore(np.stack(made)))


def _ends(rows: str | None, count: int) -> tuple[int, int]:
    if rows is None:
        return 0, count
    found = re.fullmatch(r"([0-9]{0,18}):([0-9]{0,18})", rows)
    if found is None:
        raise click.UsageError(f"--rows takes two numbers from 0 on, such as 512:768, not '{rows}'")
    first, end = found.groups()
    return int(first or 0), int(end or count)
