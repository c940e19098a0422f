"""latentia: learn a latent space from data and put it to work.

>>> import latentia
>>> latentia.load("digits").event
(1, 8, 8)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from latentia.api import evaluate, open_run, train
    from latentia.assessment import Assessment
    from latentia.data import load
    from latentia.data.pack import pack
    from latentia.encoding import encode
    from latentia.errors import LatentiaError
    from latentia.run import Run
    from latentia.trained import Trained

_HOMES = {
    "Assessment": "latentia.assessment",
    "LatentiaError": "latentia.errors",
    "Run": "latentia.run",
    "Trained": "latentia.trained",
    "encode": "latentia.encoding",
    "evaluate": "latentia.api",
    "load": "latentia.data",
    "open_run": "latentia.api",
    "pack": "latentia.data.pack",
    "train": "latentia.api",
}

__all__ = [
    "Assessment",
    "LatentiaError",
    "Run",
    "Trained",
    "encode",
    "evaluate",
    "load",
    "open_run",
    "pack",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that `import latentia` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'latentia' has no attribute {name!r}")
    import importlib

    from latentia.threads import let_sleep

    let_sleep()  # what is asked for may bring torch, whose threads read it then
    return getattr(importlib.import_module(_HOMES[name]), name)
