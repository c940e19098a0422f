"""The run folder: the only thing that stages share on disk.

```
NAME/  run.toml           the resolved specification, enough to repeat the run
       model.safetensors  the best weights so far    model.json   the recorded constructor calls
       metrics.jsonl      one line per logged step
       data/              the data of the run, as shards, where they were in memory
       examples.safetensors  the checksum and the split of every example, by which they are known again
       latents.json       mean and spread of the latents of training examples
       checkpoints/       everything that the future of the run depends on
       evaluation.json    the figures of the last evaluation
       evaluation.safetensors  the values of each example behind them
       samplers/          fits of samplers to the latents, made on demand
       explorer/          all data encoded, and maps, as the explorer made them
       report.html        self-contained; figures/ beside it
```
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from latentia.core import config, storage
from latentia.core.errors import RunError, nearest, shell


class RunFolder:
    """Paths and records of one run."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Point at a folder, which need not exist.

        Args:
            path: the folder.
        """
        self.path = Path(path)

    @classmethod
    def existing(cls, path: str | os.PathLike[str]) -> RunFolder:
        """Point at a folder that holds a run.

        Args:
            path: the folder.

        Returns:
            The folder.

        Raises:
            RunError: if there is no run in it.
        """
        folder = cls(path)
        if not folder.run_file.is_file():
            beside = [entry.parent.name for entry in folder.path.parent.glob("*/run.toml")]
            what = "is not a run folder (no run.toml)" if folder.path.exists() else "does not exist"
            raise RunError(f"{path} {what}{nearest(folder.path.name, beside)}")
        return folder

    @property
    def run_file(self) -> Path:
        """The resolved specification."""
        return self.path / "run.toml"

    @property
    def model_file(self) -> Path:
        """The recorded constructor calls."""
        return self.path / "model.json"

    @property
    def weights_file(self) -> Path:
        """The best weights so far."""
        return self.path / "model.safetensors"

    @property
    def rows_file(self) -> Path:
        """The checksum and the split of every example that the run was given."""
        return self.path / "examples.safetensors"

    @property
    def latents_file(self) -> Path:
        """The spread of the latents of training examples."""
        return self.path / "latents.json"

    @property
    def metrics_file(self) -> Path:
        """One JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def data(self) -> Path:
        """The data that the run was trained on, where they were in memory."""
        return self.path / "data"

    @property
    def report_file(self) -> Path:
        """The report."""
        return self.path / "report.html"

    @property
    def samplers(self) -> Path:
        """The folder of samplers fitted to the latents."""
        return self.path / "samplers"

    @property
    def evaluation_file(self) -> Path:
        """The figures of the last evaluation."""
        return self.path / "evaluation.json"

    @property
    def examples_file(self) -> Path:
        """The values of the examples behind these figures, where they are means over examples."""
        return self.path / "evaluation.safetensors"

    def check_free(self, overwrite: bool = False) -> None:
        """Refuse a place that is taken.

        Args:
            overwrite: a run may be there.

        Raises:
            RunError: if it holds a run already, or holds something else.
        """
        if self.run_file.exists():
            if overwrite:
                return
            raise RunError(
                f"{self.path} holds a run already: choose another --out, train it anew with --overwrite, or "
                f"go on with: latentia train --resume {shell(self.path)}"
            )
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise RunError(f"{self.path} exists and is no run folder; choose another --out")

    def create(self, spec: Mapping[str, Any], overwrite: bool = False) -> None:
        """Make the folder and write the specification into it.

        Args:
            spec: the resolved specification.
            overwrite: remove a run that is there.

        Raises:
            RunError: if it holds a run already, or holds something else.
            LatentiaError: if it cannot be made or written.
        """
        self.check_free(overwrite)
        if self.run_file.exists():
            self._remove()
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage.cannot_write(self.path, error) from error
        storage.write_text(self.run_file, config.write_toml(spec))

    def _remove(self) -> None:
        """Remove the run, out of sight first: another process that trains it is refused, not cut off."""
        with storage.exclusive(self.path):
            aside = Path(tempfile.mkdtemp(dir=self.path.parent, prefix=f".{self.path.name}.", suffix=".part"))
            self.path.replace(aside)
        shutil.rmtree(aside)

    def spec(self) -> config.Table:
        """Read the specification.

        Returns:
            Its tables.

        Raises:
            RunError: if a section is missing.
        """
        spec = config.read_toml(self.run_file)
        absent = [section for section in ("data", "model", "training") if section not in spec]
        if absent:
            raise RunError(f"{self.run_file} is damaged: it has no section '{absent[0]}'; train the run anew")
        return spec

    def log(self, row: Mapping[str, Any]) -> None:
        """Append one line to the metrics.

        Args:
            row: plain values.

        Raises:
            LatentiaError: if the disk is full.
        """
        try:
            with self.metrics_file.open("a", encoding="utf-8") as handle:
                handle.write(json.dumps(row) + "\n")
        except OSError as error:
            raise storage.cannot_write(self.metrics_file, error) from error

    def metrics(self) -> list[dict[str, Any]]:
        """Read the metrics; a line cut off by a kill is left out.

        Returns:
            The rows, oldest first.
        """
        if not self.metrics_file.exists():
            return []
        rows = []
        for line in self.metrics_file.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict):
                rows.append(row)
        return rows

    def rewind(self, step: int) -> None:
        """Forget the metrics after a step, which a resumed run will log again.

        Args:
            step: the last step to keep.
        """
        rows = self.metrics()
        kept = [row for row in rows if row.get("step", 0) <= step]
        if len(kept) < len(rows):
            storage.write_text(self.metrics_file, "".join(json.dumps(row) + "\n" for row in kept))


