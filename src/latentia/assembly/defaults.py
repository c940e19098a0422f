"""What the data say where the user said nothing."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from latentia.core import config, registry
from latentia.core.errors import ConfigError, DataError, nearest
from latentia.core.event import Event
from latentia.data.dataset import Dataset
from latentia.data.splits import spread

if TYPE_CHECKING:
    from latentia.core.config import Table


GOOD_STEPS = 10_000
"""Without `training.epochs`, a run is about this many steps, within 20 and 500 epochs."""


VALIDATION_STEPS = 100
"""Without `training.validate_every`, this many steps at least lie between validations."""


USUAL = {"network": ("conv", "mlp", "causal3d"), "ladder": ("ladder_conv", "ladder_mlp", "")}
"""The network for what has height and width, for what has not, and for video; nothing where there is none."""


def usual_network(kind: str, defaults: Mapping[str, str], event: Event) -> str:
    """Name the network for a kind of model and of data.

    Args:
        kind: the kind of network that the model takes.
        defaults: of the model.
        event: what an example is.

    Returns:
        Its name.

    Raises:
        ConfigError: if there is none for such data, so that the user has to choose.
    """
    planar, other, video = USUAL[kind]
    usual = defaults.get("network")
    if usual and getattr(registry.lookup(kind, usual), "any_event", False):
        return usual
    if event.kind == "video" and not video:
        shape = "x".join(map(str, event))
        raise ConfigError(
            f"no network for video yet: examples of {shape} are taken for clips (channels, time, height, "
            f"width); name a network that takes any data, such as network.name={other}"
        )
    if event.kind == "video":
        return video
    return defaults.get("network", planar) if event.planar else other


def settle_grid(tables: Table, network: str) -> None:
    """Let how far a grid is downsampled, given for the model or for the network, hold for both."""
    owners: list[Any] = [registry.lookup("model", tables["model"]["name"])]
    owners.append(registry.lookup(network, tables["network"]["name"]))
    if not all("downsample" in config.parameters(owner) for owner in owners):
        return
    given = {
        section: tables[section]["downsample"]
        for section in ("model", "network")
        if "downsample" in tables[section]
    }
    if len(set(map(str, given.values()))) > 1:
        raise ConfigError(
            f"'model.downsample' is {given['model']}, 'network.downsample' {given['network']}: they are one "
            "setting; leave out one"
        )
    for factor in given.values():
        tables["model"]["downsample"] = tables["network"]["downsample"] = factor


def nearly_binary(dataset: Dataset) -> bool:
    """Whether grey images are mostly ink and paper, as MNIST's digits are and photographs are not."""
    if not (dataset.event.kind == "image" and dataset.event[0] == 1 and dataset.x.dtype == np.uint8):
        return False
    some = dataset.x[spread(dataset.few(dataset.splits["train"]), 1000)] / dataset.high
    return float(np.mean((some < 0.1) | (some > 0.9))) > 0.75


def extremes(dataset: Dataset) -> tuple[float, float]:
    """Give the smallest and the largest stored value that there can be, as far as training examples say."""
    if dataset.x.dtype == np.uint8:
        return 0.0, dataset.high
    return dataset.training_range


def outermost(dataset: Dataset) -> tuple[float, float]:
    """Give the same over all splits: for what is refused or said, not for what is fitted."""
    return extremes(dataset) if dataset.x.dtype == np.uint8 else dataset.observed


def support_of(likelihood: Callable[..., Any]) -> tuple[float, float]:
    """Give where a likelihood has a density, by its class, or by what its function builds."""
    support = getattr(likelihood, "support", None)
    return likelihood().support if support is None else support


def reach(transform: Table, dataset: Dataset) -> tuple[float, float]:
    """Give the ends of the transformed training data, whose columns are scaled each in its own way."""
    train = torch.from_numpy(dataset.some(dataset.splits["train"]))
    x = config.build("transform", transform).expected(train)
    x = x[~x.isnan()]
    return (float(x.min()), float(x.max())) if len(x) else (0.0, 1.0)


