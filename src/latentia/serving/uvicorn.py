"""A server's life: its socket, its start, and an end in which nobody is cut off."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from latentia.core.errors import ConfigError, RunError
from latentia.core.extras import optional
from latentia.serving.guard import BODY, allowed_hosts

if TYPE_CHECKING:
    from fastapi import FastAPI

TOKEN = "LATENTIA_TOKEN"
"""The environment variable that holds the token."""
GRACE = 30
"""Seconds that requests in flight have when a server is asked to end."""
MESSAGE = 2**20
"""Bytes of a WebSocket's message at the most."""


def listen(host: str, port: int) -> socket.socket:
    """Take a port.

    Args:
        host: the name or address to be bound to.
        port: the port; 0 for any that is free.

    Returns:
        The listening socket.

    Raises:
        RunError: if the port is taken or may not be used, or this machine has no such address.
    """
    # With the protocol named: asyncio leaves Nagle's delay on where it is not, and an answer of two parts
    # then waits 40 ms for the acknowledgement of the first.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(1024)
    except (OSError, OverflowError) as error:
        bound.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise RunError(
                f"port {port} of {host} is in use; give another --port, or 0 for a free one"
            ) from error
        reason = error.strerror if isinstance(error, OSError) else error
        raise RunError(
            f"cannot serve on {host}, port {port}: {reason}; give another --host or --port"
        ) from error
    return bound


def address(host: str, bound: socket.socket) -> str:
    """Write the address of a server.

    Args:
        host: what it was bound to.
        bound: its socket.

    Returns:
        Such as `http://127.0.0.1:8000`.
    """
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{bound.getsockname()[1]}"


def read_token(path: Path | None) -> str | None:
    """Read the token that callers must know.

    Args:
        path: a file that holds it; the environment variable `LATENTIA_TOKEN` by default.

    Returns:
        The token, or None where there is none.

    Raises:
        ConfigError: if the file cannot be read, or holds nothing.
    """
    if path is None:
        return os.environ.get(TOKEN) or None
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the token from {path}: {error}") from error
    if not token:
        raise ConfigError(f"{path} holds no token; write a long random word into it")
    return token


def run(app: FastAPI, bound: socket.socket, *, ready: Callable[[], Any] | None = None) -> None:
    """Serve until a signal comes: SIGINT or SIGTERM lets requests in flight end, a second one does not.

    Args:
        app: the app.
        bound: the listening socket.
        ready: called when the server answers.

    Raises:
        MissingExtra: if uvicorn is not installed.
    """
    uvicorn = optional("uvicorn", "serve", "a server")

    class Server(uvicorn.Server):
        """A server that ends by our rules, and says so with status 0."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:  # pyright: ignore[reportIncompatibleMethodOverride]
            """Handle signals while serving."""
            names = (signal.SIGINT, signal.SIGTERM)
            before = {name: signal.signal(name, self.handle_exit) for name in names}
            try:
                yield
            finally:
                for name, handler in before.items():
                    signal.signal(name, handler)

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            """End: gently at first."""
            if self.should_exit:
                os._exit(128 + sig)  # threads may be in the middle of something long
            self.should_exit = True

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            """Start, and say so."""
            await super().startup(sockets=sockets)
            if ready is not None:
                ready()

    Server(_config(app)).run(sockets=[bound])


def _config(app: FastAPI, grace: int = GRACE) -> Any:
    import uvicorn

    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=grace,
        ws_max_size=MESSAGE,
        lifespan="on",
    )


def beside(app: FastAPI, bound: socket.socket) -> tuple[Any, threading.Thread]:
    """Serve in a thread that ends with the program.

    Args:
        app: the app.
        bound: the listening socket, which it closes in the end.

    Returns:
        The server, which ends when its `should_exit` is set, and its thread. It answers by then.

    Raises:
        RunError: if it does not start.
        MissingExtra: if uvicorn is not installed.
    """
    uvicorn = optional("uvicorn", "serve", "a server")
    server = uvicorn.Server(_config(app, grace=1))

    def work() -> None:
        with bound:
            server.run(sockets=[bound])

    thread = threading.Thread(target=work, name="latentia explore", daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RunError("the server did not start; see the lines above")
        time.sleep(0.01)
    return server, thread


def serve(
    path: str | os.PathLike[str],
    *,
    port: int = 8000,
    host: str = "127.0.0.1",
    allow: Iterable[str] = (),
    token_file: Path | None = None,
    most: int = 256,
    body: int = BODY,
    device: str = "auto",
    say: Callable[[str], Any] = print,
) -> None:
    """Serve a run until a signal comes.

    Args:
        path: the run folder.
        port: the port; 0 for any that is free.
        host: the address to answer on.
        allow: further names under which the server may be asked.
        token_file: a file with the token that callers must know.
        most: examples of concurrent requests that are computed together.
        body: bytes of a request's body at the most.
        device: where to compute: 'auto', 'cpu', 'cuda', ...
        say: told the address when the server answers.
    """
    token = read_token(token_file)
    with listen(host, port) as bound:
        import torch

        from latentia.export.decoder import decoder
        from latentia.runs.run import Run
        from latentia.serving.server import create_app
        from latentia.serving.service import Service

        spare = max(1, (os.cpu_count() or 2) - 1)  # one core is the network's
        torch.set_num_threads(min(torch.get_num_threads(), spare))
        opened = Run.open(path).to(device)
        quick = decoder(opened, threads=spare) if opened.device.type == "cpu" else None
        service = Service(opened, decode=quick)
        app = create_app(service, hosts=allowed_hosts(host, allow), token=token, body=body, most=most)
        gc.collect()
        gc.freeze()  # all that was imported: the collector need not walk through it while requests wait
        where = address(host, bound)
        closed = "" if token is None else ", with the token"
        run(
            app,
            bound,
            ready=lambda: say(f"{opened.name} on {where}{closed}; {where}/openapi.json says how to ask"),
        )
