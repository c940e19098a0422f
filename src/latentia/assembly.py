"""From settings to a specification, and from a specification to parts.

`complete` fills in what the user left open, from the data and from the signatures, and checks
all of it; the result repeats the run. `assemble` builds what it describes.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from latentia import config, registry
from latentia.data.conditions import Condition, Labels
from latentia.data.dataset import Dataset
from latentia.data.transforms import Transform
from latentia.errors import ConfigError, DataError, MissingExtra, nearest
from latentia.objectives import Objective
from latentia.types import LatentModel

if TYPE_CHECKING:
    from latentia.config import Table

SECTIONS = (
    "data",
    "transform",
    "condition",
    "corruption",
    "model",
    "network",
    "posterior",
    "prior",
    "likelihood",
    "objective",
    "training",
)
PARTS = ("network", "posterior", "prior", "likelihood")
NETWORKS = {"network": "mlp", "ladder": "ladder_mlp"}
"""The kinds of network, each with one that takes any data."""
SUPPLIED = {
    "model": ("event", "condition", "corruption", *PARTS),
    "corruption": ("event",),
    "posterior": ("latent",),
    "prior": ("latent", "event", "condition", "posterior"),
    "objective": ("event", "latent"),
}
"""Parameters that the program provides, so that nobody sets them."""

SHORT = {
    "latent_dim": ("model", "latent_dim"),
    "hidden": ("network", "hidden"),
    "beta": ("objective", "beta"),
    "epochs": ("training", "epochs"),
    "max_minutes": ("training", "max_minutes"),
    "batch_size": ("training", "batch_size"),
    "lr": ("training", "lr"),
    "size": ("data", "size"),
    "seed": ("training", "seed"),
    "device": ("training", "device"),
    "precision": ("training", "precision"),
    "skip_bad": ("data", "skip_bad"),
}
"""Common settings by one word, and what they stand for; the command line's flags are the same."""

GOOD_STEPS = 10_000
"""Without `training.epochs`, a run is about this many steps, within 20 and 500 epochs."""
VALIDATION_STEPS = 100
"""Without `training.validate_every`, this many steps at least lie between validations."""


@dataclass(frozen=True)
class Parts:
    """What a specification describes."""

    model: LatentModel
    transform: Transform
    objective: Objective
    condition: Condition | None = None


def expand(given: Mapping[str, Any], settings: Table | None = None) -> Table:
    """Sort common settings given by one word into their sections.

    Args:
        given: sections (`objective={"beta": 4}`, `model="vae"`) and words of `SHORT` (`epochs=20`).
        settings: nested tables to put them into, over what is there.

    Returns:
        Nested tables.

    Raises:
        ConfigError: for a word that is neither.
    """
    settings = {} if settings is None else settings
    for word, value in given.items():
        if word in SECTIONS and isinstance(value, Mapping):
            for key, inner in value.items():
                config.put(settings, [word, key], inner)
        elif word in SECTIONS:
            config.put(settings, [word, "name"], value)
        elif word in SHORT:
            config.put(settings, SHORT[word], value)
        else:
            raise ConfigError(f"unknown setting '{word}'{nearest(word, [*SECTIONS, *SHORT])}")
    return settings


def check_sections(settings: Mapping[str, Any]) -> None:
    """Refuse sections that do not exist.

    Args:
        settings: nested tables.

    Raises:
        ConfigError: naming the section and the nearest one.
    """
    for section in settings:
        if section not in SECTIONS:
            raise ConfigError(f"unknown section '{section}'{nearest(section, SECTIONS)}")


