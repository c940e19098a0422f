"""The command line: one verb, one file, no logic.

`main` turns what a user can mend into one line and exit status 2.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import click

from latentia.core.errors import LatentiaError, Note, ToldElsewhere
from latentia.core.hints import here, in_shell
from latentia.core.threads import let_sleep

VERBS = {
    "demo": "demo",
    "train": "train",
    "pack": "pack",
    "sample": "sample",
    "reconstruct": "reconstruct",
    "interpolate": "interpolate",
    "traverse": "traverse",
    "encode": "encode",
    "decode": "decode",
    "score": "score",
    "impute": "impute",
    "compress": "compress",
    "decompress": "decompress",
    "evaluate": "evaluate",
    "compare": "compare",
    "sweep": "sweep",
    "report": "report",
    "explore": "explore",
    "serve": "serve",
    "export": "export",
    "list": "list_runs",
    "settings": "settings",
    "help": "help_of",
}
"""Each verb and the module that holds it, in the order of the help."""

TOGETHER = ("train", "encode")
"""The verbs that several processes may work on."""


class Verbs(click.Group):
    """A group that imports a verb's module when the verb is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the verbs in the order of `VERBS`."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb."""
        if cmd_name not in VERBS:
            return None
        if cmd_name not in TOGETHER:
            from latentia.core.processes import refuse_several

            refuse_several(f"'{cmd_name}'")
        return importlib.import_module(f"latentia.cli.{VERBS[cmd_name]}").command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb, or say which one is nearest."""
        from latentia.core.errors import nearest

        if args and args[0] not in VERBS and not args[0].startswith("-"):
            raise click.UsageError(f"unknown verb '{args[0]}'{nearest(args[0], VERBS)}")
        return super().resolve_command(ctx, args)


@click.group(cls=Verbs, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="latentia", message="latentia %(version)s")
@click.pass_context
def commands(context: click.Context) -> None:
    """Learn a latent space from data and put it to work.

    Start with 'latentia demo', or point 'latentia train' at your own data; 'latentia help VERB' says what a
    verb takes.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Args:
        arguments: what follows the program's name; the process's own by default.

    Raises:
        SystemExit: always; 0 for success, 2 for what the user can mend, 128 plus the number of
            the signal for an interruption.
    """
    let_sleep()
    with in_shell(sys.argv[0]):
        try:
            with warnings.catch_warnings():
                _say_notes()
                code = commands.main(arguments, prog_name="latentia", standalone_mode=False)
        except click.ClickException as error:
            _fail(here(error.format_message()))
        except ToldElsewhere:
            sys.exit(2)
        except LatentiaError as error:
            _fail(str(error))
        except BrokenPipeError:
            sys.exit(0)
        except OSError as error:
            _fail(f"{error.filename or 'the system'}: {error.strerror or error}")
        except (KeyboardInterrupt, click.Abort):
            click.echo("latentia: interrupted", err=True)
            sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)  # click gives back the status of ctx.exit


def _say_notes() -> None:
    """Print what was done to the user's data as one line, without the place in the program."""
    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any) -> None:
        if issubclass(category, Note):
            click.echo(f"note: {' '.join(str(message).split())}", err=True)
        else:
            usual(message, category, *place)

    warnings.showwarning = show
    warnings.simplefilter("always", Note)


def _fail(line: str) -> None:
    click.echo("latentia: " + " ".join(line.split()), err=True)
    sys.exit(2)
