"""What a person asks of a run through the page: samples, selections, examples of their own, its health."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from latentia.core.errors import ConfigError, DataError, shell
from latentia.core.event import Event
from latentia.evaluation import latest
from latentia.explorer.drawn import STRIPS
from latentia.explorer.encoded import measured
from latentia.explorer.view import View
from latentia.probability.codes import nearest
from latentia.runs.compression import to_bytes
from latentia.serving.bodies import read_npy
from latentia.serving.rows import read
from latentia.serving.validation import numbers, picture
from latentia.serving.verbs import (
    CONDITION,
    GUIDANCE,
    NOISE,
    SAMPLER,
    SEED,
    STEPS,
    TEMPERATURE,
    TRUNCATION,
    Field,
    checked,
)

FIELDS = (
    Field("n", int, 36, 1, 256),
    SAMPLER,
    CONDITION,
    NOISE,
    SEED,
    *(replace(field, high=100) for field in (TEMPERATURE, TRUNCATION, GUIDANCE)),
    Field("kept", int, 0, 0, 100),
    STEPS,
    Field("path", int, 0, 0, 32),
)
"""What may be asked of samples; `kept`: the levels of a hierarchy that all of them share; `path`: at how many
steps of a diffusion to look."""
CLOSE = 1e-3
"""How far a latent may lie from the vectors of its codes."""


def sample(view: View, asked: dict[str, Any]) -> tuple[dict[str, np.ndarray | None], dict[str, Any]]:
    """Generate data.

    Args:
        view: the run.
        asked: `n`, `seed`, `sampler`, `truncation`, `temperature`, `steps`, `guidance`, `noise`, `condition`
            (a row of numbers; a name for a partner that is told something else than the run), `kept` and
            `path`; see `FIELDS`. Each may be left out.

    Returns:
        Arrays: the data `x`, the latents `z`, flat, the `codes` of a model that has codes, `(n, levels,
        *grid)`, and what the first samples were taken for on their way from noise, `path`, `(samples, looks,
        *event)`, where it was asked for. Plain values: `n` and `shape`.

    Raises:
        ConfigError: for a setting that does not exist or does not fit.
    """
    asked = checked(FIELDS, asked)
    n, seed, name, kept, condition = (asked[key] for key in ("n", "seed", "sampler", "kept", "condition"))
    if name not in view.drawn.samplers:
        raise ConfigError(f"this run has no sampler '{name[:40]}' here")
    own = ("truncation", "temperature", "steps", "guidance")
    settings = {key: asked[key] for key in own if asked[key] is not None}
    run, path = view.run, None
    if name == "run" and condition is not None and view.drawn.apart:
        settings, condition = (
            {**settings, "condition": str(condition)},
            None,
        )  # it is the other run that is told
    with view.lock:
        c = run.conditions_for(n, None if condition is None else run.condition_rows(condition), seed)
        sampler = view.drawn.sampler(name, settings)
        if asked["path"]:
            seen = view.drawn.path(sampler, n, c, seed, asked["path"])
            z, first = seen[-1], seen[:, :STRIPS]
            told = None if c is None else c[:STRIPS]
            path = np.stack([run.inference.decode(look, told) for look in first], axis=1)
        else:
            z = run.draw(n, c, sampler, seed=seed)
        if kept:
            z = run.redraw(np.repeat(z[:1], n, axis=0), kept, seed=seed + 1)
        x = run.inference.decode(z, c, noise=asked["noise"], seed=seed)
    arrays = {"x": x, "z": z.reshape(n, -1), "codes": _codes(view, z), "path": path}
    return arrays, {"n": n, "shape": [n, *run.event]}


def _codes(view: View, z: np.ndarray) -> np.ndarray | None:
    """Find the codes that latents consist of, level by level; None where that does not give them back."""
    coder: Any = view.run.model.coder
    if coder is None:
        return None
    points = view.run.tensor(z).movedim(1, -1)
    rest, found = points, []
    for table in coder.tables:
        found.append(nearest(rest, table))
        rest = rest - table[found[-1]]
    codes = torch.stack(found, dim=1)
    return codes.cpu().numpy().astype(np.int32) if float(rest.abs().max()) < CLOSE else None


def select(view: View, rows: np.ndarray) -> dict[str, Any]:
    """Describe a selection of examples.

    Args:
        view: the run.
        rows: positions.

    Returns:
        How many there are, and the mean and the standard deviation of their latents.
    """
    z = view.encoded.latents[view.rows(rows, len(view.run.dataset))]
    return {"n": len(z), "mean": z.mean(axis=0).tolist(), "std": z.std(axis=0).tolist()}


def exported(view: View, rows: np.ndarray) -> bytes:
    """Pack a selection of examples as .npz.

    Args:
        view: the run.
        rows: positions.

    Returns:
        The file: `rows`, `z`, and `labels` and `names` where there are any.
    """
    rows = view.rows(rows, len(view.run.dataset))
    arrays: dict[str, np.ndarray] = {"rows": rows, "z": view.encoded.latents[rows]}
    dataset = view.run.dataset
    if dataset.labels is not None:
        arrays["labels"] = dataset.labels[rows]
        if dataset.label_names:
            arrays["names"] = np.array(dataset.label_names)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # pyright: ignore[reportArgumentType]
    return file.getvalue()


def compressed(view: View, rows: np.ndarray) -> bytes:
    """Write a selection of examples as `latentia compress` does.

    Args:
        view: the run.
        rows: positions, in the order that the examples are written in.

    Returns:
        The file.

    Raises:
        LatentiaError: if the run's model cannot write such files, or not of these values.
    """
    rows = view.rows(rows, len(view.run.dataset))
    with view.lock:
        return to_bytes(view.run.compressor, np.asarray(view.run.dataset.part(rows)))


def place(
    view: View, body: bytes, invert: bool, condition: int | None = None
) -> tuple[dict[str, np.ndarray | None], dict[str, Any]]:
    """Encode an example of the user's own, put it on the maps that are there, reconstruct and score it.

    Args:
        view: the run.
        body: an image, an .npy file, or numbers as text.
        invert: take the negative of an image first.
        condition: which of the conditions that have names it has, for a conditional model.

    Returns:
        Arrays: `x`, `z`, `c`, `reconstruction`. Plain values: `point` by way, `error` and `rate` with the
        share of the data's own that are smaller.

    Raises:
        DataError: if it is none of these, has another shape, or holds a value that is not finite.
    """
    x = _example(view, body, invert)[None]
    run, encoded = view.run, view.encoded
    c = _condition(view, x, condition)
    with view.lock:
        found = measured(run, x, c)
        made = run.inference.decode(found["latents"], c)
    scored: dict[str, Any] = {
        "error": float(found["error"][0]),
        "error_rank": float((encoded.error < found["error"][0]).mean()),
    }
    if encoded.rate is not None:
        scored["rate"] = float(found["rate"][0])
        scored["rate_rank"] = float((encoded.rate < found["rate"][0]).mean())
    z = found["latents"]
    ways = [way for way in view.ready()["ways"] if way in ("itself", "pca") or view.planed(way).done.is_set()]
    scored["point"] = {
        way: view.plane(way).place(z[0], encoded.latents).astype(float).tolist() for way in ways
    }
    return {"x": x.astype(np.float32), "z": z, "c": c, "reconstruction": made}, scored


def _condition(view: View, x: np.ndarray, chosen: int | None) -> np.ndarray | None:
    """Give the condition of a user's example: the chosen one, the inferred one, or an unknown one."""
    run = view.run
    if run.condition is None:
        return None
    if chosen is not None:
        known = run.named_conditions()[1]
        if not 0 <= chosen < len(known):
            raise DataError(f"there is no condition {chosen}; they run from 0 to {len(known) - 1}")
        return known[chosen : chosen + 1]
    if not (run.model.dropped or run.model.classifies):
        raise DataError("this run must be told the condition of an example; choose it above the map first")
    return run.complete(x, run.unknown_conditions(1))


