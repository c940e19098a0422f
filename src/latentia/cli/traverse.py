"""The verb `traverse`."""

from __future__ import annotations

from pathlib import Path

import click

from latentia.cli.output import check_output, device_option, output_option, run_argument, write_examples


@click.command("traverse", short_help="Move one latent dimension at a time.")
@run_argument
@click.option(
    "--example", type=int, help="Position in the test split to start from; the latents' mean by default."
)
@click.option("--dims", help="Latent dimensions, such as 0,3,5; all by default.")
@click.option("--steps", default=9, show_default=True, help="Values for each dimension.")
@click.option(
    "--reach", default=3.0, show_default=True, help="How far, in standard deviations of the data's latents."
)
@device_option
@output_option
def command(
    run: Path, example: int | None, dims: str | None, steps: int, reach: float, device: str, output: Path
) -> None:
    """Decode what each latent dimension of RUN does: one row for each."""
    check_output(output)
    from latentia.api import open_run
    from latentia.core.errors import ConfigError

    opened = open_run(run, device=device)
    try:
        chosen = [int(word) for word in dims.split(",")] if dims else list(range(opened.latent[0]))
    except ValueError as error:
        raise ConfigError(f"--dims takes numbers such as 0,3,5, not '{dims}'") from error
    values = opened.traversal_values(steps, reach, chosen)
    start, c = None, opened.usual_condition()
    if example is not None:
        at = opened.test_row(example)
        start, c = opened.dataset.x[at], opened.conditions_at(at)
    made = opened.inference.traverse(start, c, dims=chosen, values=values)
    write_examples(output, opened, made.reshape(-1, *opened.event), steps)
