"""The verb `decompress`."""

from __future__ import annotations

from pathlib import Path

import click

from latentia.cli.output import check_output, check_pictures, output_option, write_examples


@click.command("decompress", short_help="Give back the examples of such a file.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--run", type=click.Path(path_type=Path), help="The run that wrote it; found here, if not given."
)
@click.option("--rows", help="Some of the examples, such as 512:768, counted from 0; all by default.")
@output_option
def command(file: Path, run: Path | None, rows: str | None, output: Path) -> None:
    """Give back the examples of FILE, which 'latentia compress' wrote."""
    check_output(output)
    import numpy as np

    from latentia.api import open_run
    from latentia.runs.coder import run_of
    from latentia.runs.compression import Compressed

    opened = open_run(run_of(file) if run is None else run, device="cpu")
    check_pictures(output, opened)
    with file.open("rb") as handle:
        found = Compressed(opened, handle, str(file))
        ends = _ends(rows, found.header.count)
        if output.suffix.lower() == ".npy":
            shape = found.save(output, *ends, quiet=False)
            click.echo(f"{output}: {'x'.join(map(str, shape))}")
            return
        examples = np.concatenate(list(found.read(*ends, quiet=False)))
    write_examples(output, opened, examples)


def _ends(rows: str | None, count: int) -> tuple[int, int]:
    if rows is None:
        return 0, count
    try:
        first, _, end = rows.partition(":")
        return int(first or 0), int(end) if end else count
    except ValueError as error:
        raise click.UsageError(f"--rows takes two numbers, such as 512:768, not '{rows}'") from error
