"""`latentia export --to onnx`: encoder and decoder as files that other programs run."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

import latentia
from latentia.core import storage
from latentia.core.errors import LatentiaError
from latentia.export import parity
from latentia.export.graphs import DecoderGraph, Graph, as_onnx, need, on_the_cpu
from latentia.runs.run import Run

FORMAT = 1
ABOUT = {
    "x": "data in the units they were stored in; the model's own transform is inside",
    "z": "latents",
    "c": "the condition of each row; see 'condition'",
    "mean": "the posterior's mean",
    "std": "standard deviation",
    "codes": "the likeliest codes",
    "classes": "q(y|x), the probability of each class",
}


def write_onnx(
    run: Run, folder: str | os.PathLike[str], say: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Write `encoder.onnx`, `decoder.onnx` and `model.json`, compared with torch first.

    Data go in and come out in their own units: what training did to them first is part of the graphs, without
    its noise. Every input and output has the batch as its first dimension, of any size.

    Args:
        run: the run.
        folder: where to; must be new or empty, and appears whole or not at all.
        say: is told of what cannot be written.

    Returns:
        What `model.json` holds.

    Raises:
        LatentiaError: if neither can be written, or ONNX Runtime does not compute what torch computes.
    """
    run.needs_decoder("export")
    need("exporting to ONNX")
    model = on_the_cpu(run.model)
    encoder_inputs, decoder_inputs, real = parity.inputs(run, model)
    record: dict[str, Any] = {**_record(run), "graphs": {}, "missing": {}}
    with storage.new_folder(folder) as target:
        for name, given in (("encoder", encoder_inputs), ("decoder", decoder_inputs)):
            graph = parity.GRAPHS[name](model, run.transform)
            try:
                written = as_onnx(graph, tuple(value[:2] for value in given))
            except LatentiaError as error:
                record["missing"][name] = f"{_parts(run)} cannot be written as ONNX: {error}"
                if say:
                    say(f"no {name}.onnx: {record['missing'][name]}")
                continue
            gaps = parity.checked(graph, written, given, name)
            with storage.atomic_write(target / f"{name}.onnx") as handle:
                handle.write(written)
            compared = {"random": len(given[0]) - real, "real": real, "largest_relative_difference": gaps}
            record["graphs"][name] = {**_described(graph, given, f"{name}.onnx"), "compared": compared}
        if not record["graphs"]:
            raise LatentiaError(record["missing"]["decoder"])
        storage.write_json(target / "model.json", record)
    return record


def decoder_bytes(run: Run) -> bytes:
    """Export a run's decoder with its mean alone, compared with torch.

    Args:
        run: the run.

    Returns:
        An ONNX model from `z`, and `c` of a conditional model, to `x`.

    Raises:
        LatentiaError: if it cannot be written, or does not compute what torch computes.
    """
    need("decoding through ONNX")
    model = on_the_cpu(run.model)
    given = parity.inputs(run, model)[1]
    graph = DecoderGraph(model, run.transform, deviation=False)
    written = as_onnx(graph, tuple(value[:2] for value in given))
    parity.checked(graph, written, given, "decoder")
    return written


def _parts(run: Run) -> str:
    recipe = run.recipe
    parts = ("model", "network", "posterior", "likelihood")
    return ", ".join(f"{part} '{recipe[part]['name']}'" for part in parts if part in recipe)


def _record(run: Run) -> dict[str, Any]:
    """Describe a run: nothing of the machine, of the source or of the folder."""
    recipe = run.recipe
    parts = ("model", "network", "posterior", "prior", "likelihood", "transform")
    return {
        "format": FORMAT,
        "latentia": latentia.__version__,
        "weights": storage.checksum(run.model.state_dict()),
        "parts": {part: recipe[part] for part in parts if part in recipe},
        "event": list(run.event),
        "latent": list(run.latent),
        "label_names": list(run.label_names),
        "ranges": {"x": _range(run)},
        "condition": _condition(run),
        "levels": list(run.model.levels),
    }


def _range(run: Run) -> list[float] | None:
    """Give the smallest and the largest value of the data, or of what the model can give."""
    try:
        return [float(value) for value in run.image_range]
    except LatentiaError:
        ends = [float(np.asarray(run.transform.invert(_full(run, end))).mean()) for end in run.model.support]
        return ends if all(math.isfinite(end) for end in ends) else None


def _full(run: Run, value: float) -> Tensor:
    import torch

    return torch.full(run.event, value)


def _condition(run: Run) -> dict[str, Any] | None:
    if run.condition is None:
        return None
    names, rows = run.named_conditions()
    return {
        "size": run.condition.size,
        "unknown": "a row of NaN" if run.model.dropped or run.model.classifies else None,
        "examples": [{"name": name, "row": row} for name, row in zip(names, rows.tolist())],
    }


def _described(graph: Graph, given: tuple[Tensor, ...], file: str) -> dict[str, Any]:
    import torch

    with torch.no_grad():
        outputs = graph.named(*(value[:1] for value in given))
    return {
        "file": file,
        "inputs": [_port(name, value) for name, value in zip(graph.inputs, given)],
        "outputs": [_port(name, value) for name, value in outputs.items()],
    }


def _port(name: str, value: Tensor) -> dict[str, Any]:
    return {
        "name": name,
        "type": str(value.dtype).removeprefix("torch."),
        "shape": ["n", *value.shape[1:]],
        "about": ABOUT[name],
    }
