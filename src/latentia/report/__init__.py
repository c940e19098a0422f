"""The report: one self-contained page about a run, about several side by side, or about a sweep.

```
runs ─ Study ─ Group ─ sections ─ exhibits ─ template ─ report.html
                                      └───── PNG files ─ figures/
```

A `Study` holds what the sections ask of a run, a `Group` the runs of the page: one run is a list of one.
A view knows how one kind of data is shown (pixel grids, lines over time, columns of a table); the
sections are the same for all kinds. Several runs are seen on the same inputs and with the same noise, in
rows of one figure. An `Assessment` of each
run adds the figures of the evaluation; an `Axis` makes the page one on a sweep.
"""

from latentia.report.axis import Axis
from latentia.report.page import build, check_comparable

__all__ = ["Axis", "build", "check_comparable"]
