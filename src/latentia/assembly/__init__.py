"""From settings to a specification, and from a specification to parts.

`complete` fills in what the user left open, from the data and from the signatures, and checks
all of it; the result repeats the run. `assemble` builds what it describes.
"""

from latentia.assembly.building import Parts, assemble, begin, fresh, operations
from latentia.assembly.checks import check_settings, check_training
from latentia.assembly.completion import complete
from latentia.assembly.defaults import out_of_range
from latentia.assembly.settings import PARTS, SHORT, check_sections, expand

__all__ = [
    "PARTS",
    "SHORT",
    "Parts",
    "assemble",
    "begin",
    "check_sections",
    "check_settings",
    "check_training",
    "complete",
    "expand",
    "fresh",
    "operations",
    "out_of_range",
]
