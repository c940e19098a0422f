"""The Hugging Face Hub: a model's folder up and down, and the card that says what it is."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from latentia.core import registry
from latentia.core.errors import RunError
from latentia.core.event import Event
from latentia.core.extras import optional
from latentia.metrics.figures import rounded
from latentia.runs.recipe import PARTS

PREFIX = "hf:"
"""What a name of the Hub begins with, where a folder could stand as well."""
FILES = ("model.json", "model.safetensors", "README.md")


def download(name: str) -> Path:
    """Fetch a model, or find it in the library's cache.

    Args:
        name: `owner/name`.

    Returns:
        The folder that it lies in.

    Raises:
        RunError: if it cannot be fetched.
    """
    hub = optional("huggingface_hub", "hub", f"reading {PREFIX}{name}")
    try:
        return Path(hub.snapshot_download(name, allow_patterns=list(FILES)))
    except Exception as error:  # network, authentication, names: its exceptions have no common base
        raise RunError(
            f"{PREFIX}{name} cannot be fetched ({_line(error)}); check the name and the network"
        ) from error


def upload(
    folder: str | os.PathLike[str], name: str, *, private: bool = False, token: str | None = None
) -> str:
    """Put a model's folder onto the Hub.

    Args:
        folder: what `save_pretrained` wrote.
        name: `owner/name`, made if it is not there.
        private: make it visible to its owner alone.
        token: who asks; the login of `hf auth login` by default.

    Returns:
        The address of the commit.

    Raises:
        RunError: if the Hub does not take it.
    """
    hub = optional("huggingface_hub", "hub", f"pushing to {PREFIX}{name}")
    try:
        api = hub.HfApi(token=token)
        api.create_repo(name, private=private, exist_ok=True)
        done = api.upload_folder(
            repo_id=name,
            folder_path=os.fspath(folder),
            allow_patterns=list(FILES),
            commit_message="A model of latentia",
        )
    except Exception as error:  # as above
        raise RunError(
            f"{PREFIX}{name} does not take the model ({_line(error)}); check the name, the network and the "
            "login (hf auth login)"
        ) from error
    return str(done)


def require_trusted(name: str, recipe: Mapping[str, Any], trusted: Sequence[str]) -> None:
    """Refuse to import components of packages that whoever loads a model from the Hub did not name.

    Args:
        name: what was asked for.
        recipe: the recorded constructor calls.
        trusted: packages whose components may be imported.

    Raises:
        RunError: naming the first component that is not of them.
    """
    for component in registry.outside(recipe):
        package = component.partition(":")[0].partition(".")[0]
        if package not in trusted:
            raise RunError(
                f"{name} names the component '{component}', and to load it the package '{package}' is "
                f"imported; if you know and trust that package, pass trusted=['{package}']"
            )


def card(recipe: Mapping[str, Any], name: str | None, evaluation: Mapping[str, Any]) -> str:
    """Write a model card: what the model is, how to load it, what was measured.

    Args:
        recipe: the recorded constructor calls.
        name: `owner/name`, or None where it is not known yet.
        evaluation: what `evaluation.json` holds; may be empty.

    Returns:
        Markdown.
    """
    model = recipe["model"]["name"]
    event = Event.from_record(recipe["event"])
    shape = "x".join(map(str, event))
    where = f"{PREFIX}{name}" if name else "FOLDER"
    lines = [
        "---",
        "library_name: latentia",
        f"tags: [latentia, {model}, autoencoder, latent-space]",
        "---",
        "",
        f"# A {model} for examples of shape {shape}",
        "",
        "```python",
        "from latentia import Trained  # pip install latentia",
        "",
        f'model = Trained.from_pretrained("{where}")',
        f"z = model.encode(x)   # x (n, {', '.join(map(str, event))}), in the units of the data",
        "x = model.decode(z)",
        "```",
        "",
        "| part | settings |",
        "|---|---|",
        *(f"| {kind} | {_settings(recipe[kind])} |" for kind in PARTS if kind in recipe),
    ]
    if recipe.get("label_names"):
        lines += ["", f"Classes: {', '.join(recipe['label_names'])}."]
    return "\n".join([*lines, *_measured(evaluation)]) + "\n"


def without_paths(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Leave of each file's path its name: a model that travels tells nothing of the machine.

    Args:
        recipe: the recorded constructor calls.

    Returns:
        A copy.
    """
    return {
        kind: {
            key: PurePath(value).name if isinstance(value, str) and PurePath(value).is_absolute() else value
            for key, value in part.items()
        }
        if isinstance(part, Mapping)
        else part
        for kind, part in recipe.items()
    }


def _settings(part: Mapping[str, Any]) -> str:
    listed = [
        f"`{part['name']}`",
        *(f"{key} {_plain(value)}" for key, value in part.items() if key != "name"),
    ]
    return ", ".join(listed)


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(value.get("name", "..."))
    if isinstance(value, (list, tuple)):
        return " ".join(map(_plain, value)) if len(value) <= 8 else f"({len(value)} numbers)"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _measured(evaluation: Mapping[str, Any]) -> list[str]:
    """List the figures that are one number."""
    rows = []
    for name, figure in evaluation.get("figures", {}).items():
        value, error = figure["value"], figure["error"]
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            continue
        known = isinstance(error, (int, float)) and math.isfinite(error) and error > 0
        text = " ± ".join(rounded(value, error)) if known else f"{value:.5g}"
        rows.append(f"| `{name}` | {text} | {figure['unit']} | {figure['split']} | {figure['examples']} |")
    if not rows:
        return ["", "No figures: this model was not evaluated (`latentia evaluate`)."]
    about = evaluation.get("about", {})
    head = f"Measured on the data `{about.get('data', '')}` by latentia {about.get('latentia', '')}:"
    return ["", head, "", "| figure | value | unit | split | examples |", "|---|---|---|---|---:|", *rows]


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
