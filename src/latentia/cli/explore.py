"""The verb `explore`."""

from __future__ import annotations

from pathlib import Path

import click

from latentia.cli.output import device_option


@click.command("explore", short_help="Open a page to see latents, move in them, and decode.")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port; a free one by default.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--allow-host",
    multiple=True,
    metavar="NAME",
    help="Another name under which the page may be asked for; can be given again.",
)
@click.option("--no-browser", is_flag=True, help="Do not open the browser.")
@click.option(
    "--export",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write the page into a new folder that needs no server, and end.",
)
@click.option(
    "--runtime",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="For --export: the folder with ONNX Runtime Web's files; else they are found or fetched by npm.",
)
@click.option(
    "--with",
    "partner",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Another run that was trained on latents of this one, as a sampler of the tab Sample.",
)
@device_option
def command(
    runs: tuple[Path, ...],
    port: int,
    host: str,
    allow_host: tuple[str, ...],
    no_browser: bool,
    folder: Path | None,
    runtime: Path | None,
    partner: Path | None,
    device: str,
) -> None:
    """Show the latents of RUN, of several runs, or of a sweep, on a page in the browser."""
    from latentia.api import open_run
    from latentia.explorer.explore import app_of, serve
    from latentia.serving.uvicorn import listen
    from latentia.sweeps import opened_family

    folders, labels, axis = opened_family(runs)
    opened_runs = [open_run(path, device=device) for path in folders]
    title = "" if axis is None else runs[0].resolve().name
    if folder is not None:
        if partner is not None:
            raise click.UsageError("--with needs the server, and --export makes a page without one; give one")
        from latentia.explorer.site import write_site

        size = write_site(
            opened_runs, folder, labels=labels, axis=axis, title=title, engine=runtime, say=click.echo
        )
        click.echo(f"{folder}: {size / 2**20:.1f} MB; open its index.html, or put the folder on any web host")
        return

    other = None if partner is None else open_run(partner, device=device)

    def opened(address: str) -> None:
        click.echo(f"explore: {address} (Ctrl-C ends)")
        if not no_browser:
            import webbrowser

            webbrowser.open(address)

    with listen(host, port) as bound:  # first: what a taken port ends must not have begun anything
        app = app_of(
            opened_runs, labels=labels, axis=axis, title=title, host=host, allow=allow_host, partner=other
        )
        serve(app, host, bound, opened)
