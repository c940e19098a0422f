"""Where a training begins, if not at random weights: a folder of diffusers, a run, or a model of a hub."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentia.assembly import Parts
from latentia.assembly.settings import SECTIONS as ALL
from latentia.core import config, registry, storage
from latentia.core.errors import ConfigError, RunError, nearest
from latentia.core.noise import seeded
from latentia.core.types import LatentModel
from latentia.data.dataset import Dataset
from latentia.probability.priors import Prior
from latentia.probability.quantisers import Codebook
from latentia.runs import diffusers
from latentia.runs.recipe import read_recipe
from latentia.training.folder import RunFolder

SECTIONS = tuple(name for name in ALL if name not in ("data", "objective", "training", "start"))
"""What a run takes over from the folder that it begins at: all that a model is made of."""
RECORDED = ("folder", "kind", "weights", "scaling_factor")
"""The keys of the section `start`: the folder, and what was found in it."""
PRIOR = "prior."
"""How the names of a prior's weights begin."""
LOOKED = 20_000
"""At the latents of so many training examples a prior begins."""
AT_ONCE = 500
"""Examples that are encoded at once for that."""
SHOWN = 3
"""How many differences of two sets of weights a message names."""


@dataclass(frozen=True)
class Start:
    """What a training begins at.

    Attributes:
        settings: sections of a run file that go with the weights.
        weights: by their names in a model's state dict.
        record: the section `start` of `run.toml`.
        prior: whether the weights of a prior are among them; else it begins at the latents of the others.
    """

    settings: dict[str, dict[str, Any]]
    weights: dict[str, Tensor]
    record: dict[str, Any]
    prior: bool = True

    @property
    def title(self) -> str:
        """What it is, for messages."""
        return f"{self.record['folder']} ({self.record['kind']})"

    @property
    def foreign(self) -> bool:
        """Whether another package wrote it, so that it has no weights but those of the codec."""
        return self.record["kind"] != "latentia"


def start_of(settings: Mapping[str, Any]) -> Start | None:
    """Read what a training begins at, as its settings say.

    Args:
        settings: nested sections, as in a run file; `start.folder` names it.

    Returns:
        What was found; None where nothing is named.

    Raises:
        LatentiaError: if it cannot be read, or has no counterpart here.
    """
    table = settings.get("start") or {}
    table = {"folder": table} if isinstance(table, (str, os.PathLike)) else table
    for key in table:
        if key not in RECORDED:
            raise ConfigError(f"unknown key 'start.{key}'{nearest(key, RECORDED)}")
    return read_start(table["folder"]) if table.get("folder") else None


def start_again(folder: RunFolder, spec: Mapping[str, Any]) -> Start | None:
    """Read what a run begins at once more, where it was killed before its first checkpoint held that.

    Args:
        folder: the run folder.
        spec: its specification.

    Returns:
        What was found; None where a checkpoint is there, or the run began at random weights.

    Raises:
        LatentiaError: if it is not there any more, or other weights are.
    """
    from latentia.training import checkpoint_files

    if "start" not in spec or checkpoint_files(folder.checkpoints):
        return None
    found = start_of(spec)
    if found is None or found.record != spec["start"]:
        raise RunError(
            f"{folder.path} ended before its first checkpoint, and {spec['start']['folder']}, which it was "
            "to begin at, is another by now; nothing is lost: begin anew with another --out"
        )
    return found


def with_start(settings: Mapping[str, Any], start: Start | None) -> dict[str, Any]:
    """Add what goes with the weights that a training begins at; what the user says goes first.

    Args:
        settings: nested sections, as in a run file.
        start: what it begins at, or None.

    Returns:
        All sections.

    Raises:
        ConfigError: if a codec of diffusers is to see pictures in other units.
    """
    merged = {key: value for key, value in settings.items() if key != "start"}
    if start is None:
        return merged
    for section, found in _taken_over(start, merged).items():
        given = merged.get(section) or {}
        given = {"name": given} if isinstance(given, str) else given
        same = given.get("name", found.get("name")) == found.get("name")
        merged[section] = {**found, **given} if same else given
    if start.foreign and (units := merged["transform"]["name"]) != "signed":
        raise ConfigError(
            f"{start.title} reads pictures from -1 to 1, and transform.name={units} gives others; use "
            "transform.name=signed, or leave it out"
        )
    return {**merged, "start": start.record}


