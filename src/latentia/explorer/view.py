"""What the page asks of one run."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from latentia.core.errors import DataError
from latentia.data.column import column_names
from latentia.data.dataset import Dataset
from latentia.data.splits import spread
from latentia.evaluation import all_known, latest
from latentia.explorer import planes
from latentia.explorer.drawn import Drawn
from latentia.explorer.encoded import Encoded, encode_all, label_of
from latentia.explorer.jobs import Job, Tick
from latentia.explorer.planes import Plane
from latentia.metrics.diagnosis import diagnose
from latentia.metrics.verdict import verdict
from latentia.plots.projection import TOLD
from latentia.runs.coder import codable, quick
from latentia.runs.run import Run
from latentia.serving.errors import Gone, NotThere, TooMuch
from latentia.serving.service import Decode, Service

DECODED = 1024
"""Latents that are decoded at once, at most."""
SHOWN = 4096
"""Examples that are handed out at once, at most."""
RANGED = 100_000
"""Rows among which the smallest and the largest value of a table's columns are looked for."""
LISTED = 64
"""Latent dimensions that the map can be coloured by, at most."""
ENCODING, ARRANGING, QUICKENING = threading.Lock(), threading.Lock(), threading.Lock()
"""One run is encoded at a time, one map arranged, one decoder made."""


