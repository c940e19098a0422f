"""The verb `encode`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from latentia.cli.output import (
    check_output,
    check_table,
    device_option,
    run_argument,
    skip_bad_option,
    write_array,
    write_columns,
    write_splits,
)
from latentia.core.errors import shell
from latentia.core.hints import here

if TYPE_CHECKING:
    import numpy as np


@click.command("encode", short_help="Turn data into latents.")
@run_argument
@click.argument("source", required=False)
@click.option(
    "-n",
    "count",
    type=click.IntRange(min=0),
    default=0,
    help="How many examples; all by default. Not with a folder.",
)
@click.option(
    "--split",
    help="Which split; by default test of the run's own data, and all of SOURCE. all takes every example in "
    "order, each all three with their labels, into a .npz to train on, as a folder does.",
)
@skip_bad_option
@click.option("--sample", is_flag=True, help="Draw from the posterior instead of taking its mean.")
@click.option(
    "--moments",
    is_flag=True,
    help="Give means and log variances, of which --model diffusion draws anew in each step; into a folder.",
)
@click.option(
    "--about",
    is_flag=True,
    help="Put row, file and label of each example beside its latent, in a .csv or .parquet.",
)
@click.option("--codes", is_flag=True, help="Give the codes of a model that has codes, whole numbers.")
@click.option("--seed", default=0, show_default=True, help="Seed of the draw.")
@click.option(
    "--whole",
    is_flag=True,
    help="Encode whole pictures and not crops of them; into a folder.",
)
@device_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="A .npy, .npz, .csv or .parquet file; or a folder, for shards to train on, made by any number of "
    "processes.",
)
def command(
    run: Path,
    source: str | None,
    count: int,
    split: str | None,
    skip_bad: bool,
    sample: bool,
    about: bool,
    moments: bool,
    codes: bool,
    seed: int,
    whole: bool,
    device: str,
    output: Path,
) -> None:
    """Encode examples of SOURCE, or of the data that RUN was trained on.

    A film as SOURCE is encoded whole, whatever its length, into a .npy file. Into a folder, all examples are
    encoded shard by shard; torchrun shares the shards out among processes, and
    what was interrupted goes on with the same command.
    """
    if output.is_dir() or not output.suffix:
        if count or split not in (None, "each"):
            raise click.UsageError(
                "a folder takes every example; leave -n and --split out, or name a .npy file"
            )
        kinds = [name for name, on in (("sample", sample), ("moments", moments), ("codes", codes)) if on]
        if len(kinds) > 1:
            first, second = (f"--{kind}" for kind in kinds[:2])
            raise click.UsageError(f"{first} and {second} are two kinds of latents; give one of them")
        if about:
            raise click.UsageError("--about is for a table; a folder keeps labels anyway")
        if skip_bad:
            raise click.UsageError("--skip-bad is not for a folder; pack SOURCE with it first")
        _into_folder(run, source, output, kinds[0] if kinds else "mean", seed, whole, device)
        return
    if moments:
        raise click.UsageError("moments are for training; encode them into a folder")
    if whole:
        raise click.UsageError("whole pictures have sizes of their own; encode them into a folder")
    check_table(output) if about else check_output(output)
    from latentia.api import open_run
    from latentia.core.processes import refuse_several
    from latentia.data.readers.clips import is_film

    refuse_several("'encode' into a file")

    opened = open_run(run, device=device)
    if source is not None and is_film(source) and output.suffix == ".npy" and not sample:
        from latentia.runs.films import open_film, write_latents

        count, shape = write_latents(output, opened, open_film(Path(source), opened))
        click.echo(f"{output}: {count} frames as {'x'.join(map(str, shape))}")
        return
    if split == "each":
        write_splits(output, opened.encode_splits(source, sample=sample, seed=seed, skip_bad=skip_bad))
        return
    bad = {"skip_bad": True} if skip_bad else {}
    dataset = opened.dataset if source is None else opened.other(source, **bad)
    rows = opened.rows(dataset, split)[: count or None]
    taken = dataset.part(rows), opened.conditions_at(rows, dataset)
    if codes:
        found, letter = opened.inference.codes(*taken), "k"
    else:
        found, letter = opened.inference.encode(*taken, sample=sample, seed=seed), "z"
    _write(output, found, letter, dataset.about(rows) if about else {})


def _write(output: Path, found: np.ndarray, letter: str, about: Mapping[str, np.ndarray]) -> None:
    """Write latents, beside what is said of each."""
    names = tuple(f"{letter}{i}" for i in range(found[0].size))
    if about:
        write_columns(output, {**about, **dict(zip(names, found.reshape(len(found), -1).T, strict=True))})
    else:
        write_array(output, found, names)


def _into_folder(
    run: Path, source: str | None, folder: Path, latents: str, seed: int, whole: bool, device: str
) -> None:
    from latentia.core.processes import started
    from latentia.data import load
    from latentia.runs.encoding import encode

    encode(run, source, folder, latents=latents, seed=seed, whole=whole, device=device, quiet=False)
    if started()[0] == 0:
        crop = " data.crop=N" if whole else ""
        if not whole:
            click.echo(load(folder, buffer=1).summary())
        click.echo(here(f"done; train on it with: latentia train {shell(folder)}{crop}"))