def free_name(root: Path, stem: str) -> Path:
    """Choose a folder that does not exist yet.

    Args:
        root: where runs live.
        stem: what to call it.

    Returns:
        `root/stem`, or `root/stem-2`, `root/stem-3`, ...
    """
    number, path = 1, root / stem
    while path.exists():
        number += 1
        path = root / f"{stem}-{number}"
    return path


def recorded_source(folder: RunFolder, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Give what to load a run's data with.

    Args:
        folder: the run.
        spec: its specification.

    Returns:
        The arguments of `latentia.load`.

    Raises:
        RunError: if the data were in memory, and too large to be kept beside the run.
    """
    options = dict(spec["data"])
    if options.get("source") != MEMORY:
        return options
    if not folder.data.is_dir():
        raise RunError(
            f"{folder.path} was trained on data in memory that it has not kept; save them as .npy or .npz "
            "and train on the file"
        )
    # How they were read and split is done: what is left is what training does with them.
    own = {name: options[name] for name in ("buffer", "flip", "shift", "crop") if name in options}
    return {**own, "source": str(folder.data)}


MEMORY = "memory"
"""What a data set says its source is when it was an array."""

HEADINGS = ("run", "data", "model", "latents", "step", "test")


def summaries(root: Path) -> list[tuple[str, ...]]:
    """Describe the runs below a folder.

    Args:
        root: the folder; every run at any depth below it counts.

    Returns:
        A row of `HEADINGS`, then one row for each run; nothing where there is none.

    Raises:
        RunError: if the folder does not exist.
    """
    if not root.is_dir():
        raise RunError(f"{root} does not exist; give the folder that your runs are in")
    rows = [summary_of(RunFolder(path.parent)) for path in sorted(root.rglob("run.toml"))]
    return [HEADINGS, *rows] if rows else []


def summary_of(folder: RunFolder) -> tuple[str, ...]:
    """Describe a run in words.

    Args:
        folder: the run.

    Returns:
        A word for each of `HEADINGS`.
    """
    spec = folder.spec()
    metrics = folder.metrics()
    test = next((row for row in reversed(metrics) if row.get("split") == "test"), None)
    scored = "not finished"
    if test is not None:
        found = [f"-ELBO {test['distortion'] + test['rate']:.2f}"] * (test["bits_per_dim"] is not None)
        if "mse" in test:  # of a prior alone there is none
            found.append(f"MSE {test['mse']:.5f}")
        scored = ", ".join(found)
    step = max((row.get("step", 0) for row in metrics), default=0)
    model = spec["model"]
    source = Path(str(spec["data"].get("source", ""))).name
    latents = str(model.get("latent_dim") or "+".join(map(str, model.get("levels", ()))))
    if spec["network"]["name"] == "identity":
        latents = "itself"
    return str(folder.path), source, model["name"], latents, str(step), scored
