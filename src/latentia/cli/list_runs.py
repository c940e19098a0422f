"""The verb `list`."""

from __future__ import annotations

from pathlib import Path

import click

from latentia.core.hints import here


@click.command("list", short_help="List the runs in a folder.")
@click.argument("root", default="runs", type=click.Path(path_type=Path))
def command(root: Path) -> None:
    """List the runs below ROOT (runs by default): what they are and how they did."""
    from latentia.training.folder import summaries

    rows = summaries(root)
    if not rows:
        click.echo(here(f"no runs in {root}; make one with: latentia train"))
        return
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
