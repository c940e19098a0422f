"""The explorer in a headless browser: from key to picture, from address to page, memory.

python -m benchmarks.explorer MNIST2 MNIST16     runs on MNIST with 2 and 16 latents, trained before
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.process import latentia
from benchmarks.result import Result, describe_machine

PRESSES = 300
PAUSE = 60
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
SIZES = (10_000, 1_000_000)
WATCH = """(() => {
  window.times = [];
  let pressed = 0;
  addEventListener("keydown", (event) => (pressed = event.timeStamp), true);
  document.querySelector(".aside canvas").addEventListener("drawn", () => {
    if (!pressed) return;
    const [from, drawn] = [pressed, performance.now()];
    pressed = 0;
    requestAnimationFrame(() => setTimeout(() => times.push([drawn - from, performance.now() - from])));
  });
})()"""


@contextmanager
def explored(*runs: Path) -> Iterator[str]:
    """Serve runs in a process of its own.

    Args:
        runs: the run folders.

    Yields:
        The address.
    """
    words = latentia("explore", *map(str, runs), "--no-browser")
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline() if process.stdout else ""
        if "http" not in line:
            raise SystemExit(f"no server: {line}")
        try:
            yield line.split()[1]
        finally:
            process.terminate()


def key_to_picture(browser: Any, address: str, way: str = "") -> tuple[list[float], list[float]]:
    """Press an arrow key again and again on the map.

    Args:
        browser: the browser.
        address: where the page is.
        way: the map.

    Returns:
        Milliseconds from each key press until the changed picture was drawn, and until the next frame was
        done.
    """
    page = opened(browser, address, f"way={way}")
    page.evaluate(WATCH)
    page.focus(".plane")
    keys = ("ArrowRight", "ArrowUp", "ArrowLeft", "ArrowDown")
    for press in range(PRESSES):
        page.keyboard.press(keys[press // 25 % 4])
        page.wait_for_timeout(PAUSE)
    times = page.evaluate("times")
    page.context.close()
    return [drawn for drawn, _ in times], [frame for _, frame in times]


def opened(browser: Any, address: str, state: str = "") -> Any:
    """Open the page and wait until its map is drawn.

    Args:
        browser: the browser.
        address: where the page is.
        state: what follows the `#`.

    Returns:
        The page.
    """
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto(f"{address}#{state}")
    page.wait_for_selector(".plane[data-drawn]", timeout=600_000)
    return page


def settle(folder: Path) -> None:
    """Wait until the quicker decoder is made, which happens beside the page.

    Args:
        folder: the run.
    """
    end = time.monotonic() + 120
    while not any((folder / "onnx").glob("decoder-*.onnx")) and time.monotonic() < end:
        time.sleep(0.5)
    time.sleep(5)


def size_run(count: int, folder: Path) -> Path:
    """Train a small run with two latents on blobs.

    Args:
        count: how many rows.
        folder: where to.

    Returns:
        The run folder.
    """
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, count)
    x = (rng.normal(size=(10, 8))[labels] * 3 + rng.normal(size=(count, 8))).astype(np.float32)
    np.savez(folder / "blobs.npz", x=x, y=labels)
    out = folder / f"blobs-{count}"
    sized = (
        "--latent-dim",
        "2",
        "--network",
        "mlp",
        "--hidden",
        "32",
        "--epochs",
        "1",
        "--batch-size",
        "4096",
    )
    words = latentia("train", str(folder / "blobs.npz"), *sized, "--quiet", "--out", str(out))
    subprocess.run(words, check=True)
    return out


def memory_of(before: set[int]) -> float:
    """Add up what the browser's processes hold, each page counted once (proportional set size).

    Args:
        before: processes that were there without it.

    Returns:
        Megabytes.
    """
    import psutil

    children = psutil.Process().children(recursive=True)
    mine = [child for child in children if child.pid not in before and "chrom" in child.name()]
    return sum(child.memory_full_info().pss for child in mine) / 2**20


def run(mnist: list[Path]) -> Result:
    """Measure.

    Args:
        mnist: runs on MNIST.

    Returns:
        Medians and 95th percentiles; times of pages.
    """
    import psutil
    from playwright.sync_api import sync_playwright

    rows: list[dict[str, Any]] = []
    raw: dict[str, Any] = {}
    path = shutil.which("chromium") or shutil.which("google-chrome") or ""

    def row(what: str, values: list[float], unit: str) -> None:
        high = round(float(np.percentile(values, 95)), 1)
        load = round(os.getloadavg()[0], 1)
        rows.append(
            {"what": what, "median": round(median(values), 1), "95 %": high, "unit": unit, "load": load}
        )
        raw[what] = values
        print(rows[-1], flush=True)

    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as scratch:
        before = {child.pid for child in psutil.Process().children(recursive=True)}
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        for folder in mnist:
            with explored(folder) as address:
                settle(folder)
                drawn, framed = key_to_picture(browser, address)
                row(f"{folder.name}: key to picture drawn", drawn, "ms")
                row(f"{folder.name}: key to frame done", framed, "ms")
        for count in SIZES:
            folder = size_run(count, Path(scratch))
            with explored(folder) as address:
                start = time.perf_counter()
                opened(browser, address).context.close()
                row(f"{count:,} points: first page ever, data encoded", [time.perf_counter() - start], "s")
                seconds = []
                for _ in range(5):
                    start = time.perf_counter()
                    page = opened(browser, address)
                    seconds.append(time.perf_counter() - start)
                    page.wait_for_timeout(1000)
                    held = memory_of(before)
                    page.context.close()
                row(f"{count:,} points: page ready", seconds, "s")
                row(f"{count:,} points: browser's memory", [held], "MB")
            with explored(folder) as address:
                start = time.perf_counter()
                opened(browser, address).context.close()
                row(f"{count:,} points: first page of a new server", [time.perf_counter() - start], "s")
        browser.close()
    notes = [
        f"{PRESSES} key presses on the map, {PAUSE} ms apart, headless Chromium without a GPU, 1280x900",
        "page ready: from the address to the map drawn, data encoded before; memory: proportional set size "
        "of all of the browser's processes",
    ]
    return Result("The explorer", rows, notes, raw)


def main() -> None:
    """Measure, print and keep the figures."""
    machine = describe_machine()
    result = run([Path(word) for word in sys.argv[1:]])
    print(result.table(machine))
    result.write(Path(__file__).parent / "results" / "explorer.json", machine)


if __name__ == "__main__":
    main()
