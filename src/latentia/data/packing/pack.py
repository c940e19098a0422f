"""Packing: any source becomes a folder of `.npy` shards that can be read in part.

The plan is written first, each shard appears whole or not at all, and the index is written last: whatever
stops a packing, the same call goes on where it stopped, and repairs what was damaged since.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from latentia.core import progress, storage
from latentia.core.errors import ConfigError, DataError, nearest, reason
from latentia.core.pool import pool
from latentia.core.threads import cores
from latentia.data.dataset import Dataset
from latentia.data.options import make_options
from latentia.data.packing.arrays import ArrayJob
from latentia.data.packing.clips import ClipJob
from latentia.data.packing.folder import begin, refuse_other, write_index
from latentia.data.packing.images import ImageJob, Split, UnevenJob
from latentia.data.packing.workers import died, ready
from latentia.data.packing.writer import Job, Planned, plan, recorded
from latentia.data.raw import Options
from latentia.data.readers import cache, clips, packed
from latentia.data.readers.files import open_files
from latentia.data.readers.kinds import CLIPS
from latentia.data.readers.pages import paged
from latentia.data.readers.streams import READ_ERRORS
from latentia.data.sources import Source, asked, files_of, load, usual
from latentia.data.splits import make_splits

FEW = 1000
"""Images for which starting other processes takes longer than decoding."""
_UNPACKED = ".source.tar"
_TRAINING = ("buffer", "fingerprint", "flip", "shift")  # settings that say nothing of what is packed
_ALWAYS = ("size", "skip_bad", "label", "key", "validation", "test", "seed", "fit", "channels", "pages")


def pack(
    source: Source,
    out: str | os.PathLike[str],
    *,
    shard_mb: int = 256,
    workers: int | None = None,
    quiet: bool = True,
    **settings: Any,
) -> Path:
    """Write a source as a folder of shards, for data that outgrow memory.

    Folders and archives of images are decoded shard by shard in several processes; other sources are read
    as `load` reads them. With `crop`, or a size that is their shorter side (`fit="short"`), images keep their
    shapes, and training takes crops of them. Splits are settled here: those of the source, or drawn with the
    seed (before unreadable images are left out). An interrupted packing is continued by the same call, which
    also checks every shard of a finished one and makes damaged ones anew.

    Args:
        source: what `load` takes.
        out: the folder, new or of an earlier packing of the same source.
        shard_mb: size of a shard in MiB, about.
        workers: processes that decode; one for each core by default.
        quiet: show no progress bar.
        settings: how it is read and split, as `load`, such as `size`, `label`, `skip_bad`, `test` and `seed`.

    Returns:
        The folder, which `load` takes.

    Raises:
        DataError: if the source cannot be used, or changed since the packing was begun.
        ConfigError: if a setting is out of range, or another one than that packing's.
        LatentiaError: if the folder cannot be written.
    """
    settings = _settings(settings)
    options = make_options(**asked(settings))
    if shard_mb < 1 or (workers is not None and workers < 1):
        raise ConfigError(f"shard_mb is {shard_mb} and workers is {workers}; numbers from 1 on are needed")
    recipe = {**_recorded(settings), "shard_mb": shard_mb}
    folder = Path(out).expanduser()
    reader, images = files_of(source, options) or (None, None)
    _make_folder(source, folder)
    with storage.exclusive(folder), contextlib.ExitStack() as stack:
        for left in folder.glob(".*.part"):
            left.unlink(missing_ok=True)
        drawn = {name: settings[name] for name in ("validation", "test", "seed")}
        split = partial(make_splits, where=str(images), **drawn)
        if images and reader is CLIPS:
            where = str(images)
            found = clips.find(images, options.frames)
            _begin(folder, {"source": where, "state": clips.state_of(found), **recipe})
            job: Job = ClipJob(found, options, where, split, workers or cores())
        elif images:
            where = str(images)
            job = _image_job(images, folder, options, split, recipe, workers or cores(), stack)
        elif options.crop:
            raise ConfigError(
                f"crop={settings['crop']} keeps files of pictures at their sizes; {source} is packed whole: "
                "leave it out here, and give it to the training"
            )
        else:
            dataset = load(source, **settings)
            where = dataset.source
            _begin(folder, {"source": where, "state": _state(where, dataset.x), **recipe})
            job = ArrayJob(dataset)
        _pack(job, plan(job, shard_mb << 20), folder, where, quiet)
        (folder / _UNPACKED).unlink(missing_ok=True)
    return folder


def keep(dataset: Dataset, folder: Path) -> None:
    """Write data that are in memory as a folder of shards, which `load` gives back with the same splits.

    Args:
        dataset: the data.
        folder: a new folder.

    Raises:
        LatentiaError: if it cannot be written.
    """
    with storage.new_folder(folder) as made:
        job = ArrayJob(dataset)
        _pack(job, plan(job, 256 << 20), made, dataset.source, True)


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Give all settings of reading and splitting: those given, and what is usual for the others."""
    known = {name: value for name, value in usual().items() if name not in _TRAINING}
    for name in given:
        if name not in known:
            raise ConfigError(f"pack has no setting '{name}'{nearest(name, known)}")
    return {**known, **given}


