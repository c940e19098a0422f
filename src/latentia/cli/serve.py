"""The verb `serve`."""

from __future__ import annotations

from pathlib import Path

import click

from latentia.cli.output import device_option, run_argument


@click.command("serve", short_help="Offer a run to other programs over HTTP.")
@run_argument
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to answer on.")
@click.option(
    "--allow-host",
    multiple=True,
    metavar="NAME",
    help="Another name under which the server may be asked, such as a proxy's; can be given again.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="A file with the token that callers must send; LATENTIA_TOKEN holds one, too.",
)
@click.option(
    "--max-batch",
    type=click.IntRange(1, 4096),
    default=256,
    show_default=True,
    help="Examples of concurrent requests that are computed together.",
)
@click.option(
    "--body-mb",
    type=click.FloatRange(0, 4096, min_open=True),
    default=32.0,
    show_default=True,
    help="Megabytes of a request at the most.",
)
@device_option
def command(
    run: Path,
    port: int,
    host: str,
    allow_host: tuple[str, ...],
    token_file: Path | None,
    max_batch: int,
    body_mb: float,
    device: str,
) -> None:
    """Serve the trained RUN: encode, decode, reconstruct, sample and score over HTTP.

    It answers on this machine alone unless --host says otherwise. /openapi.json describes every endpoint.
    Ctrl-C ends it when the requests in flight are answered; a second one at once.
    """
    from latentia.serving.uvicorn import serve

    serve(
        run,
        port=port,
        host=host,
        allow=allow_host,
        token_file=token_file,
        most=max_batch,
        body=int(body_mb * 2**20),
        device=device,
        say=click.echo,
    )
