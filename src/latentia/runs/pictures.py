"""Pictures with loss: files of pictures of any sizes, coded by a run whose latents are rounded."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import torch

from latentia.coding.picture_file import Coded, PictureHeader, PictureReader, check_of
from latentia.coding.pictures import STEP_BITS, whole_step
from latentia.coding.rates import image_of
from latentia.core import progress, storage
from latentia.core.errors import DataError
from latentia.core.pool import Pool
from latentia.runs.coder import as_stored
from latentia.runs.kept_coders import that_wrote
from latentia.runs.unfinished import growing
from latentia.runs.workers import coders, here

if TYPE_CHECKING:
    from latentia.runs.applied import Applied

Pictures = Sequence[np.ndarray] | np.ndarray
UNIT = " pictures"
MANY = 16
"""Pictures that are worth starting a process for."""


@dataclass(frozen=True)
class WrittenPictures:
    """A file that was written.

    Attributes:
        count: how many pictures it holds.
        size: its bytes.
        pixels: of all pictures.
        step: of their latents.
    """

    count: int
    size: int
    pixels: int
    step: float

    def summary(self) -> str:
        """Say it in one line."""
        return (
            f"{self.count:,} picture{'s' * (self.count != 1)} in {self.size:,} bytes, "
            f"{8 * self.size / self.pixels:.4f} bits per pixel (step {self.step:.3g})"
        )


class Taken(Sequence[np.ndarray]):
    """Some pictures of a data set, whole, read when they are asked for."""

    def __init__(
        self,
        run: Applied,
        source: Any = None,
        split: str | None = None,
        n: int | None = None,
        skip_bad: bool = False,
    ) -> None:
        """Find them.

        Args:
            run: the run.
            source: where they come from; the run's own data by default.
            split: as `Run.take` has it.
            n: how many at most.
            skip_bad: leave out files that cannot be read.
        """
        dataset = run.dataset
        if source is not None:
            dataset = run.any_size(source, **({"skip_bad": True} if skip_bad else {}))
        self._dataset, self._rows = dataset, run.rows(dataset, split)[:n]

    def __len__(self) -> int:
        """Count them."""
        return len(self._rows)

    def __getitem__(self, at: Any) -> Any:
        """Give one of them, `(C, H, W)`."""
        row = int(self._rows[at])
        whole = self._dataset.whole
        return np.asarray(self._dataset.x[row] if whole is None else whole.whole(row))


def compress(
    run: Applied,
    x: Pictures,
    path: str | os.PathLike[str],
    *,
    step: float | None = None,
    resume: bool = False,
    workers: int | None = 1,
    quiet: bool = True,
) -> WrittenPictures:
    """Write pictures into a file, one after the other.

    What is done stands in a file beside it, `.NAME.part`, until all is; what was interrupted goes on there.

    Args:
        run: the run.
        x: pictures in the data's units, `(C, H, W)` each.
        path: the file.
        step: how finely latents are rounded: a larger one gives fewer bits; the middle of the run's steps by
            default.
        resume: go on with what an earlier call left: a picture stays if its latents are those that it has
            now.
        workers: processes that code, whose number changes no byte; None for one for each core.
        quiet: show no progress bar.

    Returns:
        What was written.

    Raises:
        ConfigError: if the model codes no pictures, or there is no such step.
        DataError: if there are no pictures, or one has other channels than the run's, or missing values.
        LatentiaError: if the file cannot be written.
    """
    path = Path(path)
    storage.check_writable(path)
    header, pixels = _header(run, x, step), 0
    with progress.bar(desc="compressing", total=len(x), unit=UNIT, quiet=quiet) as shown:

        def same(number: int, check: int) -> bool:
            nonlocal pixels
            picture = _prepared(run, x, number)
            height, width = picture.shape[1:]
            if check_of(run.picture_coder.latents(picture, header.step), height, width) != check:
                return False
            pixels += height * width
            shown.update(1)
            return True

        options = "another model, another --step or another number of pictures"
        with (
            growing(path, header, PictureReader, same, resume=resume, options=options) as (handle, started),
            coders(run, "picture_coder", workers, len(x) - started, MANY) as pool,
        ):
            for coded in _all_coded(run, x, range(started, len(x)), header.step, pool):
                handle.write(coded.packed())
                handle.flush()  # what is done stays when the process is killed
                pixels += coded.height * coded.width
                shown.update(1)
            size = handle.tell()
    return WrittenPictures(header.count, size, pixels, header.step * 2.0**-STEP_BITS)


def to_bytes(run: Applied, x: Pictures, step: float | None = None) -> bytes:
    """Give the content that `compress` would write.

    Args:
        run: the run.
        x: as `compress`.
        step: as `compress`.

    Returns:
        The bytes.
    """
    header, handle = _header(run, x, step), io.BytesIO()
    handle.write(header.packed())
    for coded in _all_coded(run, x, range(len(x)), header.step, Pool()):
        handle.write(coded.packed())
    return handle.getvalue()


def _header(run: Applied, x: Pictures, step: float | None) -> PictureHeader:
    coder = run.picture_coder
    if not len(x):
        raise DataError("there are no pictures to compress")
    found = whole_step(coder.step if step is None else step)
    return PictureHeader(coder.name, coder.channels, found, len(x))


def _prepared(run: Applied, x: Pictures, number: int) -> Any:
    """Give a picture in the model's units, `(C, H, W)`."""
    picture = np.asarray(x[number])
    if picture.dtype.kind == "f" and np.isnan(picture).any():
        raise DataError(f"picture {number} has missing values, which no file of pictures holds; leave it out")
    (part,) = run.prepare(picture[None])
    return part[0]


