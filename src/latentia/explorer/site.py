"""A page without a server: a folder of files that decodes in the browser, on any host or from a disk."""

from __future__ import annotations

import base64
import gzip
import html
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from latentia.core import storage
from latentia.core.errors import LatentiaError
from latentia.data.splits import spread
from latentia.explorer import requests as asked
from latentia.explorer import runtime
from latentia.explorer.drawn import FITTED
from latentia.explorer.routes import PAGE, packed
from latentia.explorer.view import View
from latentia.export.decoder import kept_graph
from latentia.runs.run import Run

EXAMPLES = 5000
"""Examples that travel with a page, at most, evenly spaced."""
DRAWN = 1024
"""Latents of a sampler that are drawn beforehand, where the browser cannot draw them."""
NOTICE = f"""This folder was written by latentia (Apache-2.0). It holds parts of
{runtime.PACKAGE} {runtime.VERSION}, Copyright (c) Microsoft Corporation, licensed under the MIT License: https://github.com/microsoft/onnxruntime
"""


def write_site(
    runs: Sequence[Run],
    folder: str | os.PathLike[str],
    *,
    labels: Sequence[str] = (),
    axis: Mapping[str, Any] | None = None,
    title: str = "",
    engine: Path | None = None,
    say: Callable[[str], None] | None = None,
) -> int:
    """Write the explorer's page, the encoded data and the decoders of some runs.

    Args:
        runs: the runs, at least one.
        folder: where to; must be new or empty, and appears whole or not at all.
        labels: what each is called in a sweep; their names by default.
        axis: what differs between the runs of a sweep: `name` and `values`.
        title: what the page is called; the runs' names by default.
        engine: the folder with the files of ONNX Runtime Web; found or fetched by default.
        say: is told what is going on.

    Returns:
        How many bytes were written.

    Raises:
        LatentiaError: if a decoder cannot be written as ONNX, or the engine is not to be had.
    """
    storage.check_new(folder)  # before anything is fetched
    files = runtime.find(engine, say)
    names = labels or [""] * len(runs)
    views = [View(run, number, label) for number, (run, label) in enumerate(zip(runs, names, strict=True))]
    graphs = []
    for view in views:
        try:
            graphs.append(kept_graph(view.run))
        except LatentiaError as error:
            raise LatentiaError(f"{view.run.name} cannot be explored without a server: {error}") from error
    state = {
        "title": title or ", ".join(run.name for run in runs[:3]),
        "axis": axis,
        "can": ["sample", "select", "health"],
        "runs": [_state(view) for view in views],
    }
    with storage.new_folder(folder) as target:
        _write_page(target)
        _pack(target, "state", json.dumps(state).encode())
        for name in ("ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"):
            _pack(target, name, files[name])
        _write(target / "files" / "ort.js", files["ort.wasm.min.js"])
        for view, graph in zip(views, graphs):
            if say:
                say(f"{view.run.name}: encoding the data")
            _pack(target, f"decoder-{view.number}", graph)
            _pack(target, f"data-{view.number}", _data(view))
        _write(target / "NOTICE.txt", NOTICE.encode())
        return sum(path.stat().st_size for path in target.rglob("*") if path.is_file())


def _state(view: View) -> dict[str, Any]:
    """Describe a run as the server does, with what the browser can do of it."""
    state, run = view.state(), view.run
    if state["condition"] is not None:
        known = run.model.dropped and not run.model.classifies
        state["condition"] = {**state["condition"], "unknown": known}
    state["samplers"], state["walks"] = list(_samplers(run)), {}  # here nothing is denoised
    return state


def _samplers(run: Run) -> tuple[str, ...]:
    """Name the samplers whose latents travel: the prior, and those that were fitted before."""
    return ("prior", *(name for name in ("mixture", *FITTED) if run.kept_sampler(name) is not None))


def _is_normal(run: Run) -> bool:
    return run.recipe.get("prior", {}).get("name") == "standard_normal"


