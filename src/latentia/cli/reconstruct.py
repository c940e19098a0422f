"""The verb `reconstruct`."""

from __future__ import annotations

from pathlib import Path

import click

from latentia.cli.output import (
    WRITTEN,
    check_output,
    device_option,
    output_option,
    run_argument,
    skip_bad_option,
    split_option,
    streamed,
    write_examples,
)


@click.command("reconstruct", short_help="Encode data and decode them again.")
@run_argument
@click.argument("source", required=False)
@click.option(
    "-n",
    "count",
    type=click.IntRange(min=0),
    help="How many examples; 0 is all.  [default: 16 in a picture, else all]",
)
@split_option
@skip_bad_option
@click.option("--edit", help="For a conditional model: decode as if this had been the label.")
@device_option
@output_option
def command(
    run: Path,
    source: str | None,
    count: int | None,
    split: str | None,
    skip_bad: bool,
    edit: str | None,
    device: str,
    output: Path,
) -> None:
    """Reconstruct examples of SOURCE, or of the data that RUN was trained on.

    A picture shows the originals over their reconstructions; an array holds the reconstructions. A film as
    SOURCE becomes one of any length, the original left of its reconstruction.
    """
    check_output(output)
    import numpy as np

    from latentia.api import open_run
    from latentia.data.readers.clips import is_film

    drawn = output.suffix.lower() == ".png"
    count = 16 * drawn if count is None else count  # a table or an array is asked for whole
    opened = open_run(run, device=device)
    if source is not None and is_film(source) and output.suffix.lower() in WRITTEN:
        from latentia.runs.films import open_film, pairs

        film = open_film(Path(source), opened)
        shown = (np.concatenate(pair, axis=-1) for pair in pairs(opened, film))
        streamed(output, shown, opened, film.rate, film.count)
        return
    changed = opened.conditions(edit)
    original, c = opened.take(source, split, count or None, skip_bad=skip_bad)
    made = opened.inference.reconstruct(original, c, edit=changed)
    if drawn and opened.event.kind == "image":
        per_row = min(len(made), 16)
        rows = [
            part
            for i in range(0, len(made), per_row)
            for part in (original[i : i + per_row], made[i : i + per_row])
        ]
        write_examples(output, opened, np.concatenate(rows), per_row)
    else:
        labels = opened.classes_of(c if changed is None else changed, len(made))
        write_examples(output, opened, made, labels=labels)
