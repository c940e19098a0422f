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
    "from_pretrained reads, with a model card. diffusers: a codec as AutoencoderKL, VQModel, "
    "AutoencoderDC or AutoencoderKLLTXVideo; or, with --with, a diffusion of its latents as a pipeline.",
)
@click.option(
    "--with",
    "codec_run",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="The codec whose latents RUN, a diffusion, draws: both become a DiTPipeline or an LDMPipeline.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="A new folder, which appears whole or not at all.",
)
def command(run: Path, target: str, codec_run: Path | None, device: str, output: Path) -> None:
    """Write the model of RUN into a folder for other programs."""
    from latentia.api import open_run
    from latentia.export import TARGETS

    if codec_run is not None and target != "diffusers":
        raise click.UsageError(f"--with makes a pipeline of diffusers, and --to is {target}; leave it out")
    opened = open_run(run, device=device)
    more = {} if codec_run is None else {"codec": open_run(codec_run, device=device)}
    for line in TARGETS[target](opened, output, lambda line: click.echo(f"note: {line}", err=True), **more):
        click.echo(line)
