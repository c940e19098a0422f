"""The page's routes: JSON, packed arrays, and one WebSocket over which everything is decoded."""

from __future__ import annotations

import asyncio
import json
import logging
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import APIRouter, FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool

from latentia.core.errors import DataError, LatentiaError
from latentia.explorer import requests as asked
from latentia.explorer.jobs import Job
from latentia.explorer.view import View
from latentia.serving.errors import NotThere, status_of

PAGE = Path(__file__).parent / "page"
QUICK = 16
"""Latents that are decoded at once, without a thread."""
WAITING = 64
"""Frames that wait to be decoded, at most."""
HEADER = struct.Struct("<5I")
GOOD, DROPPED, BAD = 0, 1, 2


def packed(arrays: Mapping[str, np.ndarray | None], values: Mapping[str, Any] | None = None) -> bytes:
    """Pack arrays and plain values: the length of a JSON header, the header, the arrays.

    Args:
        arrays: by name, or None for what is absent.
        values: whatever else is JSON.

    Returns:
        The bytes, read by `unpack` in page/backend.js.
    """
    listed, bodies = [], []
    for name, array in arrays.items():
        if array is None:
            listed.append({"name": name, "type": "f4", "shape": []})
            continue
        kind = "u1" if array.dtype == np.uint8 else "i4" if np.issubdtype(array.dtype, np.integer) else "f4"
        bodies.append(np.ascontiguousarray(array, dtype=f"<{kind}").tobytes())
        listed.append({"name": name, "type": kind, "shape": list(array.shape)})
    header = json.dumps({**(values or {}), "arrays": listed}).encode()
    return struct.pack("<I", len(header)) + header + b"".join(bodies)


