"""What a codec makes of clips: errors frame by frame and between frames, floors of as many numbers."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F

from latentia.metrics.reconstruction import psnr
from latentia.networks.clip_code import blocks_of, cosines


def by_frame(given: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Give the PSNR of each frame of each clip.

    Args:
        given: the originals, `(N, C, T, H, W)`, from 0 to 1.
        made: the reconstructions.

    Returns:
        Shape `(N, T)`, in dB.
    """
    return psnr(np.square(made - given).mean(axis=(1, 3, 4)))


def flicker(given: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Give how far the change from frame to frame is from that of the original: root mean square.

    Args:
        given: the originals, `(N, C, T, H, W)`, T at least 2.
        made: the reconstructions.

    Returns:
        Shape `(N,)`, as a share of the range; 0 where the error stands still, however large it is.
    """
    return np.sqrt(np.square(np.diff(made - given, axis=2)).mean(axis=(1, 2, 3, 4)))


def movement(given: np.ndarray) -> np.ndarray:
    """Give the mean absolute change from frame to frame.

    Args:
        given: `(N, C, T, H, W)`, T at least 2.

    Returns:
        Shape `(N,)`.
    """
    return np.abs(np.diff(given, axis=2)).mean(axis=(1, 2, 3, 4))


def cosine_code(
    known: np.ndarray, given: np.ndarray, sides: tuple[int, int, int], lead: int, numbers: int
) -> np.ndarray:
    """Code blocks of clips by the cosines that have the largest variances in others, a fixed transform.

    Args:
        known: training clips, `(M, C, T, H, W)`.
        given: the clips, `(N, C, T, H, W)`.
        sides: frames, height and width of a block.
        lead: frames at the beginning that have blocks of a single frame.
        numbers: how many are kept of a block.

    Returns:
        What comes back, same shape as `given`.
    """
    mean = torch.from_numpy(known.mean(axis=(0, 2, 3, 4), keepdims=True))
    fitted, coded = torch.from_numpy(known) - mean, torch.from_numpy(given) - mean
    spans = [(slice(0, lead), (1, sides[1], sides[2]))] if lead else []
    spans.append((slice(lead, None), sides))
    back = []
    for span, block in spans:
        part = coded[:, :, span]
        if not part.shape[2]:
            continue
        spectrum = _turned(blocks_of(fitted[:, :, span], block), block)
        order = spectrum.flatten(1).square().mean(dim=0).argsort(descending=True)[:numbers]
        keep = torch.zeros(spectrum[0].numel())
        keep[order] = 1
        n, channels, t, h, w = part.shape
        split = part.reshape(
            n, channels, t // block[0], block[0], h // block[1], block[1], w // block[2], block[2]
        )
        pieces = split.permute(0, 2, 4, 6, 1, 3, 5, 7).reshape(-1, channels, *block)
        kept = _turned(pieces, block) * keep.view(channels, *block)
        pieces = _turned(kept, block, back=True).view(
            n, t // block[0], h // block[1], w // block[2], channels, *block
        )
        back.append(pieces.permute(0, 4, 1, 5, 2, 6, 3, 7).reshape(part.shape))
    return (torch.cat(back, dim=2) + mean).numpy()


def _turned(blocks: torch.Tensor, sides: tuple[int, int, int], *, back: bool = False) -> torch.Tensor:
    """Transform blocks by cosines along time, height and width, or back."""
    for axis, side in enumerate(sides, start=2):
        rows = cosines(side).to(blocks)
        blocks = (blocks.movedim(axis, -1) @ (rows if back else rows.T)).movedim(-1, axis)
    return blocks


def smaller_and_back(given: np.ndarray, numbers: int) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Scale clips down to so many numbers and up again, trilinear, by whatever sizes lose least.

    Args:
        given: `(N, C, T, H, W)`.
        numbers: of a clip, at the most.

    Returns:
        What comes back, and frames, height and width of the small clips.
    """
    x = torch.from_numpy(given)
    channels, frames, height, width = given.shape[1:]
    best: tuple[float, np.ndarray, tuple[int, int, int]] | None = None
    time = 1
    while time <= frames:
        side = math.sqrt(numbers / (channels * time * height * width))
        size = (time, max(1, int(height * side)), max(1, int(width * side)))
        small = F.interpolate(x, size=size, mode="area")
        again = F.interpolate(small, size=(frames, height, width), mode="trilinear").numpy()
        error = float(np.square(again - given).mean())
        if best is None or error < best[0]:
            best = error, again, size
        time *= 2
    if best is None:
        raise ValueError("clips have a frame at the least")
    return best[1], best[2]
