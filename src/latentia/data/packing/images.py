"""Packing of folders and archives of images: decoded shard by shard, by all cores."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from latentia.core import storage
from latentia.core.errors import DataError
from latentia.core.pool import Pool
from latentia.data.packing.workers import Decoded, Task, decode_into
from latentia.data.packing.writer import Job, Planned, Record, header, record, write_array
from latentia.data.pictures import Pictures
from latentia.data.raw import Options
from latentia.data.readers.arrangement import arrange
from latentia.data.readers.decode import noted
from latentia.data.readers.depths import depth_of, kept_as, layout_of
from latentia.data.readers.files import Files
from latentia.data.readers.label_files import beside, labelled, read_labels
from latentia.data.readers.stack import decode_one
from latentia.data.splits import spread

_TASK = 1 << 20  # bytes of pixels in a task, about
_TASK_IMAGES = 256
_ASKED = 16  # pictures of their own sizes that tell how large one is

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
        self.head = header(len(shard.rows), self.stored, dtype)
        try:
            self.target.write_bytes(self.head)
        except OSError as error:
            raise storage.cannot_write(self.path, error) from error

    def take(self, decoded: Decoded) -> bool:
        """Note what became of a task; say whether it was the last one."""
        self.found.append(decoded)
        self.places += len(decoded.good)
        return self.places == len(self.shard.rows)

    @property
    def own(self) -> dict[str, np.ndarray]:
        """Arrays with a row for each example that it holds."""
        return {}

    @property
    def stored(self) -> tuple[int, ...]:
        """The shape of a row of the file."""
        return self.event

    @property
    def common(self) -> tuple[int, ...]:
        """The shape of its examples, as far as it is one."""
        return self.event

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


class _OpenUneven(_Open):
    """A shard of pictures of their own sizes that is being written, task after task."""

    def take(self, decoded: Decoded) -> bool:
        """Write what a task gave behind what is there; see `_Open`."""
        if decoded.values is not None:
            try:
                with self.target.open("ab") as handle:
                    handle.write(decoded.values.data)
            except OSError as error:
                raise storage.cannot_write(self.path, error) from error
        return super().take(decoded._replace(values=None))

    @property
    def own(self) -> dict[str, np.ndarray]:
        """The sizes of the pictures; see `_Open`."""
        return {"sizes": np.concatenate([some.sizes for some in self.found if some.sizes is not None])}

    @property
    def stored(self) -> tuple[int, ...]:
        """A single number; see `_Open`."""
        return ()

    @property
    def common(self) -> tuple[int, ...]:
        """The channels alone; see `_Open`."""
        return self.event[:1]

    def finish(self) -> np.ndarray:
        """Say in the file how many values it holds; see `_Open`."""
        with self._stack, self.target.open("r+b") as handle:
            handle.write(header(self.event[0] * int(self.own["sizes"].prod(axis=1).sum()), (), self.dtype))
        return self.shard.rows[np.concatenate([some.good for some in self.found])]


class ImageJob(Job):
    """Image files on their way into shards."""

    uneven = False
    """Whether pictures keep their sizes."""

    def __init__(
        self,
        files: Files,
        options: Options,
        where: str,
        split: Split,
        begun: Callable[[], object],
        pool: Pool,
    ) -> None:
        """Look at the names, and decode the first image.

        Args:
            files: the folder or archive, open.
            options: size, fit, crop, pages, labels, label and skip_bad are used.
            where: what messages call it.
            split: completes the splits of a number of examples.
            begun: returns when the plan is written, and raises if it cannot be; no shard is recorded before.
            pool: what decodes.

        Raises:
            DataError: if there are no images, or none can be decoded.
        """
        if not files.names:
            raise DataError(
                f"{where}: holds no images; give a folder or archive of png, jpg or similar files"
            )
        self.files, self.options, self.where = files, options, where
        self.begun, self.pool = begun, pool
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
            own = self._coloured(folder / f"{shard.name}.npy", channels)
            told = {key: value for key, value in about.items() if key not in ("rows", "files")}
            kept = np.array(about["kept"]) if "kept" in about else shard.rows
            told["event"] = [channels, *about["event"][1:]]
            record(shard, folder, self.beside, kept, told, own)

    def _coloured(self, path: Path, channels: int) -> dict[str, np.ndarray]:
        """Repeat the channel of a shard, and give the arrays of its own beside it."""
        grey = np.load(path, mmap_mode="r")
        event = (channels, *grey.shape[2:])
        step = max(1, storage.CHUNK // int(np.prod(event)))
        starts = range(0, len(grey), step)
        blocks = (np.repeat(grey[start : start + step], channels, axis=1) for start in starts)
        write_array(path, event, self.dtype, blocks)
        return {}

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
            outcomes = self.pool.in_order(decode_into, self._tasks(todo, folder, opened))
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

    def _tasks(
        self, todo: list[Planned], folder: Path, opened: list[_Open]
    ) -> Iterator[tuple[_Open, tuple[Task, str]]]:
        each = self.each if self.uneven else int(np.prod(self.event)) * self.dtype.itemsize
        step = max(1, min(_TASK_IMAGES, _TASK // each))
        for planned in todo:
            shard = (_OpenUneven if self.uneven else _Open)(planned, folder, self.event, self.dtype)
            opened.append(shard)
            for start in range(0, len(planned.rows), step):
                files = self.file_of[planned.rows[start : start + step]]
                at = len(shard.head) + start * each
                task = Task(
                    self.files.part(files.tolist()),
                    shard.target,
                    at,
                    files,
                    self.event,
                    self.first,
                    self.options,
                    self.depth,
                    self.dtype,
                    self.uneven,
                )
                yield shard, (task, self.where)

    def _finish(self, shard: _Open) -> None:
        self.begun()
        kept = shard.finish()
        about = {
            "event": list(shard.common),
            "dtype": self.dtype.name,
            "low": min(some.low for some in shard.found) if len(kept) else 255,
            "high": max(some.high for some in shard.found) if len(kept) else 0,
            "skipped": [name for some in shard.found for name in some.skipped],
            "notes": Counter(note for some in shard.found for note in some.notes),
            "types": sorted(frozenset().union(*(some.types for some in shard.found))),
        }
        if len(kept) < len(shard.shard.rows):
            about["kept"] = kept.tolist()
        record(shard.shard, shard.folder, self.beside, kept, about, shard.own)


class UnevenJob(ImageJob):
    """Image files of their own sizes on their way into shards: values in a row, and the sizes beside them."""

    uneven = True

    def __init__(self, *args: Any) -> None:
        """See `ImageJob`; what one takes on average is asked of a few."""
        super().__init__(*args)
        some = [decode_one(self.files, index, self.options, self.where) for index in self._few()]
        counts = [picture.pixels.size for picture in some if picture is not None]
        self.each = int(np.mean(counts)) * self.dtype.itemsize
        self.about = {**self.about, "uneven": True}

    def _few(self) -> list[int]:
        return np.sort(spread(self.file_of, _ASKED)).tolist()

    def _coloured(self, path: Path, channels: int) -> dict[str, np.ndarray]:
        """Repeat the channel of each picture of a shard; see `ImageJob`."""
        sizes = np.load(path.with_suffix(".sizes.npy"))
        grey = Pictures(np.load(path, mmap_mode="r"), 1, sizes)
        write_array(path, (), self.dtype, (np.tile(picture.reshape(-1), channels) for picture in grey))
        return {"sizes": sizes}
