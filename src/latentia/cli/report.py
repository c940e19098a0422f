"""The verb `report`."""

from __future__ import annotations

from pathlib import Path

import click

from latentia.cli.output import device_option


@click.command("report", short_help="Write a report of one run or several.")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="The file; RUN/report.html for one run."
)
@click.option(
    "--with",
    "partner",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="The run that draws latents for this one; or, of a run that was trained on latents, the one that "
    "decodes them.",
)
@device_option
def command(runs: tuple[Path, ...], output: Path | None, partner: Path | None, device: str) -> None:
    """Write one self-contained HTML file about RUN, about several runs side by side, or about a sweep."""
    from latentia.api import open_run
    from latentia.core.errors import ConfigError
    from latentia.sweeps import opened_family

    folders, _, axis = opened_family(runs)
    if len(runs) > 1 and output is None:
        raise ConfigError("a report of several runs needs a place: give -o FILE.html")
    if axis is not None and output is None:
        output = next(iter(runs)) / "report.html"
    opened = [open_run(run, device=device) for run in folders]
    other = None if partner is None else open_run(partner, device=device)
    from latentia.report import Axis, build

    along = None if axis is None else Axis(axis["name"], tuple(axis["values"]))
    click.echo(f"report: {build(opened, output, partner=other, axis=along)}")