def complete(settings: Mapping[str, Any], dataset: Dataset, training: type) -> Table:
    """Resolve settings for a data set: every section, every argument.

    Args:
        settings: what the user gave, nested; sections and arguments may be missing.
        dataset: the data that they are for.
        training: the class whose signature the section `training` must fit.

    Returns:
        The specification.

    Raises:
        ConfigError: for whatever does not exist or does not fit.
        DataError: if the data lie outside of the likelihood's support.
    """
    check_sections(settings)
    tables = {section: _table(settings.get(section)) for section in SECTIONS}
    model_name = tables["model"].setdefault("name", "vae")
    defaults = getattr(registry.lookup("model", model_name), "defaults", {})
    for kind in ("posterior", "prior", "objective", "likelihood", "condition", "corruption"):
        if kind in defaults:
            tables[kind].setdefault("name", defaults[kind])
    kinds = _kinds(tables)
    tables["network"].setdefault("name", _usual_network(kinds["network"], defaults, _is_picture(dataset)))
    _check_network(tables, kinds["network"])
    tables["likelihood"].setdefault("name", "bernoulli" if _nearly_binary(dataset) else "gaussian_optimal")

    likelihood = registry.lookup("likelihood", tables["likelihood"]["name"])
    _choose_transform(tables["transform"], dataset, likelihood)
    spec: Table = {"data": tables["data"], **_condition(tables, dataset)}
    spec["transform"] = config.check_component("transform", tables["transform"], "transform")
    ends = config.build("transform", spec["transform"]).range(*_extremes(dataset))
    if "link" in config.parameters(likelihood) and ends[0] >= 0 and ends[1] <= 1:
        tables["likelihood"].setdefault("link", "sigmoid")
    if "levels" in config.parameters(likelihood):
        tables["likelihood"].setdefault("levels", int(dataset.high) + 1)
    prior = registry.lookup("prior", tables["prior"].get("name", "standard_normal"))
    if {"low", "high"} <= set(config.parameters(prior)):  # one that makes up examples needs their range
        low, high = ends if all(map(math.isfinite, ends)) else _reach(spec["transform"], dataset)
        tables["prior"].setdefault("low", low)
        tables["prior"].setdefault("high", high)
    _complete_objective(tables["objective"], ends, defaults.get("objective", "elbo"))
    for section, kind in {"model": "model", **kinds, "objective": "objective"}.items():
        spec[section] = config.check_component(kind, tables[section], section, SUPPLIED.get(section, ()))
    _check_levels(spec, dataset)
    _check_support(spec, dataset, ends)
    _check_codes(spec)
    _check_objective(spec, training)
    _check_classes(spec)
    spec |= _corruption(tables, spec, ends, dataset)
    spec["training"] = _training(tables["training"], dataset, training)
    return spec


def _kinds(tables: Table) -> dict[str, str]:
    """Give the sections of a model's parts, each with the kind of component that the model takes there."""
    name = tables["model"]["name"]
    taken = config.component_kinds(registry.lookup("model", name))
    for section in PARTS:
        if section not in taken and tables[section]:
            raise ConfigError(
                f"model '{name}' has a {section} of its own, and takes none; leave '{section}' out, or use "
                "--model vae"
            )
    return {section: taken[section] for section in PARTS if section in taken}


def _usual_network(kind: str, defaults: Mapping[str, str], picture: bool) -> str:
    if kind == "ladder":
        return "ladder_conv" if picture else "ladder_mlp"
    return defaults.get("network", "conv") if picture else "mlp"


def _check_network(tables: Table, kind: str) -> None:
    """Refuse a network of the other kind: a ladder for a model of one level, or the other way round."""
    model, name = tables["model"]["name"], tables["network"]["name"]
    if name in registry.names(kind):
        return
    other = next((other for other in NETWORKS if name in registry.names(other)), None)
    if other is None:
        raise ConfigError(f"unknown network '{name}'{nearest(name, registry.names(kind))}")
    fitting = {"ladder": "hierarchical_vae", "network": "vae"}[other]
    raise ConfigError(
        f"model '{model}' does not work with network '{name}'; use network.name={NETWORKS[kind]}, or --model "
        f"{fitting}"
    )


def _complete_objective(table: Table, ends: tuple[float, float], usual: str) -> None:
    """Fill in what an objective needs of the data, and the model's own objective where it adds to one."""
    name = table["name"]
    known = config.parameters(registry.lookup("objective", name))
    from_data = {"data_range": ends[1] - ends[0], "base": usual, "features": "conv"}
    for key in known.keys() & from_data.keys():
        given = table.setdefault(key, from_data[key])
        if isinstance(given, Mapping):  # arguments without a name, as objective.base.beta=4 gives them
            table[key] = {"name": from_data[key], **given}
    if "base" not in known:
        return
    base = _table(table["base"])["name"]
    adds_to: Any = registry.lookup("objective", base)
    if adds_to.classifies or config.parameters(adds_to).keys() & set(SUPPLIED["objective"]):
        advice = f"objective.name={base}" + ("" if base == usual else f", or objective.base={usual}")
        raise ConfigError(
            f"objective '{name}' does not add to '{base}', which compares or classifies by itself; use "
            f"{advice}"
        )


