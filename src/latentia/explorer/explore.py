"""The explorer's server: runs opened, a port found, the page shown."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from latentia.core.errors import RunError
from latentia.core.extras import optional
from latentia.explorer.view import View

if TYPE_CHECKING:
    import socket

    from fastapi import FastAPI

    from latentia.runs.run import Run


def app_of(
    runs: Sequence[Run],
    *,
    labels: Sequence[str] = (),
    axis: Mapping[str, Any] | None = None,
    title: str = "",
    host: str = "127.0.0.1",
    allow: Sequence[str] = (),
    quick: bool = True,
    partner: Run | None = None,
) -> Any:
    """Make the guarded app that shows runs.

    Args:
        runs: the runs, at least one.
        labels: what each is called in a sweep; their names by default.
        axis: what differs between the runs of a sweep: `name` and `values`.
        title: what the page is called; the runs' names by default.
        host: what the server is bound to.
        allow: further names under which the page may be asked for.
        quick: make a quicker decoder of each run beside the page, which takes some seconds.
        partner: of a single run, another one that was trained on its latents and draws such.

    Returns:
        The ASGI app.

    Raises:
        ConfigError: if a run is a prior alone, or the partner draws something else than latents of the run.
        MissingExtra: if the packages of the extra `serve` are not installed.
        RunError: if there are several runs and a partner, or it was trained on latents of other weights.
    """
    if partner is not None and len(runs) > 1:
        raise RunError("--with is about one run; explore each alone")
    for package in ("fastapi", "uvicorn", "websockets"):
        optional(package, "serve", "latentia explore")
    from latentia.explorer.routes import build
    from latentia.serving.guard import Guard, allowed_hosts

    names = labels or [""] * len(runs)
    views = [
        View(run, number, label, partner) for number, (run, label) in enumerate(zip(runs, names, strict=True))
    ]
    for view in views:
        view.prepared()
        if quick:
            view.quicken()
    more = f" and {len(runs) - 3} more" if len(runs) > 3 else ""
    app: FastAPI = build(views, title or ", ".join(run.name for run in runs[:3]) + more, axis)
    return Guard(app, hosts=allowed_hosts(host, allow))


def serve(app: Any, host: str, bound: socket.socket, opened: Callable[[str], None]) -> None:
    """Show an app until the process is interrupted.

    Args:
        app: the app.
        host: what the socket was bound to.
        bound: the listening socket.
        opened: is told the address once the page can be asked for.
    """
    import torch

    from latentia.serving.uvicorn import address, run

    torch.set_num_threads(max(1, min(torch.get_num_threads(), (os.cpu_count() or 2) - 1)))
    run(app, bound, ready=lambda: opened(address(host, bound) + "/"))


class Explorer:
    """A page that is served beside the program, by a thread of its own.

    Attributes:
        address: where the page is.
    """

    def __init__(self, app: Any, port: int = 0) -> None:
        """Start to serve an app on this machine.

        Args:
            app: the app.
            port: the port; 0 for one that is free.

        Raises:
            RunError: if the port is taken, or the server does not start.
        """
        from latentia.serving.uvicorn import address, beside, listen

        bound = listen("127.0.0.1", port)
        self.address = address("127.0.0.1", bound) + "/"
        self._server, self._thread = beside(app, bound)

    def wait(self) -> None:
        """Serve until the program is interrupted."""
        try:
            self._thread.join()
        finally:
            self.close()

    def close(self) -> None:
        """End."""
        self._server.should_exit = True
        self._thread.join()

    def __repr__(self) -> str:
        """Say where it is."""
        return f"the explorer on {self.address}; close() ends it"

    def _repr_html_(self) -> str:
        """Show the page in a notebook."""
        return f'<iframe src="{self.address}" width="100%" height="720" style="border:0"></iframe>'
