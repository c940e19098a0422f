"""The explorer's server: runs opened, a port found, the page shown."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from latentia.errors import LatentiaError, MissingExtra
from latentia.explorer.view import View

if TYPE_CHECKING:
    from fastapi import FastAPI

    from latentia.run import Run

FRAME = 4 * 2**20
"""Bytes of a frame of the WebSocket at most."""


def app_of(
    runs: Sequence[Run],
    *,
    labels: Sequence[str] = (),
    axis: Mapping[str, Any] | None = None,
    title: str = "",
    host: str = "127.0.0.1",
) -> Any:
    """Make the guarded app that shows runs.

    Args:
        runs: the runs, at least one.
        labels: what each is called in a sweep; their names by default.
        axis: what differs between the runs of a sweep: `name` and `values`.
        title: what the page is called; the runs' names by default.
        host: what the server is bound to.

    Returns:
        The ASGI app.

    Raises:
        MissingExtra: if the packages of the extra `serve` are not installed.
    """
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
        import websockets  # noqa: F401
    except ImportError as error:
        raise MissingExtra(error.name or "fastapi", "serve", "latentia explore") from error
    from latentia.explorer.guard import Guard, allowed_hosts
    from latentia.explorer.routes import build

    names = labels or [""] * len(runs)
    views = [View(run, number, label) for number, (run, label) in enumerate(zip(runs, names, strict=True))]
    for view in views:
        view.prepared()
    app: FastAPI = build(views, title or ", ".join(run.name for run in runs[:3]), axis)
    return Guard(app, hosts=allowed_hosts(host))


def serve(app: Any, host: str, port: int, opened: Callable[[str], None]) -> None:
    """Show an app until the process is interrupted.

    Args:
        app: the app.
        host: where to listen.
        port: the port; 0 takes a free one.
        opened: is told the address once the page can be asked for.

    Raises:
        LatentiaError: if the port is taken or the host is not this machine's.
    """
    import uvicorn

    listening = _listen(host, port)
    name = f"[{host}]" if ":" in host else host
    address = f"http://{name}:{listening.getsockname()[1]}/"
    config = uvicorn.Config(app, log_level="warning", ws_max_size=FRAME, ws="websockets-sansio")
    server = _server(config, lambda: opened(address))
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except (OSError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise LatentiaError(f"cannot listen on {host}:{port} ({reason}); choose another --port") from error
    return listening


def _server(config: Any, ready: Callable[[], None]) -> Any:
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready()

    return Server(config)