def _innermost(objective: Table) -> Table:
    """Give the objective that others add to: what it is for, all of them are for."""
    while "base" in objective:
        objective = objective["base"]
    return objective


def _table(value: Any) -> Table:
    return {"name": value} if isinstance(value, str) else dict(value or {})


def _is_picture(dataset: Dataset) -> bool:
    return len(dataset.event) == 3 and min(dataset.event[1:]) >= 4


def _nearly_binary(dataset: Dataset) -> bool:
    """Whether grey images are mostly ink and paper, as MNIST's digits are and photographs are not."""
    if not (_is_picture(dataset) and dataset.event[0] == 1 and dataset.x.dtype == np.uint8):
        return False
    some = dataset.x[dataset.splits["train"][:1000]] / dataset.high
    return float(np.mean((some < 0.1) | (some > 0.9))) > 0.75


def _extremes(dataset: Dataset) -> tuple[float, float]:
    if dataset.x.dtype == np.uint8:
        return 0.0, dataset.high
    return float(dataset.x.min()), float(dataset.x.max())


def _reach(transform: Table, dataset: Dataset) -> tuple[float, float]:
    """Give the ends of the transformed training data, whose columns are scaled each in its own way."""
    train = torch.from_numpy(dataset.x[dataset.splits["train"]])
    x = config.build("transform", transform).expected(train)
    return float(x.min()), float(x.max())


def _choose_transform(table: Table, dataset: Dataset, likelihood: Callable[..., Any]) -> None:
    """Fill in the transform that suits data and likelihood, and the statistics that it needs."""
    low, high = _extremes(dataset)
    binary, sharp = getattr(likelihood, "binary", False), getattr(likelihood, "sharp", False)
    levelled = "levels" in config.parameters(likelihood)
    integers = dataset.x.dtype == np.uint8 and dataset.kind != "table"
    in_unit = low >= 0 and high <= 1
    if "name" not in table:
        if levelled:
            table["name"] = "scale"
        elif integers or in_unit:
            whole = "dequantise" if sharp else "scale"
            table["name"] = "binarise" if binary else whole if integers else "none"
            if not integers and binary:
                table.update(low=0.0, high=1.0)
        elif binary or dataset.kind != "table":
            table["name"] = "none" if binary else "scale"
        else:
            table["name"] = "standardise"
    known = config.parameters(registry.lookup("transform", table["name"]))
    if "high" in known:
        table.setdefault("high", high)
        if "low" in known:
            table.setdefault("low", low)
    if "mean" in known:
        train = dataset.x[dataset.splits["train"]].astype(np.float64)
        table.setdefault(
            "mean", train.mean(axis=0).ravel().tolist() if train.ndim == 2 else [float(train.mean())]
        )
        table.setdefault(
            "std", train.std(axis=0).ravel().tolist() if train.ndim == 2 else [float(train.std())]
        )


def _check_levels(spec: Table, dataset: Dataset) -> None:
    """Refuse data or a transform whose values are not those of a likelihood over levels."""
    table, transform = spec["likelihood"], spec["transform"]
    if "levels" not in table:
        return
    name, top = table["name"], table["levels"] - 1
    if dataset.x.dtype != np.uint8:
        raise DataError(
            f"{dataset.name}: likelihood '{name}' needs whole numbers of 8 bits, and the data are "
            f"{dataset.x.dtype}; use --likelihood gaussian_optimal"
        )
    if dataset.high != top:
        raise ConfigError(
            f"'likelihood.levels' is {top + 1}, and {dataset.name} has the levels 0 to {dataset.high:g}; "
            "leave it out"
        )
    if transform["name"] != "scale":
        other = "bernoulli" if transform["name"] == "binarise" else "gaussian_optimal"
        raise ConfigError(
            f"likelihood '{name}' does not fit transform '{transform['name']}', which leaves the levels; use "
            f"transform=scale, or --likelihood {other}"
        )
    if (transform["low"], transform["high"]) != (0.0, top):
        raise ConfigError(
            f"likelihood '{name}' needs 'transform.low' 0 and 'transform.high' {top}, not "
            f"{transform['low']:g} and {transform['high']:g}; leave them out"
        )


