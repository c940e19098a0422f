"""Clips: windows of frames from films, animations, and folders of pictures."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from latentia.core import progress
from latentia.core.errors import DataError, reason
from latentia.core.memory import available
from latentia.core.threads import cores
from latentia.data.layout import Layout
from latentia.data.pictures import Crops, Pictures
from latentia.data.raw import Options, Raw
from latentia.data.readers import cache, films
from latentia.data.readers.arrangement import arrange
from latentia.data.readers.films import Footage, Frames, ahead, windows
from latentia.data.readers.formats import SUFFIXES, other_files, suffix_of

_FILMS = ".mp4 .m4v .mov .mkv .webm .avi .mpg .mpeg .m2v .ts .mts .m2ts .wmv .flv .ogv .3gp .y4m"
FILMS = frozenset(_FILMS.split())
"""Endings of films."""
ANIMATIONS = frozenset({".gif", ".apng"})
"""Endings of pictures that are films where clips are asked for."""
FRAMES = 17
"""Frames of a window, where nobody says how many: 1 + 2 x 8, as networks of video take them."""


class Found(NamedTuple):
    """What a source holds.

    Attributes:
        clips: in the order of their names.
        others: how many files there are of each ending that are no part of a clip.
        pictures: how many pictures are no part of a clip.
    """

    clips: list[Footage]
    others: Counter[str]
    pictures: int


def find(path: Path, frames: int | None) -> Found:
    """Find the clips of a source.

    Args:
        path: a film, or a folder of films; or, where it has none, of pictures, each folder of which is a
            clip. With windows of one frame each picture is a clip.
        frames: frames of a window, or None.

    Returns:
        The clips.
    """
    if not path.is_dir():
        return Found([Footage(path.name, (path,), True)], Counter(), 0)
    shown: dict[str, list[str]] = {}
    movies, others = [], Counter[str]()
    for place, folders, names in os.walk(path, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inside = Path(place).relative_to(path).as_posix()
        above = "" if inside == "." else f"{inside}/"
        for name in sorted(names):
            suffix = suffix_of(name)
            if name.startswith("."):
                continue
            if suffix in FILMS or suffix in ANIMATIONS:
                movies.append(above + name)
            elif suffix in SUFFIXES:
                shown.setdefault(inside, []).append(name)
            else:
                others[suffix] += 1
    clips = [Footage(name, (path / name,), True) for name in movies]
    count = sum(map(len, shown.values()))
    if frames == 1:
        alone = [(name if at == "." else f"{at}/{name}") for at, names in shown.items() for name in names]
        clips += [Footage(name, (path / name,), False) for name in alone]
        count = 0
    elif not clips:
        for at, names in shown.items():
            ordered = tuple(path / at / name for name in sorted(names, key=_numbers))
            clips.append(Footage(path.name if at == "." else at, ordered, False))
        count = 0
    return Found(sorted(clips), others, count)


def _numbers(name: str) -> list[tuple[int, str]]:
    """Order frame 2 before frame 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def is_film(path: str | Path | None) -> bool:
    """Tell whether a path is that of a single film.

    Args:
        path: what was given as a source, or to write.

    Returns:
        Whether its ending says so.
    """
    suffix = Path(path).suffix.lower() if path is not None else ""
    return suffix in FILMS or suffix in ANIMATIONS


def holds_films(folder: Path) -> bool:
    """Tell whether there is a film in a folder or below it.

    Args:
        folder: where to look.

    Returns:
        Whether there is one.
    """
    return any(
        suffix_of(name) in FILMS
        for _, _, names in os.walk(folder, followlinks=True)
        for name in names
        if not name.startswith(".")
    )


def state_of(found: Found) -> str:
    """Give a text that changes with the names, sizes and times of clips.

    Args:
        found: what `find` gave.

    Returns:
        Hexadecimal digits.
    """
    state = hashlib.sha256(repr((sorted(found.others.items()), found.pictures)).encode())
    for clip in found.clips:
        for path in clip.paths:
            about = os.stat(path)
            state.update(f"{clip.name}\0{path.name}\0{about.st_size}\0{about.st_mtime_ns}\0".encode())
    return state.hexdigest()


