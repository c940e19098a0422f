"""A trained model ready for work: arrays in, arrays out, in the units of the data."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from latentia.assembly import assemble
from latentia.core import storage
from latentia.core.errors import ConfigError, MissingComponent, RunError, shell
from latentia.core.event import Event
from latentia.runs import hub
from latentia.runs.exchange import Exchange
from latentia.runs.recipe import PARTS, read_recipe


class Trained(Exchange):
    """A trained model, which takes examples as its data's source had them, and gives them back alike.

    Examples may be given as the source had them or in the project's order of axes, `(N, *event)`; a data
    frame, a tuple with labels and the path of other data are read as `other` reads them. What comes out has
    the source's order of axes and its types; `inference` computes the same in the project's order, in floats.
    """

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str], *, trusted: Sequence[str] = ()) -> Self:
        """Read a model from a folder with `model.json` and `model.safetensors`.

        No code is ever read from the folder. A model with components of other packages imports those that are
        installed here; one from the Hub may do so only for the packages that `trusted` names.

        Args:
            folder: a run folder, or what `save_pretrained` wrote; or `hf:owner/name` of the Hugging Face Hub.
            trusted: packages that a model from the Hub may import components from.

        Returns:
            The model.

        Raises:
            RunError: if a file is missing, damaged, or of another model; or it names a component of a package
                that is not trusted.
        """
        name = os.fspath(folder)
        fetched = name.startswith(hub.PREFIX)
        path = hub.download(name.removeprefix(hub.PREFIX)) if fetched else Path(name)
        if not (path / "model.json").is_file():
            raise RunError(f"{path} holds no model (no model.json); give the folder of a run")
        if not (path / "model.safetensors").is_file():
            raise RunError(f"{path} has no weights yet; train it with: latentia train --resume {shell(path)}")
        recipe = read_recipe(path / "model.json")
        if fetched:
            hub.require_trusted(name, recipe, trusted)
        tensors, _ = storage.load_tensors(path / "model.safetensors")
        try:
            parts = assemble(recipe, Event.from_record(recipe["event"]))
        except MissingComponent:
            raise
        except (ConfigError, KeyError) as error:
            raise RunError(
                f"{path / 'model.json'} names what this version does not have: {error}; use the version that "
                "trained it"
            ) from error
        try:
            parts.model.load_state_dict(tensors)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise RunError(f"{path}: model.safetensors does not fit model.json: {reason}") from error
        return cls(recipe, parts)

    def save_pretrained(self, folder: str | os.PathLike[str], name: str | None = None) -> None:
        """Write `model.json`, `model.safetensors` and a model card, `README.md`, into a folder.

        Args:
            folder: made if it is missing.
            name: what the model is called on the Hub, `owner/name`, for the card.
        """
        recipe = hub.without_paths(self.recipe)
        storage.write_json(Path(folder) / "model.json", recipe)
        storage.save_tensors(Path(folder) / "model.safetensors", self.model.state_dict())
        storage.write_text(Path(folder) / "README.md", hub.card(recipe, name, self.evaluation()))

    def push_to_hub(self, name: str, *, private: bool = False, token: str | None = None) -> str:
        """Put the model onto the Hugging Face Hub; `from_pretrained("hf:" + name)` reads it.

        Args:
            name: `owner/name`, made if it is not there.
            private: make it visible to its owner alone.
            token: who asks; the login of `hf auth login` by default.

        Returns:
            The address of the commit.
        """
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder, name)
            return hub.upload(folder, name, private=private, token=token)

    @property
    def specification(self) -> dict[str, Any]:
        """The sections of a run file that the model was built from."""
        return {kind: dict(self.recipe[kind]) for kind in PARTS if kind in self.recipe}

    def __reduce__(self) -> Any:
        """Copy and pickle as `model.json` and weights do it: by the recorded constructor calls."""
        weights = {name: value.cpu().numpy() for name, value in self.model.state_dict().items()}
        return _rebuilt, (self.recipe, weights)

    def evaluation(self) -> dict[str, Any]:
        """Give what the last evaluation found, as `evaluation.json` holds it; empty without a run folder."""
        return {}


def _rebuilt(recipe: dict[str, Any], weights: Mapping[str, np.ndarray]) -> Trained:
    """Build a model from what `Trained.__reduce__` gave."""
    parts = assemble(recipe, Event.from_record(recipe["event"]))
    parts.model.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
    return Trained(recipe, parts)