def _recorded(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Give the settings as the folder keeps them: what came later stands there where it says something."""
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}
    return {name: value for name, value in plain.items() if name in _ALWAYS or value is not None}


def _make_folder(source: Source, folder: Path) -> None:
    """Make the folder of the shards, where it is none that the source is read from."""
    _refuse(source, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage.cannot_write(folder, error) from error


def _image_job(
    images: Path,
    folder: Path,
    options: Options,
    split: Split,
    recipe: Mapping[str, Any],
    workers: int,
    stack: contextlib.ExitStack,
) -> ImageJob:
    """Open a source of images, and start what decodes it; what is not there yet is made meanwhile."""
    where = str(images)

    def begin(names: Sequence[str] | None = None) -> None:
        _begin(folder, {"source": where, "state": cache.state_of(images, names), **recipe})

    if not images.is_dir():
        begin()  # before a large archive is unpacked
    opened = _opened(_plain(images, folder), images, stack)
    files = paged(opened, options)
    count = 1 if len(files.names) < FEW else workers
    processes = stack.enter_context(pool(count, died(where), ready))
    again = (folder / packed.PLAN).is_file()
    begun = stack.enter_context(ThreadPoolExecutor(1)).submit(begin, opened.names).result
    if again:  # what does not fit is refused before anything is decoded; a new plan may come beside it
        begun()
    kind = UnevenJob if options.crop or (options.size and options.fit == "short") else ImageJob
    return kind(files, options, where, split, begun, processes)


def _pack(job: Job, shards: list[Planned], folder: Path, where: str, quiet: bool) -> None:
    """Write the shards that are not there, and the index."""
    total = sum(len(shard.rows) for shard in shards)
    todo = [shard for shard in shards if recorded(shard, folder) is None]
    left = sum(len(shard.rows) for shard in todo)
    with progress.bar(
        total=total, initial=total - left, desc="packing", unit=" examples", quiet=quiet
    ) as bar:
        if todo:
            (folder / packed.INDEX).unlink(missing_ok=True)
            job.write(todo, folder, bar.update)
    job.settle(shards, folder)
    known = [storage.read_json(folder / f"{shard.name}.json") for shard in shards]
    write_index(folder, where, shards, known, job)


def _refuse(source: Source, folder: Path) -> None:
    """Refuse a folder that is not for this packing."""
    if isinstance(source, (str, os.PathLike)) and Path(source).expanduser().exists():
        place, target = Path(source).expanduser().resolve(), folder.resolve()
        if place == target or place in target.parents:
            raise ConfigError(f"{folder} is the source or lies in it; pack into a folder outside of {source}")
    refuse_other(folder, "pack")


def _begin(folder: Path, recipe: Mapping[str, Any]) -> None:
    """Write the plan, or hold what is asked for against the one that is there."""
    size = recipe["size"]
    recipe = {**recipe, "size": list(size) if isinstance(size, Sequence) else size}
    _renew(folder, recipe)
    changed = f"{recipe['source']}: has changed since {folder} was begun"
    advice = "pack into a new folder, or remove that one"
    begin(folder, "pack", recipe, {"state": DataError(f"{changed}; {advice}")})


def _renew(folder: Path, recipe: Mapping[str, Any]) -> None:
    """Replace a plan that nothing was made of, or that differs by refusing what may now be left out.

    What a packing that failed advises (another size, fewer files, --skip-bad) must not fail for its plan.
    """
    path = folder / packed.PLAN
    begun = storage.read_json(path) if path.is_file() else None
    if not isinstance(begun, dict) or begun == recipe or begun.keys() != recipe.keys():
        return
    # A shard that is whole was packed without an unreadable image, so that there is nothing to leave out.
    if not any(folder.glob("*.npy")) or (recipe["skip_bad"] and {**begun, "skip_bad": True} == recipe):
        storage.write_json(path, dict(recipe))


def _opened(path: Path, images: Path, stack: contextlib.ExitStack) -> Any:
    try:
        return stack.enter_context(open_files(path))
    except READ_ERRORS as error:
        raise DataError(f"{images}: cannot be read ({reason(error)}); copy or download it again") from error


def _plain(images: Path, folder: Path) -> Path:
    """Unpack a gzipped archive for the time of packing: many processes cannot seek in it."""
    if images.is_dir():
        return images
    with images.open("rb") as head:
        if head.read(2) != b"\x1f\x8b":
            return images
    import gzip

    path = folder / _UNPACKED
    if not path.is_file():
        try:
            with gzip.open(images, "rb") as packed_tar, storage.atomic_write(path) as handle:
                shutil.copyfileobj(packed_tar, handle, 4 << 20)
        except EOFError as error:
            raise DataError(
                f"{images}: cannot be read ({reason(error)}); copy or download it again"
            ) from error
    return path


def _state(source: str, x: Any) -> str:
    """Give a text that changes when a source of another kind does."""
    if source == "memory":
        return f"{zlib.crc32(np.ascontiguousarray(x).data):08x}"
    path = Path(source.removeprefix("hf:"))
    if not path.exists():
        return ""
    found = sorted(_files(path))
    return f"{zlib.crc32(repr(found).encode()):08x}"


def _files(path: Path) -> Iterator[tuple[str, int, int]]:
    for each in path.rglob("*") if path.is_dir() else [path]:
        if each.is_file():
            about = each.stat()
            yield str(each), about.st_size, about.st_mtime_ns
