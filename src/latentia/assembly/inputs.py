"""What stands before the encoder, chosen from the data: for holes, and for columns that are no numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from latentia.assembly.defaults import middle
from latentia.core import config, registry
from latentia.core.errors import ConfigError
from latentia.core.families import NUMBERS
from latentia.data.dataset import Dataset

if TYPE_CHECKING:
    from latentia.core.config import Table


def inputs_for(tables: Table, spec: Table, dataset: Dataset) -> Table:
    """Resolve what stands before the encoder; nothing where it can see examples as they are.

    Args:
        tables: what the user gave, with names of components.
        spec: the specification so far, with the likelihood.
        dataset: the data.

    Returns:
        The section `inputs`, or nothing.

    Raises:
        ConfigError: if the model takes none and the data need one, or it does not fit.
    """
    table, likelihood = dict(tables["inputs"]), spec["likelihood"]
    typed = likelihood["name"] == "columns"
    named = typed and any(family not in NUMBERS for family in likelihood["families"])
    if "name" not in table and not table and (named or dataset.holes):
        table["name"] = "columns" if typed else "masked"
    if not table:
        return {}
    model = spec["model"]["name"]
    if "inputs" not in config.parameters(registry.lookup("model", model)):
        why = "the data have missing values, or columns that are no numbers" if not tables["inputs"] else ""
        raise ConfigError(f"model '{model}' takes no inputs{', and ' * bool(why)}{why}; use --model vae")
    if table.get("name") == "columns":
        for key in ("families", "sizes") if typed else ():
            table.setdefault(key, likelihood[key])
        table.setdefault("missing", dataset.holes)
    if table.get("name") == "masked" and dataset.event.kind != "vector":
        table.setdefault("fill", middle(spec["transform"], dataset))
    checked = config.check_component("inputs", table, "inputs")
    config.build("inputs", checked).features(dataset.event)
    return {"inputs": checked}
