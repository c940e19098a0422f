"""Data: one file for each kind of source, one record that they all become.

`load` turns whatever the user points at into a `Dataset`: one resident array, its splits and
labels. `transforms` and `feed` turn that into batches.
"""

from latentia.data.dataset import Dataset
from latentia.data.plain import read_array
from latentia.data.sources import load

__all__ = ["Dataset", "load", "read_array"]
