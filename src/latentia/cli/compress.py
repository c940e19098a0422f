"""The verb `compress`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from latentia.cli.output import check_apart, run_argument, skip_bad_option, split_option, workers_option

BLOCK = 1024


@click.command("compress", short_help="Write examples into a small file, without loss; pictures with it.")
@run_argument
@click.argument("source", required=False)
@split_option
@click.option("-n", "count", type=click.IntRange(min=0), default=0, help="How many examples; all by default.")
@click.option(
    "--step",
    type=float,
    help="Pictures with loss: how finely latents are rounded; more for fewer bits.  [default: the middle of "
    "those the run was trained with]",
)
@click.option(
    "--lossy",
    is_flag=True,
    help="Write the latents alone, rounded, with loss: of any run whose latents are numbers, such as an "
    "autoencoder.",
)
@click.option("--block", default=BLOCK, show_default=True, help="Examples that are read back together.")
@click.option("--resume", is_flag=True, help="Go on with what was interrupted.")
@workers_option
@click.option(
    "--compare",
    is_flag=True,
    help="Say what gzip, bz2, xz, zstd, PNG and WebP make of the examples; of pictures with loss, what JPEG, "
    "WebP and AVIF take at the same PSNR.",
)
@skip_bad_option
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="The file, such as digits.lat."
)
def command(
    run: Path,
    source: str | None,
    split: str | None,
    count: int,
    step: float | None,
    lossy: bool,
    block: int,
    resume: bool,
    workers: int | None,
    compare: bool,
    skip_bad: bool,
    output: Path,
) -> None:
    """Compress examples of SOURCE, or of the data that RUN was trained on, without loss.

    'latentia decompress' gives them back, value by value, on any machine that has RUN's folder. A RUN with
    posterior 'rounded' codes whole pictures of any sizes, with loss. One with codes, such as vqvae, writes
    these by a prior over them, which is fitted first where none is kept, and the data given them; where its
    likelihood has no probability of the data, the codes alone, with loss. With --lossy the latents alone are
    written, rounded, of any RUN whose latents are numbers.
    """
    from latentia.api import open_run
    from latentia.coding import lossy as codes_pictures
    from latentia.runs import picture_peers, pictures
    from latentia.runs.compression import compared, compress

    check_apart(output, source)
    opened = open_run(run, device="cpu")
    examples = not codes_pictures(opened.model)
    if examples and step is not None:
        raise click.UsageError(
            "--step is for runs that code with loss, of posterior.name=rounded; leave it out"
        )
    if not examples and block != BLOCK:
        raise click.UsageError("--block is for files without loss; leave it out")
    try:
        if examples:
            x, _ = opened.take(source, split, count or None, skip_bad=skip_bad)
            if opened.record.options.get("crop"):
                sides = "x".join(map(str, opened.event[1:]))
                click.echo(f"the run was trained on crops: of each picture its middle, {sides}, is written")
            written = compress(
                opened, x, output, block=block, lossy=lossy, resume=resume, workers=workers, quiet=False
            )
            others = partial(compared, opened, x, bool(written.loss))
        else:
            taken = pictures.Taken(opened, source, split, count or None, skip_bad)
            written = pictures.compress(
                opened, taken, output, step=step, resume=resume, workers=workers, quiet=False
            )
            others = partial(picture_peers.compared, opened, taken, output, quiet=False)
    except KeyboardInterrupt:
        click.echo("interrupted; what is done stays: go on with the same command and --resume", err=True)
        click.get_current_context().exit(130)
    click.echo(f"{output}: {written.summary()}")
    if compare:
        for line in others():
            click.echo(line)
