"""From settings to a specification: every section, every argument, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from latentia.assembly.checks import (
    check_levels,
    check_network,
    check_support,
    kinds_of,
)
from latentia.assembly.defaults import (
    choose_transform,
    condition_for,
    corruption_for,
    extremes,
    facts_of,
    nearly_binary,
    outermost,
    settle_grid,
    steps_of,
    training_for,
    usual_network,
)
from latentia.assembly.inputs import inputs_for
from latentia.assembly.needs import check_needs
from latentia.assembly.settings import SECTIONS, as_table, check_sections
from latentia.assembly.tables import (
    as_they_are,
    check_likelihood,
    check_transform,
    facts_of_columns,
    families_of,
    typed,
)
from latentia.core import config, registry
from latentia.core.needs import COMPLETE
from latentia.data.dataset import Dataset

if TYPE_CHECKING:
    from latentia.core.config import Table


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
    tables = {section: as_table(settings.get(section)) for section in SECTIONS}
    model_name = tables["model"].setdefault("name", "vae")
    defaults = getattr(registry.lookup("model", model_name), "defaults", {})
    _name_usual(tables, defaults, dataset)
    kinds = kinds_of(tables)
    if "name" not in tables["network"]:
        tables["network"]["name"] = usual_network(kinds["network"], defaults, dataset.event)
    check_network(tables, kinds["network"])
    settle_grid(tables, kinds["network"])
    tables["likelihood"].setdefault("name", "bernoulli" if nearly_binary(dataset) else "gaussian_optimal")

    likelihood = registry.lookup("likelihood", tables["likelihood"]["name"])
    check_likelihood(tables["likelihood"]["name"], dataset)
    columns = tables["likelihood"]["name"] == "columns"
    families = families_of(tables["likelihood"], dataset) if columns else []
    choose_transform(tables["transform"], dataset, likelihood, as_they_are(families))
    check_transform(tables["transform"]["name"], families, dataset)
    spec: Table = {"data": tables["data"], **condition_for(tables, dataset)}
    spec["transform"] = config.check_component("transform", tables["transform"], "transform")
    ends = config.build("transform", spec["transform"]).range(*extremes(dataset))
    network = registry.lookup(kinds["network"], tables["network"]["name"])
    facts = facts_of(
        spec["transform"],
        ends,
        defaults.get("objective", "elbo"),
        dataset,
        network,
        lambda: steps_of(training_for(dict(tables["training"]), dataset, training), dataset),
    )
    if columns:
        facts = {**facts, "likelihood": facts_of_columns(families, spec["transform"], dataset)}
    for section, kind in {"model": "model", **kinds, "objective": "objective"}.items():
        table = tables[section]
        completed = config.fill(kind, table, facts) if "name" in table else table
        spec[section] = config.check_component(kind, completed, section)
    check_levels(spec, dataset)
    check_support(
        spec, dataset, ends, config.build("transform", spec["transform"]).range(*outermost(dataset))
    )
    spec |= corruption_for(tables, spec, facts, dataset)
    spec |= inputs_for(tables, spec, dataset)
    check_needs(spec, training, frozenset() if dataset.holes else frozenset({COMPLETE}))
    spec["training"] = training_for(tables["training"], dataset, training)
    if tables["start"]:
        spec["start"] = tables["start"]
    return spec


def _name_usual(tables: dict[str, Table], defaults: Mapping[str, str], dataset: Dataset) -> None:
    """Name the parts that nobody named, as the data and then the model would have them."""
    if typed(dataset) or (dataset.schema and "likelihood" not in defaults):
        tables["likelihood"].setdefault("name", "columns")
    if typed(dataset) and "corruption" in defaults:
        tables["corruption"].setdefault("name", "dropout")  # there is no noise to add to a name
    if dataset.moments and defaults.get("network") == "identity":
        tables["posterior"].setdefault("name", "diagonal_gaussian")
    for kind in ("posterior", "prior", "objective", "likelihood", "condition", "corruption", "transform"):
        if kind in defaults:
            tables[kind].setdefault("name", defaults[kind])
