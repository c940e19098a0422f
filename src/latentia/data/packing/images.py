"""Packing of folders and archives of images: decoded shard by shard, by all cores."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from latentia.core import storage
from latentia.core.errors import DataError
from latentia.data.packing.workers import Decoded, Task, decode_tasks
from latentia.data.packing.writer import Job, Planned, Record, header, record, write_array
from latentia.data.raw import Options
from latentia.data.readers.arrangement import arrange
from latentia.data.readers.decode import noted
from latentia.data.readers.depths import depth_of, kept_as, layout_of
from latentia.data.readers.files import Files
from latentia.data.readers.label_files import beside, labelled, read_labels
from latentia.data.readers.stack import decode_one

_TASK = 1 << 20  # bytes of pixels in a task, about
_TASK_IMAGES = 256

Split = Callable[[int, dict[str, np.ndarray]], dict[str, np.ndarray]]
"""Completes the splits of a number of examples."""


class _Open:
    """A shard that is being written."""

    def __init__(self, shard: Planned, folder: Path, event: tuple[int, ...], dtype: np.dtype) -> None:
        self.shard = shard
        self.folder = folder
        self.event = event
        self.dtype = dtype
        self.path = folder / f"{shard.name}.npy"
        self.found: list[Decoded] = []
        self.places = 0
        self._stack = contextlib.ExitStack()
        self.target = self._stack.enter_context(storage.replacing(self.path))
        self.head = header(len(shard.rows), event, dtype)
        try:
            self.target.write_bytes(self.head)
        except OSError as error:
            raise storage.cannot_write(self.path, error) from error

    def take(self, decoded: Decoded) -> bool:
        """Note what became of a task; say whether it was the last one."""
        self.found.append(decoded)
        self.places += len(decoded.good)
        return self.places == len(self.shard.rows)

    def finish(self) -> np.ndarray:
        """Close gaps, put the file in its place, and say which examples it holds."""
        good = np.concatenate([some.good for some in self.found])
        with self._stack:
            if not good.all():
                whole = np.fromfile(self.target, self.dtype, offset=len(self.head))
                kept = whole[: len(good) * int(np.prod(self.event))].reshape(-1, *self.event)[good]
                self.target.write_bytes(header(len(kept), self.event, self.dtype) + kept.tobytes())
        return self.shard.rows[good]

    def drop(self) -> None:
        """Leave no file behind."""
        self.target.unlink(missing_ok=True)


class ImageJob(Job):
    """Image files on their way into shards."""

    def __init__(
        self,
        files: Files,
        options: Options,
        where: str,
        split: Split,
        begun: Callable[[], object],
        pool: Executor,
        workers: int,
    ) -> None:
        """Look at the names, and decode the first image.

        Args:
            files: the folder or archive, open.
            options: size, fit, pages, labels, label and skip_bad are used.
            where: what messages call it.
            split: completes the splits of a number of examples.
            begun: returns when the plan is written, and raises if it cannot be; no shard is recorded before.
            pool: what does tasks.
            workers: how many processes it has.

        Raises:
            DataError: if there are no images, or none can be decoded.
        """
        if not files.names:
            raise DataError(
                f"{where}: holds no images; give a folder or archive of png, jpg or similar files"
            )
        self.files, self.options, self.where = files, options, where
        self.begun, self.pool, self.workers = begun, pool, workers
        table = read_labels(options, where)
        found, label, _ = labelled(arrange(files.names, where), files.names, table, where)
        self.file_of = found.order
        self.splits = split(len(found.order), found.parts)
        self.given = tuple(name for name, at in found.parts.items() if len(at) and name != "train")
        self.first, pixels = self._first()
        self.event, self.depth, self.dtype = pixels.shape, depth_of(pixels.dtype), kept_as(pixels.dtype)
        self.each = pixels.size * self.dtype.itemsize
        self.about = {
            "label_names": found.label_names,
            "columns": (),
            "factor_names": (),
            "label": label,
            "left_out": {**found.left_out, **beside(files.others, table, Path(where))},
        }
        self.beside = {} if found.labels is None else {"labels": found.labels}

    def _first(self) -> tuple[str, np.ndarray]:
        for index in np.sort(self.file_of).tolist():
            picture = decode_one(self.files, index, self.options, self.where)
            if picture is not None:
                return self.files.name(index), picture.pixels
        count, first = len(self.file_of), self.files.name(int(self.file_of.min()))
        raise DataError(f"{self.where}: none of its {count} images can be decoded, the first is '{first}'")

    def write(self, todo: list[Planned], folder: Path, done: Callable[[int], object]) -> None:
        """Decode shards and record each; see `Job`. Grey shards become colour ones if any image is colour."""
        left = self._pass(todo, folder, done)
        if left:  # a colour image among grey ones: from here on all are written as colour
            self.event = (3, *self.event[1:])
            self._pass(left, folder, done)

    def settle(self, shards: list[Planned], folder: Path) -> None:
        """Bring all shards to the same number of channels.

        Args:
            shards: all of them, written and recorded.
            folder: where they are.
        """
        known = [storage.read_json(folder / f"{shard.name}.json") for shard in shards]
        self._sum_up(known)
        channels = max(about["event"][0] for about in known)
        for shard, about in zip(shards, known, strict=True):
            if about["event"][0] == channels:
                continue
            event = (channels, *about["event"][1:])
            grey = np.load(folder / f"{shard.name}.npy", mmap_mode="r")
            step = max(1, storage.CHUNK // int(np.prod(event)))
            blocks = (
                np.repeat(grey[start : start + step], channels, axis=1) for start in range(0, len(grey), step)
            )
            write_array(folder / f"{shard.name}.npy", event, self.dtype, blocks)
            told = {key: value for key, value in about.items() if key not in ("rows", "files")}
            kept = np.array(about["kept"]) if "kept" in about else shard.rows
            record(shard, folder, self.beside, kept, {**told, "event": list(event)})

    def _sum_up(self, known: list[Record]) -> None:
        """Say in the index what the shards say each of its images; older records have no such entries."""
        notes: Counter[str] = Counter()
        for about in known:
            notes.update(about.get("notes", {}))
        masks = self.dtype == np.uint8 and max(about["high"] for about in known) <= 1
        layout = layout_of({name for about in known for name in about.get("types", ())})
        left_out = {**self.about["left_out"], **noted(notes)}
        high = 255.0 if self.dtype == np.uint8 and not masks else 1.0
        self.about = {**self.about, "high": high, "layout": layout.record(), "left_out": left_out}

    def _pass(self, todo: list[Planned], folder: Path, done: Callable[[int], object]) -> list[Planned]:
        """Decode shards until all are whole, or a colour image turns up; give those that are not."""
        left = list(todo)
        opened: list[_Open] = []
        try:
            outcomes = decode_tasks(self._tasks(todo, folder, opened), self.pool, self.workers, self.where)
            # One thread puts shards into their places while the next are decoded.
            with ThreadPoolExecutor(1) as finisher, contextlib.closing(outcomes):
                finished: list[Future[None]] = []
                for shard, decoded in outcomes:
                    if decoded.colour:
                        break
                    done(len(decoded.good))
                    if shard.take(decoded):
                        finished.append(finisher.submit(self._finish, shard))
                        opened.remove(shard)
                        left.remove(shard.shard)
                    while finished and finished[0].done():
                        finished.pop(0).result()
                for each in finished:
                    each.result()
        finally:
            for shard in opened:
                shard.drop()
        return left

    def _tasks(self, todo: list[Planned], folder: Path, opened: list[_Open]) -> Iterator[tuple[_Open, Task]]:
        each = int(np.prod(self.event)) * self.dtype.itemsize
        step = max(1, min(_TASK_IMAGES, _TASK // each))
        for planned in todo:
            shard = _Open(planned, folder, self.event, self.dtype)
            opened.append(shard)
            for start in range(0, len(planned.rows), step):
                files = self.file_of[planned.rows[start : start + step]]
                at = len(shard.head) + start * each
                yield (
                    shard,
                    Task(
                        self.files.part(files.tolist()),
                        shard.target,
                        at,
                        files,
                        self.event,
                        self.first,
                        self.options,
                        self.depth,
                        self.dtype,
                    ),
                )

    def _finish(self, shard: _Open) -> None:
        self.begun()
        kept = shard.finish()
        about = {
            "event": list(shard.event),
            "dtype": self.dtype.name,
            "low": min(some.low for some in shard.found) if len(kept) else 255,
            "high": max(some.high for some in shard.found) if len(kept) else 0,
            "skipped": [name for some in shard.found for name in some.skipped],
            "notes": Counter(note for some in shard.found for note in some.notes),
            "types": sorted(frozenset().union(*(some.types for some in shard.found))),
        }
        if len(kept) < len(shard.shard.rows):
            about["kept"] = kept.tolist()
        record(shard.shard, shard.folder, self.beside, kept, about)
