"""The gate before a server's app: who may ask, how much, and what a browser may do with the answer."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
from collections.abc import Collection, Iterable, MutableMapping
from hmac import compare_digest
from typing import TYPE_CHECKING, Any

from latentia.core.errors import LatentiaError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MEGABYTE = 2**20
BODY = 32 * MEGABYTE
"""Bytes of a request's body at the most."""
HELD = 512 * MEGABYTE
"""Bytes of bodies of all requests in flight at the most; one request is always let in."""
LINGER = 256 * MEGABYTE, 5.0
"""Bytes and seconds that the rest of a refused body is read on, so that its sender reads the answer."""
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names of this machine that no other machine can take on."""
ANYWHERE = frozenset({"0.0.0.0", "::", ""})
"""What a server is bound to that answers on every address."""
POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
"""What a page may load, by default: what this server gives, and nothing of the internet."""
CALLS = {401: (b"www-authenticate", b"Bearer"), 503: (b"retry-after", b"1")}
"""What goes with a refusal."""
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class _TooLarge(Exception):
    """More of a body has come than the limit allows."""


def allowed_hosts(bound: str, more: Iterable[str] = ()) -> frozenset[str]:
    """Give the names under which a server may be asked.

    Args:
        bound: the host that it is bound to.
        more: further names, such as a proxy's; with or without a port.

    Returns:
        Names without ports, in lower case. Where the server is bound to every address, `*` is among them,
        which stands for every address written as a number: no name can be rebound to lead there.
    """
    names = {_name(host) for host in more} | LOCAL
    return frozenset(names | ({"*"} if bound in ANYWHERE else {_name(bound)}))


def _name(host: str) -> str:
    """Take the port off, and the brackets of an IPv6 address."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host if host.count(":") > 1 else host.partition(":")[0]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Guard:
    """ASGI middleware that turns away what should not reach the app, and marks what leaves it.

    - A forged or missing `Host` (DNS rebinding): 403.
    - An `Origin` other than the server's own, of a WebSocket or of anything but GET and HEAD: 403. Programs
      that are no browser send none and pass.
    - A token that is missing or wrong, where one is set: 401.
    - A body larger than the limit, whatever its `Content-Length` says: 413.
    - A body for which there is no room beside those of other requests: 503.

    A refusal is `{"error": "one line"}`. Every answer gets the headers that keep a browser from guessing
    types, framing the page, telling others where it came from, and loading anything from elsewhere.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Collection[str] = LOCAL,
        body: int = BODY,
        token: str | None = None,
        open_paths: Collection[str] = (),
        policy: str = POLICY,
    ) -> None:
        """Stand before an app.

        Args:
            app: the app.
            hosts: the names under which it may be asked, as `allowed_hosts` gives them.
            body: bytes of a body at the most.
            token: what `Authorization: Bearer` must say; None lets everybody in.
            open_paths: paths that need no token.
            policy: the header `Content-Security-Policy`, where the app sets none.

        Raises:
            LatentiaError: for a token that no header could carry.
        """
        if token is not None and (
            not token or not token.isascii() or not token.isprintable() or " " in token
        ):
            raise LatentiaError(
                "the token must be of printable ASCII characters without spaces, at least one"
            )
        self.app = app
        self.hosts = hosts
        self.body = body
        self.token = token
        self.open_paths = open_paths
        self.held = 0
        self.headers = [
            (name.encode(), value.encode())
            for name, value in {**HEADERS, "content-security-policy": policy}.items()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request, and pass it on or refuse it.

        Args:
            scope: the request.
            receive: gives its body.
            send: takes the answer.
        """
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        answer = _Answer(send, self.headers)
        refusal = self._refusal(scope)
        if refusal:
            await _refuse(scope, receive, answer, *refusal)
        elif scope["type"] == "websocket":
            await self.app(scope, receive, answer.send)
        else:
            await self._counted(scope, receive, answer)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Say why a request is turned away before its body is read, if it is."""
        headers = _headers(scope)
        hosts = headers.get("host", [])
        host = hosts[0] if len(hosts) == 1 else ""
        name = _name(host)
        if not (name in self.hosts or ("*" in self.hosts and _is_address(name))):
            return 403, f"this server is not asked as {_shown(host)}; allow that name with --allow-host"
        changes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        for origin in headers.get("origin", []) if changes else []:
            if origin.lower().partition("://")[2] != host.lower():
                return 403, f"pages of {_shown(origin)} may not use this server"
        if self.token is not None and scope["path"] not in self.open_paths:
            given = headers.get("authorization", [""])[0]
            scheme, _, word = given.partition(" ")
            if scheme.lower() != "bearer" or not compare_digest(
                word.strip().encode(errors="replace"), self.token.encode()
            ):
                return 401, "this server asks for its token: send the header Authorization: Bearer TOKEN"
        lengths = headers.get("content-length", [])
        if lengths and (not lengths[0].isdigit() or len(lengths[0]) > 18 or int(lengths[0]) > self.body):
            return 413, self._too_large()
        return None

    def _too_large(self) -> str:
        return f"the body is larger than {self.body / MEGABYTE:g} MB; send less at a time"

    async def _counted(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        """Pass a request on and count its body as it comes: a length may be absent or a lie."""
        come = 0
        refusal: tuple[int, str] | None = None

        async def counted() -> Message:
            nonlocal come, refusal
            message = await receive()
            size = len(message.get("body", b""))
            come, self.held = come + size, self.held + size
            if come > self.body:
                refusal = 413, self._too_large()
            elif size and self.held > max(HELD, come):
                refusal = 503, "the server is busy: too much is being sent to it; try again in a second"
            if refusal:
                answer.muted = not answer.started  # whatever the app makes of the failure
                raise _TooLarge
            return message

        try:
            await self.app(scope, counted, answer.send)
        except Exception:
            if not refusal or answer.started:
                raise
        finally:
            self.held -= come
        if refusal and not answer.started:
            answer.muted = False
            await _refuse(scope, receive, answer, *refusal)


class _Answer:
    """The way out: adds the headers, and remembers whether an answer has begun."""

    def __init__(self, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._headers = headers
        self.started = False
        self.muted = False

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Pass a message on."""
        if self.muted:
            return
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            self.started = True
            given = list(message.get("headers", []))
            known = {name.lower() for name, _ in given}
            message = {**message, "headers": given + [pair for pair in self._headers if pair[0] not in known]}
        await self._send(message)


def _headers(scope: Scope) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _shown(text: str) -> str:
    """Quote what a stranger sent: short, and nothing but plain characters."""
    return repr("".join(char for char in text[:80] if char.isascii() and char.isprintable()))


async def _refuse(scope: Scope, receive: Receive, answer: _Answer, status: int, line: str) -> None:
    """Answer with one line of JSON, and read on for a while what is still being sent."""
    body = json.dumps({"error": line}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status in CALLS:
        headers.append(CALLS[status])
    kind = "http"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            await answer.send({"type": "websocket.close", "code": 1008, "reason": line[:120]})
            return
        kind = "websocket.http"
    else:
        headers.append((b"connection", b"close"))
    await answer.send({"type": f"{kind}.response.start", "status": status, "headers": headers})
    await answer.send({"type": f"{kind}.response.body", "body": body, "more_body": kind == "http"})
    if kind == "http":  # a connection that is closed on unread bytes is reset, and the answer lost with it
        await _drain(receive)
        await answer.send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drain(receive: Receive) -> None:
    """Read and forget the rest of a body."""
    most, seconds = LINGER
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while most > 0:
                message = await receive()
                most -= len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
