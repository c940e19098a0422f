"""latentia: learn a latent space from data and put it to work.

Train on a name, a path, an array or a data frame; what comes back is a run, which a folder keeps::

    run = latentia.train("digits", model="vae", latent_dim=8)
    run.encode(x), run.decode(z), run.reconstruct(x), run.sample(64)

Go on with a run that was stopped, or open one that is there::

    run = latentia.resume("runs/digits-vae", epochs=100)
    run = latentia.open_run("runs/digits-vae")

Measure it, look at it, and put it beside others::

    latentia.evaluate(run).figures["mse"]
    latentia.report(run)                                a page that opens anywhere
    latentia.explore(run)                               a page to move in
    latentia.compare([run, "runs/digits-autoencoder"], "compare.html")
    latentia.sweep("digits", over={"beta": [0.1, 1, 4]})

Data that are large are packed once, and encoded in shards::

    latentia.load("photos/", size=64).summary()
    latentia.pack("photos/", "packed/", size=64)
    latentia.encode(run, "packed/", "latents/")

`help(latentia.train)` names the common settings; `latentia settings` in a shell lists all there are. What a
user can mend is a `latentia.LatentiaError` of one line.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from latentia.core.version import __version__

if TYPE_CHECKING:
    from latentia.api import compare, evaluate, explore, open_run, report, resume, train
    from latentia.core.errors import LatentiaError
    from latentia.data import load
    from latentia.data.packing.pack import pack
    from latentia.evaluation import Assessment
    from latentia.runs.encoding import encode
    from latentia.runs.model import Trained
    from latentia.showing import Run
    from latentia.sweeps import sweep

# What is computed of a row must not depend on its place in a block. On AMD's processors torch's MKL rounds
# small products by their place unless it is told to be reproducible; it reads this at its first product.
os.environ.setdefault("MKL_CBWR", "AUTO")

_HOMES = {
    "Assessment": "latentia.evaluation",
    "LatentiaError": "latentia.core.errors",
    "Run": "latentia.showing",
    "Trained": "latentia.runs.model",
    "compare": "latentia.api",
    "encode": "latentia.runs.encoding",
    "evaluate": "latentia.api",
    "explore": "latentia.api",
    "load": "latentia.data",
    "open_run": "latentia.api",
    "pack": "latentia.data.packing.pack",
    "report": "latentia.api",
    "resume": "latentia.api",
    "sweep": "latentia.sweeps",
    "train": "latentia.api",
}

__all__ = [
    "Assessment",
    "LatentiaError",
    "Run",
    "Trained",
    "__version__",
    "compare",
    "encode",
    "evaluate",
    "explore",
    "load",
    "open_run",
    "pack",
    "report",
    "resume",
    "sweep",
    "train",
]


def __dir__() -> list[str]:
    """List what is for users; the rooms behind it are out of sight."""
    return list(__all__)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that `import latentia` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'latentia' has no attribute {name!r}")
    import importlib

    from latentia.core.threads import let_sleep

    let_sleep()  # what is asked for may bring torch, whose threads read it then
    return getattr(importlib.import_module(_HOMES[name]), name)


class _Door(ModuleType):
    """The package, in which a room (`latentia.report`) does not take the place of a verb of its name."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, unless it is a room that the import system puts over a verb."""
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Door
