"""Opening files that may be gzipped."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO, cast

READ_ERRORS = (OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile, NotImplementedError)
"""What damaged, encrypted or unreadable files and archives raise in the standard library."""


def open_maybe_gzip(path: Path) -> BinaryIO:
    """Open a file for reading, unpacked if it is gzipped, whatever its name says.

    Args:
        path: the file.

    Returns:
        A binary handle.
    """
    with path.open("rb") as handle:
        packed = handle.read(2) == b"\x1f\x8b"
    return cast("BinaryIO", gzip.open(path, "rb")) if packed else path.open("rb")
