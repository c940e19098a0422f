"""A run begun, gone on with, and ended: from settings and data to a folder with trained weights."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import latentia.data
from latentia import assembly
from latentia.core import config, storage, threads
from latentia.core.errors import ConfigError, TrainingError
from latentia.core.processes import Processes, join
from latentia.training.folder import RunFolder, free_name, recorded_source

if TYPE_CHECKING:
    from latentia.core.types import LatentModel
    from latentia.data.dataset import Dataset
    from latentia.objectives import Objective
    from latentia.runs.start import Start
    from latentia.training import Outcome
    from latentia.training.callbacks import Given

RUNS = Path("runs")

CHANGEABLE = ("epochs", "max_minutes", "device", "threads")
"""The training settings that may change when a run is resumed."""

Say = Callable[[str], None]


def silent(line: str) -> None:
    """Say nothing.

    Args:
        line: what somebody else would be told.
    """


@dataclass(frozen=True)
class Trainings:
    """How a call of `train` or `resume` ended.

    Attributes:
        folder: the run folder.
        dataset: what it was trained on.
        interrupted: the signal that stopped it, if one did.
        finished: whether the run is over; if not, it can be resumed.
        fault: why what it learned is of no use, such as a loss that diverged; empty where it is not so.
        warnings: what is wrong with what it learned, such as a collapsed posterior.
    """

    folder: RunFolder
    dataset: Dataset
    interrupted: signal.Signals | None
    finished: bool
    fault: str = ""
    warnings: tuple[str, ...] = ()


def check_learned(ended: Trainings) -> None:
    """Refuse to call a run done that learned nothing of use; what it left stays.

    Args:
        ended: how the run ended.

    Raises:
        TrainingError: saying what happened, what to change, and where the run is.
    """
    if ended.fault:
        raise TrainingError(f"{ended.fault}; the run as it is stays in {ended.folder.path}")


def start(
    source: Any,
    settings: Mapping[str, Any],
    *,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    quiet: bool = False,
    say: Say = silent,
    callbacks: Sequence[Given] = (),
    read: Dataset | None = None,
) -> Trainings:
    """Start a run.

    Args:
        source: what to train on.
        settings: nested sections, as in a run file.
        out: the run folder.
        overwrite: remove a run that is in this place, once the new one is known to be sound.
        quiet: show no progress bar.
        say: called with each line that a person wants to read.
        callbacks: the user's own, see `latentia.training.Callback`.
        read: what the source holds, where it has been loaded with these settings already.

    Returns:
        How it ended.

    Raises:
        LatentiaError: before anything is written, where the settings or the data are at fault.
    """
    from latentia.data.identity import fingerprint
    from latentia.runs.keeping import remember
    from latentia.runs.start import check_fits, start_of, with_start, without_prior
    from latentia.training import Training

    processes = join()
    say = say if processes.first else silent

    def load() -> tuple[dict[str, Any], Dataset, Start | None]:
        if out is not None:
            RunFolder(out).check_free(overwrite)
        assembly.check_settings(settings, Training)  # before data are read for hours
        options, begins = data_options(settings.get("data", {})), start_of(settings)
        return options, latentia.data.load(source, **options) if read is None else read, begins

    def prepare() -> tuple[dict[str, Any], assembly.Parts]:
        spec = assembly.complete({**with_start(settings, begins), "data": {}}, dataset, Training)
        spec["data"] = {"source": dataset.source, **options, "fingerprint": fingerprint(dataset)}
        parts = _fresh(spec, dataset, processes)
        if begins:
            check_fits(without_prior(begins, spec), parts.model)
        return spec, parts

    def create() -> str:
        place = out or free_name(RUNS, f"{dataset.name}-{spec['model']['name'].rpartition(':')[2]}")
        RunFolder(place).create(spec, overwrite)
        remember(RunFolder(place), dataset)
        return str(place)

    with processes.watched():
        options, dataset, begins = processes.in_turn(load)
        say(dataset.summary())
        spec, parts = processes.together(prepare)
        if line := assembly.out_of_range(spec, dataset):
            say(f"note: {line}")
        folder = RunFolder(processes.tell(processes.alone(create)) or "")
        return _work(folder, spec, dataset, parts, processes, begins, quiet, say, callbacks)


def _fresh(spec: dict[str, Any], dataset: Dataset, processes: Processes) -> assembly.Parts:
    """Build the parts of a new run, and write into its specification how many threads they are worth."""
    from latentia.core.devices import choose_device
    from latentia.training import Training

    _divide(spec["training"], processes)
    training = config.construct(Training, spec["training"])
    batch = training.batch_of(len(dataset.splits["train"]))
    device = choose_device(training.device, processes)
    parts = assembly.fresh(spec, dataset.event, spec["training"]["seed"])
    if device.type == "cpu" and training.threads is None:
        spec["training"]["threads"] = threads.threads_for(assembly.operations(parts, batch))
    return parts


def resume(
    path: str | os.PathLike[str],
    changes: Mapping[str, Any] | None = None,
    *,
    quiet: bool = False,
    say: Say = silent,
    callbacks: Sequence[Given] = (),
) -> Trainings:
    """Go on with a run where its last checkpoint left it.

    Args:
        path: the run folder.
        changes: training settings that may change on the way, those of `CHANGEABLE`.
        quiet: show no progress bar.
        say: called with each line that a person wants to read.
        callbacks: as `start`.

    Returns:
        How it ended.

    Raises:
        LatentiaError: if the folder or the data cannot be used.
    """
    from latentia.core.devices import choose_device
    from latentia.runs.start import start_again
    from latentia.training import Training

    processes = join()
    say = say if processes.first else silent
    folder = RunFolder(path)

    def read() -> config.Table:
        assembly.check_training(changes or {}, Training)
        spec = RunFolder.existing(path).spec()
        for name, value in (changes or {}).items():
            if name not in CHANGEABLE:
                raise ConfigError(
                    f"'training.{name}' cannot change when a run is resumed; see {folder.run_file}"
                )
            spec["training"][name] = value
        return spec

    def prepare() -> tuple[dict[str, Any], assembly.Parts]:
        spec = {**assembly.complete({**recorded, "data": {}}, dataset, Training), "data": recorded["data"]}
        choose_device(config.construct(Training, spec["training"]).device, processes)
        return spec, assembly.fresh(spec, dataset.event, spec["training"]["seed"])

    with processes.watched():
        recorded = processes.tell(processes.alone(read)) or {}
        dataset = processes.in_turn(lambda: _loaded_again(folder, recorded))
        say(dataset.summary())
        spec, parts = processes.together(prepare)
        begins = processes.in_turn(lambda: start_again(folder, spec))
        if changes:
            processes.alone(lambda: storage.write_text(folder.run_file, config.write_toml(spec)))
        return _work(folder, spec, dataset, parts, processes, begins, quiet, say, callbacks)


def _divide(training: dict[str, Any], processes: Processes) -> None:
    """Give each process a part of every batch to work on, and refuse what several cannot do."""
    if processes.count == 1:
        if training["sharding"] != "none":
            raise ConfigError(
                "training.sharding=full divides weights between processes, and there is one; start several "
                "with: torchrun --nproc-per-node N -m latentia train ..."
            )
        return
    if training["sharding"] != "none" and training["compile"] == "always":
        raise ConfigError("training.compile=always does not go with training.sharding=full; leave out one")
    if training["accumulate"] < processes.count:
        training["accumulate"] = processes.count
    if training["batch_size"] % training["accumulate"]:
        raise ConfigError(
            f"'training.batch_size' ({training['batch_size']}) must be a multiple of the {processes.count} "
            f"processes and of 'training.accumulate', the parts of a batch that they work on "
            f"({training['accumulate']})"
        )


def _loaded_again(folder: RunFolder, spec: Mapping[str, Any]) -> Dataset:
    """Read a run's data to go on training on them: the same examples, or a line that says what changed."""
    from latentia.runs.keeping import check_event, own

    source = recorded_source(folder, spec)
    dataset = latentia.data.load(**{**source, "fingerprint": None})
    check_event(folder, dataset)
    return own(folder, spec, dataset)


