"""The sections of a run file, and common settings by one word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from latentia.core import config
from latentia.core.errors import ConfigError, nearest

if TYPE_CHECKING:
    from latentia.core.config import Table


SECTIONS = (
    "data",
    "transform",
    "condition",
    "corruption",
    "inputs",
    "model",
    "network",
    "posterior",
    "prior",
    "likelihood",
    "objective",
    "training",
    "start",
)


PARTS = ("network", "posterior", "prior", "likelihood")


NETWORKS = {"network": "mlp", "ladder": "ladder_mlp"}
"""The kinds of network, each with one that takes any data."""


SHORT = {
    "latent_dim": ("model", "latent_dim"),
    "hidden": ("network", "hidden"),
    "beta": ("objective", "beta"),
    "epochs": ("training", "epochs"),
    "max_minutes": ("training", "max_minutes"),
    "batch_size": ("training", "batch_size"),
    "lr": ("training", "lr"),
    "size": ("data", "size"),
    "fit": ("data", "fit"),
    "label": ("data", "label"),
    "seed": ("training", "seed"),
    "device": ("training", "device"),
    "threads": ("training", "threads"),
    "precision": ("training", "precision"),
    "skip_bad": ("data", "skip_bad"),
    "start": ("start", "folder"),
}
"""Common settings by one word, and what they stand for; the command line's flags are the same."""


def expand(given: Mapping[str, Any], settings: Table | None = None) -> Table:
    """Sort common settings given by one word into their sections.

    Args:
        given: sections (`objective={"beta": 4}`, `model="vae"`), words of `SHORT` (`epochs=20`), and dotted
            keys (`{"objective.beta": 4}`).
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
        elif word in SHORT:
            config.put(settings, SHORT[word], value)
        elif word in SECTIONS:
            config.put(settings, [word, "name"], value)
        elif "." in word:
            config.put(settings, word.split("."), value)
        else:
            raise ConfigError(f"unknown setting '{word}'{nearest(word, [*SECTIONS, *SHORT])}")
    return settings


def as_table(value: Any) -> Table:
    """Give a section as a table of its own: a name alone becomes one.

    Args:
        value: what the user gave: a table, a name, or nothing.

    Returns:
        A new table.
    """
    return {"name": value} if isinstance(value, str) else dict(value or {})


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
