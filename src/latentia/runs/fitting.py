"""A model trained in memory: from settings and data to `Trained`, with no folder in between."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from latentia import assembly
from latentia.core import config, threads
from latentia.core.errors import ConfigError, TrainingError
from latentia.core.noise import seeded
from latentia.runs.model import Trained

if TYPE_CHECKING:
    import torch

    from latentia.data.dataset import Dataset
    from latentia.data.loader import Loader


def split_loaders(parts: assembly.Parts, dataset: Dataset, device: torch.device) -> dict[str, Loader]:
    """Make the loaders of a training: each example with its condition, and those that training goes through.

    Args:
        parts: what is trained, with its transform and its condition.
        dataset: the data.
        device: where batches are to be.

    Returns:
        Loaders by the name of the split.
    """
    from latentia.data.loader import loaders

    rows = parts.condition.of(dataset) if parts.condition else None
    splits = loaders(dataset, parts.transform, device, rows)
    if parts.condition:
        splits["train"] = splits["train"].over(parts.condition.training_rows(dataset))
    return splits


def fit(
    dataset: Dataset,
    settings: Mapping[str, Any],
    *,
    start: Trained | None = None,
    quiet: bool = True,
    title: str = "",
) -> Trained:
    """Train a model in memory, by the same steps as a run.

    torch's generators and the number of its threads are afterwards as they were before.

    Args:
        dataset: the data with their splits.
        settings: nested sections, as in a run file.
        start: a model whose parts, scales and weights the training goes on from; of the settings only those
            of the training count then.
        quiet: show no progress bar.
        title: what the progress bar is called.

    Returns:
        The model with its best weights.

    Raises:
        LatentiaError: where the settings or the data are at fault.
        TrainingError: if what was learned is of no use.
        KeyboardInterrupt: if it was interrupted.
    """
    from latentia.core.devices import choose_device
    from latentia.data.record import DataRecord
    from latentia.runs.recipe import describe
    from latentia.training import Trainer, Training

    assembly.check_sections(settings)
    if settings.get("start"):
        raise ConfigError("'start' is for runs with a folder: use latentia.train(..., start=FOLDER)")
    assembly.check_training(settings.get("training", {}), Training)
    chosen = settings if start is None else {**start.specification, "training": settings.get("training", {})}
    spec = assembly.complete({**chosen, "data": {}}, dataset, Training)
    training = config.construct(Training, spec["training"])
    device = choose_device(training.device)
    parts = assembly.fresh(spec, dataset.event, training.seed)
    if start is not None:
        dataset = start.fitting(dataset)
        parts.model.load_state_dict(start.model.state_dict())
    number = training.threads
    if device.type == "cpu" and number is None:
        batch = training.batch_of(len(dataset.splits["train"]))
        number = threads.threads_for(assembly.operations(parts, batch))
    if start is None:
        recipe = describe(spec, dataset.event, dataset.label_names, DataRecord.of(dataset, {}))
    else:
        recipe = start.recipe
    with threads.using(number if device.type == "cpu" else None), seeded(training.seed):
        if start is None:
            assembly.begin(parts, dataset, training.seed)
        splits = split_loaders(parts, dataset, device)
        model = parts.model.to(device)
        outcome = Trainer(model, parts.objective, splits, training, quiet=quiet, title=title).fit()
    if outcome.interrupted:
        signal.raise_signal(outcome.interrupted)
    if outcome.fault:
        raise TrainingError(outcome.fault)
    return Trained(recipe, parts)
