"""A run over HTTP: the service's verbs as endpoints, with a description that programs can read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from latentia.core.errors import LatentiaError, MissingExtra
from latentia.core.version import __version__
from latentia.serving import bodies as wire
from latentia.serving import validation as checks
from latentia.serving.batching import Batcher
from latentia.serving.description import DESCRIPTION, operation
from latentia.serving.errors import Busy, Refusal, status_of
from latentia.serving.guard import BODY, LOCAL, Guard
from latentia.serving.info import plain
from latentia.serving.rows import Given
from latentia.serving.service import Service
from latentia.serving.verbs import GOT, POSTED, checked

try:
    from fastapi import FastAPI, Request
    from fastapi.responses import JSONResponse, Response
    from starlette.exceptions import HTTPException
except ImportError as missing:
    raise MissingExtra("fastapi", "serve", "a server") from missing

T = TypeVar("T")
HTTP_ERRORS = {404: "there is no such address", 405: "this address is asked with another method"}


def create_app(
    service: Service,
    *,
    hosts: Collection[str] = LOCAL,
    token: str | None = None,
    body: int = BODY,
    most: int = 256,
    waiting: int = 1024,
) -> FastAPI:
    """Make the app that serves a run.

    Args:
        service: the run as a service.
        hosts: the names under which it may be asked, as `guard.allowed_hosts` gives them.
        token: what `Authorization: Bearer` must say; None lets everybody in. `/live` needs none.
        body: bytes of a request's body at the most.
        most: rows of concurrent requests that are computed as one batch.
        waiting: requests that may wait; more are refused with 503.

    Returns:
        The app.
    """
    served = _Served(service, most, waiting)
    app = FastAPI(
        title=f"latentia: {service.run.name}",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,  # the pages would load their scripts from the internet
        redoc_url=None,
        lifespan=served.lifespan,
    )
    app.state.served = served
    app.add_middleware(Guard, hosts=hosts, token=token, body=body, open_paths=("/live",))
    app.add_exception_handler(LatentiaError, served.refused)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _failed)
    for method, verbs in (("POST", POSTED), ("GET", GOT)):
        for verb in verbs:
            described = operation(verb, service.info())
            app.add_api_route(f"/{verb}", getattr(served, verb), methods=[method], **described)
    return app


class _Served:
    """The endpoints: each reads a request, lets the batcher compute, and writes the answer as wanted."""

    def __init__(self, service: Service, most: int, waiting: int) -> None:
        self.service = service
        self._batching = {"most": most, "waiting": waiting}
        self.batcher: Batcher | None = None

    @contextlib.asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """Hold a batcher while the app runs."""
        self.batcher = Batcher(**self._batching)
        yield
        await self.batcher.close()
        self.batcher = None

    @property
    def ready(self) -> Batcher:
        """The batcher."""
        if self.batcher is None:
            raise Busy("the server is starting or stopping; try again in a second")
        return self.batcher

    async def encode(self, request: Request) -> Response:
        """Turn data into latents: mean and standard deviation of q(z|x)."""
        asked, made = await self._read(request, "encode")
        part = asked.fields["part"]
        given, c = await self._given(asked)
        mean, std = await self.ready.joined(self.service.encode_rows, given.x, c)
        if made == wire.JSON:
            return _json({"mean": mean, "std": std, **_noted(given)})
        if part == "std" and std is None:
            raise Refusal("the standard deviation of this posterior has no closed form; ask for the mean")
        return _binary(wire.npy(mean if part == "mean" else std), wire.NPY)

    async def decode(self, request: Request) -> Response:
        """Turn latents into data: the mean of p(x|z)."""
        asked, made = await self._read(request, "decode")
        z = await _off(asked.fields["z"], self.service.latents)
        c = self.service.conditions(asked.fields["condition"], len(z))
        return await self._data(await self.ready.joined(self.service.decode_rows, z, c), made)

    async def reconstruct(self, request: Request) -> Response:
        """Encode data and decode them again."""
        asked, made = await self._read(request, "reconstruct")
        given, c = await self._given(asked)
        data = await self.ready.joined(self.service.reconstruct_rows, given.x, c)
        return await self._data(data, made, given)

    async def sample(self, request: Request) -> Response:
        """Generate data; the same request gives the same data."""
        asked, made = await self._read(request, "sample")
        found = await self.ready.alone(lambda: self.service.sample(**asked.fields))
        return await self._data(found, made, clip=True)

    async def score(self, request: Request) -> Response:
        """Say for each example what the model makes of it."""
        asked, _ = await self._read(request, "score")
        given = await self._examples(asked)
        found = await self.ready.alone(lambda: self.service.score(**{**asked.fields, "x": given.x}))
        return _json({"examples": len(given.x), **found, **_noted(given)})

    async def impute(self, request: Request) -> Response:
        """Fill in what is missing."""
        asked, _ = await self._read(request, "impute")
        given = await self._examples(asked)
        found = await self.ready.alone(lambda: self.service.impute(**{**asked.fields, "x": given.x}))
        write = partial(self.service.told, named=given.named)
        data = {"x": write(found.best)} if found.draws is None else {"draws": [*map(write, found.draws)]}
        effective = {} if np.isnan(found.effective).all() else {"effective_sample_size": found.effective}
        return await asyncio.to_thread(_json, {**data, **effective, **_noted(given)})

    async def info(self, request: Request) -> Response:
        """Say what the run is."""
        return _json(self.service.info())

    async def live(self, request: Request) -> Response:
        """Say that the server answers."""
        batcher = self.ready
        return _json({"live": True, "requests": batcher.requests, "batches": batcher.batches})

    async def health(self, request: Request) -> Response:
        """Give the last evaluation of the run."""
        return _json(await asyncio.to_thread(self.service.health))

    async def metrics(self, request: Request) -> Response:
        """Give what training logged."""
        split = request.query_params.get("split")
        return _json(await asyncio.to_thread(self.service.metrics, split))

    async def _read(self, request: Request, name: str) -> tuple[wire.Asked, str]:
        """Read a request, in a thread if it is large, and find out how it is to be answered."""
        verb, body = POSTED[name], await request.body()
        kind = request.headers.get("content-type", "")
        query = dict(request.query_params)
        if len(body) > wire.LARGE and wire.NPY not in kind:
            asked = await asyncio.to_thread(wire.read, body, kind, query, verb.data)
        else:
            asked = wire.read(body, kind, query, verb.data)
        asked = replace(asked, fields=checked(verb.fields, asked.fields))
        made = verb.made(self.service.facts.kind)
        return asked, wire.wanted(request.headers.get("accept", "")[:500], asked.kind, made)

    async def _given(self, asked: wire.Asked) -> tuple[Given, np.ndarray | None]:
        """Check the examples of a request, and their conditions."""
        given = await self._examples(asked)
        return given, self.service.conditions(asked.fields["condition"], len(given.x), inferred=True)

    async def _examples(self, asked: wire.Asked) -> Given:
        if asked.kind in wire.IMAGES:
            return Given(await asyncio.to_thread(self.service.image, asked.fields["x"]))
        return await _off(asked.fields["x"], self.service.given)

    async def _data(
        self, data: np.ndarray, made: str, given: Given | None = None, *, clip: bool = False
    ) -> Response:
        """Write data in the wanted type."""
        checks.overflown(data)
        if made == wire.NPY:
            return _binary(wire.npy(data), made)
        if made == wire.PNG:
            low, high = self.service.facts.low, self.service.facts.high
            return _binary(await asyncio.to_thread(wire.png, data, low, high), made)

        def answer() -> Response:
            named = given is not None and given.named
            return _json({"x": self.service.told(data, named=named, clip=clip), **_noted(given)})

        return await asyncio.to_thread(answer) if data.size > wire.LARGE else answer()

    async def refused(self, request: Request, error: Exception) -> Response:
        """Answer what the caller can mend."""
        line = self.service.line(error) if isinstance(error, LatentiaError) else ""
        status = status_of(error) if isinstance(error, LatentiaError) else 500
        return _error(status, line, {"retry-after": "1"} if isinstance(error, Busy) else None)


def _noted(given: Given | None) -> dict[str, list[str]]:
    """Say what was done with what was sent, where something was."""
    return {"notes": list(given.notes)} if given is not None and given.notes else {}


async def _off(value: Any, check: Callable[[Any], T]) -> T:
    """Check an array here, and lists, which may be long, in a thread where they are."""
    quick = isinstance(value, np.ndarray) or not isinstance(value, list) or len(value) <= 16
    return check(value) if quick else await asyncio.to_thread(check, value)


def _json(value: Any) -> Response:
    return JSONResponse(plain(value))


def _binary(content: bytes, kind: str) -> Response:
    return Response(content, media_type=kind)


def _error(status: int, line: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": line}, status, headers)


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    line = HTTP_ERRORS.get(status, "this request cannot be answered")
    headers = error.headers if isinstance(error, HTTPException) else None
    return _error(status, f"{line}; /openapi.json describes what can be asked", headers)


async def _failed(request: Request, error: Exception) -> Response:
    return _error(500, "the server failed on this request; its log says why")
