"""What does not fit, refused in one line before anything is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from latentia.assembly.settings import NETWORKS, PARTS, SECTIONS, as_table, check_sections
from latentia.core import config, given, registry
from latentia.core.errors import ConfigError, DataError, nearest
from latentia.data.dataset import Dataset

if TYPE_CHECKING:
    from latentia.core.config import Table


def check_settings(settings: Mapping[str, Any], training: type) -> None:
    """Refuse settings that no data can make right: what does not exist, or is of another type.

    Args:
        settings: what the user gave, nested.
        training: the class whose signature the section `training` must fit.

    Raises:
        ConfigError: for an unknown section, component or key, or a value of another type.
    """
    check_sections(settings)
    check_training(settings.get("training", {}), training)
    tables = {section: as_table(settings.get(section)) for section in SECTIONS}
    name = tables["model"].setdefault("name", "vae")
    if not isinstance(name, str) or tables["start"]:
        return  # what it begins at says more
    defaults = getattr(registry.lookup("model", name), "defaults", {})
    kinds = kinds_of(tables)
    for section in ("model", *PARTS, "objective", "transform", "corruption", "inputs"):
        table = tables[section]
        if section in ("objective", "posterior", "prior"):
            table.setdefault("name", defaults.get(section))
        if section == "network" and isinstance(table.get("name"), str):
            check_network(tables, kinds["network"])
        given.check_given(kinds.get(section, section), table, section)


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
    if name in registry.names(kind) or registry.is_dotted(name):
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
