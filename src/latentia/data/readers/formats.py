"""Which files are pictures: by their endings, or by how they begin where they have none."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000")
"""What Pillow may take a file for, whatever it is called. Named, so that it never hands a file to a format
that runs a program (PostScript), or that takes anything for a picture (TGA)."""

_SURE = ".png .apng .jpg .jpeg .jpe .jfif .jif .mpo .bmp .gif .webp .tif .tiff"
_SURE += " .ppm .pgm .pbm .pnm .pfm .avif .avifs .jp2 .j2k .j2c .jpc .jpf .jpx"
NAMED = {
    **dict.fromkeys((".tga", ".icb", ".vda", ".vst"), "TGA"),
    **dict.fromkeys((".sgi", ".rgb", ".rgba", ".bw"), "SGI"),
    ".ico": "ICO",
    ".cur": "CUR",
    ".icns": "ICNS",
    ".dib": "DIB",
    ".pcx": "PCX",
    ".dcx": "DCX",
    ".dds": "DDS",
    ".psd": "PSD",
    ".qoi": "QOI",
    ".ras": "SUN",
    ".xbm": "XBM",
    ".xpm": "XPM",
    ".msp": "MSP",
    ".im": "IM",
}
"""Formats that are tried for files of these endings alone."""

SUFFIXES = frozenset({*_SURE.split(), *NAMED})

HEAD = 32
"""How many bytes tell what a file without an ending is."""

_BEGINNINGS = re.compile(
    rb"\x89PNG\r\n|\xff\xd8\xff|GIF8|BM....\0\0\0\0|RIFF....WEBP|II[*+]\0|MM\0[*+]"
    rb"|\0\0\0\x0cjP  |\xff\x4f\xff\x51|....ftypavi|P[1-6]\s+[#\d]",
    re.DOTALL,
)


_LABELS = " (data.labels=FILE takes labels of pictures from one)"


def suffix_of(name: str) -> str:
    """Give the ending of a file's name.

    Args:
        name: the name, with or without its folder.

    Returns:
        Lower case, with its dot; empty where there is none, or digits alone, as in `scan.0001`.
    """
    suffix = os.path.splitext(name)[1].lower()
    return "" if suffix[1:].isdigit() else suffix


def begins_as_picture(head: bytes) -> bool:
    """Tell whether a file begins as those of `FORMATS` do.

    Args:
        head: its first `HEAD` bytes.

    Returns:
        True for a picture.
    """
    return _BEGINNINGS.match(head) is not None


def other_files(kinds: Mapping[str, int]) -> dict[str, int]:
    """Say which files are no pictures.

    Args:
        kinds: how many there are of each ending.

    Returns:
        What they are, and how many; the rarest together where there are many kinds.
    """
    ranked = Counter(kinds).most_common()
    words = {
        f"{kind or 'other'} file{'s' * (count != 1)}{_LABELS * (kind in ('.csv', '.tsv'))}": count
        for kind, count in ranked[:4]
    }
    rest = sum(count for _, count in ranked[4:])
    return words | ({f"file{'s' * (rest != 1)} of other kinds": rest} if rest else {})
