"""The main job from Python: data in, trained run out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentia import assembly
from latentia.core import config, storage
from latentia.core.errors import ConfigError, shell
from latentia.training.folder import free_name

if TYPE_CHECKING:
    from latentia.evaluation import Assessment
    from latentia.report import Axis
    from latentia.runs.run import Run

from latentia.runs.session import RUNS, Say, check_learned, silent, start


def train(
    source: Any = "digits", *, out: str | os.PathLike[str] | None = None, quiet: bool = True, **settings: Any
) -> Run:
    """Train a model and open the run.

    Args:
        source: what to train on: a name, a path, or an array.
        out: the run folder; `runs/NAME-MODEL` by default, with a number where that is taken.
        quiet: show no progress bar.
        settings: common settings by one word, as the command line's flags (`latent_dim=16`,
            `epochs=20`); components by name (`model="vae"`); whole sections
            (`objective={"beta": 4, "free_bits": 0.1}`). `start=FOLDER` begins at the weights, and with the
            model's settings, of a folder: a codec of diffusers, a run, or what `save_pretrained` wrote.

    Returns:
        The trained run.

    Raises:
        LatentiaError: for whatever the user can mend.
        KeyboardInterrupt: if it was interrupted; the run can be resumed.
    """
    ended = start(source, assembly.expand(settings), out=out, quiet=quiet)
    if ended.interrupted:
        raise KeyboardInterrupt(f"interrupted; go on with latentia train --resume {shell(ended.folder.path)}")
    check_learned(ended)
    run = open_run(ended.folder.path, device=ended.folder.spec()["training"]["device"])
    run.dataset = ended.dataset
    return run


def open_run(path: str | os.PathLike[str], *, device: str = "auto") -> Run:
    """Open a run folder.

    Args:
        path: the folder.
        device: where to compute: 'cpu', 'cuda', 'cuda:1', ..., or 'auto' for a GPU where there is one.

    Returns:
        The run, ready for work.

    Raises:
        RunError: if it is missing, not trained yet, or damaged.
        ConfigError: if there is no such device here.
    """
    from latentia.core.devices import choose_device
    from latentia.runs.run import Run

    place = choose_device(device)  # first: reading takes longer
    return Run.open(path).to(place)


def _placed(run: Run | str | os.PathLike[str], device: str | None) -> Run:
    """Open a run where it is to compute; one that is open stays where it is unless it is told otherwise."""
    if isinstance(run, (str, os.PathLike)):
        return open_run(run, device=device or "auto")
    return run if device is None else run.to(device)


def evaluate(
    run: Run | str | os.PathLike[str],
    *,
    device: str | None = None,
    quiet: bool = True,
    say: Say = silent,
    **settings: Any,
) -> Assessment:
    """Measure every figure that a run's model and data allow, each with its error and protocol.

    Args:
        run: the run, or its folder.
        device: where to compute, as `open_run` takes it; by default where the run is.
        quiet: show no progress bars.
        say: called with each line that a person wants to read.
        settings: `data`, `split`, `samples`, `limit`, `ais`, `seed`, `inception`, `samplers`, `only`
            and `compile`, as the attributes of `latentia.evaluation.Settings`.

    Returns:
        The figures, why others are missing, a diagnosis, and warnings.

    Raises:
        LatentiaError: for whatever the user can mend.
    """
    from latentia.evaluation import Settings, assess

    checked = config.check(Settings, settings, "evaluate")
    asked = config.construct(Settings, checked)
    return assess(_placed(run, device), asked, quiet=quiet, say=say)


def compare(
    runs: Sequence[Run | str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    axis: Axis | None = None,
    device: str | None = None,
    quiet: bool = True,
    say: Say = silent,
    **settings: Any,
) -> Path:
    """Evaluate runs and show them side by side: on the same inputs, with the same noise.

    Args:
        runs: the runs, or their folders, trained on the same data.
        out: the HTML file; figures go into `figures/` beside it.
        axis: what a sweep changes from run to run: the page is about this.
        device: where to compute, as `open_run` takes it; by default where each run is.
        quiet: show no progress bars.
        say: called with each line that a person wants to read.
        settings: how to evaluate; as for `evaluate`.

    Returns:
        The page.

    Raises:
        LatentiaError: for whatever the user can mend.
    """
    from latentia.report import build, check_comparable

    opened = [_placed(run, device) for run in runs]
    check_comparable(opened)
    if Path(out).suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"cannot write the page as '{out}': end the name in .html")
    storage.check_writable(out)
    assessments = []
    for run in opened:
        say(f"{run.folder.path}")
        assessments.append(evaluate(run, quiet=quiet, say=say, **settings))
    return build(opened, out, seed=settings.get("seed", 0), assessments=assessments, axis=axis, quiet=quiet)


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
    say(f"move in it with: latentia explore {' '.join(shell(root / name) for name in reversed(DEMO))}")
    return compare([root / name for name in DEMO], root / "report.html", quiet=quiet, only=DIAGNOSED)
