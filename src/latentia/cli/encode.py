"""The verb `encode`."""

from __future__ import annotations

from pathlib import Path

import click

from latentia.cli.output import check_output, output_option, run_argument, write_array, write_splits


@click.command("encode", short_help="Turn data into latents.")
@run_argument
@click.argument("source", required=False)
@click.option("-n", "count", default=0, help="How many examples; all by default.")
@click.option(
    "--split",
    default="test",
    show_default=True,
    help="Which split; all takes every example in order, each all three with their labels, into a .npz to "
    "train on.",
)
@click.option("--sample", is_flag=True, help="Draw from the posterior instead of taking its mean.")
@click.option("--codes", is_flag=True, help="Give the codes of a model that has codes, whole numbers.")
@click.option("--seed", default=0, show_default=True, help="Seed of the draw.")
@output_option
def command(
    run: Path,
    source: str | None,
    count: int,
    split: str,
    sample: bool,
    codes: bool,
    seed: int,
    output: Path,
) -> None:
    """Encode examples of SOURCE, or of the data that RUN was trained on."""
    check_output(output)
    from latentia.api import open_run

    opened = open_run(run)
    if split == "each":
        write_splits(output, opened.encode_splits(source, sample=sample, seed=seed))
        return
    if codes:
        found, letter = opened.codes(*opened.take(source, split, count or None)), "k"
    else:
        taken = opened.take(source, split, count or None)
        found, letter = opened.encode(*taken, sample=sample, seed=seed), "z"
    write_array(output, found, tuple(f"{letter}{i}" for i in range(found[0].size)))