def middle(transform: Table, dataset: Dataset) -> float:
    """Give the mean of the transformed training data to four decimals, 0 for standardised columns."""
    train = torch.from_numpy(dataset.some(dataset.splits["train"]))
    mean = float(config.build("transform", transform).expected(train).double().nanmean())
    return round(mean, 4) + 0.0 if math.isfinite(mean) else 0.0  # no -0.0


def choose_transform(
    table: Table, dataset: Dataset, likelihood: Callable[..., Any], kept: np.ndarray
) -> None:
    """Fill in the transform that suits data and likelihood, and the statistics that it needs.

    Args:
        table: the section, which is filled in.
        dataset: the data.
        likelihood: the likelihood's constructor.
        kept: columns whose values the model sees as they are, shape `(F,)`, or empty.
    """
    low, high = extremes(dataset)
    binary, sharp = getattr(likelihood, "binary", False), getattr(likelihood, "sharp", False)
    levelled = "levels" in config.parameters(likelihood)
    integers = dataset.x.dtype == np.uint8 and dataset.event.kind != "vector"
    in_unit = low >= 0 and high <= 1
    if dataset.event.kind == "vector" and support_of(likelihood) == (-math.inf, math.inf):
        in_unit = False  # one column may span a thousandth of another: each is scaled by its own
    if "name" not in table:
        if levelled:
            table["name"] = "scale"
        elif integers or in_unit:
            whole = "dequantise" if sharp else "scale"
            table["name"] = "binarise" if binary else whole if integers else "none"
            if not integers and binary:
                table.update(low=0.0, high=1.0)
        elif binary or dataset.event.kind != "vector":
            table["name"] = "none" if binary else "scale"
        else:
            table["name"] = "standardise"
    known = config.parameters(registry.lookup("transform", table["name"]))
    if "high" in known:
        table.setdefault("high", high)
        if "low" in known:
            table.setdefault("low", low)
    if "mean" in known:
        mean, std = moments(dataset.some(dataset.splits["train"]).astype(np.float64))
        if kept.any():
            mean, std = np.where(kept, 0.0, mean).tolist(), np.where(kept, 1.0, std).tolist()
        table.setdefault("mean", mean)
        table.setdefault("std", std)


def moments(train: np.ndarray) -> tuple[list[float], list[float]]:
    """Give mean and standard deviation of each column of a table, or of all values; of what is observed.

    Args:
        train: training examples, `(N, *event)`, float64.

    Returns:
        Both; 0 where nothing was observed, and the deviation of equal values exactly 0, whatever the rounding
        of their mean.
    """
    axis = 0 if train.ndim == 2 else None
    missing = np.isnan(train)
    if not missing.any():
        mean, deviation = train.mean(axis=axis), train.std(axis=axis)
    else:
        count = np.maximum(1, (~missing).sum(axis=axis))
        mean = np.where(missing, 0.0, train).sum(axis=axis) / count
        deviation = np.sqrt(np.where(missing, 0.0, (train - mean) ** 2).sum(axis=axis) / count)
    lowest = np.where(missing, np.inf, train).min(axis=axis)
    highest = np.where(missing, -np.inf, train).max(axis=axis)
    deviation = np.where(highest > lowest, deviation, 0.0)
    return np.atleast_1d(mean).tolist(), np.atleast_1d(deviation).tolist()


def out_of_range(spec: Table, dataset: Dataset) -> str:
    """Say that examples beside the training split lie outside of the range that is scaled to [0, 1].

    Args:
        spec: what `complete` gave.
        dataset: the data.

    Returns:
        A line; nothing where none do, or nothing is scaled by the data's range.
    """
    table = spec["transform"]
    if table["name"] != "scale" or dataset.x.dtype == np.uint8:
        return ""
    (low, high), (least, most) = (table["low"], table["high"]), dataset.observed
    if low <= least and most <= high:
        return ""
    return (
        f"{low:g} and {high:g}, the ends of the training split, become 0 and 1; other examples reach from "
        f"{least:g} to {most:g} and stay in proportion; transform.low=A transform.high=B give a known range"
    )


SHORT = 100_000
"""A network with a linear code beside it as an option has it in runs of so many steps, at the most."""


