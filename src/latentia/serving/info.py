"""What is known of a run beside its model: its parts, its evaluation, its history; without a path."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from latentia.core import storage
from latentia.core.event import Kind
from latentia.core.version import __version__
from latentia.runs.run import Run
from latentia.serving.errors import Gone, NotThere
from latentia.serving.rows import described, example
from latentia.serving.verbs import SPLIT


@dataclass(frozen=True)
class Facts:
    """What the data of a run are.

    Attributes:
        kind: what an example is; see `latentia.core.event.Event`.
        low: the value that is drawn as black.
        high: the value that is drawn as white.
        whole: whether the data are whole numbers, from 0 to `high`.
        columns: the names of a table's columns.
    """

    kind: Kind
    low: float
    high: float
    whole: bool
    columns: tuple[str, ...]


def facts(run: Run) -> Facts:
    """Say what the data of a run are, as it recorded them.

    Args:
        run: the run.

    Returns:
        The facts.
    """
    data = run.record
    return Facts(run.event.kind, *run.image_range, data.whole, data.columns)


def info(run: Run, data: Facts) -> dict[str, Any]:
    """Describe a run for other programs.

    Args:
        run: the run.
        data: what its data are.

    Returns:
        Plain values.
    """
    model, coder = run.model, run.model.coder
    parts = ("model", "network", "posterior", "prior", "likelihood", "transform", "objective")
    return {
        "latentia": __version__,
        "name": run.name,
        "parts": {part: run.recipe[part]["name"] for part in parts if part in run.recipe},
        "kind": data.kind,
        "event": list(run.event),
        "columns": list(data.columns),
        "example": example(run.record.schema) if run.record.schema is not None else None,
        "schema": described(run.record.schema) if run.record.schema is not None else None,
        "values": {"low": data.low, "high": data.high, "whole": data.whole},
        "latent": list(run.latent),
        "levels": list(model.levels),
        "codes": None if coder is None else {"shape": list(coder.code_shape), "size": coder.size},
        "condition": {
            "size": model.condition,
            "required": bool(model.condition and not model.dropped and not model.classifies),
            "inferred": model.classifies,
            "known": run.named_conditions()[0],
        }
        if model.condition
        else None,
        "label_names": list(run.label_names),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "epochs": run.spec["training"].get("epochs"),
        "seed": run.spec["training"].get("seed"),
    }


def health(run: Run) -> dict[str, Any]:
    """Read the last evaluation.

    Args:
        run: the run.

    Returns:
        `figures`, `missing`, `verdict`, `diagnosis` and `warnings`.

    Raises:
        NotThere: if the run was not evaluated.
    """
    _check_there(run)
    if not run.folder.evaluation_file.is_file():
        raise NotThere("this run has no evaluation yet; make it with: latentia evaluate RUN")
    table = storage.read_json(run.folder.evaluation_file)
    shown = {key: table.get(key) for key in ("figures", "missing", "verdict", "diagnosis", "warnings")}
    return plain(without_paths(run, shown))


def metrics(run: Run, split: str | None = None) -> list[dict[str, Any]]:
    """Read what training logged.

    Args:
        run: the run.
        split: 'train', 'validation' or 'test'; all by default.

    Returns:
        The rows, oldest first.
    """
    if split is not None:
        SPLIT.check(split)
    _check_there(run)
    rows = run.folder.metrics() if split is None else run.metrics(split)
    return plain(without_paths(run, rows))


def _check_there(run: Run) -> None:
    if not run.folder.run_file.is_file():
        raise Gone(
            "the run folder is no longer there; encode, decode, reconstruct, sample, score and impute go on"
        )


def plain(value: Any) -> Any:
    """Turn arrays and numbers into what JSON has; what is not finite becomes null.

    Args:
        value: numbers, texts, arrays, and tables and lists of them.

    Returns:
        The same of plain values.
    """
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, np.ndarray):
        return (
            value.tolist() if value.dtype.kind != "f" or np.isfinite(value).all() else plain(value.tolist())
        )
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def without_paths(run: Run, value: Any) -> Any:
    """Replace the paths of a run's folder and data, wherever they stand in texts.

    Args:
        run: the run.
        value: texts, and tables and lists of them.

    Returns:
        The same, with `RUN` and `DATA` in the place of paths.
    """
    if isinstance(value, dict):
        return {key: without_paths(run, part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_paths(run, part) for part in value]
    if not isinstance(value, str):
        return value
    folder, data = run.folder.path, str(run.spec.get("data", {}).get("source", ""))
    words = {str(folder.resolve()): "RUN", str(folder.absolute()): "RUN", str(folder): "RUN"}
    words |= {os.path.realpath(data): "DATA", data: "DATA"} if os.path.isabs(data) else {}
    for path, word in sorted(words.items(), key=lambda item: -len(item[0])):
        value = value.replace(path, word) if "/" in path and len(path) > 1 else value
    return value
