"""The verb `sample`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from latentia.cli.output import (
    check_output,
    device_option,
    output_option,
    run_argument,
    write_examples,
)


@click.command("sample", short_help="Generate new data.")
@run_argument
@click.argument("words", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("-n", "count", default=64, show_default=True, help="How many.")
@click.option(
    "--condition",
    help="For a conditional model: a label, or several such as 0,1,2, taken in turn; all takes every label.",
)
@click.option(
    "--sampler",
    default="prior",
    show_default=True,
    help="prior, or one fitted to the data's latents: mixture, flow, two_stage, diffusion, autoregressive "
    "(for codes); or run, for --with.",
)
@click.option(
    "--with",
    "latent_run",
    metavar="RUN",
    help="The run that the sampler run draws latents with: one that was trained on latents of this one.",
)
@click.option("--components", type=int, help="Gaussians of the mixture.  [default: 10]")
@click.option("--steps", type=int, help="Steps of a diffusion; of flow and two_stage, of the fit.")
@click.option("--solver", help="How a diffusion takes a step: dpm, heun, ddim or ancestral.  [default: dpm]")
@click.option("--guidance", type=float, help="How far a diffusion goes towards its condition.  [default: 1]")
@click.option("--truncation", type=float, help="Keep each coordinate within this many standard deviations.")
@click.option("--temperature", type=float, help="Factor on the distance from the prior's mean.  [default: 1]")
@click.option(
    "--given",
    "pairs",
    multiple=True,
    metavar="COLUMN=VALUE",
    help="A column's value that all rows of a table have; again for another column.",
)
@click.option(
    "--noise/--mean",
    default=None,
    help="Draw from the decoder's distribution, as rows of a table are by default, or take its mean.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the draws.")
@device_option
@output_option
def command(
    run: Path,
    words: tuple[str, ...],
    count: int,
    condition: str | None,
    sampler: str,
    latent_run: str | None,
    pairs: tuple[str, ...],
    noise: bool | None,
    seed: int,
    device: str,
    output: Path,
    **settings: Any,
) -> None:
    """Generate new data with the trained RUN.

    Settings of the sampler can be given as KEY=VALUE, such as steps=3000.
    """
    check_output(output)
    from latentia.api import open_run
    from latentia.core.config import parse_override

    chosen = {name: value for name, value in settings.items() if value is not None}
    chosen |= {".".join(path): value for path, value in map(parse_override, words)}
    if (latent_run is not None) != (sampler == "run"):
        raise click.UsageError("--sampler run and --with RUN belong together; give both")
    opened = open_run(run, device=device)
    if latent_run is not None:
        chosen["path"] = latent_run
        if not opened.model.condition:  # it is the other run that is told
            chosen, condition = chosen | ({} if condition is None else {"condition": condition}), None
    rows = opened.conditions(condition)
    c = opened.conditions_for(count, rows, seed)
    given = dict(_pair(pair) for pair in pairs)
    made = opened.made(count, c, sampler, given=given, noise=noise, seed=seed, quiet=False, **chosen)
    per_row = None if rows is None else len(rows)
    write_examples(output, opened, made, per_row, opened.classes_of(c), clip=True)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--given {text}: COLUMN=VALUE is needed")
    return name, value
