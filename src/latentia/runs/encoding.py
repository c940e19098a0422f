"""Encoding a data set into shards of latents, by as many processes as one likes.

The processes share nothing but the folder that they write into. Each has its share of the shards, claims one
after the other, and takes what others left behind; a shard appears whole or not at all, and the index last.
So none of them is needed by another, and the same command goes on after whatever stopped it.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from latentia.core import progress, storage
from latentia.core.devices import choose_device
from latentia.core.errors import ConfigError, LatentiaError, RunError, shell
from latentia.core.memory import kept_memory
from latentia.core.noise import mixed
from latentia.core.processes import apart
from latentia.data.dataset import Dataset
from latentia.data.packing.arrays import ArrayJob
from latentia.data.packing.claims import Claims
from latentia.data.packing.folder import begin, refuse_other, write_index
from latentia.data.packing.writer import Planned, Record, plan, recorded, write_shard
from latentia.data.pictures import Pictures
from latentia.data.raw import SPLITS
from latentia.data.readers import packed
from latentia.data.shards import Shards
from latentia.networks.identity import as_moments
from latentia.runs.run import Run

PAUSE = 0.2
"""Seconds between two looks at the shards that others work on."""
TURN = 5.0
"""Seconds in which the first process of a machine tells what all meet, and torchrun ends the others."""
_SHARD = 64 << 20  # bytes of the source in a shard, where the source is not packed
_LARGEST = 4096  # rows that are encoded at once


def encode(
    run: str | os.PathLike[str],
    source: Any = None,
    out: str | os.PathLike[str] = "latents",
    *,
    latents: str = "mean",
    seed: int = 0,
    whole: bool = False,
    device: str = "auto",
    quiet: bool = True,
) -> Path:
    """Encode a data set of any size into a folder of shards, which `load` and training take.

    Packed data give one shard for each of theirs, other data are cut into shards; rows, their order, splits,
    labels and factors stay. Several processes work on it under `torchrun`, or where the same call is started
    several times on machines that share the folder. Whatever stops some of them or all, the same call goes
    on: shards that are whole are kept. The noise of a sample is a function of the seed and its place.

    Args:
        run: the folder of the run.
        source: what `load` takes; the run's own data by default.
        out: the folder, new or of an earlier call with the same weights, data and settings.
        latents: 'mean' of the posterior, 'sample' for a draw from it, 'moments' for its means and log
            variances, of which a `diffusion` draws anew in each step, or 'codes' of a model that has codes.
        seed: seed of the draws.
        whole: encode whole pictures, each of its own size, instead of the crops that the model was trained
            on; the folder's latents then have sizes of their own, of which training takes crops.
        device: where to compute: 'auto', 'cpu', 'cuda'; each process of a machine takes a GPU of its own.
        quiet: show no progress bar.

    Returns:
        The folder.

    Raises:
        ConfigError: if a setting is out of range or another one than that folder's.
        DataError: if the source cannot be used.
        RunError: if the run cannot be used, or its weights or the data are others than that folder's.
        LatentiaError: if the folder cannot be written.
    """
    processes = apart()
    place = choose_device(device, processes)
    folder = Path(out).expanduser()
    with contextlib.ExitStack() as stack:
        try:
            job = Encoding(Run.open(run).to(place), source, latents, seed, whole)
            refuse_other(folder, "encode")
            claims = stack.enter_context(Claims(folder))
            job.begin(claims, folder)
        except LatentiaError:
            if processes.local:
                time.sleep(TURN)
            raise
        stack.enter_context(kept_memory(place))
        job.write(claims, folder, range(processes.rank, len(job.shards), processes.count), quiet)
    return folder


class Encoding:
    """A data set on its way into shards of latents.

    Attributes:
        run: the model.
        dataset: the data.
        shards: what is to be made of them.
        event: shape of one latent, or of its codes.
        dtype: type of their numbers.
        given: the splits that the source brought.
        about: what the index says beside the shards.
        beside: labels and factors.
        each: bytes of an example of the source.
    """

    def __init__(self, run: Run, source: Any, latents: str, seed: int, whole: bool = False) -> None:
        """Read the data, and cut them.

        Args:
            run: the model.
            source: what `load` takes; the run's own data by default.
            latents: as `encode`.
            seed: as `encode`.
            whole: as `encode`.

        Raises:
            ConfigError: if there are no such latents, or no whole pictures to encode.
        """
        if latents not in ("mean", "sample", "moments", "codes"):
            raise ConfigError(f"latents is '{latents}'; known: mean, sample, moments, codes")
        self.run, self.latents, self.seed = run, latents, seed
        coder = run.coder if latents == "codes" else None
        self.event = run.latent if coder is None else coder.code_shape or (1,)
        if latents == "moments":
            self.event = (2 * run.latent[0], *run.latent[1:])
        self.dtype = np.dtype(np.uint8 if coder is not None and coder.size <= 256 else np.float32)
        self.dataset = data = run.streamed(source)
        self.pictures = self._whole(latents) if whole else None
        self.conditions = run.conditions_of(data)
        job = ArrayJob(data)
        self.shards = _packed(data) if data.fingerprint else plan(job, _SHARD)
        self.given, self.each = job.given, job.each
        self.beside: Mapping[str, np.ndarray] = job.beside
        self.about: Mapping[str, Any] = {
            "high": 255.0 if coder is None else max(1.0, float(coder.size - 1)),
            "label_names": data.label_names,
            "columns": (),
            "factor_names": data.factor_names,
            "encoded": {"latents": latents, "model": model_of(run)},
            **({"uneven": True} if whole else {}),
        }

    def _whole(self, latents: str) -> Pictures:
        """Give the whole pictures, where the model takes them."""
        pictures = self.dataset.whole
        if len(self.run.model.strides) != 2 or latents == "codes":
            raise ConfigError(
                "whole pictures need a network that takes any size, such as kl_codec, and latents that are "
                "numbers; leave --whole out"
            )
        if pictures is None:
            raise ConfigError(f"{self.dataset.source}: examples are whole as they are; leave --whole out")
        return pictures

    def begin(self, claims: Claims, folder: Path) -> None:
        """Write the plan, or see that the one that is there is the same.

        Args:
            claims: those of the folder.
            folder: where the shards go.

        Raises:
            LatentiaError: if the folder cannot be used.
        """
        where, other = self.run.folder.path, "give the same, or encode into a new folder"
        changed: dict[str, LatentiaError] = {
            "model": RunError(f"{where} has other weights than {folder} was begun with; {other}"),
            "data": RunError(f"{self.dataset.source} holds other data than {folder} was begun with; {other}"),
        }
        recipe = {
            "model": model_of(self.run),
            "data": _data_of(self.dataset, self.shards),
            "latents": self.latents,
            "seed": self.seed if self.latents == "sample" else None,
            **({"whole": True} if self.pictures is not None else {}),
        }
        options = "" if self.latents == "mean" else f" --{self.latents}"
        options += f" --seed {self.seed}" * (self.latents == "sample")
        options += " --whole" * (self.pictures is not None)
        again = f"latentia encode {shell(where)} {shell(self.dataset.source)} -o {shell(folder)}{options}"
        with claims.held(0, wait=True):
            _sweep(folder, packed.PLAN)
            begin(folder, "encode", recipe, changed, again)

    def write(self, claims: Claims, folder: Path, share: range, quiet: bool) -> None:
        """Make the shards that nobody else makes, and the index once all are there.

        Args:
            claims: those of the folder.
            folder: where the shards go.
            share: the shards to look at first, by content; of others it is size that is looked at.
            quiet: show no progress bar.
        """
        silent = quiet or bool(share.start)
        total, there = sum(len(shard.rows) for shard in self.shards), self._there(folder)
        with progress.bar(total=total, initial=there, desc="encoding", unit=" examples", quiet=silent) as bar:

            def make(number: int, content: bool) -> bool:
                made = self._make(number, claims, folder, bar.update, content)
                if not bar.disable:  # what others have done meanwhile
                    bar.update(max(0, self._there(folder) - bar.n))
                return made

            for number in share:
                make(number, True)
            left = list(range(len(self.shards)))
            while left or not self._end(claims, folder):
                left = [n for n in left or range(len(self.shards)) if self._known(n, folder) is None]
                made = [make(number, False) for number in left]
                if left and not any(made):
                    time.sleep(PAUSE)

    def _there(self, folder: Path) -> int:
        """Count the examples of the shards that have a record."""
        names = set(os.listdir(folder))
        return sum(len(shard.rows) for shard in self.shards if f"{shard.name}.json" in names)

    def _known(self, number: int, folder: Path, content: bool = False) -> Record | None:
        return recorded(self.shards[number], folder, content=content)

    def _make(
        self, number: int, claims: Claims, folder: Path, done: Callable[[int], object], content: bool
    ) -> bool:
        """Make a shard if it is not there and nobody else makes it; say whether it was made."""
        shard = self.shards[number]
        with claims.held(number + 1) as mine:
            if not mine or self._known(number, folder, content) is not None:
                return False
            with claims.held(0, wait=True):
                for stale in (folder / packed.INDEX, folder / f"{shard.name}.json"):
                    stale.unlink(missing_ok=True)
            _sweep(folder, shard.name)
            uneven = self.pictures is not None
            event = self.event[:1] if uneven else self.event
            blocks = self._blocks(number, done)
            write_shard(shard, folder, blocks, event, self.dtype, self.beside, uneven=uneven)
        return True

    def _blocks(self, number: int, done: Callable[[int], object]) -> Iterator[np.ndarray]:
        """Encode a shard block by block; its noise is a function of seed, shard and place in it."""
        rows, x, pictures = self.shards[number].rows, self.dataset.x, self.pictures
        step = max(1, min(_LARGEST, storage.CHUNK // max(1, self.each))) if pictures is None else 1
        for start in range(0, len(rows), step):
            at = rows[start : start + step]
            c = None if self.conditions is None else self.conditions[at]
            given = x[at] if pictures is None else pictures.whole(int(at[0]))[None]
            if self.latents == "codes":
                found = self.run.inference.codes(given, c).reshape(-1, *self.event)
            elif self.latents == "moments":
                found = moments(self.run, given, c)
            else:
                noise = mixed(self.seed, number, start)
                found = self.run.inference.encode(given, c, sample=self.latents == "sample", seed=noise)
            found = found if pictures is None else found[0]
            if not np.isfinite(found).all():
                raise RunError(
                    f"{self.run.folder.path} gives latents that are not finite for the examples {at[0]} to "
                    f"{at[-1]} of {self.dataset.source}; look at these, or train the run anew"
                )
            yield found
            done(len(at))

    def _end(self, claims: Claims, folder: Path) -> bool:
        """Write the index if all shards are there; say whether they are."""
        with claims.held(0, wait=True):
            known = [self._known(number, folder) for number in range(len(self.shards))]
            whole = [record for record in known if record is not None]
            if len(whole) < len(known):
                return False
            _sweep(folder, packed.INDEX)
            write_index(folder, self.dataset.source, self.shards, whole, self)
        return True


def moments(run: Run, x: Any, c: Any = None) -> np.ndarray:
    """Give the moments of posteriors, of which latents can be drawn.

    Args:
        run: the model.
        x: examples, in the project's own order of axes.
        c: their conditions.

    Returns:
        Means, then log variances, side by side in the channels, `(N, 2 C, ...)`, float32.

    Raises:
        ConfigError: if the posterior is no Gaussian with a variance for each number.
    """
    mean, deviation = run.inference.posterior(x, c)
    if deviation is None or not (deviation > 0).all():
        name = run.recipe.get("posterior", {"name": "its own"})["name"]
        raise ConfigError(
            f"moments are means and variances, and posterior '{name}' of {run.folder.path} has no variances; "
            "encode its means, without --moments"
        )
    return as_moments(mean, deviation)


def _packed(data: Dataset) -> list[Planned]:
    """Give the shards of packed data."""
    shards: list[Planned] = []
    start: dict[str, int] = dict.fromkeys(SPLITS, 0)
    for name, split, rows in packed.parts(Path(data.source)):
        shards.append(Planned(name, split, data.splits[split][start[split] : start[split] + rows]))
        start[split] += rows
    return shards


def model_of(run: Run) -> str:
    """Give a text that changes with a model's weights and with what they are the weights of.

    Args:
        run: the run.

    Returns:
        Hexadecimal digits.
    """
    recipe = zlib.crc32(json.dumps(run.recipe, sort_keys=True).encode())
    return f"{recipe:08x}{storage.checksum(run.model.state_dict()):08x}"


def _data_of(data: Dataset, shards: list[Planned]) -> str:
    """Give a text that changes with the content of data, with their order and with the shards."""
    cut = zlib.crc32(json.dumps([[shard.name, len(shard.rows)] for shard in shards]).encode())
    if data.fingerprint:
        return f"{data.fingerprint}{cut:08x}"
    held = [np.frombuffer(data.x.state.encode(), np.uint8)] if isinstance(data.x, Shards) else [data.x]
    for values in (*held, *data.splits.values(), data.labels, data.factors):
        cut = zlib.crc32(b"" if values is None else np.ascontiguousarray(values).data.cast("B"), cut)
    return f"{cut:08x}"


def _sweep(folder: Path, stem: str) -> None:
    """Remove what a process that was killed left half-written of a file; nobody else may be writing it."""
    for name in os.listdir(folder):
        if name.startswith(f".{stem}.") and name.endswith(".part"):
            (folder / name).unlink(missing_ok=True)
