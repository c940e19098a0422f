"""Files without loss of tables with counts by negative binomials, with and without more zeros."""

import io
import math
from typing import Any

import numpy as np
import pytest
import torch

import latentia
from latentia.coding.stages import choices_of
from latentia.core.errors import ConfigError, DataError
from latentia.probability import entries
from latentia.runs import compression
from latentia.runs.compression import Compressed

pytest.importorskip("pandas", reason="needs pandas: pip install 'latentia[tables]'")

FAMILIES = ["negative_binomial", "zero_inflated", "negative_binomial", "histogram", "categorical"]
QUICK: dict[str, Any] = {
    "latent_dim": 3, "network": {"name": "mlp", "hidden": [32], "activation": "relu"}, "quiet": True
}  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A .csv of 2,400 rows: small counts, many zeros, large counts, whole numbers and words, and holes."""
    rng, rows = np.random.default_rng(0), 2400
    z = rng.normal(size=rows)
    columns = {
        "visits": rng.negative_binomial(5, 5 / (5 + np.exp(1.5 + 0.6 * z))),
        "claims": rng.poisson(np.exp(0.5 + 0.5 * z)) * (rng.random(rows) < 0.3),
        "clicks": rng.negative_binomial(2, 2 / (2 + np.exp(6 + z))),
        "price": np.rint(20 + 5 * z + rng.normal(size=rows)).astype(int),
        "city": rng.choice(["Oslo", "Bergen", "Bodø"], rows),
    }
    gone = {name: rng.random(rows) < 0.08 * (name != "clicks") for name in columns}
    cells = [np.where(gone[name], "", values.astype(str)) for name, values in columns.items()]
    path = tmp_path_factory.mktemp("counted") / "counted.csv"
    lines = [",".join(columns), *map(",".join, zip(*cells, strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(path):
    return latentia.train(
        path, out=path.parent / "run", epochs=30, likelihood={"families": FAMILIES}, **QUICK
    )


@pytest.fixture(scope="module")
def x(run):
    return np.asarray(run.dataset.x)[:2000]


def back(run, content):
    return np.concatenate(list(Compressed(run, io.BytesIO(content), "x").read()))


def lengths(run, x):
    """Give what symbols and what they leave open cost, and -log2 p of the float network's, at one latent."""
    coder = run.compressor
    symbols = coder.of(x)
    z = coder.walk(coder.posterior(symbols)).mean()
    got = np.zeros(x.shape)
    for bits, chances in choices_of(coder.p(z), symbols):
        got -= np.log2(np.where(bits, chances, 1 - chances)).sum(axis=0)
    middle = coder.cells.middle(z).float() * 2.0**-12
    with torch.no_grad():
        p = run.model.decode(middle)
        want = entries(p, torch.cat(list(run.prepare(x)))).double().numpy() / -math.log(2)
    return got, want


def test_counts_come_back_with_their_holes_near_the_bound(run, x):
    content = compression.to_bytes(run.compressor, x, block=len(x))
    assert np.array_equal(back(run, content), x, equal_nan=True)
    assert np.isnan(x[:, :2]).any(axis=0).all() and (x[:, 0] == 0).any()
    torch.manual_seed(0)
    with torch.no_grad():
        bounds = []
        for part in list(run.prepare(x)) * 4:
            q = run.model.encode(part)
            z = q.rsample()
            prior = run.model.prior(None)
            bounds.append(q.log_prob(z) - prior.log_prob(z) - run.model.decode(z).log_prob(part))
    bound = float(torch.cat(bounds).double().sum()) / 4 / math.log(2)
    missing = np.isnan(x)
    share = np.isnan(np.asarray(run.dataset.x)[run.dataset.splits["train"]]).mean(axis=0)
    share = np.clip(share, 1e-9, 1)
    holes = -np.where(missing, np.log2(share), np.log2(1 - share)).sum()
    assert 8 * len(content) == pytest.approx(bound + holes, rel=0.01)


