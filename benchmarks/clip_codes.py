"""Codes of clips that nothing trains, over several splits of films: the floors of a trained codec.

python -m benchmarks.clip_codes VIDEOS [SEED ...]

128 numbers for each block of 8x32x32 pixels, and of 32x32 of the first frame; windows of 33 frames of 64x64.
`linear` is what `causal3d` begins at. `held` goes on with the last frame that was decoded, and codes what
changes since, block of frames after block of frames, by components of its own (which are found in a closed
loop, on what the training windows leave).
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import latentia
from benchmarks.result import Cell, Result, describe_machine
from benchmarks.run import RESULTS
from latentia.metrics.clips import cosine_code, movement, psnr, smaller_and_back
from latentia.networks.clip_code import blocks_of, components

FRAMES, SIDE, NUMBERS = 33, 64, 128
CLIP, FLAT = (8, 32, 32), (1, 32, 32)
PLACES = (1 + (FRAMES - 1) // CLIP[0]) * (SIDE // CLIP[1]) ** 2
SEEDS = (0, 1, 2, 3)


def basis_of(x: Tensor, sides: tuple[int, int, int]) -> Tensor:
    """Find the components of blocks of clips about their mean, `(128, C, *sides)`."""
    return components(blocks_of(x, sides), NUMBERS).basis.float()


def through(basis: Tensor, x: Tensor) -> Tensor:
    """Code blocks of clips by orthonormal components, and decode them."""
    return F.conv_transpose3d(F.conv3d(x, basis, stride=basis.shape[2:]), basis, stride=basis.shape[2:])


def linear_of(known: Tensor) -> Callable[[Tensor], Tensor]:
    """Make the code of the first frame and of the others, each by its components."""
    first, other = basis_of(known, FLAT), basis_of(known[:, :, 1:], CLIP)
    return lambda x: torch.cat((through(first, x[:, :, :1]), through(other, x[:, :, 1:])), dim=2)


def held_of(known: Tensor) -> Callable[[Tensor], Tensor]:
    """Make the code of the first frame and then of what changes, with components for each block of frames."""
    first, bases = basis_of(known, FLAT), []

    def code(x: Tensor) -> Tensor:
        made = [through(first, x[:, :, :1])]
        for at in range(1, FRAMES, CLIP[0]):
            last = made[-1][:, :, -1:].expand(-1, -1, CLIP[0], -1, -1)
            change, number = x[:, :, at : at + CLIP[0]] - last, at // CLIP[0]
            if number == len(bases):
                bases.append(basis_of(change, CLIP))
            made.append(last + through(bases[number], change))
        return torch.cat(made, dim=2)

    code(known)
    return code


@torch.no_grad()
def figures(source: str, seed: int) -> list[dict[str, Cell]]:
    """Measure every code on the test films of a split.

    Args:
        source: a folder of films.
        seed: of the split.

    Returns:
        A row for each code.
    """
    data = latentia.load(source, frames=FRAMES, size=128, fit="short", crop=SIDE, test=0.2, seed=seed)
    known, given = (np.asarray(data.x[data.splits[name]], np.float32) / 255 for name in ("train", "test"))
    mean = known.mean(axis=(0, 2, 3, 4)).reshape(-1, 1, 1, 1)
    codes = {"linear": linear_of, "held": held_of}
    made = {
        "trilinear": smaller_and_back(given, NUMBERS * PLACES)[0],
        "cosines": cosine_code(known, given, CLIP, 1, NUMBERS),
    }
    for name, make in codes.items():
        made[name] = make(torch.from_numpy(known - mean))(torch.from_numpy(given - mean)).numpy() + mean
    moves = movement(given)
    moving = moves > np.median(moves)
    rows: list[dict[str, Cell]] = []
    for name, clips in made.items():
        found = psnr(np.square(clips.clip(0, 1) - given).mean(axis=(1, 2, 3, 4)))
        halves = {"PSNR, dB": found, "still half": found[~moving], "moving half": found[moving]}
        told = {key: round(float(values.mean()), 2) for key, values in halves.items()}
        rows.append({"seed": seed, "test windows": len(given), "code": name, **told})
    return rows


def main() -> None:
    """Measure, print, and keep the table."""
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    rows = [row for seed in map(int, sys.argv[2:] or SEEDS) for row in figures(sys.argv[1], seed)]
    result, machine = Result("Codes of clips", rows), describe_machine()
    print(result.table(machine))
    print(f"written to {result.write(RESULTS / 'clip-codes.json', machine)}")


if __name__ == "__main__":
    main()
