"""Films of any length through a run's codec: piece by piece, in memory that does not grow with them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from latentia.core import progress, storage
from latentia.core.errors import ConfigError, DataError, reason
from latentia.data.raw import Options
from latentia.data.readers.ffmpeg import pyav
from latentia.data.readers.films import Footage, Frames
from latentia.networks import Streamed, cropped, reflected
from latentia.networks.causal import piece
from latentia.runs.run import Run

RATE = 25.0
"""Frames per second of a film whose rate nobody knows."""


class Film(NamedTuple):
    """A film to go through.

    Attributes:
        frames: `(C, H, W)` each, in the data's units.
        rate: frames per second.
        count: how many frames there are, about; None where nobody knows.
    """

    frames: Iterable[np.ndarray]
    rate: float
    count: int | None


def streams(run: Run) -> bool:
    """Tell whether a run's codec takes films piece by piece.

    Args:
        run: the run.

    Returns:
        Whether it does.
    """
    model: Any = run.model
    return isinstance(getattr(model, "encoder", None), Streamed) and not model.condition


def open_film(path: Path, run: Run) -> Film:
    """Open a film, at the size of its frames and, where the run's data had one, at their rate.

    Args:
        path: the film.
        run: whose data's settings for sizes and rate are used; crops are not.

    Returns:
        The film, of as many channels as the run's clips have.

    Raises:
        ConfigError: if the run has no codec of clips.
        DataError: if it has no frame that can be decoded.
    """
    if not streams(run):
        name = run.recipe["network"]["name"]
        raise ConfigError(f"network '{name}' does not take whole films; train with network.name=causal3d")
    known = run.record.options
    size = known.get("size")
    options = Options(
        size=(size, size) if isinstance(size, int) else None if size is None else (size[0], size[1]),
        fit=known.get("fit", "crop"),
        rate=known.get("rate"),
    )
    frames = Frames(Footage(path.name, (path,), True), options)
    rate, count = _facts(path)
    return Film(_as_channels(frames, run.event[0], path), options.rate or rate, count)


def _facts(path: Path) -> tuple[float, int | None]:
    """Give frames per second, and their number as far as the file says it."""
    av = pyav()
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            rate = float(stream.average_rate or stream.guessed_rate or RATE)
            length = stream.frames or (container.duration or 0) / av.time_base * rate
    except (av.FFmpegError, OSError, IndexError) as error:
        raise DataError(f"{path}: cannot be used: no video stream can be read ({reason(error)})") from error
    return rate, round(length) or None


def _as_channels(frames: Iterable[np.ndarray], channels: int, path: Path) -> Iterator[np.ndarray]:
    try:
        for frame in frames:
            if len(frame) == channels:
                yield frame
            elif len(frame) == 1:
                yield np.repeat(frame, channels, axis=0)
            else:
                weights = np.array([0.299, 0.587, 0.114], np.float32).reshape(3, 1, 1)
                yield np.rint((frame * weights).sum(axis=0, keepdims=True)).astype(frame.dtype)
    except ValueError as error:
        raise DataError(f"{path}: cannot be used: {error}") from error


class Codec:
    """Encodes and decodes films piece by piece: what comes out is what the whole gives, to float accuracy."""

    def __init__(self, run: Run, size: int | None = None) -> None:
        """Take a run.

        Args:
            run: whose model's halves are `Streamed`.
            size: places in time of a piece; by default as memory suits.
        """
        self.run = run
        model: Any = run.model
        self.encoder: Streamed = model.encoder
        self.decoder: Streamed = model.decoder
        self.model = model
        self.strides: tuple[int, ...] = model.strides
        self.size = size

    def latents(self, frames: Iterable[np.ndarray]) -> Iterator[Tensor]:
        """Encode.

        Args:
            frames: `(C, H, W)` each, in the data's units.

        Yields:
            Posterior means of the next places, `(1, D, t, h, w)`, where the model is.
        """
        past, before = None, None
        for x, last in _parts(frames, self._frames_of, self.model.lead):
            part = self._prepared(x)
            if last and (part.shape[2] - (self.model.lead if past is None else 0)) % self.strides[0]:
                part = self._filled(part, before)
            with torch.no_grad():
                features, past = self.encoder.step(part, past)
                yield self.model.posterior(features.float()).mean
            before = part[:, :, -self.strides[0] :]

    def _frames_of(self, frame: np.ndarray) -> int:
        """Say how many frames make a piece."""
        if self.size is not None:
            return self.size * self.strides[0]
        return piece(self.encoder, math.prod(frame.shape[1:]))

    def _prepared(self, x: np.ndarray) -> Tensor:
        """Bring frames `(t, C, H, W)` into the model's units, and their sides up to the strides."""
        clip = np.ascontiguousarray(x.swapaxes(0, 1))[None]
        part = self.run.transform.expected(torch.from_numpy(clip).to(self.run.device))
        return reflected(part, (1, *self.strides[1:]))

    def _filled(self, part: Tensor, before: Tensor | None) -> Tensor:
        """Mirror the end of a film up to the next place, as `reflected` does with the whole."""
        if before is None:
            return reflected(part, self.strides, self.model.lead)
        filled = reflected(torch.cat((before, part), dim=2), self.strides)
        return filled[:, :, before.shape[2] :]

    def frames(self, latents: Iterable[Tensor]) -> Iterator[np.ndarray]:
        """Decode.

        Args:
            latents: of the next places, `(1, D, t, h, w)`.

        Yields:
            Means of frames, `(C, H, W)`, in the data's units, float32.
        """
        past = None
        for z in latents:
            size = self.size or piece(self.decoder, math.prod(z.shape[-2:]))
            for part in z.to(self.run.device).split(size, dim=2):
                with torch.no_grad():
                    h, past = self.decoder.step(part, past)
                    mean = self.model.likelihood(h.float(), len(self.run.event)).mean
                    shown = self.run.transform.invert(mean)
                yield from shown[0].transpose(0, 1).cpu().numpy()


