"""Data: one file for each kind of source, one record that they all become.

`load` turns whatever the user points at into a `Dataset`: one resident array, its splits and
labels. `transforms` and `loader` turn that into batches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latentia.data.dataset import Dataset
    from latentia.data.raw import Raw
    from latentia.data.readers.plain import read_array
    from latentia.data.sources import load

_HOMES = {"Dataset": "dataset", "Raw": "raw", "load": "sources", "read_array": "readers.plain"}

__all__ = ["Dataset", "Raw", "load", "read_array"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: a process that decodes images needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module 'latentia.data' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"latentia.data.{_HOMES[name]}"), name)
