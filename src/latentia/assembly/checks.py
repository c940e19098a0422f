"""What does not fit, refused in one line before anything is built."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from latentia.assembly.settings import NETWORKS, PARTS, SUPPLIED
from latentia.core import config, registry
from latentia.core.errors import ConfigError, DataError, MissingExtra, nearest
from latentia.data.conditions import Labels
from latentia.data.dataset import Dataset

if TYPE_CHECKING:
    from latentia.core.config import Table


def check_training(table: Mapping[str, Any], training: type) -> None:
    """Refuse what was given of the section `training` where no data can make it right.

    Args:
        table: what the user gave.
        training: the class whose signature it must fit.

    Raises:
        ConfigError: for an unknown key or a value that no run can have.
    """
    config.construct(training, config.check(training, {"epochs": 1, **table}, "training"))


def kinds_of(tables: Table) -> dict[str, str]:
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


def check_network(tables: Table, kind: str) -> None:
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


def check_levels(spec: Table, dataset: Dataset) -> None:
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


def check_support(
    spec: Table, dataset: Dataset, ends: tuple[float, float], outer: tuple[float, float]
) -> None:
    """Refuse data outside of where the likelihood has a density.

    Args:
        spec: what `complete` gives.
        dataset: the data.
        ends: of the training split, transformed.
        outer: of all splits, transformed.
    """
    name = spec["likelihood"]["name"]
    low, high = config.build("likelihood", spec["likelihood"]).support
    if ends[0] >= low and ends[1] <= high:
        if outer[0] < low or outer[1] > high:
            value = outer[1] if outer[1] > high else outer[0]
            least, most = dataset.observed
            raise DataError(
                f"{dataset.name}: likelihood '{name}' needs values in [{low:g}, {high:g}], and examples "
                f"beside the training split reach {value:g} on its scale; give the range that values can "
                f"have, such as transform=scale transform.low={least:g} transform.high={most:g}, or use "
                "--likelihood gaussian"
            )
        return
    value = ends[1] if ends[1] > high else ends[0]
    raise DataError(
        f"{dataset.name}: likelihood '{name}' needs values in [{low:g}, {high:g}], and the data reach "
        f"{value:g}; use --likelihood gaussian, or scale them with transform=scale"
    )


def innermost(objective: Table) -> Table:
    """Give the objective that others add to: what it is for, all of them are for."""
    while "base" in objective:
        objective = objective["base"]
    return objective


def check_base(table: Table, usual: str) -> None:
    """Refuse an objective to add to that compares pictures, has an adversary or classifies."""
    if "base" not in table:
        return
    name, base = table["name"], table["base"]
    base = base if isinstance(base, str) else base["name"]
    adds_to: Any = registry.lookup("objective", base)
    if adds_to.classifies or config.parameters(adds_to).keys() & set(SUPPLIED["objective"]):
        advice = f"objective.name={base}" + ("" if base == usual else f", or objective.base={usual}")
        raise ConfigError(
            f"objective '{name}' does not add to '{base}', which compares or classifies by itself; use "
            f"{advice}"
        )


def check_codes(spec: Table) -> None:
    """Refuse to mix codes and continuous latents."""
    owner = "posterior" if "posterior" in spec else "model"
    model, posterior = spec["model"]["name"], spec[owner]["name"]
    coded = registry.lookup(owner, posterior).codes
    for kind, fits in (("objective", "vq"), ("prior", "uniform_codes")):
        if kind not in spec:
            continue
        name = innermost(spec[kind])["name"]
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


def check_objective(spec: Table, training: type) -> None:
    """Refuse an objective that the posterior, the training loop or the installation cannot serve."""
    table = spec["objective"]
    kind = "posterior" if "posterior" in spec else "model"  # a model may have a posterior of its own
    posterior, other = (
        spec[kind]["name"],
        {"posterior": "posterior.name=diagonal_gaussian", "model": "--model vae"},
    )
    if "base" in table:
        check_objective({**spec, "objective": table["base"]}, training)
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
    if wanted.steers and getattr(given, "ancestral", False):
        raise ConfigError(
            f"objective '{objective}' changes the gradient through z, and the levels of model '{posterior}' "
            "pass z by; use objective.name=iwae, or --model vae"
        )
    if wanted.adversarial and not getattr(training, "adversaries", False):
        raise ConfigError(
            f"objective '{objective}' trains an adversary with a second optimiser, and the loop of "
            f"'{training.__name__}' has but one; use objective.name=beta_tc"
        )


def check_classes(spec: Table) -> None:
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
