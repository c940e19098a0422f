"""IDX files, MNIST's format: one file, or a folder with the four canonical names, gzipped or not.

A file starts with two zero bytes, a type code, the number of dimensions and one big-endian
32-bit size for each; the values follow, big-endian, first dimension slowest.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

import numpy as np

from latentia.core.errors import DataError, reason
from latentia.data.raw import Options, Raw, consecutive
from latentia.data.readers import labels as label_codes
from latentia.data.readers.streams import READ_ERRORS, open_maybe_gzip
from latentia.data.readers.values import tidy

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_FILES = {"train": ("train-images", "train-labels"), "test": ("t10k-images", "t10k-labels")}
_HINT = "download or copy the file again"


def is_idx_name(name: str) -> bool:
    """Tell whether a file's name is that of an IDX file.

    Args:
        name: the name, without its folder.

    Returns:
        True for names such as `train-images-idx3-ubyte.gz`, `t10k-images.idx3-ubyte` or `x.idx`.
    """
    return re.search(r"[-.]idx\d?(-\w+)?(\.gz)?$", name.lower()) is not None


def find(folder: Path) -> dict[str, dict[str, Path]]:
    """Look for MNIST's canonical files in a folder.

    Args:
        folder: where to look.

    Returns:
        For 'train' and 'test' the paths of 'images' and, if they exist, 'labels'; empty where
        the folder has no training images.
    """
    present = {path.name: path for path in folder.iterdir() if is_idx_name(path.name)}
    found: dict[str, dict[str, Path]] = {}
    for part, stems in _FILES.items():
        for role, stem in zip(("images", "labels"), stems):
            pattern = re.compile(re.escape(stem) + r"[-.]idx\d-ubyte(\.gz)?")
            # An unpacked file comes before its gzipped twin: it is faster to read.
            names = sorted((name for name in present if pattern.fullmatch(name)), key=len)
            if names:
                found.setdefault(part, {})[role] = present[names[0]]
    return {part: roles for part, roles in found.items() if "images" in roles} if "train" in found else {}


def read_file(path: Path, options: Options) -> Raw:
    """Read one IDX file of examples.

    Args:
        path: the file, gzipped or not.
        options: channels is used.

    Returns:
        Its examples, without labels.

    Raises:
        DataError: if the file is truncated or is not an IDX file.
    """
    with _Idx(path) as file:
        stored = np.empty(file.shape, file.dtype)
        file.read_into(stored)
    x, high, layout = tidy(stored, str(path), options.channels)
    return Raw(x, high=high, layout=layout)


def read_folder(folder: Path, options: Options) -> Raw:
    """Read a folder that has MNIST's canonical files.

    Args:
        folder: the folder; `find` gives something for it.
        options: channels is used.

    Returns:
        Training and test examples in one array, with their labels.

    Raises:
        DataError: if a file is damaged or the files do not fit together.
    """
    files = find(folder)
    stored, counts = _read_all([roles["images"] for roles in files.values()])
    parts = consecutive(dict(zip(files, counts)))
    codes = np.full(len(stored), label_codes.NO_LABEL, dtype=np.int64)
    for part, roles in files.items():
        if "labels" in roles:
            codes[parts[part]] = _read_labels(roles["labels"], len(parts[part]), roles["images"])
    x, high, layout = tidy(stored, str(folder), options.channels)
    labels, names = label_codes.encode(codes) or (None, ())
    given = parts if len(parts) > 1 else {}
    labelled = any("labels" in roles for roles in files.values())
    return Raw(x, labels if labelled else None, names, given, high, layout=layout)


def _read_all(paths: Iterable[Path]) -> tuple[np.ndarray, list[int]]:
    """Read several files of equal examples into one array; give it and the length of each."""
    shapes: list[tuple[int, ...]] = []
    dtypes: list[np.dtype] = []
    paths = list(paths)
    for path in paths:
        with _Idx(path) as file:
            shapes.append(file.shape)
            dtypes.append(file.dtype)
        if shapes[-1][1:] != shapes[0][1:] or dtypes[-1] != dtypes[0]:
            raise DataError(
                f"{path}: holds examples of shape {shapes[-1][1:]} and type {dtypes[-1]}, but "
                f"{paths[0].name} of shape {shapes[0][1:]} and type {dtypes[0]}; they do not belong together"
            )
    counts = [shape[0] for shape in shapes]
    whole = np.empty((sum(counts), *shapes[0][1:]), dtypes[0])
    start = 0
    for path, count in zip(paths, counts):
        with _Idx(path) as file:
            file.read_into(whole[start : start + count])
        start += count
    return whole, counts


def _read_labels(path: Path, count: int, images: Path) -> np.ndarray:
    with _Idx(path) as file:
        if file.shape != (count,):
            raise DataError(
                f"{path}: holds labels of shape {file.shape}, but {images.name} has {count} examples; "
                "the files do not belong together"
            )
        labels = np.empty(file.shape, file.dtype)
        file.read_into(labels)
    return labels.astype(np.int64)


class _Idx(AbstractContextManager["_Idx"]):
    """An open IDX file, its header read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._handle = open_maybe_gzip(path)
            try:
                self._read_header()
            except BaseException:
                self._handle.close()
                raise
        except READ_ERRORS as error:
            raise DataError(f"{path}: cannot be read ({reason(error)}); {_HINT}") from error

    def _read_header(self) -> None:
        magic = self._handle.read(4)
        if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES or magic[3] == 0:
            raise DataError(
                f"{self.path}: is not an IDX file: it begins with the bytes {magic.hex(' ') or '(none)'}, "
                f"not 00 00, a type code and a number of dimensions; {_HINT}"
            )
        sizes = self._handle.read(4 * magic[3])
        if len(sizes) < 4 * magic[3]:
            raise DataError(f"{self.path}: is truncated: it ends within its header; {_HINT}")
        self.shape = struct.unpack(f">{magic[3]}I", sizes)
        self.dtype = np.dtype(_TYPES[magic[2]])

    def read_into(self, target: np.ndarray) -> None:
        """Fill an array of the file's shape and type; the file must end with it."""
        wanted = math.prod(self.shape) * self.dtype.itemsize
        got = 0
        try:
            if wanted:
                window = target.reshape(-1).view(np.uint8).data
                while got < wanted and (step := self._handle.readinto(window[got : got + (1 << 20)])):  # type: ignore[attr-defined]
                    got += step
            # Reading to the end also has gzip compare its checksum.
            surplus = len(self._handle.read(1))
        except READ_ERRORS as error:
            raise DataError(f"{self.path}: is truncated or damaged ({reason(error)}); {_HINT}") from error
        if got < wanted or surplus:
            found = "more" if surplus else f"{got:,}"
            raise DataError(
                f"{self.path}: its header promises {wanted:,} bytes of values for shape {self.shape}, "
                f"but it holds {found}; {_HINT}"
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.close()
