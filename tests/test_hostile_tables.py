"""Tables as they come: trained or refused in one line, and what comes back has the types that went in."""

import datetime
import math
import warnings

import numpy as np
import pytest

import latentia
from latentia.core.errors import LatentiaError
from latentia.runs.fitting import fit
from latentia.runs.imputation import impute

pd = pytest.importorskip("pandas", reason="needs pandas: pip install 'latentia[tables]'")
hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies

KINDS = (
    "real",
    "float32",
    "whole",
    "huge",
    "tiny",
    "spread",
    "constant",
    "words",
    "many words",
    "boolean",
    "day",
    "time",
    "span",
    "category",
    "ordered",
    "id",
    "mixed",
    "text",
    "counts",
    "spiky",
    "decimal",
)
SMALL = {"network": {"name": "mlp", "hidden": [8]}, "training": {"epochs": 1}}
NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=8
) | st.sampled_from(["y", "x", "label", "id", "0", "über", "数", "a,b", 'q"', " ", "class"])


def _column(draw, rows):
    """Give one column, of a kind that someone has had."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    share = draw(st.sampled_from([0.0, 0.0, 0.2, 0.9, 1.0]))
    gone = rng.random(rows) < share
    kind = draw(st.sampled_from(KINDS))
    words = np.array(["Oslo", "Ås", "", "NA", "Praha"], object)
    values = {
        "real": lambda: rng.normal(size=rows),
        "float32": lambda: rng.normal(size=rows).astype(np.float32),
        "whole": lambda: rng.integers(-50, 50, rows),
        "huge": lambda: rng.normal(size=rows) * 1e30,
        "tiny": lambda: rng.normal(size=rows) * 1e-30,
        "spread": lambda: rng.choice([1e30, 1e-30, 0.0, -1e30], rows),
        "constant": lambda: np.full(rows, draw(st.sampled_from([0.0, 1.0, 1e30, -7.5]))),
        "words": lambda: rng.choice(words[:2], rows),
        "many words": lambda: np.array([f"w{at % 70}" for at in rng.integers(0, 1000, rows)], object),
        "boolean": lambda: rng.random(rows) < 0.3,
        "day": lambda: pd.Timestamp("2024-02-29") + pd.to_timedelta(rng.integers(0, 9999, rows), "D"),
        "time": lambda: (
            pd.Timestamp("1969-07-20 20:17:40") + pd.to_timedelta(rng.normal(size=rows) * 1e9, "s")
        ),
        "span": lambda: pd.to_timedelta(rng.integers(0, 10**6, rows), "s"),
        "category": lambda: pd.Categorical(
            rng.choice(["a", "b", "c"], rows), categories=["c", "a", "b", "d"]
        ),
        "ordered": lambda: pd.Categorical(rng.choice([1, 3], rows), categories=[1, 2, 3], ordered=True),
        "id": lambda: np.array([f"u{at}" for at in range(rows)], object),
        "mixed": lambda: np.array([1, "two", 3.5, True, datetime.date(2020, 1, 1)] * rows, object)[:rows],
        "text": lambda: np.array(
            [f"free text number {at} " * 9 for at in rng.integers(0, 999, rows)], object
        ),
        "counts": lambda: rng.poisson(0.4, rows),
        "spiky": lambda: np.where(rng.random(rows) < 0.8, 0.0, rng.gamma(1, 1000, rows)),
        "decimal": lambda: np.round(rng.normal(size=rows) * 100, 2),
    }[kind]()
    series = pd.Series(values)
    return series.mask(gone) if share else series


@st.composite
def tables(draw):
    """Give a frame of one to a few rows and columns, with whatever names."""
    rows = draw(st.sampled_from([1, 2, 3, 11, 40, 80]))
    names = draw(
        st.lists(NAMES, min_size=1, max_size=5, unique=draw(st.sampled_from([True, True, True, False])))
    )
    columns = [_column(draw, rows) for _ in names]
    frame = pd.concat(columns, axis=1)
    frame.columns = names
    return frame


@hypothesis.given(tables(), st.sampled_from(["vae", "vae", "autoencoder"]))
@hypothesis.settings(
    max_examples=40, deadline=None, suppress_health_check=list(hypothesis.HealthCheck), derandomize=True
)
def test_any_table_is_trained_or_refused_in_one_line(frame, model):
    hostile(frame, model)


def hostile(frame, model):
    """Train a table for one epoch, and see to it that all of it comes back."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            data = latentia.load(frame)
            run = fit(data, {"model": {"name": model, "latent_dim": 2}, **SMALL})
        except LatentiaError as error:
            one_line = str(error) and "\n" not in str(error)
            if not one_line:
                raise
            return
        z = run.encode(frame)
        assert z.shape == (len(frame), 2) and np.isfinite(z).all()
        back = run.decode(z)
        x = np.asarray(data.x)
        assert np.isfinite(run.inference.reconstruct(x)).all()
        made = run.inference.decode(run.sample_latents(4), noise=True)
        assert made.shape == (4, *run.event) and np.isfinite(made).all()
        filled = impute(run, x, samples=5, draws=1)
        there = ~np.isnan(x)
        assert np.isfinite(filled.best).all() and np.isfinite(filled.draws).all()
        np.testing.assert_array_equal(filled.best[there], x[there])
    assert all(math.isfinite(float(p.abs().max())) for p in run.model.parameters() if p.numel())
    if isinstance(back, np.ndarray):
        assert len(back) == len(frame)
        return
    assert tuple(map(str, back.columns)) == run.record.schema.names and len(back) == len(frame)
    own = run.record.schema.frame(np.asarray(data.x))
    for name in back.columns:
        if own[name].notna().any() and not own[name].isna().any():
            assert back[name].dtype == own[name].dtype, name
    np.testing.assert_array_equal(run.record.schema.codes(own), np.asarray(data.x).astype(np.float64))
