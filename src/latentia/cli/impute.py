"""The verb `impute`."""

from __future__ import annotations

from pathlib import Path

import click

from latentia.cli.output import (
    check_output,
    check_pictures,
    device_option,
    output_option,
    run_argument,
    skip_bad_option,
    write_examples,
    write_frame,
)


@click.command("impute", short_help="Fill in missing values.")
@run_argument
@click.argument("source")
@click.option(
    "--draws",
    default=0,
    help="Draw so many fillings instead of the single best values, into files named OUTPUT-1, OUTPUT-2, ...",
)
@click.option("--samples", default=500, show_default=True, help="Latents of each example that it rests on.")
@click.option("--seed", default=0, show_default=True, help="Seed of the draws.")
@skip_bad_option
@device_option
@output_option
def command(
    run: Path,
    source: str,
    draws: int,
    samples: int,
    seed: int,
    skip_bad: bool,
    device: str,
    output: Path,
) -> None:
    """Fill in what is missing in SOURCE; what is there stays as it is, columns that RUN does not know too."""
    check_output(output)
    import numpy as np

    from latentia.api import open_run
    from latentia.data.readers.table_files import is_table
    from latentia.runs.filling import fill, fill_file

    opened = open_run(run, device=device)
    check_pictures(output, opened)
    table = Path(source).is_file() and is_table(Path(source).name) and opened.record.schema is not None
    if table and output.suffix.lower() in (".csv", ".parquet"):
        filled, line = fill_file(opened, Path(source), draws=draws, samples=samples, seed=seed)
    else:
        filled, line = fill(opened, source, draws=draws, samples=samples, seed=seed, skip_bad=skip_bad)

    for number, made in enumerate(filled):
        path = output.with_stem(f"{output.stem}-{number + 1}") if draws else output
        if isinstance(made, np.ndarray):
            write_examples(path, opened, made)
        else:
            write_frame(path, made)
    click.echo(line)
