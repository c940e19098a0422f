"""What a step of diffusion costs on pictures and on their latents: the same denoiser, forwards and backwards.

python -m benchmarks.latent_cost

Each size has a process of its own, so that its memory is its own. The lecture's sizes: 3 x 512 x 512 pixels,
and the 4 x 64 x 64 latents of a codec that is eight times smaller along each side.
"""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
import time
from statistics import median

SIZES = ((3, 512, 512), (4, 64, 64))
STEPS = 3


def main() -> None:
    """Print the table, or measure one size in this process where one is given."""
    if len(sys.argv) > 1:
        print(json.dumps(_measured(tuple(map(int, sys.argv[1].split(","))))))
        return
    found = [_apart(size) for size in SIZES]
    print("| | numbers | seconds of a core for a step | memory of a step, MiB |")
    print("|---|---:|---:|---:|")
    for size, (seconds, memory) in zip(SIZES, found, strict=True):
        print(f"| {'x'.join(map(str, size))} | {math.prod(size):,} | {seconds:.3f} | {memory:.0f} |")
    ratios = [one / other for one, other in zip(*found, strict=True)]
    numbers = math.prod(SIZES[0]) / math.prod(SIZES[1])
    print(f"| times as much | {numbers:.0f} | {ratios[0]:.0f} | {ratios[1]:.0f} |")


def _apart(size: tuple[int, ...]) -> tuple[float, float]:
    """Measure a size in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.latent_cost", ",".join(map(str, size))]
    seconds, memory = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return seconds, memory


def _measured(size: tuple[int, ...]) -> tuple[float, float]:
    """Give the processor seconds of a step, and by how much it raises the process's peak, in MiB."""
    import torch

    from latentia.networks import DenoiserUNet

    torch.set_num_threads(1)
    net = DenoiserUNet().build(size)
    z, t = torch.randn(1, *size), torch.rand(1)
    net(z[..., :8, :8], t).square().mean().backward()  # what the libraries need is there before
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = []
    for _ in range(STEPS):
        begun = time.process_time()
        net(z, t).square().mean().backward()
        times.append(time.process_time() - begun)
    return median(times), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


if __name__ == "__main__":
    main()
