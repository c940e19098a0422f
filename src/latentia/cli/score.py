"""The verb `score`."""

from __future__ import annotations

from pathlib import Path

import click

from latentia.cli.output import (
    check_table,
    device_option,
    run_argument,
    skip_bad_option,
    split_option,
    write_columns,
)


@click.command("score", short_help="Say how unusual examples are, and why.")
@run_argument
@click.argument("source", required=False)
@split_option
@skip_bad_option
@click.option(
    "--method",
    default="auto",
    show_default=True,
    help="auto, neighbours, density, likelihood, elbo, reconstruction or latent.",
)
@click.option(
    "--false-positive-rate",
    "rate",
    default=0.05,
    show_default=True,
    help="Share of examples like those of the training that may count as outliers.",
)
@click.option("--contamination", type=float, help="Count this share of the examples as outliers instead.")
@click.option("--anomaly", help="The label of what is anomalous, for AUROC and average precision.")
@click.option("--label", help="The column of SOURCE, or the name of its array, that has the labels.")
@click.option("--reasons", default=3, show_default=True, help="Columns of a table that are named as reasons.")
@device_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="A .csv or .parquet file: score, p-value, outlier or not, and reasons of each example.",
)
def command(
    run: Path,
    source: str | None,
    split: str | None,
    skip_bad: bool,
    method: str,
    rate: float,
    contamination: float | None,
    anomaly: str | None,
    label: str | None,
    reasons: int,
    device: str,
    output: Path,
) -> None:
    """Score examples of SOURCE, or of the data that RUN was trained on, higher for what is stranger.

    The p-value is the share of examples held out of the training that are at least as strange.
    """
    check_table(output)
    from latentia.api import open_run
    from latentia.runs.judging import judge

    opened = open_run(run, device=device)
    found = judge(
        opened, source, split, method=method, rate=rate, contamination=contamination, anomaly=anomaly,
        label=label, reasons=reasons, skip_bad=skip_bad,
    )  # fmt: skip
    write_columns(output, found.columns)
    click.echo(found.summary())
