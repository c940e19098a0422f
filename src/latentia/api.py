"""The main jobs from Python: data in, trained run out, and what is to be known of it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentia import assembly
from latentia.core import config, storage
from latentia.core.errors import ConfigError, Note, shell
from latentia.core.hints import here
from latentia.core.progress import heard

if TYPE_CHECKING:
    from torch import nn

    from latentia.core.types import Pass
    from latentia.evaluation import Assessment
    from latentia.explorer.explore import Explorer
    from latentia.report import Axis
    from latentia.runs.session import Trainings
    from latentia.showing import Run
    from latentia.training import Callback, Moment

from latentia.runs.own import bound_to_session, lend, network_of, objective_of, told
from latentia.runs.session import Say, check_learned
from latentia.runs.session import resume as go_on
from latentia.runs.session import start as begin


def train(
    source: Any = "digits",
    *,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    quiet: bool | None = None,
    callbacks: Sequence[Callback | Callable[[Moment, Mapping[str, Any]], Any]] = (),
    model: str | None = None,
    network: str | Mapping[str, Any] | tuple[nn.Module, nn.Module] | None = None,
    likelihood: str | Mapping[str, Any] | None = None,
    objective: str | Mapping[str, Any] | Callable[[Pass], Any] | None = None,
    latent_dim: int | None = None,
    hidden: Sequence[int] | None = None,
    beta: float | None = None,
    epochs: int | None = None,
    max_minutes: float | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    size: int | Sequence[int] | None = None,
    fit: str | None = None,
    label: str | None = None,
    start: str | os.PathLike[str] | None = None,
    seed: int | None = None,
    device: str | None = None,
    threads: int | None = None,
    precision: str | None = None,
    skip_bad: bool | None = None,
    **settings: Any,
) -> Run:
    """Train a model and open the run.

    What is None is chosen by the data. Every setting of a run file can be given: components by name
    (`prior="vamp"`), whole sections (`objective={"beta": 4, "free_bits": 0.1}`), single ones by their
    dotted key in a mapping (`{"training.clip": 1.0}`). `latentia settings` in a shell lists all of them.

    Args:
        source: what to train on: whatever `latentia.load` takes: a name, a path, an array, a data frame.
        out: the run folder; `runs/NAME-MODEL` by default, with a number where that is taken.
        overwrite: train anew where `out` holds a run already, which is removed once settings and data are
            known to be sound.
        quiet: show no progress bar and no lines; by default so in a script, and not in a notebook.
        callbacks: objects of a subclass of `latentia.training.Callback`, which are called at each step, line
            of the log and validation and in the end; or functions, called at each validation. What returns
            True stops the training.
        model: 'vae', 'autoencoder', 'vqvae', 'conditional_vae', ...
        network: 'mlp', 'conv', 'resnet', ..., a table of its settings, or two modules of torch, encoder
            and decoder; see `latentia.networks.modules.Modules`.
        likelihood: 'bernoulli', 'gaussian_optimal', ..., or a loss: 'mse', 'bce', 'l1'.
        objective: 'elbo', 'iwae', 'beta_tc', ..., a table of its settings, or a function of what the model
            computed; see `latentia.objectives.PassFunction`.
        latent_dim: dimensions of the latent.
        hidden: widths of the hidden layers.
        beta: weight of the KL term.
        epochs: passes over the training data.
        max_minutes: stop after this time, to be resumed.
        batch_size: examples in a step.
        lr: peak learning rate.
        size: resize images: one number, or height and width.
        fit: how other shapes come to the size: 'crop', 'pad', 'stretch', 'short'.
        label: the column or array of the labels; 'none' for no labels.
        start: begin at the weights, and with the model's settings, of a folder: a codec of diffusers, a run,
            or what `save_pretrained` wrote.
        seed: seed of weights, order and noise.
        device: 'cpu', 'cuda', ..., or 'auto'.
        threads: threads on a CPU.
        precision: 'float32', 'bfloat16', or 'auto'.
        skip_bad: leave out files that cannot be read.
        settings: further sections of a run file.

    Returns:
        The trained run.

    Raises:
        LatentiaError: for whatever the user can mend.
        KeyboardInterrupt: if it was interrupted; the run can be resumed.

    Example:
        >>> run = latentia.train("digits", latent_dim=2, epochs=1)
        >>> run.encode(run.example(0)).shape
        (1, 2)
    """
    words: dict[str, Any] = {
        "model": model, "network": network_of(network), "likelihood": likelihood,
        "objective": objective_of(objective),
        "latent_dim": latent_dim, "hidden": hidden, "beta": beta, "epochs": epochs,
        "max_minutes": max_minutes, "batch_size": batch_size, "lr": lr, "size": size, "fit": fit,
        "label": label, "start": start, "seed": seed, "device": device, "threads": threads,
        "precision": precision, "skip_bad": skip_bad,
    }  # fmt: skip
    given = {**{word: value for word, value in words.items() if value is not None}, **settings}
    quiet, say = heard(quiet)
    sections = assembly.expand(given)
    if own := bound_to_session(sections):
        warnings.warn(told(own), Note, stacklevel=2)
    ended = begin(source, sections, out=out, overwrite=overwrite, quiet=quiet, say=say, callbacks=callbacks)
    return _ended(ended, quiet)


def resume(
    path: str | os.PathLike[str],
    *,
    epochs: int | None = None,
    max_minutes: float | None = None,
    device: str | None = None,
    threads: int | None = None,
    quiet: bool | None = None,
    callbacks: Sequence[Callback | Callable[[Moment, Mapping[str, Any]], Any]] = (),
) -> Run:
    """Go on with a run where its last checkpoint left it, and open it.

    Args:
        path: the run folder.
        epochs: train for more epochs than the run was to have.
        max_minutes: stop after this time, counted from its beginning.
        device: another device.
        threads: another number of threads.
        quiet: as `train`.
        callbacks: as `train`.

    Returns:
        The trained run.

    Raises:
        LatentiaError: if the folder or the data cannot be used.
        KeyboardInterrupt: if it was interrupted; the run can be resumed.

    Example:
        >>> run = latentia.resume("runs/digits-vae", epochs=2)
        >>> max(row["epoch"] for row in run.folder.metrics() if row["split"] == "train")
        2.0
    """
    words = {"epochs": epochs, "max_minutes": max_minutes, "device": device, "threads": threads}
    quiet, say = heard(quiet)
    changes = {word: value for word, value in words.items() if value is not None}
    return _ended(go_on(path, changes, quiet=quiet, say=say, callbacks=callbacks), quiet)


def _ended(ended: Trainings, quiet: bool) -> Run:
    """Open what a training left, having said what is wrong with it."""
    if ended.interrupted:
        again = here(f"latentia train --resume {shell(ended.folder.path)}")
        raise KeyboardInterrupt(f"interrupted, and saved; go on with {again}")
    check_learned(ended)
    if quiet:  # else it was said with the lines
        for warning in ended.warnings:
            warnings.warn(warning, Note, stacklevel=3)
    run = open_run(ended.folder.path, device=ended.folder.spec()["training"]["device"])
    run.dataset = ended.dataset
    return run


def open_run(
    path: str | os.PathLike[str],
    *,
    device: str = "auto",
    network: tuple[nn.Module, nn.Module] | None = None,
    objective: Callable[[Pass], Any] | None = None,
) -> Run:
    """Open a run folder.

    Args:
        path: the folder.
        device: where to compute: 'cpu', 'cuda', 'cuda:1', ..., or 'auto' for a GPU where there is one.
        network: the two modules again that a run was trained with, where they cannot be imported.
        objective: the function again, likewise.

    Returns:
        The run, ready for work.

    Raises:
        RunError: if it is missing, not trained yet, or damaged.
        ConfigError: if there is no such device here.

    Example:
        >>> run = latentia.open_run("runs/digits-vae")
        >>> run.sample(3).shape
        (3, 1, 8, 8)
    """
    from latentia.core.devices import choose_device
    from latentia.showing import Run

    place = choose_device(device)  # first: reading takes longer
    lend(path, {"network": network, "objective": objective})
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
    quiet: bool | None = None,
    say: Say | None = None,
    **settings: Any,
) -> Assessment:
    """Measure every figure that a run's model and data allow, each with its error and protocol.

    Args:
        run: the run, or its folder.
        device: where to compute, as `open_run` takes it; by default where the run is.
        quiet: show no progress bars; by default so in a script, and not in a notebook.
        say: called with each line that a person wants to read.
        settings: `data`, `split`, `samples`, `limit`, `ais`, `seed`, `inception`, `samplers`, `only`
            and `compile`, as the attributes of `latentia.evaluation.Settings`.

    Returns:
        The figures, why others are missing, a diagnosis, and warnings.

    Raises:
        LatentiaError: for whatever the user can mend.

    Example:
        >>> found = latentia.evaluate("runs/digits-vae", only=("reconstruction",))
        >>> found.figures["mse"].split, found.figures["mse"].value > 0
        ('test', True)
    """
    from latentia.evaluation import Settings, assess

    checked = config.check(Settings, settings, "evaluate")
    asked = config.construct(Settings, checked)
    quiet, usual = heard(quiet)
    return assess(_placed(run, device), asked, quiet=quiet, say=say or usual)


def compare(
    runs: Sequence[Run | str | os.PathLike[str]],
    out: str | os.PathLike[str] = "compare.html",
    *,
    axis: Axis | None = None,
    device: str | None = None,
    quiet: bool | None = None,
    say: Say | None = None,
    **settings: Any,
) -> Path:
    """Evaluate runs and show them side by side: on the same inputs, with the same noise.

    Args:
        runs: the runs, or their folders, trained on the same data.
        out: the HTML file; figures go into `figures/` beside it.
        axis: what a sweep changes from run to run: the page is about this.
        device: where to compute, as `open_run` takes it; by default where each run is.
        quiet: as `evaluate`.
        say: called with each line that a person wants to read.
        settings: how to evaluate; as for `evaluate`.

    Returns:
        The page.

    Raises:
        LatentiaError: for whatever the user can mend.

    Example:
        >>> latentia.compare(["runs/digits-vae", "runs/digits-vae"], only=("reconstruction",)).name
        'compare.html'
    """
    from latentia.report import build, check_comparable

    quiet, usual = heard(quiet)
    say = say or usual
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


def report(
    runs: Run | str | os.PathLike[str] | Sequence[Run | str | os.PathLike[str]],
    out: str | os.PathLike[str] | None = None,
    *,
    device: str | None = None,
    quiet: bool | None = None,
) -> Path:
    """Write one self-contained HTML page about a run, or about several side by side.

    Args:
        runs: the run or the runs, or their folders.
        out: the HTML file; `report.html` in the folder of the run by default.
        device: where to compute, as `open_run` takes it; by default where each run is.
        quiet: as `evaluate`.

    Returns:
        The page.

    Raises:
        LatentiaError: for whatever the user can mend.

    Example:
        >>> latentia.report("runs/digits-vae").name
        'report.html'
    """
    from latentia.report import build

    several = [runs] if isinstance(runs, (str, os.PathLike)) or not isinstance(runs, Sequence) else runs
    if len(several) > 1 and out is None:
        raise ConfigError("a report of several runs needs a place; give out='FILE.html'")
    return build([_placed(run, device) for run in several], out, quiet=heard(quiet)[0])


def explore(
    *runs: Run | str | os.PathLike[str], port: int = 0, browser: bool | None = None, device: str | None = None
) -> Explorer:
    """Open the page on which latents are looked at, moved in and decoded, beside this program.

    In a notebook the page is shown below the cell. A script waits for its reader with `.wait()`.

    Args:
        runs: the run or the runs, or their folders.
        port: the port; a free one by default.
        browser: open the page in a browser; by default so but in a notebook.
        device: where to compute, as `open_run` takes it; by default where each run is.

    Returns:
        The server, with its `address`; `close()` ends it.

    Raises:
        LatentiaError: for whatever the user can mend.
        MissingExtra: if the packages of the extra `serve` are not installed.

    Example:
        >>> page = latentia.explore("runs/digits-vae", browser=False)
        >>> page.address.startswith("http://127.0.0.1:")
        True
        >>> page.close()
    """
    from latentia.core.progress import in_notebook
    from latentia.explorer.explore import Explorer, app_of

    if not runs:
        raise ConfigError("there is nothing to explore: give a run, or its folder")
    app = app_of([_placed(run, device) for run in runs])
    page = Explorer(app, port)
    if not in_notebook() if browser is None else browser:
        import webbrowser

        webbrowser.open(page.address)
    return page
