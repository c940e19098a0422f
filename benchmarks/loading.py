"""Loading: what a shard should be, and how fast images get into shards and out of them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.decoder import PROCESSES
from benchmarks.images import ROOT
from benchmarks.result import Cell, Result

COUNT = 50_000
BATCH = 128
BUFFER = 16
"""MiB: the 150 MB of images pass through a buffer of a tenth of their size."""
HIDDEN = 64
ROUNDS = 5


def images() -> tuple[np.ndarray, str]:
    """Give small colour images.

    Returns:
        uint8, shape `(50000, 3, 32, 32)`, and what they are.
    """
    folder = Path(os.environ.get("LATENTIA_DATA") or ROOT.parent / "shared" / "data") / "cifar10"
    if folder.is_dir():
        import latentia

        found = latentia.load(folder).x[:COUNT]
        return found, f"{len(found):,} images of CIFAR-10"
    smooth = np.random.default_rng(0).normal(size=(COUNT, 3, 32, 32)).cumsum(2).cumsum(3)
    return np.clip(128 + 4 * smooth, 0, 255).astype(np.uint8), f"{COUNT:,} smooth synthetic images"


def run() -> Result:
    """Keep images in several ways, and read them in the order of a shuffled buffer.

    Returns:
        A row for each way to keep them.
    """
    x, what = images()
    jpegs = [_jpeg(image) for image in x]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        npy, memory = _npy(x, folder)
        trained = _training(x, folder / "npy")
        rows = [npy, _tar(jpegs, folder), _parquet(jpegs, folder)]
        measured = _packing(jpegs, folder)
    packing, stages = measured["rows"], measured["stages"]
    whole, busy = len(x) / packing["packing"]["images/s"], len(x) * stages["task"] / 1e6 / PROCESSES
    notes = [
        f"{what}, as JPEG of quality 90; batches of {BATCH} in the order of a shuffled buffer of {BUFFER} "
        "MiB, one process; second epoch, from the page cache",
        ", ".join(f"{name} {value:,.0f} images/s" for name, value in memory.items()),
        f"training an MLP with {HIDDEN} hidden units, medians of {ROUNDS} rounds in turn: "
        + ", ".join(f"{name} {value:,.0f} images/s" for name, value in trained.items()),
        "latentia.pack of a folder of these files, two processes, medians of three rounds in turn; in "
        "brackets by the time of processors, which other work on the machine does not change",
        *(
            f"{name}: {of['images/s']:,} images/s ({of['images/s of a processor']:,} of a processor); "
            f"packing has {of['share']} ({of['share of processors']}) of it"
            for name, of in packing.items()
        ),
        f"a worker takes {stages['task']} us an image: {stages['read']} to read the file, {stages['decode']} "
        "to decode it, the rest to lay it out and to write it, alone on the machine; for two workers that is "
        f"{busy:.2f} s of a packing's {whole:.2f}: in the rest are listing, starting them, checksums, and "
        "bringing the files safely to the disk",
    ]
    flat = {f"{name}, {what}": value for name, of in packing.items() for what, value in of.items()}
    return Result("Loading", rows, notes, flat | memory | trained | {"stages": stages})


def _jpeg(image: np.ndarray) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(file, "JPEG", quality=90)
    return file.getvalue()


def _rate(epoch: Callable[[], Iterator[int]]) -> float:
    for _ in epoch():
        pass
    started = time.perf_counter()
    count = sum(epoch())
    return count / (time.perf_counter() - started)


def _row(kept: str, path: Path, rate: float, count: int) -> dict[str, Cell]:
    size = sum(each.stat().st_size for each in ([path] if path.is_file() else path.iterdir()))
    return {"kept as": kept, "images/s": round(rate), "bytes an image": round(size / count)}


def _npy(x: np.ndarray, folder: Path) -> tuple[dict[str, Cell], dict[str, float]]:
    """Stream shards, and gather the same batches from an array in memory."""
    import torch

    import latentia
    from latentia.data.loader import loaders
    from latentia.data.transforms import Scale

    out = latentia.pack(x, folder / "npy", validation=0.0, test=0.0)
    loader = loaders(latentia.load(out, buffer=BUFFER), Scale())["train"]
    number = iter(range(9))

    def epoch() -> Iterator[int]:
        now = next(number)
        for start in range(0, len(loader), BATCH):
            yield len(loader.stored(loader.chosen(0, now, start, start + BATCH)))

    data, order = torch.from_numpy(x), torch.randperm(len(x))
    whole = torch.empty_like(data)

    def resident() -> Iterator[int]:
        for start in range(0, len(data), BATCH):
            yield len(data.index_select(0, order[start : start + BATCH]))

    def copied() -> Iterator[int]:
        whole.copy_(data)
        yield len(data)

    memory = {"index_select of resident data": _rate(resident), "a copy of the whole": _rate(copied)}
    return _row("npy shards, read in blocks", out, _rate(epoch), len(x)), memory


def _training(x: np.ndarray, shards: Path) -> dict[str, float]:
    """Train a small network, which asks for images as fast as any, on the array and on its shards."""
    import latentia

    speeds: dict[str, list[float]] = {"from memory": [], "from shards": []}
    for _ in range(ROUNDS):
        for name, found in speeds.items():
            data = {"validation": 0.0, "test": 0.0} if name == "from memory" else {"buffer": BUFFER}
            with tempfile.TemporaryDirectory() as scratch:
                run = latentia.train(
                    x if name == "from memory" else shards,
                    data=data,
                    model="vae",
                    network={"name": "mlp", "hidden": [HIDDEN]},
                    training={"epochs": 1, "batch_size": BATCH, "compile": "never", "device": "cpu"},
                    out=Path(scratch) / "run",
                )
                lines = [row for row in run.folder.metrics() if row["split"] == "train"][1:]
            found.append(float(np.median([row["images_per_second"] for row in lines])))
    return {name: float(np.median(found)) for name, found in speeds.items()}


def _shuffled(source: Callable[[], Iterator[bytes]]) -> Callable[[], Iterator[int]]:
    """Decode what a sequence gives, through a shuffled buffer as that of WebDataset."""
    from latentia.data.readers.decode import decode

    slots = (BUFFER << 20) // (3 * 32 * 32)
    random = np.random.default_rng(0)

    def epoch() -> Iterator[int]:
        held: list[np.ndarray] = []
        batch: list[np.ndarray] = []
        for data in source():
            image = decode(data)
            if len(held) < slots:
                held.append(image)
                continue
            at = int(random.integers(slots))
            batch.append(held[at])
            held[at] = image
            if len(batch) == BATCH:
                yield len(np.stack(batch))
                batch = []
        for start in range(0, len(held), BATCH):
            yield len(np.stack(held[start : start + BATCH]))

    return epoch


def _tar(jpegs: list[bytes], folder: Path) -> dict[str, Cell]:
    path = folder / "images.tar"
    with tarfile.open(path, "w") as archive:
        for number, data in enumerate(jpegs):
            member = tarfile.TarInfo(f"{number:06d}.jpg")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))

    def source() -> Iterator[bytes]:
        with tarfile.open(path, "r|") as archive:
            for member in archive:
                file = archive.extractfile(member)
                if file:
                    yield file.read()

    return _row("tar of JPEG, as WebDataset's", path, _rate(_shuffled(source)), len(jpegs))


def _parquet(jpegs: list[bytes], folder: Path) -> dict[str, Cell]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "images.parquet"
    pq.write_table(pa.table({"image": jpegs}), path, row_group_size=1000, compression="none")

    def source() -> Iterator[bytes]:
        for batch in pq.ParquetFile(path).iter_batches(1000):
            yield from batch.column(0).to_pylist()

    return _row("Parquet of JPEG", path, _rate(_shuffled(source)), len(jpegs))


def _packing(jpegs: list[bytes], folder: Path) -> dict[str, Any]:
    """Write a folder of JPEG, and have a small process pack it."""
    source = folder / "jpeg"
    for number, data in enumerate(jpegs):
        path = source / f"{number // 1000:02d}" / f"{number:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    command = [sys.executable, "-m", "benchmarks.decoder", str(source), str(folder)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
