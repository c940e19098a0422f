"""The verb `demo`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("demo", short_help="See it all on built-in pictures, in about a minute.")
@click.option("--out", type=click.Path(path_type=Path), help="Where to put the runs; runs/demo by default.")
@click.option("--quiet", is_flag=True, help="Print the report's place alone.")
def command(out: Path | None, quiet: bool) -> None:
    """Train an autoencoder and a VAE on built-in pictures of clothing, and compare them in a report."""
    from latentia.demo import demo

    click.echo(f"report: {demo(out, quiet=quiet, say=(lambda line: None) if quiet else click.echo)}")
