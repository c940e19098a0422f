"""A first look: two runs on embedded data, and a page that compares them."""

from __future__ import annotations

import os
from pathlib import Path

from latentia.api import compare
from latentia.core.errors import shell
from latentia.core.hints import here
from latentia.runs.session import RUNS, Say, silent, start
from latentia.training.folder import free_name

DEMO = {
    name: {"model": {"name": name, "latent_dim": 8}, "training": {"epochs": 150, "lr": 2e-3}}
    for name in ("autoencoder", "vae")
}
"""The runs of the demo."""
DIAGNOSED = ("health", "reconstruction")
"""What of an evaluation the demo waits for: seconds, and enough for the verdict at the top of its page."""


def demo(out: str | os.PathLike[str] | None = None, *, quiet: bool = True, say: Say = silent) -> Path:
    """Train an autoencoder and a VAE on the embedded digits and compare them in a report.

    Args:
        out: the folder for both; `runs/demo` by default, with a number where that is taken.
        quiet: show no progress bars.
        say: called with each line that a person wants to read.

    Returns:
        The report.
    """
    root = Path(out) if out else free_name(RUNS, "demo")
    for name, settings in DEMO.items():
        ended = start("digits", settings, out=root / name, quiet=quiet, say=say)
        if ended.interrupted:
            raise KeyboardInterrupt
    say(here(f"move in it with: latentia explore {' '.join(shell(root / name) for name in reversed(DEMO))}"))
    return compare(
        [root / name for name in DEMO], root / "report.html", quiet=quiet, say=silent, only=DIAGNOSED
    )