def _data(view: View) -> bytes:
    """Pack what the page shows of a run: a share of its examples, with everything known of them."""
    run, encoded = view.run, view.encoded
    rows = spread(np.arange(len(run.dataset)), EXAMPLES)
    arrays: dict[str, np.ndarray | None] = {
        "x": run.dataset.x[rows],
        "z": encoded.latents[rows],
        "c": run.conditions_at(rows),
    }
    for number, (_, _, _, values) in enumerate(view.columns):
        arrays[f"column {number}"] = values[rows]
    ready, maps = view.ready(), {}
    for way in [way for way in ready["ways"] if _is_quick(view, way)]:
        plane = view.plane(way)
        maps[way] = {key: getattr(plane, key) for key in ("axes", "method", "title", "exact")}
        own = rows if plane.rows is None else np.flatnonzero(np.isin(plane.rows, rows))
        arrays[f"points {way}"] = plane.points[own]
        arrays[f"rows {way}"] = None if plane.rows is None else np.searchsorted(rows, plane.rows[own])
    for name in _samplers(run):
        if name != "prior" or not _is_normal(run):
            c = run.conditions_for(DRAWN)
            arrays[f"drawn {name}"] = run.draw(DRAWN, c, run.sampler_as_fitted(name)).reshape(DRAWN, -1)
            arrays[f"told {name}"] = c
    values = {
        "ready": {**ready, "count": len(rows), "ways": list(maps)},
        "maps": maps,
        "health": _health(view),
        "normal": _is_normal(run),
    }
    return packed(arrays, values)


def _is_quick(view: View, way: str) -> bool:
    """Whether a map costs nothing: computed at once, or kept since somebody looked at it."""
    return way in ("itself", "pca") or (view.folder / f"{way}.safetensors").is_file()


def _health(view: View) -> dict[str, Any]:
    """Give the last evaluation, without a path of this machine."""
    found = asked.health(view)
    if "command" in found:
        return {"command": f"latentia evaluate {view.run.name}"}
    text = json.dumps(found)
    for place in {str(view.run.folder.path), str(view.run.folder.path.resolve()), str(Path.home())}:
        if len(place) > 1:
            text = text.replace(json.dumps(place)[1:-1], "RUN")
    return json.loads(text)


def _write(path: Path, content: bytes) -> None:
    with storage.atomic_write(path) as handle:
        handle.write(content)


def _pack(folder: Path, name: str, content: bytes) -> None:
    """Write a file as a script, which a page may load from a disk, too; see page/static.js."""
    text = base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()
    _write(
        folder / "files" / f"{name}.js", f'(globalThis.latentiaFiles??={{}})["{name}"]="{text}";\n'.encode()
    )


def _write_page(folder: Path) -> None:
    """Write the page with its modules inside, in an import map: a browser loads none from a disk.

    Each module becomes a data: address under a bare name, and what it imports is named so, too.
    """
    modules = {path.name: path.read_text(encoding="utf-8") for path in sorted(PAGE.glob("*.js"))}
    modules["choice.js"] = 'export { open } from "./static.js";\n'
    imports = {
        f"page/{name}": "data:text/javascript;base64," + base64.b64encode(_renamed(text).encode()).decode()
        for name, text in modules.items()
    }
    index = (PAGE / "index.html").read_text(encoding="utf-8")
    entry = re.search(r'<script type="module" src="([a-z]+\.js)"></script>', index)
    if entry is None:
        raise LatentiaError("page/index.html of this installation has no module; install latentia again")
    script = (
        f'<script type="importmap">{json.dumps({"imports": imports})}</script>\n'
        f'<script type="module">import "page/{html.escape(entry[1])}";</script>'
    )
    _write(folder / "index.html", index.replace(entry[0], script).encode())
    for path in sorted(PAGE.iterdir()):
        if path.is_file() and path.suffix in (".css", ".svg", ".png", ".ico"):
            _write(folder / path.name, path.read_bytes())


def _renamed(module: str) -> str:
    """Name the modules that one imports as the import map does."""
    return re.sub(r'(\bfrom\s*|\bimport\s*\(?\s*)"\./([\w-]+\.js)"', r'\1"page/\2"', module)
