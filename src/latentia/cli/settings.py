"""The verb `settings`."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from latentia.core.hints import here

if TYPE_CHECKING:
    from latentia.assembly.catalogue import Component

WIDTH = 100


@click.command("settings", short_help="List every setting, with its default and its meaning.")
@click.argument("section", required=False)
@click.argument("component", required=False)
def command(section: str | None, component: str | None) -> None:
    """List the settings of SECTION, or of one COMPONENT of it; the sections, without one.

    They are written as SECTION.KEY=VALUE behind 'latentia train', and as SECTION=NAME to choose a component.
    """
    from latentia.assembly.catalogue import catalogue, sections
    from latentia.core.errors import ConfigError, nearest
    from latentia.data import load
    from latentia.training import Training

    plain = {"data": load, "training": Training}
    if section is None:
        for name in sections(plain):
            names = [found.name for found in catalogue(name, plain) if found.name]
            click.echo(_wrapped(f"{name:<12}", ", ".join(names) or _keys(next(catalogue(name, plain)))))
        click.echo(here("more of each with: latentia settings SECTION"))
        return
    listed = list(catalogue(section, plain))
    if component is not None:
        names = [found.name for found in listed if found.name]
        if component not in names:
            raise ConfigError(f"unknown {section} '{component}'{nearest(component, names)}")
        listed = [found for found in listed if found.name == component]
    click.echo("\n".join(_lines(section, found) for found in listed))


def _keys(found: Component) -> str:
    return ", ".join(argument.name for argument in found.arguments)


def _lines(section: str, found: Component) -> str:
    """Write a component and its settings."""
    lines = [_wrapped(f"{section}={found.name}" if found.name else section, f": {found.meaning}")]
    for argument in found.arguments:
        usual = f" [{argument.default}]" if argument.default else ""
        lines.append(f"  {section}.{argument.name}{usual} ({argument.type})")
        if argument.meaning:
            lines.append(_wrapped("      ", argument.meaning))
    return "\n".join(lines) + "\n" * bool(found.name)


def _wrapped(head: str, text: str) -> str:
    return textwrap.fill(head + text, WIDTH, subsequent_indent=" " * (len(head) if head.isspace() else 4))
