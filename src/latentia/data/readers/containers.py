"""Files that hold several arrays: MATLAB's `.mat` and HDF5."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from latentia.core.errors import DataError, MissingExtra, reason
from latentia.core.extras import optional
from latentia.data.raw import Options, Raw
from latentia.data.readers import labels as label_codes
from latentia.data.readers.arrays import Header, read_named
from latentia.data.readers.streams import READ_ERRORS

MATLAB = (".mat",)
HDF5 = (".h5", ".hdf5")
_DAMAGED = "copy or download it again"


class _Transposed(Mapping[str, np.ndarray]):
    """Arrays of MATLAB, which often has the examples along the last axis."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        lengths = {
            array.size
            for key, array in arrays.items()
            if key.lower() in label_codes.NAMES and array.size == max(array.shape, default=0)
        }
        self.count = lengths.pop() if len(lengths) == 1 else 0  # of the labels, and so of the examples
        self._arrays = arrays

    def __getitem__(self, key: str) -> np.ndarray:
        array = self._arrays[key]
        if array.ndim == 2 and 1 in array.shape and array.size == self.count:
            return array.reshape(-1)
        if array.ndim > 1 and array.shape[-1] == self.count != array.shape[0]:
            return np.moveaxis(array, -1, 0)
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)


def read_mat(path: Path, options: Options) -> Raw:
    """Read the arrays of a `.mat` file of any version, as `arrays.read_named` does.

    Where there are labels, the examples are along the axis, first or last, that is as long as they are;
    without, along the first.

    Args:
        path: the file.
        options: key, label and channels are used.

    Returns:
        Its examples.

    Raises:
        DataError: if the file is damaged, or the data are not found or cannot be used.
        MissingExtra: if it is of version 7.3, and h5py is not installed.
    """
    from scipy.io import loadmat

    try:
        with path.open("rb") as handle:
            newer = handle.read(128).startswith(b"MATLAB 7.3")
        loaded = _hdf5(path) if newer else loadmat(path, squeeze_me=False)
    except MissingExtra:
        raise
    except Exception as error:  # scipy's reader raises whatever a damaged file leads it to
        if isinstance(error, OSError) and error.errno is not None:  # the system's, not the reader's
            raise
        raise DataError(f"{path}: is not a MATLAB file ({reason(error)}); {_DAMAGED}") from error
    arrays = {
        key: np.char.rstrip(value) if value.dtype.kind == "U" else value
        for key, value in loaded.items()
        if not key.startswith(("__", "#")) and isinstance(value, np.ndarray) and not value.dtype.hasobject
    }
    if newer:  # MATLAB writes its arrays with the axes in the other order
        arrays = {key: value.T for key, value in arrays.items()}
    turned = _Transposed(arrays)
    headers = {key: Header(turned[key].shape, turned[key].dtype) for key in turned}
    raw = read_named(turned, headers, options, path)
    if turned.count or max(raw.x.shape[1:]) <= len(raw.x):
        return raw
    note = f"{len(raw.x):,} examples along the first axis (transpose the array if they are along another)"
    return replace(raw, notes=(*raw.notes, note))


def read_hdf5(path: Path, options: Options) -> Raw:
    """Read the arrays of an HDF5 file, as `arrays.read_named` does; those in groups are called `group/name`.

    Args:
        path: the file.
        options: key, label and channels are used.

    Returns:
        Its examples.

    Raises:
        DataError: if the file is damaged, or the data are not found or cannot be used.
        MissingExtra: if h5py is not installed.
    """
    h5py = optional("h5py", "hdf5", f"reading {path.name}")
    try:
        with h5py.File(path, "r") as file:
            found = _datasets(file)
            headers = {
                key: Header(data.shape, np.dtype("U1") if _is_text(data) else data.dtype)
                for key, data in found.items()
            }
            return read_named(_Read(found), headers, options, path)
    except (ValueError, RuntimeError, KeyError, *READ_ERRORS) as error:
        raise DataError(f"{path}: is not an HDF5 file ({reason(error)}); {_DAMAGED}") from error


class _Read(Mapping[str, np.ndarray]):
    """The arrays of an open file, read when they are asked for."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        self._found = found

    def __getitem__(self, key: str) -> np.ndarray:
        data = self._found[key]
        return np.array(data.asstr()[()], dtype=str) if _is_text(data) else data[()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def _is_text(data: Any) -> bool:
    import h5py

    return h5py.check_string_dtype(data.dtype) is not None


def _datasets(file: Any) -> dict[str, Any]:
    """Find the arrays of all groups."""
    import h5py

    found: dict[str, Any] = {}

    def note(name: str, thing: Any) -> None:
        if isinstance(thing, h5py.Dataset) and thing.shape:
            found[name] = thing

    file.visititems(note)
    return found


def _hdf5(path: Path) -> dict[str, np.ndarray]:
    """Read the plain arrays of a MATLAB file of version 7.3."""
    h5py = optional("h5py", "hdf5", f"reading {path.name}, a MATLAB file of version 7.3")
    with h5py.File(path, "r") as file:
        found = _datasets(file)
        return {key: data[()] for key, data in found.items() if data.dtype.kind in "buif"}
