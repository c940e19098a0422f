"""What files of rounded latents take and lose, beside principal components rounded by the same rule.

python -m benchmarks.rounded RUN [-n 10000]

RUN is a run on arrays or pictures. Its test split is written by `latentia compress --lossy` and read back;
as many principal components of the training split as RUN has latents are rounded as those of an autoencoder
are, each coded by a histogram of its own. Squared errors are of an entry, in units of the data's range.
"""

from __future__ import annotations

import argparse
import math
from types import SimpleNamespace

import numpy as np

from latentia.coding import Compressor, LatentCoder
from latentia.runs.coder import SHOWN, TRIED
from latentia.runs.compression import in_memory
from latentia.runs.run import Run


def main() -> None:
    """Read the command line, measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("-n", type=int, default=10_000)
    given = parser.parse_args()
    run = Run.open(given.run)
    x = np.asarray(run.dataset.part(run.examples("test", given.n)))
    train = np.asarray(run.dataset.part(run.examples("train", SHOWN)))
    width = float(train.max()) - float(train.min())

    def error(made: np.ndarray) -> float:
        return float(np.square((made - x) / width, dtype=np.float64).mean())

    def row(name: str, coder: Compressor, exact: np.ndarray) -> tuple[float, str]:
        content, _ = in_memory(coder, x)
        made = coder.values(coder.of(x.reshape(len(x), -1)), np.float64).reshape(x.shape)
        bits = 8 * len(content) / len(x)
        return bits, f"| {name} | {bits:.1f} | {error(made):.5f} | {error(exact):.5f} |"

    print("| code | bits an example | squared error | of latents that are not rounded |")
    print("|---|---:|---:|---:|")
    most, line = row("the run", run.latent_coder, run.inference.reconstruct(x))
    print(line)
    count = math.prod(run.latent)
    flat = train.reshape(len(train), -1).astype(np.float64)
    axes = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)[2]
    print(row(f"{count} principal components", *_components(train, x, axes[:count]))[1])
    line, fitting = "", 0
    for fitting in range(1, len(axes)):
        bits, found = row(f"{fitting} principal components", *_components(train, x, axes[:fitting]))
        if bits > most:
            break
        line = found
    if line and fitting - 1 != count:
        print(line)


def _components(train: np.ndarray, x: np.ndarray, axes: np.ndarray) -> tuple[Compressor, np.ndarray]:
    """Give a coder of principal components, and what they make of examples without rounding."""
    middle = train.reshape(len(train), -1).mean(axis=0, dtype=np.float64)

    def encode(of: np.ndarray) -> np.ndarray:
        return (of.reshape(len(of), -1) - middle) @ axes.T

    def decode(z: np.ndarray) -> np.ndarray:
        return (z @ axes + middle).reshape(-1, *x.shape[1:])

    def error(z: np.ndarray) -> float:
        return float(np.square(decode(z[:TRIED]) - train[:TRIED]).mean())

    model = SimpleNamespace(event=x.shape[1:], latent=(len(axes),), state_dict=dict)
    coder = LatentCoder.make(model, encode(train), np.zeros(len(axes)), error)
    coder.choose, coder.show = encode, lambda z, dtype: decode(z).astype(dtype)
    return coder, decode(encode(x))


if __name__ == "__main__":
    main()
