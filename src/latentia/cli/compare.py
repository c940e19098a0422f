"""The verb `compare`."""

from __future__ import annotations

from pathlib import Path

import click

from latentia.cli.evaluate import chosen_settings, settings_options


@click.command("compare", short_help="Evaluate runs and show them side by side.")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default="compare.html", show_default=True,
    help="The HTML file.",
)  # fmt: skip
@settings_options
@click.option("--quiet", is_flag=True, help="Show no progress.")
def command(runs: tuple[Path, ...], output: Path, quiet: bool, **settings: object) -> None:
    """Evaluate each RUN as 'latentia evaluate' does, and write one page that shows them side by side: on
    the same inputs, with the same noise, every figure in one table. A sweep's folder stands for its runs.
    """  # noqa: D205
    from latentia import api
    from latentia.report import Axis
    from latentia.runs import session
    from latentia.sweeps import opened_family

    folders, _, found = opened_family(runs)
    axis = None if found is None else Axis(found["name"], tuple(found["values"]))
    say = session.silent if quiet else (lambda line: click.echo(line, err=True))
    page = api.compare(folders, output, axis=axis, quiet=quiet, say=say, **chosen_settings(settings))
    click.echo(f"comparison: {page}")