def _parts(
    frames: Iterable[np.ndarray], size_of: Callable[[np.ndarray], int], lead: int
) -> Iterator[tuple[np.ndarray, bool]]:
    """Gather frames into pieces, the first of them longer by the lead; say which is the last."""
    held: list[np.ndarray] = []
    size, more = 0, lead
    for frame in frames:
        size = size or size_of(frame)
        if len(held) == size + more:
            yield np.stack(held), False
            held, more = [], 0
        held.append(frame)
    if held:
        yield np.stack(held), True


def pairs(run: Run, film: Film, size: int | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Encode and decode a film.

    Args:
        run: the run.
        film: what `open_film` gave.
        size: as `Codec`.

    Yields:
        Each frame and what became of it, `(C, H, W)`, in the data's units.
    """
    waiting: list[np.ndarray] = []

    def seen() -> Iterator[np.ndarray]:
        for frame in film.frames:
            waiting.append(frame)
            yield frame

    codec = Codec(run, size)
    for made in codec.frames(codec.latents(seen())):
        if not waiting:  # what was mirrored beyond the end
            return
        given = waiting.pop(0)
        yield given, cropped(torch.from_numpy(made), torch.from_numpy(given)[None, None]).numpy()


def write_latents(path: Path, run: Run, film: Film) -> tuple[int, tuple[int, ...]]:
    """Encode a film into a `.npy` file of one example, with a bar that says frames per second.

    Args:
        path: the file.
        run: the run.
        film: what `open_film` gave.

    Returns:
        How many frames were encoded, and the shape of the array, `(1, D, t, h, w)`.
    """
    count = 0

    def counted() -> Iterator[np.ndarray]:
        nonlocal count
        for count, frame in enumerate(film.frames, start=1):  # noqa: B007 - for whoever asks afterwards
            yield frame

    bar = progress.bar(counted(), desc=path.name, total=film.count, unit=" frames")
    z = np.concatenate([part.cpu().numpy() for part in Codec(run).latents(bar)], axis=2)
    with storage.atomic_write(path) as handle:
        np.save(handle, z, allow_pickle=False)
    return count, z.shape


def decoded(run: Run, z: np.ndarray) -> tuple[Iterator[np.ndarray], int]:
    """Decode the latents of one film.

    Args:
        run: the run.
        z: what `write_latents` wrote, `(1, D, t, h, w)`.

    Returns:
        Frames `(C, H, W)`, in the data's units, and how many there are.
    """
    lead = run.model.lead
    latents = torch.from_numpy(run.inference.as_latents(z))
    count = lead + (latents.shape[2] - lead) * run.model.strides[0]
    return Codec(run).frames([latents]), count


def write_film(path: Path, frames: Iterable[np.ndarray], rate: float, ends: tuple[float, float]) -> int:
    """Write a film, atomically: H.264 nearly without loss, or a GIF.

    Args:
        path: the file, whose ending says which.
        frames: `(C, H, W)` each, of one or three channels.
        rate: frames per second.
        ends: the values that are shown as black and white.

    Returns:
        How many frames were written.

    Raises:
        DataError: if there is none.
    """
    low, high = ends
    shown = (
        np.clip((frame - low) * (255.0 / ((high - low) or 1.0)), 0, 255).round().astype(np.uint8)
        for frame in frames
    )
    with storage.replacing(path) as place:
        count = (_write_gif if path.suffix.lower() == ".gif" else _write_h264)(place, path, shown, rate)
        if not count:
            raise DataError(f"cannot write {path}: there is no frame to be written")
    return count


def _write_h264(place: Path, path: Path, frames: Iterable[np.ndarray], rate: float) -> int:
    from fractions import Fraction

    av = pyav()
    count = 0
    kind = "matroska" if path.suffix.lower() == ".mkv" else "mp4"
    with av.open(str(place), "w", format=kind) as out:
        stream: Any = None
        for frame in frames:
            count += 1
            if stream is None:
                height, width = frame.shape[1:]
                stream = out.add_stream("libx264", rate=Fraction(rate).limit_denominator(1001))
                stream.options = {"crf": "12"}
                stream.height, stream.width = height, width
                stream.pix_fmt = "yuv444p" if height % 2 or width % 2 else "yuv420p"
            pixels = np.repeat(frame, 3, axis=0) if len(frame) == 1 else frame[:3]
            pixels = np.ascontiguousarray(pixels.transpose(1, 2, 0))
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        if stream is not None:
            out.mux(stream.encode())
    return count


def _write_gif(place: Path, path: Path, frames: Iterable[np.ndarray], rate: float) -> int:
    from PIL import Image

    images = (
        Image.fromarray(frame[0] if len(frame) == 1 else frame[:3].transpose(1, 2, 0)) for frame in frames
    )
    count = 0

    def counted() -> Iterator[Any]:
        nonlocal count
        for image in images:
            count += 1
            yield image

    first = next(counted(), None)
    if first is None:
        return 0
    first.save(
        place, "GIF", save_all=True, append_images=counted(), duration=max(20, round(1000 / rate)), loop=0
    )
    return count