def data_options(table: Mapping[str, Any]) -> dict[str, Any]:
    """Check the section `data` against the signature of `load`.

    A fingerprint that another run recorded is left out: a new run takes the data as they are.

    Args:
        table: what was given.

    Returns:
        The same, in the types of the signature.
    """
    from latentia.data import load

    given = {
        key: str(value)
        if key in ("label", "key") and type(value) in (int, float)
        else value  # columns 0, 1, ...
        for key, value in table.items()
        if key != "fingerprint"
    }
    checked = config.check(load, given, "data", supplied=("source",))
    if checked["labels"] is not None:  # a run is gone on with from wherever
        checked["labels"] = os.path.abspath(os.path.expanduser(checked["labels"]))
    return {key: value for key, value in checked.items() if value is not None}


def _work(
    folder: RunFolder,
    spec: Mapping[str, Any],
    dataset: Dataset,
    parts: assembly.Parts,
    processes: Processes,
    begins: Start | None,
    quiet: bool,
    say: Say,
    callbacks: Sequence[Given],
) -> Trainings:
    """Train in an existing run folder, held for this run alone."""
    from latentia.core.devices import choose_device
    from latentia.data.record import DataRecord
    from latentia.runs.fitting import split_loaders
    from latentia.runs.lines import describe_run, describe_sharing
    from latentia.runs.recipe import describe
    from latentia.runs.start import begin_at, begin_prior, without_prior
    from latentia.training import Trainer, Training

    settings = config.construct(Training, spec["training"])
    with contextlib.ExitStack() as held:
        processes.alone(lambda: held.enter_context(storage.exclusive(folder.path)))
        device = choose_device(settings.device, processes)
        held.enter_context(threads.using(settings.threads if device.type == "cpu" else None))
        record = DataRecord.of(dataset, spec["data"])
        recipe = describe(spec, dataset.event, dataset.label_names, record)
        processes.alone(lambda: storage.write_json(folder.model_file, recipe))
        say(describe_run(folder, spec, parts, device))
        if processes.count > 1 or settings.sharding != "none":
            say(describe_sharing(settings, processes))
        assembly.begin(parts, dataset, settings.seed)
        if begins:
            say(f"it begins at the weights of {begins.title}")
            begins = without_prior(begins, spec)
            begin_at(
                begins, parts.model, settings.batch_of(len(dataset.splits["train"])) // settings.accumulate
            )
            if not begins.prior:
                begin_prior(parts, dataset, settings.seed)
        splits = split_loaders(parts, dataset, device)
        model = parts.model.to(device)
        trainer = Trainer(
            model, parts.objective, splits, settings, folder, quiet=quiet, processes=processes, say=say,
            callbacks=callbacks,
        )  # fmt: skip
        outcome = trainer.fit()
        for note in outcome.notes:
            say(f"note: {note}; went on from the checkpoint before")
        for warning in outcome.warnings:
            say(f"warning: {warning}")
        finished = bool(outcome.progress.finished)
        if not outcome.interrupted:
            if settings.sharding != "none":  # what is tested is whole in every process
                parts = assembly.fresh(spec, dataset.event, settings.seed)
            model = parts.model.to(device)
            _test(folder, spec, outcome, model, parts.objective, splits, processes, say)
            if finished and not outcome.fault:
                processes.alone(lambda: _keep_spread(folder, dataset))
    return Trainings(folder, dataset, outcome.interrupted, finished, outcome.fault, outcome.warnings)