def build(views: Sequence[View], title: str, axis: Mapping[str, Any] | None = None) -> FastAPI:
    """Make the app.

    Args:
        views: the runs.
        title: what the page is called.
        axis: what differs between the runs of a sweep: `name` and `values`.

    Returns:
        The app, without its guard.
    """
    app = FastAPI(title="latentia explore", docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(LatentiaError)
    async def refused(request: Request, error: LatentiaError) -> Response:
        return JSONResponse({"error": str(error)}, status_of(error))

    @app.exception_handler(RequestValidationError)
    async def misread(request: Request, error: RequestValidationError) -> Response:
        return JSONResponse({"error": "; ".join(str(one["msg"]) for one in error.errors())}, 422)

    @app.get("/explore/state")
    def state() -> Any:
        can = ["sample", "select", "export", "compress", "place", "health"]
        return {"title": title, "axis": axis, "can": can, "runs": [view.state() for view in views]}

    @app.websocket("/explore/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        line = _Line(views)
        worker = asyncio.create_task(line.work(socket.send_bytes))
        try:
            while True:
                line.take(await socket.receive_bytes())
                while len(line.waiting) > WAITING:  # whoever sends more waits, too
                    await asyncio.sleep(0.005)
        except (WebSocketDisconnect, KeyError):  # KeyError: a frame of text
            pass
        finally:
            worker.cancel()

    def view_of(number: int) -> View:
        if not 0 <= number < len(views):
            raise NotThere(f"there is no run {number} on this page")
        views[number].alive()
        return views[number]

    for routes in (_maps(view_of), _rows(view_of), _requests(view_of)):
        app.include_router(routes, prefix="/explore/{number}")
    app.mount("/", StaticFiles(directory=PAGE, html=True))
    return app


def _maps(view_of: Callable[[int], View]) -> APIRouter:
    """Route what the page draws its map of: where the work stands, points, columns to colour them by."""
    routes = APIRouter()

    @routes.get("/ready")
    def ready(number: int) -> Any:
        view = view_of(number)
        return _progress(view.prepared(), lambda _: view.ready())

    @routes.get("/map/{way}")
    def map_of(number: int, way: str) -> Any:
        def about(plane: Any) -> dict[str, Any]:
            return {key: getattr(plane, key) for key in ("axes", "method", "title", "exact")}

        return _progress(view_of(number).planed(way), about)

    @routes.get("/map/{way}/points")
    def points(number: int, way: str) -> Response:
        plane = view_of(number).plane(way)
        return _binary({"points": plane.points, "rows": plane.rows})

    @routes.get("/column/{place}")
    def column(number: int, place: int) -> Response:
        columns = view_of(number).columns
        if not 0 <= place < len(columns):
            raise NotThere(f"there is no column {place}; they run from 0 to {len(columns) - 1}")
        return _binary({"values": columns[place][3]})

    return routes


def _rows(view_of: Callable[[int], View]) -> APIRouter:
    """Route what is asked of examples by their positions."""
    routes = APIRouter()

    async def rows_of(request: Request) -> np.ndarray:
        body = await request.body()
        if len(body) % 4:
            raise DataError("positions must be sent as int32")
        return np.frombuffer(body, "<i4")

    @routes.post("/examples")
    async def examples(number: int, request: Request) -> Response:
        return _binary(await run_in_threadpool(view_of(number).examples, await rows_of(request)))

    @routes.post("/latents")
    async def latents(number: int, request: Request) -> Response:
        return _binary(await run_in_threadpool(view_of(number).latents, await rows_of(request)))

    @routes.post("/select")
    async def select(number: int, request: Request) -> Any:
        return await run_in_threadpool(asked.select, view_of(number), await rows_of(request))

    @routes.post("/export")
    async def export(number: int, request: Request) -> Response:
        file = await run_in_threadpool(asked.exported, view_of(number), await rows_of(request))
        return Response(file, media_type="application/octet-stream")

    @routes.post("/compress")
    async def compress(number: int, request: Request) -> Response:
        file = await run_in_threadpool(asked.compressed, view_of(number), await rows_of(request))
        return Response(file, media_type="application/octet-stream")

    return routes


def _requests(view_of: Callable[[int], View]) -> APIRouter:
    """Route what a person asks of the model: samples, a place for an example, its health."""
    routes = APIRouter()

    @routes.post("/sample")
    async def sample(number: int, request: Request) -> Response:
        try:
            given = await request.json()
        except ValueError as error:
            raise DataError("what to sample must be sent as JSON") from error
        if not isinstance(given, dict):
            raise DataError("what to sample must be one JSON object")
        return _binary(*await run_in_threadpool(asked.sample, view_of(number), given))

    @routes.post("/place")
    async def place(
        number: int, request: Request, invert: bool = False, condition: int | None = None
    ) -> Response:
        body = await request.body()
        return _binary(*await run_in_threadpool(asked.place, view_of(number), body, invert, condition))

    @routes.get("/health")
    def health(number: int) -> Any:
        return asked.health(view_of(number))

    return routes


def _binary(arrays: Mapping[str, np.ndarray | None], values: Mapping[str, Any] | None = None) -> Response:
    return Response(packed(arrays, values), media_type="application/octet-stream")


def _progress(job: Job, result: Any) -> dict[str, Any]:
    job.done.wait(0.05)
    if job.failure:
        raise DataError(job.failure)
    if not job.done.is_set():
        return {"done": False, "share": job.share, "what": job.what}
    return {"done": True, "result": result(job.result)}


class _Line:
    """Frames on their way to the decoder; of a stream the newest alone is decoded: no drag queues up."""

    def __init__(self, views: Sequence[View]) -> None:
        self.views = views
        self.waiting: list[bytes] = []
        self.come = asyncio.Event()

    def take(self, frame: bytes) -> None:
        """Put a frame at the end of the line."""
        self.waiting.append(frame)
        self.come.set()

    async def work(self, send: Any) -> None:
        """Answer frames until the connection ends."""
        while True:
            await self.come.wait()
            self.come.clear()
            frames, self.waiting = self.waiting, []
            newest = {_stream(frame): frame for frame in frames}
            for frame in frames:
                stream = _stream(frame)
                if stream and newest[stream] is not frame:
                    await send(struct.pack("<2I", *HEADER.unpack_from(frame)[:1], DROPPED))
                else:
                    await send(await self.answer(frame))

    async def answer(self, frame: bytes) -> bytes:
        """Decode what a frame holds, or say what is wrong with it."""
        number = HEADER.unpack_from(frame)[0] if len(frame) >= HEADER.size else 0
        try:
            view, z, c = self._read(frame)
            if len(z) <= QUICK:
                decoded = view.decode(z, c)
            else:
                decoded = await asyncio.to_thread(view.decode, z, c)
            return struct.pack("<2I", number, GOOD) + decoded.tobytes()
        except LatentiaError as error:
            return struct.pack("<2I", number, BAD) + str(error).encode()
        except Exception as error:  # the next frame is answered all the same
            logging.getLogger(__name__).exception("decoding failed")
            return struct.pack("<2I", number, BAD) + f"decoding failed: {type(error).__name__}".encode()

    def _read(self, frame: bytes) -> tuple[View, np.ndarray, np.ndarray | None]:
        if len(frame) < HEADER.size:
            raise DataError("the frame is too short")
        _, run, n, _, conditioned = HEADER.unpack_from(frame)
        if run >= len(self.views):
            raise DataError(f"there is no run {run} on this page")
        view = self.views[run]
        view.alive()
        told = view.run.model.condition if conditioned else 0
        if len(frame) != HEADER.size + 4 * n * (view.size + told):
            shape = "x".join(map(str, view.run.latent))
            raise DataError(f"the frame does not hold {n} latents of shape {shape}")
        floats = np.frombuffer(frame, "<f4", offset=HEADER.size)
        z = floats[: n * view.size].reshape(n, view.size)
        return view, z, floats[n * view.size :].reshape(n, told) if told else None


def _stream(frame: bytes) -> int:
    return HEADER.unpack_from(frame)[3] if len(frame) >= HEADER.size else 0
