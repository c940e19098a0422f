"""Sounds in `.wav` files, as pictures of their loudness over frequency and time."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from latentia.core.errors import DataError, reason
from latentia.data.raw import Options, Raw
from latentia.data.readers.named import arrange, files_of

SUFFIX = ".wav"
WINDOW = 512
"""Samples that a column of the picture is made of; its rows divide half the rate into 256."""
STEP = 256
"""Samples from one column to the next."""
FLOOR = -80.0
"""Decibels below a sine of full amplitude from which on everything counts as silence."""
_LONGEST = 30  # seconds of an example


def read(path: Path, options: Options) -> Raw:
    """Read sounds as log spectrograms, `(1, 256, T)`: decibels, -80 to about 0, low frequencies first.

    Each file of a folder is an example, its labels and splits are those of the folders that it is in (as for
    pictures), and shorter ones are followed by silence; a single file is cut into seconds. Channels are
    averaged. Phases are not kept.

    Args:
        path: a `.wav` file, or a folder of them.
        options: skip_bad is used.

    Returns:
        The spectrograms, float32.

    Raises:
        DataError: if a file is damaged, rates differ, or a sound is longer than half a minute.
    """
    if path.is_file():
        rate, sound = _sound(path)
        clips = [sound[start : start + rate] for start in range(0, len(sound) - rate + 1, rate)]
        return _raw(clips, rate, {}, f"seconds of {path.name}")
    layout = arrange(files_of(path, (SUFFIX,)), str(path))
    rate, sounds, good = _sounds(path, layout.names, options.skip_bad)
    skipped = [name for name, read in zip(layout.names, good) if not read]
    if not sounds:
        raise DataError(f"{path}: none of its {len(skipped)} sounds can be read")
    raw = _raw(sounds, rate, layout.parts_of(good), "")
    labels = None if layout.labels is None else layout.labels[good]
    return Raw(
        raw.x,
        labels,
        layout.label_names,
        raw.parts,
        high=1.0,
        skipped=tuple(skipped),
        layout=raw.layout,
        label=layout.label,
        left_out=layout.left_out,
        notes=raw.notes,
    )


def _sounds(path: Path, names: Sequence[str], skip_bad: bool) -> tuple[int, list[np.ndarray], np.ndarray]:
    """Read the files of a folder: their rate, the sounds, and which of the files could be read."""
    sounds: list[np.ndarray] = []
    good = np.ones(len(names), dtype=bool)
    first = (0, "")
    for at, name in enumerate(names):
        try:
            rate, sound = _sound(path / name)
        except DataError:
            if not skip_bad:
                raise
            good[at] = False
            continue
        first = first if first[1] else (rate, name)
        if rate != first[0]:
            raise DataError(
                f"{path}: '{first[1]}' has {first[0]:,} samples a second, '{name}' {rate:,}; bring all to "
                "one rate"
            )
        if len(sound) > _LONGEST * rate:
            raise DataError(
                f"{path / name}: lasts {len(sound) / rate:.0f} seconds; cut it into pieces of at most "
                f"{_LONGEST}, or give this file alone"
            )
        sounds.append(sound)
    return first[0], sounds, good


def _sound(path: Path) -> tuple[int, np.ndarray]:
    """Read one file: samples a second, and the mean of its channels in [-1, 1]."""
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # chunks that say nothing of the sound
            rate, samples = wavfile.read(io.BytesIO(path.read_bytes()))
    except OSError:
        raise
    except Exception as error:  # scipy's reader raises whatever a damaged file leads it to
        raise DataError(
            f"{path}: cannot be read as sound ({reason(error)}); remove it, or leave out such files "
            "with --skip-bad"
        ) from error
    if samples.dtype == np.uint8:
        samples = (samples - 128.0) / 128.0
    elif samples.dtype.kind == "i":
        samples = samples / -float(np.iinfo(samples.dtype).min)
    samples = samples.astype(np.float32)
    return rate, samples.mean(axis=1) if samples.ndim > 1 else samples


def _raw(sounds: list[np.ndarray], rate: int, parts: dict[str, np.ndarray], what: str) -> Raw:
    longest = max((len(sound) for sound in sounds), default=0)
    frames = max(8, -(-longest // STEP // 8) * 8)
    shorter = sum(len(sound) < longest for sound in sounds)
    x = np.empty((len(sounds), 1, WINDOW // 2, frames), dtype=np.float32)
    for row, sound in enumerate(sounds):
        x[row, 0] = spectrogram(sound, frames)
    notes = [f"log spectrograms of {rate:,} samples a second ({WINDOW} a window, {STEP} a step)"]
    notes += [what] * bool(what)
    notes += [f"{shorter:,} shorter sounds followed by silence"] * bool(shorter)
    return Raw(x, parts=parts, high=1.0, notes=tuple(notes))


def spectrogram(sound: np.ndarray, frames: int) -> np.ndarray:
    """Give the loudness of a sound over frequency and time.

    Args:
        sound: samples in [-1, 1], `(n,)`.
        frames: how many columns; what the sound does not reach is silence.

    Returns:
        Decibels, `(256, frames)`: 0 for a sine of full amplitude, -80 for what is weaker than that. Row k is
        around k / 512 of the rate; half the rate itself is left out.
    """
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)  # Hann's
    padded = np.zeros(STEP * (frames - 1) + WINDOW, dtype=np.float64)
    used = min(len(sound), len(padded) - STEP)
    padded[STEP : STEP + used] = sound[:used]
    pieces = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::STEP] * window
    size = np.abs(np.fft.rfft(pieces, axis=1))[:, : WINDOW // 2] * (2 / window.sum())
    return np.maximum(20 * np.log10(np.maximum(size, 1e-12)), FLOOR).T
