"""The verb `sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from latentia.cli.train import gather, run_options
from latentia.core.errors import ConfigError, shell
from latentia.core.hints import here


@click.command("sweep", short_help="Train a family of runs and draw what changes along it.")
@click.argument("words", nargs=-1, metavar="[SOURCE] [SECTION.KEY=VALUE]...")
@click.option(
    "--over", multiple=True, metavar="SECTION.KEY=V,V,...",
    help="What to vary, such as objective.beta=0,1,4; several multiply.",
)  # fmt: skip
@run_options
@click.option("--out", type=click.Path(path_type=Path), help="The folder of the sweep.")
@click.option("--resume", type=click.Path(path_type=Path), metavar="SWEEP", help="Go on with a sweep.")
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="A run file (TOML).")
@click.option("--quiet", is_flag=True, help="Print errors alone.")
def command(
    words: tuple[str, ...],
    over: tuple[str, ...],
    out: Path | None,
    resume: Path | None,
    config: Path | None,
    quiet: bool,
    **flags: Any,
) -> None:
    """Train SOURCE once for each value of --over, everything else equal, and write a page: rate and
    distortion, reconstructions, samples and maps along the values.

    A sweep that was interrupted goes on with --resume: what is trained stays.
    """  # noqa: D205
    from latentia import sweeps
    from latentia.runs import session

    say = session.silent if quiet else click.echo
    given = {name: value for name, value in flags.items() if value is not None}
    if resume is not None:
        if words or over or out or config or given:
            raise ConfigError("--resume goes alone: a sweep keeps its settings")
        ended = sweeps.go_on(resume, quiet=quiet, say=say)
    else:
        source, settings = gather(words, config, given)
        ended = sweeps.start(source, settings, over, out=out, quiet=quiet, say=say)
    if ended.interrupted:
        again = here(f"latentia sweep --resume {shell(ended.folder)}")
        click.echo(f"interrupted, and saved; go on with: {again}", err=True)
        click.get_current_context().exit(128 + ended.interrupted)
    say(f"sweep: {ended.page}")
