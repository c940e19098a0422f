"""The verb `export`."""

from __future__ import annotations

from pathlib import Path

import click

from latentia.cli.output import device_option, run_argument


@click.command("export", short_help="Write a model for other programs: ONNX, a hub, diffusers.")
@run_argument
@device_option
@click.option(
    "--to",
    "target",
    type=click.Choice(["onnx", "hub", "diffusers"]),
    required=True,
    help="onnx: encoder.onnx, decoder.onnx and model.json, compared with torch. hub: the folder that "
    "from_pretrained reads, with a model card. diffusers: an image codec as AutoencoderKL, VQModel or "
    "AutoencoderDC.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="A new folder, which appears whole or not at all.",
)
def command(run: Path, target: str, device: str, output: Path) -> None:
    """Write the model of RUN into a folder for other programs."""
    from latentia.api import open_run
    from latentia.export import TARGETS

    opened = open_run(run, device=device)
    for line in TARGETS[target](opened, output, lambda line: click.echo(f"note: {line}", err=True)):
        click.echo(line)