def _example(view: View, body: bytes, invert: bool) -> np.ndarray:
    """Read what a person dropped as one example in the units of the data."""
    event = view.run.event
    dtype = np.float64 if event.kind == "vector" else np.float32
    if not body:
        raise DataError("the file is empty")
    table = event.kind == "vector"
    if body.startswith(b"\x93NUMPY"):
        x = numbers(read_npy(body), "x", dtype, holes=table)
    elif table and body.lstrip().startswith(b"{"):
        x = read(_object(body), view.run.record, event).x
    elif event.kind == "image" and not _is_text(body):
        return _picture(view, body, invert)
    elif _is_text(body):
        text = body.decode(errors="replace").replace(",", " ").replace(";", " ").split()
        x = numbers(text, "x", dtype, holes=table)
    else:
        more = ', nor a row such as {"age": 39}' * table
        raise DataError(f"this is neither an .npy file nor numbers as text{more}")
    if x.size != int(np.prod(event)):
        want, got = ("x".join(map(str, shape)) for shape in (event, x.shape))
        raise DataError(f"an example of this run has shape {want}, and this has {got}")
    return x.reshape(event).astype(dtype)


def _object(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise DataError(f"this is no JSON ({' '.join(str(error).split())[:100]})") from error


def _is_text(body: bytes) -> bool:
    return all(byte in b"0123456789+-.eE,; \t\r\nnaifNAIF" for byte in body[:4096])


def _picture(view: View, body: bytes, invert: bool) -> np.ndarray:
    channels, *size = view.run.event
    pixels = picture(body, Event("image", (min(channels, 3), *size))).astype(np.float32) / 255
    pixels = 1 - pixels if invert else pixels
    if channels == 4:
        pixels = np.concatenate([pixels, np.ones((1, *size), np.float32)])
    low, high = view.run.image_range
    return (low + (high - low) * pixels).astype(np.float32)


def health(view: View) -> dict[str, Any]:
    """Give what the last evaluation found.

    Args:
        view: the run.

    Returns:
        Figures, what is missing, verdict, diagnosis and warnings; or the command that makes them, where there
        are none of these weights that can be read.
    """
    found = latest(view.run)
    return (
        {"command": f"latentia evaluate {shell(view.run.folder.path)}"} if found is None else found.as_json()
    )