def _condition(tables: Table, dataset: Dataset) -> Table:
    """Resolve what the model is told of each example; nothing for a model that is told nothing."""
    model, prior = tables["model"]["name"], tables["prior"].get("name")
    asks = "condition" in config.parameters(registry.lookup("model", model))
    if not asks and prior and getattr(registry.lookup("prior", prior), "conditional", False):
        raise ConfigError(
            f"prior '{prior}' needs a condition, and model '{model}' has none; use --model "
            "conditional_vae, or prior.name=standard_normal"
        )
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


def _check_support(spec: Table, dataset: Dataset, ends: tuple[float, float]) -> None:
    name = spec["likelihood"]["name"]
    low, high = config.build("likelihood", spec["likelihood"]).support
    if ends[0] >= low and ends[1] <= high:
        return
    value = ends[1] if ends[1] > high else ends[0]
    raise DataError(
        f"{dataset.name}: likelihood '{name}' needs values in [{low:g}, {high:g}], and the data reach "
        f"{value:g}; use --likelihood gaussian, or scale them with transform=scale"
    )


def _check_codes(spec: Table) -> None:
    """Refuse to mix codes and continuous latents."""
    owner = "posterior" if "posterior" in spec else "model"
    model, posterior = spec["model"]["name"], spec[owner]["name"]
    coded = registry.lookup(owner, posterior).codes
    for kind, fits in (("objective", "vq"), ("prior", "uniform_codes")):
        if kind not in spec:
            continue
        name = _innermost(spec[kind])["name"]
        if getattr(registry.lookup(kind, name), "codes", False) == coded:
            continue
        if coded:
            advice = f"{kind}.name={fits}, or --model vae"
            if model != "vqvae":
                advice = "posterior.name=diagonal_gaussian, or --model vqvae"
            raise ConfigError(
                f"{kind} '{name}' is for continuous latents, and posterior '{posterior}' gives codes; use "
                f"{advice}"
            )
        advice = "posterior.name=ema_codebook, or --model vae"
        if model != "vqvae":
            advice = f"--model vqvae, or leave '{kind}' out"
        raise ConfigError(f"{kind} '{name}' is for codes, and {owner} '{posterior}' gives none; use {advice}")


def _check_objective(spec: Table, training: type) -> None:
    """Refuse an objective that the posterior, the training loop or the installation cannot serve."""
    table = spec["objective"]
    kind = "posterior" if "posterior" in spec else "model"  # a model may have a posterior of its own
    posterior, other = (
        spec[kind]["name"],
        {"posterior": "posterior.name=diagonal_gaussian", "model": "--model vae"},
    )
    if "base" in table:
        _check_objective({**spec, "objective": table["base"]}, training)
    objective = table["name"]
    wanted, given = registry.lookup("objective", objective), registry.lookup(kind, posterior)
    if wanted.needs and importlib.util.find_spec(wanted.needs[0]) is None:
        raise MissingExtra(wanted.needs[0], wanted.needs[1], f"objective '{objective}'")
    if wanted.bound and not (given.density or given.codes):
        without = "" if wanted.classifies else ", or objective.name=reconstruction"
        raise ConfigError(
            f"objective '{objective}' needs a posterior with a density, and '{posterior}' has none; use "
            f"posterior.name=diagonal_gaussian{without}"
        )
    prior = spec.get("prior", {}).get("name")
    if prior and registry.lookup("prior", prior).needs_density and not given.density:
        raise ConfigError(
            f"prior '{prior}' mixes posteriors and needs one with a density, and '{posterior}' has none; use "
            "prior.name=mixture, or --model vae"
        )
    if wanted.factorised and not given.factorised:
        raise ConfigError(
            f"objective '{objective}' needs a posterior that is a product over the latent's dimensions, and "
            f"'{posterior}' is none; use {other[kind]}, or objective.name=elbo"
        )
    if wanted.adversarial and not getattr(training, "adversaries", False):
        raise ConfigError(
            f"objective '{objective}' trains an adversary with a second optimiser, and the loop of "
            f"'{training.__name__}' has but one; use objective.name=beta_tc"
        )