def facts_of(
    transform: Table,
    ends: tuple[float, float],
    usual: str,
    dataset: Dataset,
    network: Callable[..., Any],
    steps: Callable[[], int],
) -> config.Facts:
    """Say what components, at any depth, may ask of the data and of the model; what costs a pass is lazy.

    Args:
        transform: the checked transform.
        ends: of the training split, transformed.
        usual: the model's own objective, which others add to.
        dataset: the data.
        network: the network's class.
        steps: says how many the run has.

    Returns:
        What gives a value, by the kind that it is for and the name of the parameter.
    """

    @functools.cache
    def span() -> tuple[float, float]:
        return ends if all(map(math.isfinite, ends)) else reach(transform, dataset)

    made_up = {"low": lambda: span()[0], "high": lambda: span()[1]}  # by whoever draws examples
    link = getattr(network, "link", None) or ("sigmoid" if ends[0] >= 0 and ends[1] <= 1 else None)
    return {
        "network": {"linear": lambda: steps() <= SHORT, "moments": lambda: dataset.moments},
        "objective": {
            "data_range": lambda: span()[1] - span()[0],
            "base": lambda: usual,
            "features": lambda: "conv",
        },
        "features": made_up,
        "prior": made_up,
        "corruption": {**made_up, "fill": lambda: middle(transform, dataset)},
        "likelihood": {
            "levels": lambda: int(dataset.high) + 1,
            **({"link": lambda: link} if link else {}),
        },
    }


def condition_for(tables: Table, dataset: Dataset) -> Table:
    """Resolve what the model is told of each example; nothing for a model that is told nothing."""
    model = tables["model"]["name"]
    asks = "condition" in config.parameters(registry.lookup("model", model))
    table = tables["condition"]
    if not asks:
        if table:
            raise ConfigError(
                f"model '{model}' takes no condition; use --model conditional_vae, or leave 'condition' out"
            )
        return {}
    component: Any = registry.lookup("condition", table["name"])
    known = config.parameters(component)
    for key in table:
        if key != "name" and key not in known:
            raise ConfigError(f"unknown key 'condition.{key}'{nearest(key, known)}")
    given = {key: value for key, value in table.items() if key != "name"}
    completed = {"name": table["name"], **component.settings(dataset, given)}
    spec = config.check_component("condition", completed, "condition")
    config.build("condition", spec).of(dataset)
    return {"condition": spec}


def corruption_for(tables: Table, spec: Table, facts: config.Facts, dataset: Dataset) -> Table:
    """Resolve what is done to the encoder's input; nothing for a model that sees it as it is."""
    model, table = spec["model"]["name"], tables["corruption"]
    if "corruption" not in config.parameters(registry.lookup("model", model)):
        if table:
            raise ConfigError(
                f"model '{model}' hides nothing from its encoder, and 'corruption' asks for it; use --model "
                "masked_autoencoder or denoising_autoencoder"
            )
        return {}
    table = config.fill("corruption", table, facts)
    checked = config.check_component("corruption", table, "corruption")
    config.build("corruption", checked, event=dataset.event)
    return {"corruption": checked}


def steps_of(training: Table, dataset: Dataset) -> int:
    """Say how many steps a run has.

    Args:
        training: the completed section.
        dataset: the data.

    Returns:
        Epochs times the batches of one.
    """
    return training["epochs"] * max(1, len(dataset.splits["train"]) // training["batch_size"])


def training_for(table: Table, dataset: Dataset, training: type) -> Table:
    """Resolve the section `training`; how long to train follows the number of examples."""
    examples = len(dataset.splits["train"])
    if examples < 1:
        raise DataError(f"{dataset.name}: the training split is empty; lower data.validation or data.test")
    size = table.get("batch_size", config.parameters(training)["batch_size"].default)
    steps = max(1, examples // size) if isinstance(size, int) and size > 0 else 1
    table.setdefault("epochs", min(500, max(20, math.ceil(GOOD_STEPS / steps))))
    table.setdefault("validate_every", max(1, math.ceil(VALIDATION_STEPS / steps)))
    checked = config.check(training, table, "training")
    for name in checked["trackers"]:
        registry.lookup("tracker", name)
    return checked
