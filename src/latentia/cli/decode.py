"""The verb `decode`."""

from __future__ import annotations

from pathlib import Path

import click

from latentia.cli.output import (
    WRITTEN,
    check_output,
    device_option,
    output_option,
    run_argument,
    streamed,
    write_examples,
)


@click.command("decode", short_help="Turn latents into data.")
@run_argument
@click.argument("codes", type=click.Path(path_type=Path))
@click.option("--condition", help="For a conditional model: a label, or one for each latent with commas.")
@click.option(
    "--noise", is_flag=True, help="Draw from the decoder's distribution instead of taking its mean."
)
@click.option("--seed", default=0, show_default=True, help="Seed of the draw.")
@device_option
@output_option
def command(
    run: Path, codes: Path, condition: str | None, noise: bool, seed: int, device: str, output: Path
) -> None:
    """Decode the latents in CODES, a .npy, .npz or .csv file as `encode` writes it."""
    check_output(output)
    from latentia.api import open_run
    from latentia.data import read_array

    opened = open_run(run, device=device)
    c = opened.conditions(condition)
    z = read_array(codes)
    if output.suffix.lower() in WRITTEN and not noise and len(z) == 1:
        from latentia.runs.films import RATE, decoded, streams

        if streams(opened):
            frames, count = decoded(opened, z)
            streamed(output, frames, opened, opened.record.options.get("rate") or RATE, count)
            return
    made = opened.inference.decode(z, c, noise=noise, seed=seed)
    write_examples(output, opened, made, labels=opened.classes_of(c, len(made)))
