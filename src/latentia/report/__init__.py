"""The report: one self-contained page about a run, or about several side by side.

```
runs ─ Study ─ sections ─ exhibits ─ template ─ report.html
                              └───── PNG files ─ figures/
```

A `Study` holds what the sections ask of a run. A view knows how one kind of data is shown (pixel
grids, lines over time, columns of a table); the sections are the same for all kinds. A report on
one run and a comparison of several are the same page: every section loops over the runs.
"""

from latentia.report.page import build

__all__ = ["build"]
