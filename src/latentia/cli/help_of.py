"""The verb `help`."""

from __future__ import annotations

import click


@click.command("help", short_help="Say what a verb takes.")
@click.argument("verb", required=False)
@click.pass_context
def command(context: click.Context, verb: str | None) -> None:
    """Print the help of VERB, as VERB --help does; of all verbs without one."""
    above = context.parent or context
    group = above.command
    if verb is None or not isinstance(group, click.Group):
        click.echo(above.get_help())
        return
    name, found, _ = group.resolve_command(above, [verb])
    if found is None:
        raise click.UsageError(f"unknown verb '{verb}'")
    click.echo(found.get_help(click.Context(found, info_name=name, parent=above)))