@dataclass
class Notebook:
    """What is noted while clips are gone through.

    Attributes:
        where: the source, for messages.
        options: frames and skip_bad are used.
        notes: those of each clip that has some.
        skipped: the clips that could not be read.
        longest: frames of the longest that has no window.
        first: name and height and width of the first, where all have to have the same.
    """

    where: str
    options: Options
    notes: dict[str, set[str]] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    longest: int = 0
    first: tuple[str, tuple[int, ...]] | None = None

    @property
    def counts(self) -> Counter[str]:
        """How many clips have each note."""
        return Counter(note for notes in self.notes.values() for note in notes)

    def refuse_unlike(self, name: str, shape: tuple[int, ...]) -> None:
        """Refuse a clip of another size, where sizes have to be alike.

        Args:
            name: of the clip.
            shape: its height and width.

        Raises:
            DataError: naming both.
        """
        if self.first is None:
            self.first = name, shape
        if self.options.crop is None and self.first[1] != shape:
            mine, other = ("x".join(map(str, sides)) for sides in (shape, self.first[1]))
            raise DataError(
                f"{self.where}: '{name}' has frames of {mine}, and '{self.first[0]}' of {other}; give them "
                "one size, such as data.size=128, or crops: data.size=128 data.fit=short data.crop=64"
            )

    def too_short(self) -> DataError:
        """Say that no clip has a window, and how many frames one may have."""
        wanted = self.options.frames or FRAMES
        if not self.longest:
            return DataError(f"{self.where}: none of its clips can be read, such as '{min(self.skipped)}'")
        near = max(1, (self.longest - 1) // 8 * 8 + 1)
        return DataError(
            f"{self.where}: no clip has the {wanted} frames of a window, the longest has {self.longest}; "
            f"give data.frames={near} or less"
        )


def windows_of(clip: Footage, book: Notebook) -> Iterator[np.ndarray]:
    """Decode the windows of a clip, and note what is not in them.

    Args:
        clip: where its frames are.
        book: what notes and refuses.

    Yields:
        `(C, T, H, W)`, uint8.

    Raises:
        DataError: if it cannot be read and may not be skipped.
    """
    options = book.options
    count = options.frames or FRAMES
    frames = Frames(clip, options)
    some = False
    try:
        for window in windows(frames, count, options.stride or count):
            some = True
            yield window
    except (ValueError, OSError) as error:
        book.skipped.add(clip.name)
        if not options.skip_bad:
            raise DataError(
                f"{book.where}: '{clip.name}' cannot be used: {reason(error)}; remove it, or leave out such "
                "files with --skip-bad"
            ) from error
        return
    book.notes[clip.name] = frames.notes if some else frames.notes | {"short"}
    if not some:
        book.longest = max(book.longest, frames.count)


def read(path: Path, options: Options) -> Raw:
    """Read windows of clips; splits are drawn clip by clip.

    Args:
        path: a film, or a folder of films, of animations, or of folders of pictures; sub-folders are splits
            and labels, as with pictures.
        options: frames, stride, rate, size, fit, crop and skip_bad are used.

    Returns:
        Clips `(N, 1 or 3, T, H, W)`, uint8, or crops of them.

    Raises:
        DataError: if there are none, one cannot be read, or their sizes differ.
    """
    found = find(path, options.frames)
    if not found.clips:
        raise DataError(f"{path}: holds no clips; give a folder of films, or of folders of pictures")
    kept = cache.entry(path, options, state=state_of(found))
    raw = cache.load(kept) if kept else None
    if raw is None or (raw.skipped and not options.skip_bad):
        raw = _decoded(found, options, str(path))
        if kept:
            cache.save(kept, raw)
    return raw


def left_out(found: Found, book: Notebook) -> dict[str, int]:
    """Say what of a source is not among its examples.

    Args:
        found: what `find` gave.
        book: what was noted.

    Returns:
        What, and how many.
    """
    words = films.noted(book.counts) | other_files(found.others)
    if found.pictures:
        words |= {
            f"picture{'s' * (found.pictures > 1)} beside clips (data.frames=1 takes both)": found.pictures
        }
    return words


def _decoded(found: Found, options: Options, where: str) -> Raw:
    arrangement = arrange([clip.name for clip in found.clips], where)
    ordered = [found.clips[at] for at in arrangement.order.tolist()]
    book = Notebook(where, options)
    counts, each = [], list[np.ndarray]()
    work = ahead(ordered, partial(windows_of, book=book), cores())
    with progress.bar(total=len(ordered), desc="decoding", unit=" clips") as bar:
        for clip, made in work:
            before = len(each)
            for window in made:
                book.refuse_unlike(clip.name, window.shape[2:])
                each.append(window)
            _refuse_many(each, len(counts) + 1, len(ordered), where)
            counts.append(len(each) - before)
            bar.update()
    if not each:
        raise book.too_short()
    groups = np.repeat(np.arange(len(ordered)), counts)
    parts = {name: np.flatnonzero(np.isin(groups, at)) for name, at in arrangement.parts.items()}
    labels = None if arrangement.labels is None else arrangement.labels[groups]
    return Raw(
        gathered(each, options),
        labels,
        arrangement.label_names,
        {name: at for name, at in parts.items() if len(at)},
        skipped=tuple(sorted(book.skipped)),
        layout=Layout(),
        label="" if arrangement.labels is None else "folder",
        left_out={**arrangement.left_out, **left_out(found, book)},
        groups=groups,
    )


def _refuse_many(each: Sequence[np.ndarray], seen: int, of: int, where: str) -> None:
    """Refuse more than memory has room for, as far as the first clips tell."""
    free = available()
    if not each or free is None:
        return
    held = sum(window.nbytes for window in each)
    # They are copied once into one array.
    if 2 * held * of / seen - held > free:
        raise DataError(
            f"{where}: its {of:,} clips need about {held * of / seen / 1e9:.1f} GB of memory; use latentia "
            "pack first, or give a smaller --size"
        )


def gathered(each: Sequence[np.ndarray], options: Options) -> np.ndarray | Crops:
    """Put windows into one array.

    Args:
        each: `(1 or 3, T, H, W)`.
        options: where it has a crop, sizes may differ.

    Returns:
        `(N, C, T, H, W)`, C = 1 if all are grey and else 3; or crops of them.
    """
    channels = max(len(window) for window in each)
    whole = [window if len(window) == channels else np.repeat(window, channels, axis=0) for window in each]
    if options.crop is None:
        return np.stack(whole)
    sizes = np.array([window.shape[2:] for window in whole])
    values = np.concatenate([window.reshape(-1) for window in whole])
    return Crops(Pictures(values, channels, sizes, frames=whole[0].shape[1]), options.crop)
