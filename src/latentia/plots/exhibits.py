"""What a section shows: pictures and charts, ready to be put into the page and beside it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from latentia.plots.images import below

LOSSLESS = 300_000
"""A picture of more bytes than this as PNG goes into the page as WebP; the file beside it stays PNG."""


SQUEEZED = 300_000
"""A picture of more pixels than this is compressed as usual: the last tenth costs twelve times as long."""


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
class Block:
    """Pictures that belong together, one below the other.

    Attributes:
        strips: the pictures.
        title: what they have in common.
    """

    strips: tuple[Strip, ...]
    title: str = ""


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
        blocks: the pictures in the page; empty for a chart.
        svg: the chart in the page; empty for pictures.
        wide: whether it takes the whole width of its panel.
        roomy: whether it is too fine to be shrunk to a phone, and scrolls there.
        broad: whether it is drawn for the whole width of a page on several runs.
    """

    words: Words
    png: bytes
    blocks: tuple[Block, ...] = ()
    svg: str = ""
    wide: bool = False
    roomy: bool = False
    broad: bool = False


@dataclass(frozen=True)
class Bar:
    """One of several numbers in a cell.

    Attributes:
        name: what it is about.
        text: the number.
        low: where its bar starts, from 0 to 1.
        high: where its bar ends.
    """

    name: str
    text: str
    low: float
    high: float


@dataclass(frozen=True)
class Cell:
    """A value in a table that has more to say than its text.

    Attributes:
        text: the value.
        best: whether it is better than the others of its row beyond doubt.
        note: what to know about it.
        bars: the numbers it stands for, where they are several.
    """

    text: str
    best: bool = False
    note: str = ""
    bars: tuple[Bar, ...] = ()


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        label: what the values are.
        cells: one value for each column.
        note: what to know about them.
        unit: their unit, where it is not in the label.
        more: what opens on demand: how they were measured.
    """

    label: str
    cells: tuple[str | Cell, ...]
    note: str = ""
    unit: str = ""
    more: str = ""


@dataclass(frozen=True)
class Remark:
    """One thing to know about a run.

    Attributes:
        title: in a few words.
        text: in a sentence.
        advice: what to do about it.
    """

    title: str
    text: str
    advice: str = ""


@dataclass(frozen=True)
class Fact:
    """One number.

    Attributes:
        label: its name.
        value: the number.
        note: what it means.
        unit: its unit, where it is not in the label.
    """

    label: str
    value: str
    note: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Panel:
    """What one section shows of one run.

    Attributes:
        title: the name of the run, or nothing where the section is about all of them.
        exhibits: the figures.
        note: a sentence instead of figures or before them.
        remarks: what to know about the run.
        tiles: its key figures.
        facts: a table below them.
        columns: heads of that table.
        rows: what the rows of that table are.
    """

    title: str = ""
    exhibits: tuple[Exhibit, ...] = ()
    note: str = ""
    remarks: tuple[Remark, ...] = ()
    tiles: tuple[Fact, ...] = ()
    facts: tuple[Row, ...] = ()
    columns: tuple[str, ...] = ()
    rows: str = "Quantity"


@dataclass(frozen=True)
class Section:
    """One section of the report.

    Attributes:
        key: its anchor.
        title: its heading.
        lead: what the reader needs to know first.
        panels: one for each run, or one for all.
        facts: a table.
        columns: heads of that table.
        rows: what the rows of that table are.
        charts_first: whether that table stands below the panels.
        folded: small tables that open on demand: a title, and rows of a label and a text.
        commands: command lines, each with what it does.
        files: titles and contents of files.
    """

    key: str
    title: str
    lead: str
    panels: tuple[Panel, ...] = ()
    facts: tuple[Row, ...] = ()
    columns: tuple[str, ...] = ()
    rows: str = "Quantity"
    charts_first: bool = False
    folded: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    commands: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()


def png_bytes(picture: Image.Image) -> bytes:
    """Compress a picture as PNG.

    Args:
        picture: the picture.

    Returns:
        The file's bytes.
    """
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=picture.width * picture.height <= SQUEEZED)
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
    block = _block("", pictures, labels or [""] * len(pictures))
    return Exhibit(words, png_bytes(_stacked(pictures)), blocks=(block,), wide=wide)


def blocked(
    words: Words, blocks: Sequence[tuple[str, Sequence[Image.Image]]], labels: Sequence[str]
) -> Exhibit:
    """Make an exhibit of blocks of pictures; they stand side by side where there is room.

    Args:
        words: what is written around it.
        blocks: for each its title and its pictures, one below the other.
        labels: what stands beside each picture of a block.

    Returns:
        The exhibit, as wide as it may be.
    """
    shown = tuple(_block(title, pictures, labels) for title, pictures in blocks)
    whole = below([_stacked(pictures) for _, pictures in blocks], gap=14, background=None)
    return Exhibit(words, png_bytes(whole), blocks=shown, wide=True)


def _block(title: str, pictures: Sequence[Image.Image], labels: Sequence[str]) -> Block:
    return Block(tuple(strip(*pair) for pair in zip(pictures, labels, strict=True)), title)


def _stacked(pictures: Sequence[Image.Image]) -> Image.Image:
    return pictures[0] if len(pictures) == 1 else below(pictures, gap=2, background=None)
