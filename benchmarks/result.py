"""What a benchmark gives: rows for a table, notes, and the raw measurements."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

Cell = str | int | float | None


@dataclass(frozen=True)
class Result:
    """The outcome of one benchmark.

    Attributes:
        title: what was measured.
        rows: one mapping from heading to value for each line of the table, all with the same headings.
        notes: the conditions that a reader has to know.
        raw: every single measurement, for the JSON file alone.
    """

    title: str
    rows: Sequence[Mapping[str, Cell]]
    notes: Sequence[str] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)

    def table(self, machine: Mapping[str, Any]) -> str:
        """Lay the rows out as a Markdown table.

        Args:
            machine: what `describe_machine` gave.

        Returns:
            Title, table and notes, in lines.
        """
        headings = list(self.rows[0])
        cells = [headings, *([_shown(row[heading]) for heading in headings] for row in self.rows)]
        widths = [max(len(line[column]) for line in cells) for column in range(len(headings))]
        numeric = [not isinstance(self.rows[0][heading], str) for heading in headings]
        lines = [_line(line, widths, numeric) for line in cells]
        rule = "|".join("-" * (width + 1) + (":" if right else "-") for width, right in zip(widths, numeric))
        about = ", ".join(f"{name} {value}" for name, value in machine.items())
        notes = [f"- {note}" for note in (*self.notes, about)]
        return "\n".join([f"## {self.title}", "", lines[0], f"|{rule}|", *lines[1:], "", *notes])

    def write(self, path: Path, machine: Mapping[str, Any]) -> Path:
        """Write everything as JSON.

        Args:
            path: the file; its folder is made if it is missing.
            machine: what `describe_machine` gave.

        Returns:
            The file.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "title": self.title,
            "machine": dict(machine),
            "notes": list(self.notes),
            "rows": [dict(row) for row in self.rows],
            "raw": dict(self.raw),
        }
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        return path


def _shown(value: Cell) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value)


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    padded = [
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(cells, widths, numeric)
    ]
    return "| " + " | ".join(padded) + " |"


def describe_machine() -> dict[str, Any]:
    """Describe hardware and software.

    Returns:
        Values by name. `load` is the number of processes that were busy just before: above zero,
        the machine was shared and single figures are not to be trusted, though ratios may be.
    """
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "latentia": importlib.metadata.version("latentia"),
        "date": datetime.date.today().isoformat(),
        "load": round(os.getloadavg()[0], 1),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
