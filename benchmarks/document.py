"""Put the results into docs/performance.md, so that the page cannot say other than what was measured.

python -m benchmarks.document

A table stands between the comments `<!-- result: NAME -->` and `<!-- end -->`; NAME is a file in
benchmarks/results.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from benchmarks.images import ROOT
from benchmarks.result import Result
from benchmarks.run import RESULTS

PAGE = ROOT / "docs" / "performance.md"
PLACE = re.compile(r"(<!-- result: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: str, results: Path) -> str:
    """Replace what stands in each place by the table of its result.

    Args:
        page: the page's text.
        results: folder of the JSON files.

    Returns:
        The text with the tables; a result that is not there says so.
    """
    return PLACE.sub(lambda found: f"{found[1]}\n{_table(results / f'{found[2]}.json')}\n\n{found[3]}", page)


def _table(path: Path) -> str:
    if not path.exists():
        return "Not measured yet."
    content = json.loads(path.read_text(encoding="utf-8"))
    result = Result(content["title"], content["rows"], content["notes"])
    return result.table(content["machine"]).split("\n", 2)[2]  # the page has a heading of its own


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), RESULTS), encoding="utf-8")
