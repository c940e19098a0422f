"""The pictures of README.md, drawn of two runs on MNIST.

    latentia train MNIST --config recipes/mnist-vae.toml --out runs/mnist
    latentia train MNIST --latent-dim 2 --network mlp --epochs 5 --out runs/plane
    python -m benchmarks.pictures runs/mnist runs/plane

The first becomes docs/images/mnist.png: samples of a mixture over its latents, two test images of each class
over their reconstructions, ways from one test image to another, and its map. The second
becomes docs/images/explorer.png: the explorer's page on it, in the browser that is called chromium here.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

import latentia
from benchmarks.images import ROOT
from latentia.plots.images import below, beside, grid

PAIRS = ((2, 4), (0, 8), (7, 3), (5, 6))
"""Classes between whose first test images the ways go."""
GAP = 16
RING, POINTER = (385, 380), (545, 368)
"""Where the picture of the explorer has its ring, and which point it looks at, in pixels of the page."""


def overview(run: latentia.Run) -> Image.Image:
    """Draw what a run of images with ten classes has learned.

    Args:
        run: the run.

    Returns:
        Samples; reconstructions and ways; the map.
    """
    test, labels = run.dataset.splits["test"], run.dataset.labels
    if labels is None:
        raise ValueError("the run's data have no labels")
    of_class = [test[labels[test] == label] for label in range(10)]
    rows = []
    for place in range(2):
        originals = run.dataset.x[[examples[place] for examples in of_class]]
        rows.append(np.concatenate([originals, run.reconstruct(originals).reshape(-1, *run.event)]))
    first = [run.dataset.x[examples[0]][None] for examples in of_class]
    ways = [run.interpolate(first[a], first[b], steps=10).reshape(-1, *run.event) for a, b in PAIRS]
    samples = grid(run.sample(64, sampler="mixture", seed=0).reshape(-1, *run.event), columns=8)
    middle = below([grid(np.concatenate(rows), columns=10), grid(np.concatenate(ways), columns=10)], GAP)
    chart = run.show_map().image
    height = max(samples.height, middle.height)
    chart = chart.resize((round(chart.width * height / chart.height), height), Image.Resampling.LANCZOS)
    drawn = beside([samples.convert("RGB"), middle.convert("RGB"), chart], GAP)
    return drawn.resize((drawn.width * 3 // 4, drawn.height * 3 // 4), Image.Resampling.LANCZOS)


def page(run: latentia.Run, out: Path) -> None:
    """Save what the explorer shows of a run with two latents, with the ring on the map.

    Args:
        run: the run.
        out: the picture's file.
    """
    from playwright.sync_api import sync_playwright

    server = latentia.explore(run, browser=False)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            opened = browser.new_page(viewport={"width": 1240, "height": 850})
            opened.goto(server.address)
            opened.get_by_text("Decoded grid").click()
            opened.wait_for_timeout(4000)
            opened.mouse.click(*RING)
            opened.mouse.move(*POINTER)
            opened.wait_for_timeout(2000)
            opened.screenshot(path=str(out))
            browser.close()
    finally:
        server.close()


def main() -> None:
    """Draw both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sixteen", type=Path, help="run with latents that a map is made of")
    parser.add_argument("plane", type=Path, help="run with two latents")
    arguments = parser.parse_args()
    images = ROOT / "docs" / "images"
    overview(latentia.open_run(arguments.sixteen)).save(images / "mnist.png", optimize=True)
    page(latentia.open_run(arguments.plane), images / "explorer.png")


if __name__ == "__main__":
    main()
