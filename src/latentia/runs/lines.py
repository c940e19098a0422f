"""What is said of a run before it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from latentia import assembly
from latentia.core.processes import Processes
from latentia.training.folder import RunFolder

if TYPE_CHECKING:
    from latentia.training import Training


def describe_run(folder: RunFolder, spec: Mapping[str, Any], parts: assembly.Parts, device: Any) -> str:
    """Say what is about to be trained.

    Args:
        folder: the run.
        spec: its specification.
        parts: what it trains.
        device: where.

    Returns:
        A line.
    """
    count = sum(parameter.numel() for parameter in parts.model.parameters())
    training, latent = spec["training"], "x".join(map(str, parts.model.latent))
    number = training["threads"] if device.type == "cpu" else None
    shared = f", {number} thread{'s' * (number != 1)}" if number else ""
    return (
        f"{folder.path}: {spec['model']['name']} with {latent} latents, network "
        f"{spec['network']['name']}, likelihood {spec['likelihood']['name']}, transform "
        f"{spec['transform']['name']}, {count:,} parameters, {training['epochs']} epochs on {device}{shared}"
    )


def describe_sharing(settings: Training, processes: Processes) -> str:
    """Say how several processes share the work.

    Args:
        settings: how the run is trained.
        processes: who trains it.

    Returns:
        A line.
    """
    count, parts = processes.count, settings.accumulate
    if count == 1:
        return "training.sharding: one process holds all weights"
    idle = " (who has none helps to evaluate)" if count > parts else ""
    shards = ", each with its share of the weights," if settings.sharding == "full" else ""
    return (
        f"{count} processes{shards} work on {parts} part{'s' * (parts != 1)} of a batch{idle}; one process "
        f"with training.accumulate={parts} gives the same curve"
    )
