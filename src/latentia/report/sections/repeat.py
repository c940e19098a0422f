"""What it takes to make the same again."""

from __future__ import annotations

import platform
import shlex

from latentia.plots.exhibits import Section
from latentia.report.group import Group


def section(group: Group) -> Section:
    """Give the commands and the run files that repeat the runs.

    Args:
        group: the runs.

    Returns:
        The section.
    """
    import torch

    from latentia.core.version import __version__

    picture = "samples.png" if group.inputs.kind == "image" else "samples.npy"
    commands = []
    for study in group.studies:
        path = study.run.folder.path
        folder, settings = shlex.quote(str(path)), shlex.quote(str(path / "run.toml"))
        again = shlex.quote(f"{path}-again")
        commands.append(("Train the same again", f"latentia train --config {settings} --out {again}"))
        if group.few:
            draw = f"latentia sample {folder} -n 64 --sampler mixture -o {picture}"
            commands.append(("Draw samples", draw))
    files = tuple(
        (f"run.toml of {study.title}", study.run.folder.run_file.read_text(encoding="utf-8"))
        for study in group.studies
    )
    versions = f"latentia {__version__}, torch {torch.__version__} and Python {platform.python_version()}"
    lead = f"Written with {versions}. A run file holds every setting and every seed."
    return Section("repeat", "How to repeat it", lead, commands=tuple(commands), files=files)
