"""The verb `pack`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from latentia.core.errors import shell
from latentia.core.hints import here


@click.command("pack", short_help="Write data as shards, for data larger than memory.")
@click.argument("source")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--size", help="Resize images: one number, or HEIGHT,WIDTH; see --fit.")
@click.option(
    "--fit",
    default="crop",
    show_default=True,
    help="How other shapes come to --size: crop (cut around the middle), pad, stretch; short: it is that of "
    "their shorter side.",
)
@click.option("--crop", help="Keep pictures whole, of any sizes, for a training on crops of this size.")
@click.option("--frames", type=int, help="Frames of a window of a clip; 17 by default.")
@click.option("--stride", type=int, help="Frames from one window to the next; as many by default.")
@click.option("--rate", type=float, help="Frames per second that clips are brought to.")
@click.option("--skip-bad", is_flag=True, help="Leave out images that cannot be read.")
@click.option("--label", help="The column, array or factor that holds the labels.")
@click.option(
    "--labels", help="A .csv file of the names of pictures and their labels; --label is its column."
)
@click.option("--key", help="The array or column that holds the data.")
@click.option("--channels", default="auto", show_default=True, help="Where an array has them: first, last.")
@click.option(
    "--pages",
    default="first",
    show_default=True,
    help="What pages of a TIFF and frames of an animation are: first (read one), examples, channels.",
)
@click.option("--header/--no-header", default=None, help="Whether a table's first line holds names.")
@click.option("--shape", help="What a table's rows are as images: HEIGHT,WIDTH or CHANNELS,HEIGHT,WIDTH.")
@click.option("--columns", help="The columns of a table that are packed: NAME,NAME.")
@click.option("--drop", help="Those that are not.")
@click.option("--types", help="What some of them hold: NAME:KIND,NAME:KIND, such as zip:category.")
@click.option("--validation", default=0.05, show_default=True, help="Share that validates, if none is given.")
@click.option("--test", default=0.1, show_default=True, help="Share held out as test, if none is given.")
@click.option("--seed", default=0, show_default=True, help="Seed of the splits that are drawn.")
@click.option("--shard-mb", default=256, show_default=True, help="Size of a shard in MiB, about.")
@click.option("--workers", type=int, help="Processes that decode; one for each core by default.")
@click.option("--quiet", is_flag=True, help="Print errors alone.")
def command(
    source: str,
    folder: Path,
    size: str | None,
    crop: str | None,
    shape: str | None,
    quiet: bool,
    **settings: Any,
) -> None:
    """Decode SOURCE once and write it into FOLDER, as numpy arrays that training reads in part.

    What was interrupted goes on with the same command, which also repairs damaged shards.
    """
    if quiet:
        os.environ["TQDM_DISABLE"] = "1"
    from latentia.core.config import parse_value
    from latentia.data import load
    from latentia.data.packing.pack import pack

    words = {name: settings.pop(name) for name in ("columns", "drop", "types")}
    for name, text in {"size": size, "crop": crop, "shape": shape, **words}.items():
        settings[name] = parse_value(text) if text else None
    pack(source, folder, quiet=quiet, **settings)
    if not quiet:
        seen = settings["crop"] or (settings["size"] if settings["fit"] == "short" else None)
        click.echo(load(folder, crop=seen).summary())
        asked = f" data.crop={(crop or size or '').strip()}" if seen else ""
        click.echo(here(f"done; train on it with: latentia train {shell(folder)}{asked}"))