class View:
    """One run under the eyes of the page. Methods may be called from any thread."""

    def __init__(self, run: Run, number: int, label: str = "", partner: Run | None = None) -> None:
        """Look at a run.

        Args:
            run: the run.
            number: its place among the runs of the page.
            label: what it is called in a sweep; its name by default.
            partner: another run, which was trained on latents of this one and draws such.

        Raises:
            ConfigError: if there is nothing to look at, or the partner draws something else.
            RunError: if the partner was trained on latents of other weights.
        """
        run.needs_decoder("explore")
        self.run = run
        self.drawn = Drawn(run, partner)
        self.number = number
        self.label = label or run.name
        self.service = Service(run)
        self.lock = self.service.lock  # torch's generator is the process's: one draw at a time
        self._quick: Decode | None = None
        self._jobs: dict[str, Job] = {}
        self._starting = threading.Lock()

    @property
    def folder(self) -> Path:
        """Where what was computed is kept."""
        return self.run.folder.path / "explorer"

    @property
    def size(self) -> int:
        """Numbers in a latent."""
        return math.prod(self.run.latent)

    def alive(self) -> None:
        """Check that the run folder is still there.

        Raises:
            Gone: if it was deleted or moved.
        """
        if not self.run.folder.run_file.is_file():
            raise Gone(f"{self.run.name}: the run folder is gone; start latentia explore anew")

    def state(self) -> dict[str, Any]:
        """Describe the run in plain values; the records are in page/backend.js."""
        run, coder = self.run, self.run.model.coder
        low, high = run.image_range
        return {
            "id": self.number,
            "name": run.name,
            "label": self.label,
            "model": run.recipe["model"]["name"],
            "kind": run.event.kind,
            "event": run.event,
            "latent": run.latent,
            "low": float(low),
            "high": float(high),
            "columns": run.record.columns,
            "schema": _schema(run),
            "ranges": self._ranges,
            "bound": run.objective.bound,
            "samplers": self.drawn.samplers,
            "walks": self.drawn.walks(),
            "levels": run.model.levels,
            "codes": None if coder is None else {"shape": run.latent[1:], "size": coder.size},
            "condition": self.condition,
            "rate_distortion": self._rate_distortion(),
            "verdict": self._verdict(),
            "lossless": codable(run) and quick(run),
        }

    @cached_property
    def _ranges(self) -> list[tuple[float, float]]:
        if self.run.event.kind != "vector":
            return []
        x = self.run.dataset.x[spread(np.arange(len(self.run.dataset)), RANGED)]
        low, high = np.fmin.reduce(x, axis=0), np.fmax.reduce(x, axis=0)
        return [(float(a), float(b)) for a, b in zip(np.nan_to_num(low), np.nan_to_num(high))]

    @cached_property
    def condition(self) -> dict[str, Any] | None:
        """The size of a condition and those that can be chosen by name, or None."""
        if self.run.condition is None:
            return None
        names, rows = self.run.named_conditions()
        return {
            "size": self.run.condition.size,
            "options": [{"name": name, "row": row} for name, row in zip(names, rows.tolist())],
        }

    def _verdict(self) -> dict[str, Any]:
        """Say how the run is, by its last evaluation and, for want of that, by what was logged."""
        kept = latest(self.run)
        known = all_known(self.run, kept)
        found = kept.diagnosis if kept is not None else diagnose(known, self.run.spec)
        return {**asdict(verdict(known, found)), "evaluated": kept is not None}

    def _rate_distortion(self) -> dict[str, Any]:
        for split in ("test", "validation"):
            rows = self.run.metrics(split)
            if rows:
                row, bound = rows[-1], self.run.objective.bound
                return {
                    "rate": row.get("rate") if bound else None,
                    "distortion": row.get("distortion") if bound else None,
                    "mse": row.get("mse"),
                    "split": split,
                }
        return {"rate": None, "distortion": None, "mse": None, "split": None}

    def prepared(self) -> Job:
        """Begin to encode the data, or look how far that is."""
        with self._starting:
            if "encoded" not in self._jobs:
                what = f"encoding {len(self.run.dataset):,} examples"
                self._jobs["encoded"] = Job(what, ENCODING).start(
                    lambda tick: encode_all(self.run, self.folder, tick)
                )
            return self._jobs["encoded"]

    def quicken(self) -> Job:
        """Begin to make a quicker decoder of the same outputs; until it is there, the run's own decodes."""

        def work(tick: Tick) -> None:
            from latentia.export.decoder import made_apart

            # Its graph computes on the CPU: a run on another device decodes there.
            self._quick = made_apart(self.run) if self.run.device.type == "cpu" else None

        return self._begun("decoder", "making a quicker decoder", QUICKENING, work)

    @property
    def encoded(self) -> Encoded:
        """All data, encoded; waits until they are.

        Raises:
            RunError: if they could not be.
        """
        return self.prepared().wait()

    def planed(self, way: str) -> Job:
        """Begin to bring the encoded data to the plane, or look how far that is.

        Args:
            way: one of `planes.ways`.

        Returns:
            The job.

        Raises:
            NotThere: if there is no such way.
        """
        encoded = self.encoded
        if way not in planes.ways(encoded.latents):
            raise NotThere(f"there is no map '{way[:40]}' of this run")

        def work(tick: Tick) -> Plane:
            plane = planes.plane(encoded, way, self.folder, label_of(self.run), tick)
            return replace(plane, method=plane.method + TOLD) if self.run.condition else plane

        return self._begun(way, f"computing the map ({way})", ARRANGING, work)

    def _begun(self, name: str, what: str, turn: threading.Lock, work: Callable[[Tick], Any]) -> Job:
        """Begin a job once, whoever asks."""
        with self._starting:
            if name not in self._jobs:
                self._jobs[name] = Job(what, turn).start(work)
            return self._jobs[name]

    def plane(self, way: str) -> Plane:
        """Give the encoded data on the plane; waits until they are.

        Args:
            way: one of `planes.ways`.

        Returns:
            The plane.

        Raises:
            RunError: if it could not be made.
        """
        return self.planed(way).wait()

    def ready(self) -> dict[str, Any]:
        """Describe the encoded data in plain values."""
        encoded = self.encoded
        mean, std = encoded.latents.mean(axis=0), encoded.latents.std(axis=0)
        dims = [
            {
                "kl": None if encoded.kl is None else float(encoded.kl[dim]),
                "mean": float(mean[dim]),
                "std": float(std[dim]),
                "active": bool(encoded.active[dim]),
            }
            for dim in range(self.size)
        ]
        return {
            "count": len(encoded.latents),
            "ways": planes.ways(encoded.latents),
            "columns": [
                {"name": name, "names": names, "unit": unit} for name, names, unit, _ in self.columns
            ],
            "dims": dims,
            "order": np.argsort(-encoded.use, kind="stable").tolist(),
            "centre": self._centre(mean).tolist(),
            "directions": planes.directions(encoded.latents) if len(self.run.latent) > 1 else None,
        }

    def _centre(self, mean: np.ndarray) -> np.ndarray:
        """Where moves start: the prior's mean, or that of the data's latents where no prior was trained."""
        if not self.run.objective.bound or self.run.model.coder is not None:
            return mean
        return self.run.prior_mean(
            self.run.conditions_at(spread(np.arange(len(self.run.dataset)), 1))
        ).reshape(-1)

    @cached_property
    def columns(self) -> list[tuple[str, list[str] | None, str, np.ndarray]]:
        """What the map can be coloured by: name, names of categories or None, unit, values."""
        dataset, encoded = self.run.dataset, self.encoded
        found: list[tuple[str, list[str] | None, str, np.ndarray]] = []
        if dataset.labels is not None and dataset.classes:
            names = list(dataset.label_names) or [str(i) for i in range(int(dataset.labels.max()) + 1)]
            found.append(("label", [str(name) for name in names], "", dataset.labels))
        found.append(("reconstruction error", None, "MSE", encoded.error))
        if encoded.rate is not None:
            found.append(("KL", None, "nats", encoded.rate))
        if encoded.score is not None:
            found.append(("anomaly score", None, "", encoded.score))
        split = np.full(len(dataset), -1)
        for number, rows in enumerate(dataset.splits.values()):
            split[rows] = number
        found.append(("split", list(dataset.splits), "", split))
        if dataset.factors is not None:
            for number, name in enumerate(dataset.factor_names):
                found.append((name, None, "", dataset.factors[:, number]))
        if self.run.event.kind == "vector":
            found += _of_table(dataset)
        if self.size <= LISTED:
            found += [(f"latent {i}", None, "", encoded.latents[:, i]) for i in range(self.size)]
        return found

    def rows(self, asked: np.ndarray, most: int = SHOWN) -> np.ndarray:
        """Check positions of examples.

        Args:
            asked: positions.
            most: how many at most.

        Returns:
            The same, as int64.

        Raises:
            TooMuch: if there are none or too many.
            DataError: if one does not exist.
        """
        count = len(self.run.dataset)
        if not 0 < len(asked) <= most:
            raise TooMuch(f"from 1 to {most:,} examples can be asked for at once, not {len(asked):,}")
        if not 0 <= int(asked.min()) <= int(asked.max()) < count:
            raise DataError(f"there is no such example; they run from 0 to {count - 1}")
        return asked.astype(np.int64)

    def examples(self, asked: np.ndarray) -> dict[str, np.ndarray | None]:
        """Give examples as they are.

        Args:
            asked: positions.

        Returns:
            `x`, shape `(n, *event)`, float32.
        """
        return {"x": self.run.dataset.x[self.rows(asked)].astype(np.float32)}

    def latents(self, asked: np.ndarray) -> dict[str, np.ndarray | None]:
        """Give the latents of examples and the conditions that they were encoded under.

        Args:
            asked: positions.

        Returns:
            `z`, shape `(n, D)`, and `c`, `(n, C)` or None.
        """
        rows = self.rows(asked)
        return {"z": self.encoded.latents[rows], "c": self.run.conditions_at(rows)}

    def decode(self, z: np.ndarray, c: np.ndarray | None = None) -> np.ndarray:
        """Decode latents.

        Args:
            z: shape `(n, D)`.
            c: conditions, shape `(n, C)`, or None: rows that the page was given.

        Returns:
            Data, shape `(n, *event)`, float32.

        Raises:
            TooMuch: if there are too many.
            DataError: if one is not finite.
        """
        if not 0 < len(z) <= DECODED:
            raise TooMuch(f"from 1 to {DECODED:,} latents can be decoded at once, not {len(z):,}")
        if not np.isfinite(z).all():
            raise DataError("a latent holds a value that is not finite")
        c = None if self.run.condition is None or c is None else self.run.condition_rows(c)
        decoded = (self._quick or self.service.decode_rows)(z.reshape(len(z), *self.run.latent), c)
        return np.ascontiguousarray(decoded, dtype=np.float32)


