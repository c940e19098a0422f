"""The verb `sample`."""

from __future__ import annotations

from pathlib import Path

import click

from latentia.cli.output import check_output, output_option, read_condition, run_argument, write_examples


@click.command("sample", short_help="Generate new data.")
@run_argument
@click.option("-n", "count", default=64, show_default=True, help="How many.")
@click.option(
    "--condition",
    help="For a conditional model: a label, or several such as 0,1,2, taken in turn; all takes every label.",
)
@click.option(
    "--sampler", default="prior", show_default=True, help="prior, or mixture: fitted to the data's latents."
)
@click.option("--components", default=10, show_default=True, help="Gaussians of the mixture.")
@click.option("--truncation", type=float, help="Keep each coordinate within this many standard deviations.")
@click.option(
    "--temperature", default=1.0, show_default=True, help="Factor on the distance from the prior's mean."
)
@click.option(
    "--noise", is_flag=True, help="Draw from the decoder's distribution instead of taking its mean."
)
@click.option("--seed", default=0, show_default=True, help="Seed of everything random.")
@output_option
def command(
    run: Path,
    count: int,
    condition: str | None,
    sampler: str,
    components: int,
    truncation: float | None,
    temperature: float,
    noise: bool,
    seed: int,
    output: Path,
) -> None:
    """Generate new data with the trained RUN."""
    check_output(output)
    from latentia.api import open_run

    opened = open_run(run)
    asked = read_condition(opened, condition)
    made = opened.sample(
        count,
        condition=asked,
        sampler=sampler,
        components=components,
        truncation=truncation,
        temperature=temperature,
        noise=noise,
        seed=seed,
    )
    write_examples(output, opened, made, None if asked is None else len(asked))
