"""What a section shows: pictures and charts, ready to be put into the page and beside it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image

from latentia.report.images import below

LOSSLESS = 300_000
"""A picture of more bytes than this as PNG goes into the page as WebP; the file beside it stays PNG."""


@dataclass(frozen=True)
class Strip:
    """A picture inside the page.

    Attributes:
        uri: the picture itself, as a data URI.
        width: pixels.
        height: pixels.
        label: what stands beside it.
    """

    uri: str
    width: int
    height: int
    label: str = ""


@dataclass(frozen=True)
class Words:
    """What is written around a figure.

    Attributes:
        name: stem of the PNG file, unique within the report.
        title: what it is.
        caption: what to know about it, in a sentence or two.
        alt: what it shows, for those who do not see it.
    """

    name: str
    title: str
    caption: str
    alt: str


@dataclass(frozen=True)
class Exhibit:
    """One figure with its caption.

    Attributes:
        words: what is written around it.
        png: the file beside the report.
        strips: the pictures in the page; empty for a chart.
        svg: the chart in the page; empty for pictures.
        wide: whether it takes the whole width of its panel.
        roomy: whether it is too fine to be shrunk to a phone, and scrolls there.
    """

    words: Words
    png: bytes
    strips: tuple[Strip, ...] = ()
    svg: str = ""
    wide: bool = False
    roomy: bool = False


@dataclass(frozen=True)
class Panel:
    """What one section shows of one run.

    Attributes:
        title: the name of the run, or nothing where the section is about all of them.
        exhibits: the figures.
        note: a sentence instead of figures or before them.
    """

    title: str = ""
    exhibits: tuple[Exhibit, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Section:
    """One section of the report.

    Attributes:
        key: its anchor.
        title: its heading.
        lead: what the reader needs to know first.
        panels: one for each run, or one for all.
        facts: rows of a table: label, note, and one value for each column.
        columns: heads of that table.
        commands: command lines, each with what it does.
        files: titles and contents of files.
    """

    key: str
    title: str
    lead: str
    panels: tuple[Panel, ...] = ()
    facts: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    columns: tuple[str, ...] = ()
    commands: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = field(default=())


def png_bytes(picture: Image.Image) -> bytes:
    """Compress a picture as PNG.

    Args:
        picture: the picture.

    Returns:
        The file's bytes.
    """
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def strip(picture: Image.Image, label: str = "") -> Strip:
    """Prepare a picture for the page.

    Args:
        picture: the picture.
        label: what stands beside it.

    Returns:
        The strip.
    """
    data, kind = png_bytes(picture), "png"
    if len(data) > LOSSLESS:
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=88)
        data, kind = buffer.getvalue(), "webp"
    uri = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return Strip(uri, *picture.size, label)


def pictured(
    words: Words, pictures: Sequence[Image.Image], labels: Sequence[str] = (), *, wide: bool = False
) -> Exhibit:
    """Make an exhibit of pictures, one below the other.

    Args:
        words: what is written around it.
        pictures: at least one.
        labels: what stands beside each; nothing by default.
        wide: whether it takes the whole width.

    Returns:
        The exhibit.
    """
    labels = labels or [""] * len(pictures)
    strips = tuple(strip(picture, label) for picture, label in zip(pictures, labels, strict=True))
    whole = pictures[0] if len(pictures) == 1 else below(pictures, gap=2, background=None)
    return Exhibit(words, png_bytes(whole), strips=strips, wide=wide)