def _taken_over(start: Start, settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Give the sections that go along: into another model not the prior, which is that model's own."""
    given = settings.get("model") or {}
    name = given if isinstance(given, str) else given.get("name")
    if start.foreign or name in (None, start.settings["model"]["name"]):
        return start.settings
    model = {"name": name}
    if "latent_dim" in config.parameters(registry.lookup("model", name)):
        model |= {key: value for key, value in start.settings["model"].items() if key == "latent_dim"}
    return {**{key: value for key, value in start.settings.items() if key != "prior"}, "model": model}


def without_prior(start: Start, spec: Mapping[str, Any]) -> Start:
    """Leave the weights of a prior behind where a run has another.

    Args:
        start: what the run begins at.
        spec: the run's specification.

    Returns:
        The same without them, or as it is.
    """
    if start.foreign or spec.get("prior", {}).get("name") == start.settings.get("prior", {}).get("name"):
        return start
    weights = {name: value for name, value in start.weights.items() if not name.startswith(PRIOR)}
    return replace(start, weights=weights, prior=False)


def read_start(folder: str | os.PathLike[str]) -> Start:
    """Read a folder that a training can begin at.

    Args:
        folder: what diffusers' `save_pretrained` or `latentia export --to diffusers` wrote (of a pipeline its
            `vae` or `vqvae`), a run folder, or what latentia's `save_pretrained` wrote.

    Returns:
        Its settings and weights.

    Raises:
        LatentiaError: if it is no such folder, is damaged, or has no counterpart here.
    """
    path = Path(os.path.abspath(os.path.expanduser(folder)))
    for inner in ("vae", "vqvae"):
        if (path / "model_index.json").is_file() and (path / inner).is_dir():
            path = path / inner
    if (path / diffusers.CONFIG).is_file():
        return _of_diffusers(path)
    if (path / "model.json").is_file():
        return _of_latentia(path)
    raise RunError(
        f"{path} is nothing that training can begin at: it has neither {diffusers.CONFIG}, as codecs of "
        "diffusers have, nor model.json, as runs have"
    )


def _of_diffusers(path: Path) -> Start:
    config = storage.read_json(path / diffusers.CONFIG)
    try:
        counterpart, settings = diffusers.settings_of(config, str(path / diffusers.CONFIG))
    except (AttributeError, KeyError, TypeError, IndexError) as error:
        raise RunError(f"{path / diffusers.CONFIG} is damaged, or of another program: {error!r}") from error
    file = path / diffusers.WEIGHTS
    if not file.is_file():
        raise RunError(
            f"{path} has no {file.name}, and nothing else is read (a .bin holds a pickle); load it with "
            "diffusers and write it again with save_pretrained"
        )
    tensors, _ = storage.load_tensors(file)
    weights, factor = diffusers.weights_of(counterpart, config, tensors)
    record = {"kind": counterpart.cls, "scaling_factor": factor}
    return Start(settings, weights, _recorded(path, weights, record))


def _of_latentia(path: Path) -> Start:
    file = path / "model.safetensors"
    if not file.is_file():
        raise RunError(f"{path} has no weights yet: its training has not come so far")
    recipe = read_recipe(path / "model.json")
    weights, _ = storage.load_tensors(file)
    settings = {section: dict(recipe[section]) for section in SECTIONS if section in recipe}
    return Start(settings, weights, _recorded(path, weights, {"kind": "latentia"}))


def _recorded(path: Path, weights: Mapping[str, Tensor], more: Mapping[str, Any]) -> dict[str, Any]:
    return {"folder": str(path), "weights": storage.checksum(weights), **more}


def check_fits(start: Start, model: LatentModel) -> None:
    """Refuse weights that are not those of a model, all of them, in their shapes.

    Args:
        start: what the training begins at.
        model: what is to be trained.

    Raises:
        ConfigError: naming how many differ, and the first of them.
    """
    own = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    if not start.prior:
        own = {name: shape for name, shape in own.items() if not name.startswith(PRIOR)}
    if start.foreign:
        own = {name: shape for name, shape in own.items() if diffusers.outward(name) is not None}
    given = {name: tuple(value.shape) for name, value in start.weights.items()}
    wrong = []
    for name in sorted(own.keys() | given.keys()):
        if name not in given:
            wrong.append(f"{name} is missing there")
        elif name not in own:
            wrong.append(f"{name} has no place here")
        elif own[name] != given[name]:
            there, here = ("x".join(map(str, shape)) or "one number" for shape in (given[name], own[name]))
            wrong.append(f"{name} is {there} there and {here} here")
    if wrong:
        more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise ConfigError(
            f"{len(wrong)} of the {len(own.keys() | given.keys())} weights of {start.title} do not fit the "
            f"model of these settings and data: {'; '.join(wrong[:SHOWN])}{more}"
        )


@torch.no_grad()
def begin_at(start: Start, model: LatentModel, examples: int) -> None:
    """Put the weights that a training begins at into a model that they fit.

    A codebook that moves, where it comes without its past, begins as if each of its vectors had been chosen
    as often as all are on average; else the first batch would place them all anew.

    Args:
        start: what the training begins at.
        model: what is to be trained.
        examples: how many a pass sees.
    """
    places = examples * math.prod(model.latent[1:])
    model.load_state_dict(start.weights, strict=False)
    for name, book in model.named_modules():
        if isinstance(book, Codebook) and f"{name}.counts" not in start.weights:
            book.counts.fill_(places / len(book.counts))
            book.sums.copy_(book.table * book.counts.unsqueeze(1))


def begin_prior(parts: Parts, dataset: Dataset, seed: int) -> None:
    """Let a prior begin at the aggregate posterior: a draw of q(z|x) for each of some training examples.

    Args:
        parts: the parts of a model, with the weights that training begins at.
        dataset: the data.
        seed: of the examples, of the draws, and of the fit.
    """

    @torch.no_grad()
    def latents() -> Tensor:
        rows = np.sort(np.random.default_rng(seed).permutation(dataset.splits["train"])[:LOOKED])
        c = torch.from_numpy(parts.condition.of(dataset)[rows]) if parts.condition else None
        drawn = []
        for at in range(0, len(rows), AT_ONCE):
            x = parts.transform(torch.from_numpy(np.asarray(dataset.x[rows[at : at + AT_ONCE]])))
            drawn.append(parts.model.encode(x, None if c is None else c[at : at + AT_ONCE]).sample())
        return torch.cat(drawn)

    if isinstance(parts.model.prior, Prior):
        with seeded(seed):
            parts.model.prior.begin_at(latents)