def _all_coded(run: Applied, x: Pictures, numbers: range, step: int, pool: Pool) -> Iterator[Coded]:
    given = (run,) if pool.count == 1 else ()
    tasks = ((None, (_prepared(run, x, number).numpy(), step, *given)) for number in numbers)
    return (coded for _, coded in pool.in_order(_coded, tasks, 1))


def _coded(picture: np.ndarray, step: int, run: Any = None) -> Coded:
    height, width = picture.shape[1:]
    k, content = (here() if run is None else run).picture_coder.code(torch.from_numpy(picture), step)
    return Coded(height, width, check_of(k, height, width), content)


class PictureFile:
    """A file of pictures, read by the run that wrote it.

    Attributes:
        header: what the file says of itself.
    """

    def __init__(self, run: Applied, handle: BinaryIO, where: str, workers: int | None = 1) -> None:
        """Open it.

        Args:
            run: the run.
            handle: the open file.
            where: what messages call it.
            workers: as `compress`.

        Raises:
            DataError: if it is no such file, damaged in its header, or another model's.
        """
        self._reader, self._run = PictureReader(handle, where), run
        self.header, self._workers = self._reader.header, workers
        that_wrote(run, self.header.name, where, ["picture_coder"], "picture_coder")

    def read(self, first: int = 0, end: int | None = None, *, quiet: bool = True) -> Iterator[np.ndarray]:
        """Give pictures, in the data's units.

        Args:
            first: the first of them.
            end: the one after the last; all by default.
            quiet: show no progress bar.

        Yields:
            Shape `(C, H, W)` each, in the type that the run's data were stored in.

        Raises:
            DataError: if there are no such pictures, or one of them is damaged.
        """
        count = self.header.count
        end = count if end is None else end
        self._reader.check_range(first, end)
        if end - first == count:
            self._reader.check_end()
        run, step = self._run, self.header.step
        with (
            progress.bar(desc="decompressing", total=end - first, unit=UNIT, quiet=quiet) as shown,
            coders(run, "picture_coder", self._workers, end - first, MANY) as pool,
        ):
            given = (run,) if pool.count == 1 else ()
            tasks = ((at, (self._reader.picture(at), step, *given)) for at in range(first, end))
            with contextlib.closing(pool.in_order(_decoded, tasks, 1)) as pictures:
                for number, picture in pictures:
                    if picture is None:
                        raise self._reader.damaged(number)
                    yield picture
                    shown.update(1)


def _decoded(coded: Coded, step: int, run: Any = None) -> np.ndarray | None:
    """Give a picture in the data's units; None for one that is damaged."""
    run = here() if run is None else run
    coder, size = run.picture_coder, (coded.height, coded.width)
    k = coder.decode(coded.content, step, *size)
    if k is None or check_of(k, *size) != coded.check:
        return None
    values = run.transform.invert(coder.picture(k, step, *size)).numpy()
    return as_stored(values, run.record.dtype or np.float32)


def saved(pictures: Iterable[np.ndarray], folder: Path) -> int:
    """Write pictures into a new folder, as PNGs with their numbers for names.

    Args:
        pictures: 8-bit, `(C, H, W)` each.
        folder: the folder, which must not be there yet.

    Returns:
        How many there were.

    Raises:
        LatentiaError: if the folder cannot be made.
    """
    count = 0
    with storage.new_folder(folder) as made:
        for count, picture in enumerate(pictures, start=1):
            drawn(picture).save(made / f"{count - 1:06}.png")
    return count


def drawn(picture: np.ndarray) -> Any:
    """Give a picture of Pillow's.

    Args:
        picture: 8-bit, `(C, H, W)`.

    Returns:
        The picture.

    Raises:
        DataError: if it is not of 8 bits.
    """
    if picture.dtype != np.uint8:
        raise DataError(f"a PNG has pixels of 8 bits, and these are {picture.dtype}; end the name in .npy")
    return image_of(picture)