def _schema(run: Run) -> list[dict[str, Any]] | None:
    """Say how the page writes the numbers of a table's columns; None where they are numbers alone."""
    schema = run.record.schema
    if schema is None or not schema.mixed:
        return None
    return [
        {
            "kind": column.kind,
            "words": [*map(str, column.categories)],
            "decimals": column.decimals,
            # Milliseconds since 1970, as the page's language counts them.
            "origin": int(np.datetime64(column.origin, "ms").astype(np.int64)) if column.origin else None,
            "day": column.unit == "day",
        }
        for column in schema.columns
    ]


def _of_table(dataset: Dataset) -> list[tuple[str, list[str] | None, str, np.ndarray]]:
    """Give the columns of a table to colour by: categories and truth values with their words."""
    if dataset.schema is None:
        names = dataset.columns or column_names(dataset.event[0])
        return [(name, None, "", dataset.x[:, i]) for i, name in enumerate(names)]
    found = []
    for at, column in enumerate(dataset.schema.columns):
        values, words, unit = np.asarray(dataset.x[:, at]), [*map(str, column.categories)], ""
        if column.kind == "boolean":
            words = ["False", "True"]
        if words:  # what is missing, or was never seen in training, has no place
            values = np.where(np.isnan(values) | (values >= len(words)), -1, values)
        if column.kind == "time":
            unit = f"{column.unit}s" + (f" since {column.origin[:10]}" if column.origin else "")
        found.append((column.name, words or None, unit, values))
    return found
