"""The verb `evaluate`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from latentia.cli.output import device_option, run_argument


def settings_options(function: click.decorators.FC) -> click.decorators.FC:
    """Add the options that say how runs are assessed; `compare` has the same."""
    for option in reversed(
        (
            click.option("--data", metavar="SOURCE", help="Other data than the run's own."),
            click.option(
                "--split", help="train, validation, test or all; by default test, and all of other data."
            ),
            click.option(
                "--skip-bad", is_flag=True, help="Leave out files of other data that cannot be read."
            ),
            click.option(
                "--samples", default=5000, show_default=True, help="Importance samples K for log p(x)."
            ),
            click.option("--limit", type=int, help="Examples for log p(x); by default some minutes' worth."),
            click.option(
                "--ais", default=0, show_default=True, help="Examples for annealed importance sampling."
            ),
            click.option("--seed", default=0, show_default=True, help="Seed of everything random."),
            device_option,
            click.option(
                "--inception", metavar="FILE", help="Weights of the Inception network (safetensors)."
            ),
            click.option(
                "--samplers", metavar="NAME,...",
                help="prior, mixture, flow, two_stage, diffusion, run, autoregressive (for codes).  "
                "[default: prior,mixture]",
            ),
            click.option(
                "--with", "latent_run", metavar="RUN",
                help="The run whose draws the sampler run decodes: one trained on latents of this one.",
            ),
            click.option(
                "--compile", type=click.Choice(["auto", "always", "never"]), default="auto",
                show_default=True, help="Compile the decoding for log p(x); auto: where it pays.",
            ),
            click.option(
                "--only", metavar="TOPIC,...",
                help="likelihood, health, reconstruction, generation, representation, disentanglement, "
                "files; all by default.",
            ),
        )
    ):  # fmt: skip
        function = option(function)
    return function


def chosen_settings(options: Mapping[str, object]) -> dict[str, Any]:
    """Turn these options into the settings of an assessment."""
    settings: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    for name in ("samplers", "only"):
        if isinstance(given := settings.get(name), str):
            settings[name] = [word.strip() for word in given.split(",")]
    return settings


@click.command("evaluate", short_help="Measure a run: likelihood, latents, samples, ...")
@run_argument
@settings_options
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path), help="Write the figures into this file."
)
@click.option("--quiet", is_flag=True, help="Show no progress.")
def command(run: Path, json_file: Path | None, quiet: bool, **settings: object) -> None:
    """Measure every figure that RUN and its data allow, each with its standard error.

    What is measured is kept in RUN/evaluation.json, and is not measured again while weights, data
    and settings stay the same.
    """
    from latentia import api
    from latentia.core import storage
    from latentia.evaluation.text import lines
    from latentia.runs import session

    if json_file is not None:
        storage.check_writable(json_file)
    say = session.silent if quiet else (lambda line: click.echo(line, err=True))
    assessment = api.evaluate(run, quiet=quiet, say=say, **chosen_settings(settings))
    if json_file is not None:  # before the lines: whoever reads them may stop early
        storage.write_json(json_file, assessment.as_json())
        click.echo(f"figures: {json_file}", err=True)
    for line in lines(assessment):
        click.echo(line)
