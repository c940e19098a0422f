"""What the recipes reach, and in how many minutes."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Sequence
from pathlib import Path

from benchmarks.images import ROOT, mnist
from benchmarks.process import latentia
from benchmarks.result import Cell, Result
from latentia.training.folder import RunFolder, free_name

RUNS = ROOT / "runs"


def run(recipes: Sequence[Path]) -> Result:
    """Train each recipe to its end.

    A recipe that names no data is trained on MNIST.

    Args:
        recipes: run files.

    Returns:
        The test figures of each.
    """
    rows = [_row(recipe) for recipe in recipes]
    notes = [
        "test figures: once, at the end, with the weights that validation chose; in nats per example, one "
        "latent sample each; MSE per dimension of the decoded posterior mean",
        "minutes: of training, validation included",
    ]
    return Result("Quality", rows, notes)


def _row(recipe: Path) -> dict[str, Cell]:
    folder = RunFolder(free_name(RUNS, f"quality-{recipe.stem}"))
    source = [] if _names_data(recipe) else [str(mnist() or _no_data(recipe))]
    subprocess.run(
        latentia("train", *source, "--config", str(recipe), "--out", str(folder.path)), check=True, cwd=ROOT
    )
    metrics = folder.metrics()
    test = next(row for row in metrics if row["split"] == "test")
    trained = [row for row in metrics if row["split"] == "train"][-1]
    bound = test["bits_per_dim"] is not None
    return {
        "recipe": recipe.stem,
        "minutes": round(trained["seconds"] / 60, 1),
        "epochs": round(trained["epoch"]),
        "-ELBO": round(test["distortion"] + test["rate"], 2) if bound else None,
        "distortion": round(test["distortion"], 2),
        "rate": round(test["rate"], 2),
        "bits/dim": round(test["bits_per_dim"], 4) if bound else None,
        "MSE": round(test["mse"], 5),
    }


def _names_data(recipe: Path) -> bool:
    return "source" in tomllib.loads(recipe.read_text(encoding="utf-8")).get("data", {})


def _no_data(recipe: Path) -> Path:
    raise SystemExit(f"{recipe} names no data and MNIST was not found: point LATENTIA_DATA at its parent")
