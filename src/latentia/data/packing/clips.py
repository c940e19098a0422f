"""Packing of clips: decoded film by film, a few at once, into shards of windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from latentia.core import storage
from latentia.core.errors import DataError
from latentia.data.layout import Layout
from latentia.data.packing.images import Split
from latentia.data.packing.writer import Job, Planned, write_shard
from latentia.data.raw import Options
from latentia.data.readers.arrangement import arrange
from latentia.data.readers.clips import FRAMES, Found, Notebook, left_out, windows_of
from latentia.data.readers.films import Footage, Frames, ahead

FILM = 4
"""Windows of a clip, about, where nothing is known of its length: so many clips to a shard."""


class ClipJob(Job):
    """Clips on their way into shards: a position of a split is a clip, a row of a shard a window of one."""

    def __init__(self, found: Found, options: Options, where: str, split: Split, workers: int) -> None:
        """Look at the names, and decode the first frame of each clip until one has colour.

        Args:
            found: the clips.
            options: as the reader of clips.
            where: what messages call the source.
            split: completes the splits of a number of clips.
            workers: how many are decoded at once.

        Raises:
            DataError: if there are none.
        """
        if not found.clips:
            raise DataError(f"{where}: holds no clips; give a folder of films, or of folders of pictures")
        arrangement = arrange([clip.name for clip in found.clips], where)
        self.found, self.workers = found, workers
        self.clips = [found.clips[at] for at in arrangement.order.tolist()]
        self.splits = split(len(self.clips), arrangement.parts)
        self.given = tuple(name for name, at in arrangement.parts.items() if len(at) and name != "train")
        self.book = Notebook(where, options)
        channels, shape = self._first()
        self.uneven = options.crop is not None
        self.event = (channels, options.frames or FRAMES, *(() if self.uneven else shape))
        self.each = FILM * channels * self.event[1] * int(np.prod(shape))
        labels = arrangement.labels
        self.beside = {} if labels is None else {"labels": labels}
        self.about = {
            "high": 255.0,
            "label_names": arrangement.label_names,
            "columns": (),
            "factor_names": (),
            "layout": Layout().record(),
            "label": "" if labels is None else "folder",
            "left_out": dict(arrangement.left_out),
            **({"uneven": True} if self.uneven else {}),
        }

    def _first(self) -> tuple[int, tuple[int, ...]]:
        """Give the channels of all clips, and the height and width of the first that can be read."""
        shape: tuple[int, ...] | None = None
        for clip in self.clips:
            try:
                frame = next(iter(Frames(clip, self.book.options)))
            except (ValueError, OSError):  # it is named when it is packed
                continue
            shape = shape or frame.shape[1:]
            if len(frame) > 1:
                return len(frame), shape
        if shape is None:
            raise DataError(f"{self.book.where}: none of its {len(self.clips)} clips can be read")
        return 1, shape

    def write(self, todo: list[Planned], folder: Path, done: Callable[[int], object]) -> None:
        """Decode the clips of shards, and write each; see `Job`."""
        clips = [(self.clips[at], at) for shard in todo for at in shard.rows.tolist()]
        work = ahead(clips, lambda item: windows_of(item[0], self.book), self.workers)
        try:
            for shard in todo:
                kept: list[int] = []
                blocks = self._blocks(shard, work, kept, done)
                dtype = np.dtype(np.uint8)

                def found(shard: Planned = shard, kept: list[int] = kept) -> tuple[list[int], dict[str, Any]]:
                    clips = [self.clips[at].name for at in shard.rows.tolist()]
                    own = {name: sorted(self.book.notes[name]) for name in clips if self.book.notes.get(name)}
                    skipped = [name for name in clips if name in self.book.skipped]
                    return kept, {"skipped": skipped, "notes": own, "longest": self.book.longest}

                write_shard(
                    shard, folder, blocks, self.event, dtype, self.beside, uneven=self.uneven, found=found
                )
        finally:
            work.close()

    def _blocks(
        self,
        shard: Planned,
        work: Iterator[tuple[tuple[Footage, int], Iterator[np.ndarray]]],
        kept: list[int],
        done: Callable[[int], object],
    ) -> Iterator[np.ndarray]:
        for _ in shard.rows:
            (clip, at), made = next(work)
            for window in made:
                self.book.refuse_unlike(clip.name, window.shape[2:])
                if len(window) < self.event[0]:
                    window = np.repeat(window, self.event[0], axis=0)
                kept.append(at)
                yield window if self.uneven else window[None]
            done(1)

    def settle(self, shards: list[Planned], folder: Path) -> None:
        """Say what is left out, and refuse clips that are all too short; see `Job`."""
        for shard in shards:  # those of an earlier call, too
            known = storage.read_json(folder / f"{shard.name}.json")
            self.book.notes.update({name: set(notes) for name, notes in known["notes"].items()})
            self.book.skipped.update(known["skipped"])
            self.book.longest = max(self.book.longest, known["longest"])
        own = left_out(self.found, self.book)
        self.about = {**self.about, "left_out": {**self.about["left_out"], **own}}
        if len(self.book.skipped) + self.book.counts["short"] == len(self.clips):
            raise self.book.too_short()