def _corruption(tables: Table, spec: Table, ends: tuple[float, float], dataset: Dataset) -> Table:
    """Resolve what is done to the encoder's input; nothing for a model that sees it as it is."""
    model, objective = spec["model"]["name"], _innermost(spec["objective"])["name"]
    table = tables["corruption"]
    counts_hidden = registry.lookup("objective", objective).hidden
    if "corruption" not in config.parameters(registry.lookup("model", model)):
        if table or counts_hidden:
            what = "'corruption'" if table else f"objective '{objective}'"
            raise ConfigError(
                f"model '{model}' hides nothing from its encoder, and {what} asks for it; use --model "
                "masked_autoencoder or denoising_autoencoder"
            )
        return {}
    component = registry.lookup("corruption", table["name"])
    if counts_hidden and not component.hides:
        raise ConfigError(
            f"objective '{objective}' counts hidden entries, and corruption '{table['name']}' hides none; "
            "use corruption.name=dropout, or objective.name=reconstruction"
        )
    if {"low", "high"} <= set(config.parameters(component)) and all(map(math.isfinite, ends)):
        table.setdefault("low", ends[0])
        table.setdefault("high", ends[1])
    checked = config.check_component("corruption", table, "corruption", SUPPLIED["corruption"])
    config.build("corruption", checked, event=dataset.event)
    return {"corruption": checked}


def _check_classes(spec: Table) -> None:
    """Refuse a classifier that nothing trains, and an objective that has none to train."""
    objective, model = spec["objective"]["name"], spec["model"]["name"]
    trains = registry.lookup("objective", objective).classifies
    classifies = registry.lookup("model", model).classifies
    if trains and not classifies:
        raise ConfigError(
            f"objective '{objective}' trains a classifier, and model '{model}' has none; use "
            "--model semi_supervised_vae, or objective.name=elbo"
        )
    if classifies and not trains:
        raise ConfigError(
            f"model '{model}' has a classifier, and objective '{objective}' does not train it; use "
            "objective.name=semi_supervised, or --model conditional_vae"
        )
    if classifies and not isinstance(config.build("condition", spec["condition"]), Labels):
        told = spec["condition"]["name"]
        raise ConfigError(
            f"model '{model}' infers labels, and condition '{told}' is none; use condition.name=some_labels, "
            "or --model conditional_vae"
        )


def _training(table: Table, dataset: Dataset, training: type) -> Table:
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


def assemble(spec: Mapping[str, Any], event: tuple[int, ...]) -> Parts:
    """Build what a specification describes.

    Args:
        spec: what `complete` gave.
        event: shape of one example.

    Returns:
        The parts.

    Raises:
        ConfigError: if the parts do not fit each other or the event.
    """
    owner: Any = registry.lookup("model", spec["model"]["name"])
    latent = owner.latent_of(event, spec["model"])
    condition = config.build("condition", spec["condition"]) if "condition" in spec else None
    told = {"condition": condition.size} if condition else {}
    kinds = config.component_kinds(owner)
    parts: dict[str, Any] = {}
    for section in [part for part in PARTS if part in spec]:
        # A prior over codes is told the posterior, which comes before it.
        context = {"latent": latent, "event": event, **told, **parts}
        parts[section] = config.build(kinds[section], spec[section], **context)
    if "corruption" in spec:
        parts["corruption"] = config.build("corruption", spec["corruption"], event=event)
    model = config.build("model", spec["model"], event=event, **parts, **told)
    objective = config.build("objective", spec["objective"], latent=latent, event=event)
    return Parts(model, config.build("transform", spec["transform"]), objective, condition)


def fresh(spec: Mapping[str, Any], event: tuple[int, ...], seed: int) -> Parts:
    """Build with weights from a seed, without touching torch's generators outside.

    Args:
        spec: what `complete` gave.
        event: shape of one example.
        seed: seed of the weights.

    Returns:
        The parts.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return assemble(spec, event)


SHOWN = 1000
"""Training examples that a model sees before a run starts."""


def begin(parts: Parts, dataset: Dataset, seed: int) -> None:
    """Show a fresh model some training examples, drawn and transformed with a seed.

    Args:
        parts: what `fresh` built.
        dataset: the data.
        seed: seed of the draw.
    """
    rows = np.random.default_rng(seed).permutation(dataset.splits["train"])[:SHOWN]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        parts.model.begin(parts.transform(torch.from_numpy(dataset.x[rows])))