def _keep_spread(folder: RunFolder, dataset: Dataset) -> None:
    """Keep beside the weights what traversals need of the data."""
    from latentia.runs.run import Run

    run = Run.open(folder.path)
    run.dataset = dataset
    run.keep_spread()


def _test(
    folder: RunFolder,
    spec: Mapping[str, Any],
    outcome: Outcome,
    model: LatentModel,
    objective: Objective,
    splits: Mapping[str, Any],
    processes: Processes,
    say: Say,
) -> None:
    """Score the chosen weights on the test split, once, log it, and hold them against the mean example."""
    from latentia.metrics import average_terms, floor, mean_example
    from latentia.metrics.diagnosis import below_mean
    from latentia.training import Engine

    name = next((name for name in ("test", "validation") if len(splits[name])), "")
    if name != "test":
        say("no test split: the data are too few")
    if not name:
        return
    tensors, header = processes.alone(lambda: storage.load_tensors(folder.weights_file)) or (None, {})
    Engine(model, processes).fill(model.state_dict(), tensors)
    scores = average_terms(model, objective, splits[name], processes=processes)
    mean = mean_example(splits["train"], model.nominal)
    least = floor(splits[name], mean, objective.samples, model.nominal)
    if name == "test":
        row = {"split": "test", "step": outcome.progress.step, "weights_step": header.get("step")}
        row |= scores.row() | ({} if scores.mse is None else {"mse_of_mean": least})
        if processes.first and row not in folder.metrics():
            folder.log(row)
        figures = [] if scores.mse is None else [f"MSE {scores.mse:.5f} (the mean example's: {least:.5f})"]
        if objective.bound:
            bits = f" ({scores.bits_per_dim:.4f} bits/dim)"
            elbo = f"-ELBO {scores.negative_elbo:.2f} nats{bits}"
            figures = [elbo, f"distortion {scores.distortion:.2f}", f"rate {scores.rate:.2f}", *figures]
        say(f"test, {scores.examples:,} examples: " + ", ".join(figures))
    if scores.mse is None:
        return
    found = below_mean(scores.mse, least, spec, scores.rate if objective.bound else None)
    if found and not (outcome.fault or outcome.warnings):  # which say more
        say(f"warning: {found.name}: {found.what}; {found.advice}")
