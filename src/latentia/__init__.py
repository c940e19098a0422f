"""latentia: learn a latent space from data and put it to work.

>>> import latentia
>>> latentia.load("digits").event
(1, 8, 8)
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from latentia.core.version import __version__

if TYPE_CHECKING:
    from latentia.api import evaluate, open_run, train
    from latentia.core.errors import LatentiaError
    from latentia.data import load
    from latentia.data.packing.pack import pack
    from latentia.evaluation import Assessment
    from latentia.runs.encoding import encode
    from latentia.runs.model import Trained
    from latentia.runs.run import Run

# What is computed of a row must not depend on its place in a block. On AMD's processors torch's MKL rounds
# small products by their place unless it is told to be reproducible; it reads this at its first product.
os.environ.setdefault("MKL_CBWR", "AUTO")

_HOMES = {
    "Assessment": "latentia.evaluation",
    "LatentiaError": "latentia.core.errors",
    "Run": "latentia.runs.run",
    "Trained": "latentia.runs.model",
    "encode": "latentia.runs.encoding",
    "evaluate": "latentia.api",
    "load": "latentia.data",
    "open_run": "latentia.api",
    "pack": "latentia.data.packing.pack",
    "train": "latentia.api",
}

__all__ = [
    "Assessment",
    "LatentiaError",
    "Run",
    "Trained",
    "__version__",
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

    from latentia.core.threads import let_sleep

    let_sleep()  # what is asked for may bring torch, whose threads read it then
    return getattr(importlib.import_module(_HOMES[name]), name)
