"""Frames of a clip: decoded from a film by PyAV, or pictures that lie in their order; and windows of them."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from queue import Empty, Full, Queue
from typing import Any, NamedTuple, TypeVar

import numpy as np

from latentia.core.errors import reason
from latentia.data.raw import Options
from latentia.data.readers.decode import as_bytes, read_picture
from latentia.data.readers.ffmpeg import pyav
from latentia.data.readers.resize import target

AHEAD = 4
"""Pieces of work that a thread may be ahead of who takes them."""
_NOTES = {
    "tail": ("clip's", "clips'", "corrupt tail (frames before it are used)"),
    "deep": ("clip's", "clips'", "bits beyond 8 of each value"),
    "short": ("clip that is", "clips that are", "shorter than a window"),
    "cut": ("clip's", "clips'", "sides (data.fit=pad or stretch keeps them)"),
}


def noted(counts: Counter[str]) -> dict[str, int]:
    """Say what of clips is not among the examples.

    Args:
        counts: how many clips have each note.

    Returns:
        What a summary says of it, and how many.
    """
    words = ((_NOTES[note], count) for note, count in sorted(counts.items()))
    return {f"{one if count == 1 else many} {what}": count for (one, many, what), count in words}


class Footage(NamedTuple):
    """Where the frames of a clip are.

    Attributes:
        name: what it is called inside its source.
        paths: a film or an animation; or pictures in their order.
        film: whether it is a single file of many frames.
    """

    name: str
    paths: tuple[Path, ...]
    film: bool


class Frames:
    """The frames of a clip one after the other, at the size and the rate that are asked for.

    Attributes:
        notes: what is not in them, known once they were gone through; see `noted`.
        count: how many were given so far.
    """

    def __init__(self, footage: Footage, options: Options) -> None:
        """Take a clip.

        Args:
            footage: where its frames are.
            options: size, fit, crop and rate are used.
        """
        self.footage = footage
        self.options = options
        self.notes: set[str] = set()
        self.count = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        """Decode.

        Yields:
            Frames `(C, H, W)`, uint8; one channel where the film is grey, else three.

        Raises:
            ValueError: if there is not a single frame, with what is wrong.
        """
        for frame in self._film() if self.footage.film else self._pictures():
            self.count += 1
            yield frame
        if not self.count:
            raise ValueError("it has no frame that can be decoded")

    def _pictures(self) -> Iterator[np.ndarray]:
        for path in self.footage.paths:
            picture = read_picture(path.read_bytes(), self.options, path.name)
            self.notes.update({"cut"} & set(picture.notes))
            yield as_bytes(picture)

    def _film(self) -> Iterator[np.ndarray]:
        av = pyav()
        path = self.footage.paths[0]
        try:
            container = av.open(str(path))
        except (av.FFmpegError, OSError) as error:
            raise ValueError(f"it is no film that can be read: {reason(error)}") from error
        with container:
            if not container.streams.video:
                raise ValueError("it has no video stream" + " but sound" * bool(container.streams.audio))
            stream = container.streams.video[0]
            stream.thread_type = "SLICE"
            yield from self._timed(self._decoded(container, stream, av.FFmpegError))

    def _decoded(self, container: Any, stream: Any, broken: type[Exception]) -> Iterator[Any]:
        try:
            yield from container.decode(stream)
        except broken:  # what was decoded before is good
            self.notes.add("tail")

    def _timed(self, frames: Iterable[Any]) -> Iterator[np.ndarray]:
        """Give every frame, or those that stand there at each moment of the rate that is asked for."""
        if self.options.rate is None:
            yield from map(self._pixels, frames)
            return
        step = 1 / Fraction(self.options.rate).limit_denominator(100_000)
        before: Any = None
        begin, moment = Fraction(0), 0
        for number, frame in enumerate(frames):
            at = Fraction(frame.pts * frame.time_base) if frame.pts is not None else number * step
            begin = at if before is None else begin
            while before is not None and begin + moment * step < at:
                yield self._pixels(before)
                moment += 1
            before = frame
        if before is not None:
            yield self._pixels(before)

    def _pixels(self, frame: Any) -> np.ndarray:
        """Bring a frame to its size and to bytes, upright."""
        kind = frame.format
        grey = len(kind.components) == 1 and not kind.has_palette
        if max(component.bits for component in kind.components) > 8:
            self.notes.add("deep")
        turned = round(getattr(frame, "rotation", 0) / 90) % 4
        shape = (frame.height, frame.width)
        upright = shape[::-1] if turned % 2 else shape
        (height, width), (tall, wide) = _scaled(upright, self.options)
        across, down = (height, width) if turned % 2 else (width, height)
        how = pyav().video.reformatter.Interpolation
        plain = frame.reformat(
            width=across,
            height=down,
            format="gray" if grey else "rgb24",
            # Without these two a pixel depends on where in memory its line happens to begin.
            interpolation=how.BICUBIC | how.ACCURATE_RND | how.BITEXACT,
            threads=1,
        ).to_ndarray()
        pixels = np.rot90(plain, turned) if turned else plain
        if pixels.shape[:2] != (tall, wide):
            if max(height - tall, width - wide) >= 1:
                self.notes.add("cut")
            pixels = _framed(pixels, (tall, wide))
        pixels = pixels[None] if grey else pixels.transpose(2, 0, 1)
        return np.ascontiguousarray(pixels)


def _scaled(shape: tuple[int, int], options: Options) -> tuple[tuple[int, int], tuple[int, int]]:
    """Give what a frame is scaled to, and what is then cut out of it, or laid around it."""
    wanted = target(shape, options)
    if options.fit in ("stretch", "short") or options.size is None:
        return wanted, wanted
    ratios = [side / own for side, own in zip(wanted, shape, strict=True)]
    scale = max(ratios) if options.fit == "crop" else min(ratios)
    height, width = (max(1, round(side * scale)) for side in shape)
    return (height, width), wanted


def _framed(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Cut around the middle what is too large, and lay black around what is too small."""
    for axis, side in enumerate(size):
        extra = pixels.shape[axis] - side
        if extra > 0:
            pixels = pixels.take(range(extra // 2, extra // 2 + side), axis=axis)
        elif extra < 0:
            around = [(0, 0)] * pixels.ndim
            around[axis] = (-extra // 2, -extra - -extra // 2)
            pixels = np.pad(pixels, around)
    return pixels


def windows(frames: Iterable[np.ndarray], count: int, stride: int) -> Iterator[np.ndarray]:
    """Cut frames into windows.

    Args:
        frames: `(C, H, W)` each.
        count: frames of a window.
        stride: frames from the beginning of one window to that of the next.

    Yields:
        `(C, count, H, W)`.
    """
    held: deque[np.ndarray] = deque()
    skip = 0
    for frame in frames:
        if skip:
            skip -= 1
            continue
        held.append(frame)
        if len(held) == count:
            yield np.stack(list(held), axis=1)
            for _ in range(min(stride, count)):
                held.popleft()
            skip = max(0, stride - count)


Item = TypeVar("Item")
Made = TypeVar("Made")
_END = object()


def ahead(
    items: Sequence[Item], make: Callable[[Item], Iterable[Made]], workers: int
) -> Generator[tuple[Item, Iterator[Made]]]:
    """Let threads go through what is made of items, a few items and a few pieces ahead.

    FFmpeg decodes and scales without Python's lock.

    Args:
        items: in their order.
        make: gives the pieces of one.
        workers: how many are worked on at once.

    Yields:
        Each item and an iterator of its pieces, which raises what `make` raised, and is to be used up first.
    """
    stop = threading.Event()
    begun: deque[tuple[Item, Queue[Any], threading.Thread]] = deque()
    left = iter(items)

    def begin(count: int) -> None:
        for item in islice(left, count):
            queue: Queue[Any] = Queue(AHEAD)
            thread = threading.Thread(target=_work, args=(item, make, queue, stop), daemon=True)
            thread.start()
            begun.append((item, queue, thread))

    try:
        begin(workers)
        while begun:
            item, queue, thread = begun.popleft()
            yield item, _taken(queue, thread)
            begin(1)
    finally:
        stop.set()


def _work(item: Any, make: Callable[[Any], Iterable[Any]], queue: Queue[Any], stop: threading.Event) -> None:
    """Put what is made of an item into a queue, and last how it ended."""

    def put(piece: Any) -> bool:
        while not stop.is_set():
            try:
                queue.put(piece, timeout=0.1)
            except Full:
                continue
            return True
        return False

    try:
        for piece in make(item):
            if not put((piece, None)):
                return
    except BaseException as error:  # for the thread that asked
        put((_END, error))
    else:
        put((_END, None))


def _taken(queue: Queue[Any], thread: threading.Thread) -> Iterator[Any]:
    """Take what another thread puts into a queue."""
    while True:
        try:
            piece, error = queue.get(timeout=1)
        except Empty:
            if thread.is_alive() or not queue.empty():
                continue
            return
        if error is not None:
            raise error
        if piece is _END:
            return
        yield piece