def test_each_column_costs_what_its_likelihood_says(run, x):
    got, want = lengths(run, x)
    there = ~np.isnan(x)
    share = np.isnan(np.asarray(run.dataset.x)[run.dataset.splits["train"]]).mean(axis=0)
    for column in range(3):
        own = there[:, column]
        more = -np.log2(1 - share[column])  # that it is no hole
        assert got[own, column].mean() - more == pytest.approx(want[own, column].mean(), abs=0.005)


def test_counts_beyond_all_cells_and_all_that_is_missing_are_coded(run, x):
    rows = np.array(x[:6])
    last = run.compressor.tables["borders"][:3, -1]
    rows[0, :3] = last - 1
    rows[1, :3] = last
    rows[2, :3] = 123_456_784, 2**31, 2**32 - 2**8
    rows[3], rows[4, :3] = np.nan, 0
    assert np.array_equal(back(run, compression.to_bytes(run.compressor, rows)), rows, equal_nan=True)


@pytest.mark.parametrize("value", [-1.0, 2.5, 2.0**32, 1e300])
def test_what_is_no_count_is_refused_by_its_row_and_column(run, x, value):
    rows = np.array(x[:3], np.float64)
    rows[1, 1] = value
    with pytest.raises(DataError, match=r"example 1: column 'claims' holds .* has no probability of"):
        compression.to_bytes(run.compressor, rows)


def test_the_encoder_sees_the_logarithms_that_it_was_trained_with(run, x):
    coder = run.compressor
    rows = np.array(x, np.float64)
    rows[:2, 2] = 100_000, 10**9
    seen = coder.symbols.seen(coder.of(rows)) * 2.0**-12
    with torch.no_grad():
        shown = run.model.inputs(run.transform(torch.from_numpy(rows))).numpy()
    assert np.abs(seen - shown).max() < 2.0**-11
    assert seen.max() > 20  # log(1 + 10^9), which no clipping of numbers touches


def test_the_coder_that_is_kept_is_the_same_when_the_run_is_opened_again(run, x):
    content = run.compress(x[:50])
    again = latentia.open_run(run.folder.path, device="cpu")
    assert again.compressor.name == run.compressor.name
    assert np.array_equal(back(again, content), x[:50], equal_nan=True)
    assert set(run.compressor.tables) > {"count.masses", "count.natural", "count.logs"}


def test_an_encoder_that_sees_counts_as_they_are_is_coded_by(path, tmp_path):
    run = latentia.train(
        path, out=tmp_path / "run", epochs=1, likelihood={"families": FAMILIES}, inputs="masked", **QUICK
    )
    x = np.asarray(run.dataset.x)[:100]
    assert np.array_equal(back(run, compression.to_bytes(run.compressor, x)), x, equal_nan=True)


def test_settings_that_no_counts_fit_are_refused_by_name(path, tmp_path):
    shown = {
        "name": "columns",
        "families": ["zero_inflated", *FAMILIES[1:3], "negative_binomial", *FAMILIES[4:]],
    }
    refused: dict[str, dict[str, Any]] = {
        "column 'price' is shown to the encoder as counts": {"inputs": shown},
        "column 'visits' is of counts, which the transform changes": {
            "transform": {"name": "standardise", "mean": [0.0] * 5, "std": [0.5] * 5}
        },
    }
    for number, (message, setting) in enumerate(refused.items()):
        run = latentia.train(
            path, out=tmp_path / str(number), epochs=1, likelihood={"families": FAMILIES}, **setting, **QUICK
        )
        with pytest.raises(ConfigError, match=message):
            run.compress(np.zeros((1, 5)))


def test_tables_of_other_columns_have_no_tables_of_counts(mixed_table, tmp_path):
    run = latentia.train(
        mixed_table, out=tmp_path / "run", epochs=1, likelihood={"numbers": "histogram"}, **QUICK
    )
    assert not [name for name in run.compressor.tables if name.startswith("count")]
