"""A report on a table of words, dates and holes: words, never codes."""

import numpy as np
import pytest

import latentia
from latentia.plots.exhibits import Words
from latentia.report import build
from latentia.report.columns import Columns
from latentia.report.views import Made

pd = pytest.importorskip("pandas", reason="needs pandas: pip install 'latentia[tables]'")


def _customers(rows=90):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": pd.array(
                np.where(rng.random(rows) < 0.2, None, rng.integers(18, 80, rows)), dtype="Int64"
            ),
            "city": rng.choice(["Oslo", "Ås", "Praha"], rows),
            "joined": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), "D"),
            "price": np.where(rng.random(rows) < 0.2, np.nan, rng.gamma(2, 40, rows).round(2)),
            "member": rng.random(rows) < 0.4,
        }
    )


def _written(exhibits):
    return " ".join(exhibit.svg for exhibit in exhibits)


@pytest.fixture(scope="module")
def view():
    return Columns(latentia.load(_customers()))


def test_columns_with_holes_are_shown_and_categories_by_their_words(view):
    assert view.names == ["age", "city", "joined", "price", "member"]
    x = np.asarray(view.dataset.x)
    shown = view.gallery(Words("data", "", "", ""), x, 10)
    svg = _written([shown, *view.compare(Words("r", "", "", ""), x[:6], [Made("a", x[6:12], "#1f64ad")])])
    for word in ("Oslo", "Ås", "Praha", "True", "False", "2020-", "original", "reconstruction"):
        assert word in svg
    joined = view.compare(Words("r", "", "", ""), x[:6], [Made(n, x[6:12], "#1f64ad") for n in ("a", "b")])
    assert "original" in _written(joined) and len(joined) == 3


def test_walks_are_rows_of_what_changes(view):
    start = np.array([[40.0, 0, 10, 5.5, 0]])
    walk = np.repeat(start, 5, axis=0)
    walk[2:, 1] = 2
    walk[:, 0] = [40, 41, 42, 43, np.nan]
    svg = view.traversal(
        Words("t", "", "", ""), np.stack([walk, np.repeat(start, 5, axis=0)]), ["z0", "z1"]
    ).svg
    for word in ("Oslo", "Ås", "city", "age", "42", "z1: nothing changes"):
        assert word in svg
    assert "member" not in svg and "price" not in svg


def test_the_report_has_every_section_and_no_number_that_is_none(tmp_path):
    run = latentia.train(_customers(), out=tmp_path / "run", epochs=1, latent_dim=2, hidden=[8], quiet=True)
    text = build([run]).read_text(encoding="utf-8")
    assert ">nan<" not in text and "Variance explained" not in text
    assert "a category 0 where it is right" in text and "spots are larger" in text
