"""Every notebook of `examples/` runs from its first cell to its last, and is kept with its outputs.

A notebook that takes longer than a test may has small settings in its metadata: `latentia.small` is a list of
lines of Python, run after the one cell tagged `parameters`, over the values that it sets.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
LIGHT = 1 << 20
"""Bytes of a notebook with its outputs, at the most."""


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def made_small(notebook):
    """Give a notebook without outputs, with its small settings behind its parameters."""
    for cell in code_cells(notebook):
        cell |= {"outputs": [], "execution_count": None}
    if lines := notebook["metadata"].get("latentia", {}).get("small"):
        (at,) = [
            at
            for at, cell in enumerate(notebook["cells"])
            if "parameters" in cell["metadata"].get("tags", ())
        ]
        cell = {"cell_type": "code", "id": "small", "metadata": {}, "outputs": [], "execution_count": None}
        notebook["cells"].insert(at + 1, {**cell, "source": "\n".join(lines)})
    return notebook


def run_notebook(notebook, folder):
    """Execute a notebook as its reader would, in a folder, and give it with its outputs."""
    (folder / "given.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    own = {name: str(folder / "jupyter") for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")}
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    environment = {name: value for name, value in os.environ.items() if name != "TQDM_DISABLE"}
    convert = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "notebook", "--execute"]
    done = subprocess.run(
        [*convert, "--output", "done.ipynb", "given.ipynb"],
        check=False,
        cwd=folder,
        env={**environment, **own, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads((folder / "done.ipynb").read_text(encoding="utf-8"))


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path):
    done = code_cells(run_notebook(made_small(json.loads(path.read_text(encoding="utf-8"))), tmp_path))
    assert [cell["execution_count"] for cell in done] == list(range(1, len(done) + 1))
    said = [output for cell in done for output in cell["outputs"] if output.get("name") == "stderr"]
    assert not said, "a reader sees warnings"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_whole_and_light(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.encode()) <= LIGHT
    kept = code_cells(json.loads(text))
    numbers = [cell["execution_count"] for cell in kept]
    assert numbers == list(range(1, len(kept) + 1)), "run it whole before it is kept"
    kinds = [output["output_type"] for cell in kept for output in cell["outputs"]]
    assert kinds
    assert "error" not in kinds
    assert not re.search(r"(?<![\w.])/(home|Users|root|tmp)/", text), "it names a path of one machine"
