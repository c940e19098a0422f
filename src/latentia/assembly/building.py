"""From a specification to parts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from latentia.assembly.freezing import freeze
from latentia.assembly.room import require_room
from latentia.assembly.settings import PARTS
from latentia.core import config, registry, threads
from latentia.core.noise import seeded
from latentia.core.types import Batch, LatentModel
from latentia.data.conditions import Condition
from latentia.data.dataset import Dataset
from latentia.data.transforms import Transform
from latentia.networks import Ladder, Network, recompute
from latentia.objectives import Objective


@dataclass(frozen=True)
class Parts:
    """What a specification describes."""

    model: LatentModel
    transform: Transform
    objective: Objective
    condition: Condition | None = None


def assemble(spec: Mapping[str, Any], event: tuple[int, ...], told: int = 0) -> Parts:
    """Build what a specification describes.

    Args:
        spec: what `complete` gave.
        event: shape of one example.
        told: how many numbers the condition has, where the specification names none.

    Returns:
        The parts.

    Raises:
        ConfigError: if the parts do not fit each other or the event.
    """
    owner: Any = registry.lookup("model", spec["model"]["name"])
    condition = config.build("condition", spec["condition"]) if "condition" in spec else None
    size = condition.size if condition else told
    given = {"condition": size} if size else {}
    kinds = config.component_kinds(owner)
    parts: dict[str, Any] = {"network": config.build(kinds["network"], spec["network"])}
    latent = latent_of(parts["network"], event, spec["model"])
    for section in [part for part in PARTS if part in spec and part not in parts]:
        # A prior over codes is told the posterior, which comes before it.
        context = {"latent": latent, "event": event, **given, **parts}
        parts[section] = config.build(kinds[section], spec[section], **context)
    if "corruption" in spec:
        parts["corruption"] = config.build("corruption", spec["corruption"], event=event)
    if "inputs" in spec:
        parts["inputs"] = config.build("inputs", spec["inputs"])
    model = config.build("model", spec["model"], event=event, **parts, **given)
    objective = config.build("objective", spec["objective"], latent=latent, event=event)
    return Parts(model, config.build("transform", spec["transform"]), objective, condition)


def latent_of(network: Network | Ladder, event: tuple[int, ...], model: Mapping[str, Any]) -> tuple[int, ...]:
    """Give the shape of a latent, which posterior, prior and objective are built for.

    Args:
        network: what says so.
        event: shape of one example.
        model: the model's arguments.

    Returns:
        The shape; `()` for a model of levels, whose shapes are its own business.
    """
    if isinstance(network, Ladder) or "levels" in model:
        return ()
    return network.latent(event, model["latent_dim"], model.get("downsample"))


def fresh(spec: Mapping[str, Any], event: tuple[int, ...], seed: int) -> Parts:
    """Build what shall be trained, with weights from a seed, without touching torch's generators outside.

    Args:
        spec: what `complete` gave.
        event: shape of one example.
        seed: seed of the weights.

    Returns:
        The parts.

    Raises:
        ConfigError: if the parts do not fit each other, the event, the way to train or into memory.
    """
    require_room(lambda: assemble(spec, event).model, event, spec["network"]["name"])
    with seeded(seed):
        parts = assemble(spec, event)
    if spec["training"]["recompute"]:
        recompute(parts.model)
    freeze(parts.model, spec["training"].get("frozen", ()))
    return parts


def operations(parts: Parts, batch: int) -> int:
    """Count the operations of a forward pass, with as many latent samples as the objective takes.

    Args:
        parts: what `fresh` built.
        batch: examples in it.

    Returns:
        Floating-point operations of dense layers and convolutions.
    """
    model, x = parts.model, torch.zeros(1, *parts.model.event)
    # A model that infers the label works through every class where it is not known.
    unknown = torch.nan if model.classifies else 0.0
    c = torch.full((1, model.condition), unknown) if model.condition else None
    example = Batch(x, torch.zeros(1, dtype=torch.int64), c)
    training = model.training
    model.eval()
    with seeded(0), torch.no_grad():
        counted = threads.operations(model, lambda: model(example, parts.objective.samples))
    model.train(training)
    return batch * counted


SHOWN = 1000
"""Training examples that a model sees before a run starts."""
LOOKED, VALUES = 100_000, 1 << 24
"""Of a typed table so many, and so many values, at the most."""
FEWEST, CLIPS = 8, 1 << 27
"""Of clips so many at the least, and beyond them so many values at the most."""


def begin(parts: Parts, dataset: Dataset, seed: int) -> None:
    """Show a fresh model some training examples, drawn and transformed with a seed.

    Args:
        parts: what `fresh` built.
        dataset: the data.
        seed: seed of the draw.
    """
    # The cells and the categories of a table are known by many examples.
    shown = SHOWN if dataset.schema is None else max(SHOWN, min(LOOKED, VALUES // dataset.event[0]))
    if dataset.event.kind == "video":
        shown = max(FEWEST, min(SHOWN, CLIPS // math.prod(dataset.event)))
    rows = np.random.default_rng(seed).permutation(dataset.splits["train"])[:shown]
    with seeded(seed):
        parts.model.begin(parts.transform(torch.from_numpy(dataset.x[rows])))
