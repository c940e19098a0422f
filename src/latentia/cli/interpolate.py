"""The verb `interpolate`."""

from __future__ import annotations

from pathlib import Path

import click

from latentia.cli.output import check_output, device_option, output_option, run_argument, write_examples


@click.command("interpolate", short_help="Walk from one example to another.")
@run_argument
@click.option(
    "--between", nargs=2, type=int, default=(0, 1), show_default=True, help="Two positions in the test split."
)
@click.option("--steps", default=10, show_default=True, help="Points on the path, both ends included.")
@click.option("--path", default="linear", show_default=True, help="linear or spherical.")
@device_option
@output_option
def command(run: Path, between: tuple[int, int], steps: int, path: str, device: str, output: Path) -> None:
    """Decode the path between the latents of two test examples of RUN."""
    check_output(output)
    from latentia.api import open_run

    opened = open_run(run, device=device)
    ends = [opened.test_row(position) for position in between]
    first, second = opened.dataset.x[ends]
    made = opened.inference.interpolate(first, second, opened.conditions_at(ends), steps=steps, path=path)
    write_examples(output, opened, made, steps)
