"""What it takes to make the same again."""

from __future__ import annotations

import platform
import shlex
from pathlib import Path

from latentia.plots.exhibits import Section
from latentia.report.group import Group
from latentia.report.words import placeless


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
        path = Path(study.run.name)
        folder, settings = shlex.quote(str(path)), shlex.quote(str(path / "run.toml"))
        again = shlex.quote(f"{path}-again")
        commands.append(("Train the same again", f"latentia train --config {settings} --out {again}"))
        if group.few:
            draw = f"latentia sample {folder} -n 64 --sampler mixture -o {picture}"
            commands.append(("Draw samples", draw))
    files = tuple(
        (f"run.toml of {study.title}", placeless(study.run.folder.run_file.read_text(encoding="utf-8")))
        for study in group.studies
    )
    versions = f"latentia {__version__}, torch {torch.__version__} and Python {platform.python_version()}"
    lead = f"Written with {versions}. A run file holds every setting and every seed. The commands "
    lead += "are for the folder that the run lies in; places of files are left out of this page."
    return Section("repeat", "How to repeat it", lead, commands=tuple(commands), files=files)
