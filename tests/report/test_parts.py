"""What a report chooses, flattens and writes: pieces that need no trained run."""

import importlib.util
import warnings

import numpy as np
import pytest

from latentia.data.dataset import Dataset
from latentia.plots.canvas import drawn, short
from latentia.plots.exhibits import Words
from latentia.plots.projection import best, bring
from latentia.plots.theme import CATEGORIES, DARK, LIGHT, adaptive
from latentia.report.columns import Columns
from latentia.report.inputs import choose, class_name, class_names, in_turn
from latentia.report.words import number

WORDS = Words("chart", "A chart", "What it is.", "A chart of nothing")


def flatten(codes, seed):
    """Bring codes to the plane as the page on one run does."""
    return bring(best(codes), codes, seed)


def dataset(labels=None, count=40, event=(1, 8, 8), test=10):
    order = np.arange(count)
    splits = {"train": order[test:], "validation": order[:0], "test": order[:test]}
    x = np.zeros((count, *event), np.uint8)
    return Dataset("some", "memory", x, splits, labels=labels)


def test_classes_take_turns():
    data = dataset(np.array([1, 1, 1, 0, 0, 2, -1, 0]), count=8, test=8)
    chosen = in_turn(data, data.splits["test"], 6)
    assert data.labels[chosen].tolist() == [0, 1, 2, 0, 1, 0]
    assert len(set(chosen.tolist())) == 6
    assert in_turn(dataset(), np.arange(9), 4).tolist() == [0, 2, 4, 6]  # spread: sources may be sorted
    unlabelled = dataset(np.full(8, -1), count=8, test=8)
    assert in_turn(unlabelled, unlabelled.splits["test"], 3).tolist() == [0, 2, 5]


def test_no_part_of_a_split_is_taken_from_its_front():
    """MNIST's first 5,000 test images are cleaner than the others; sorted sources are worse."""
    data = dataset(np.arange(20_000) % 4, count=20_000, test=10_000)
    chosen = choose(data, seed=0, points=3000)
    for positions, start in (
        (chosen.mapped, 0),
        (chosen.encoded, 0),
        (chosen.shown, 0),
        (chosen.gallery, 10_000),
    ):
        assert positions.mean() == pytest.approx(start + 5000, abs=4 * 2900 / np.sqrt(len(positions)))
    assert len(chosen.mapped) == 3000 and len(set(chosen.mapped.tolist())) == 3000
    table = dataset(count=20_000, event=(3,), test=2000)
    assert Columns(table).gallery_of(choose(table, 0)).mean() == pytest.approx(11_000, abs=10)


def test_held_out_examples_are_never_training_examples():
    data = dataset(np.arange(40) % 4)
    chosen = choose(data, seed=0)
    test = set(data.splits["test"].tolist())
    assert chosen.split == "test"
    assert set(chosen.shown.tolist()) <= test
    assert {position for pair in chosen.pairs for position in pair} <= test
    assert not set(chosen.gallery.tolist()) & test
    assert chosen.mapped[:10].tolist() == data.splits["test"].tolist()
    assert len(set(chosen.mapped.tolist())) == 40


def test_pairs_are_of_different_classes_and_show_all_of_them():
    data = dataset(np.arange(40) % 8, test=40)
    pairs = choose(data, seed=3).pairs
    assert len(pairs) == 4
    assert sorted(int(data.labels[position]) for pair in pairs for position in pair) == list(range(8))


def test_without_a_test_split_training_examples_are_shown_and_named_so():
    chosen = choose(dataset(test=0), seed=0)
    assert chosen.split == "training"
    assert len(chosen.mapped) == 40


def test_two_examples_are_enough():
    assert len(choose(dataset(count=2, test=0), seed=0).pairs) == 1


def test_names_of_classes():
    named = dataset(np.array([0, 1, -1]), count=3, test=1)
    assert class_names(named) == ["0", "1"]
    assert class_name(named, 2) == "no. 2"
    assert class_names(dataset()) == []


def test_a_few_pixels_across_are_a_series_and_not_an_image():
    assert choose(dataset(event=(1, 2, 64)), 0).kind == "array"
    assert choose(dataset(event=(1, 8, 8)), 0).kind == "image"
    assert choose(dataset(event=(5,)), 0).kind == "vector"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (16.0, "16"),
        (-9.3227, "−9.323"),
        (0.033712, "0.03371"),
        (1234.56, "1,235"),
        (123456.7, "123,457"),
        (0.00001234, "1.234e−05"),
        (None, "–"),
        (float("nan"), "–"),
        (float("inf"), "–"),
    ],
)
def test_numbers(value, text):
    assert number(value) == text


def test_two_latents_are_the_map_themselves():
    codes = np.random.default_rng(0).normal(size=(50, 2))
    assert (flatten(codes, 0).points == codes).all()


def test_one_latent_is_a_line():
    codes = np.random.default_rng(0).normal(size=(50, 1))
    assert (flatten(codes, 0).points[:, 0] == codes[:, 0]).all()


def test_pca_where_tsne_is_missing(monkeypatch):
    from sklearn.decomposition import PCA

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    codes = np.random.default_rng(0).normal(size=(200, 5)) * [5, 3, 1, 1, 1] + 7
    flat = flatten(codes, 0)
    pca = PCA(2).fit(codes)
    assert np.abs(flat.points) == pytest.approx(np.abs(pca.transform(codes)), abs=1e-8)
    assert f"explain {100 * pca.explained_variance_ratio_.sum():.0f} %" in flat.method


def test_codes_that_are_all_equal_have_a_map():
    assert np.isfinite(flatten(np.ones((60, 4)), 0).points).all()


def test_tsne_keeps_groups_apart_and_repeats_itself():
    pytest.importorskip("openTSNE")
    rng = np.random.default_rng(0)
    codes = np.concatenate([rng.normal(size=(60, 6)), rng.normal(size=(60, 6)) + 10])
    first, again = flatten(codes, 1), flatten(codes, 1)
    assert (first.points == again.points).all()
    assert "perplexity 30" in first.method
    a, b = first.points[:60], first.points[60:]
    gap = np.linalg.norm(a[:, None] - b[None], axis=-1).min()
    near = np.sort(np.linalg.norm(a[:, None] - a[None], axis=-1), axis=1)[:, 1]
    assert gap > 3 * near.max()


def test_charts_take_the_colours_of_the_page_and_leave_no_global_state():
    import matplotlib

    def draw(figure):
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=LIGHT["first"])
        axes.set_title(short("50 $ or \\alpha $x^2$", 30))
        axes.set_xlabel("漢字")

    before = dict(matplotlib.rcParams)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chart = drawn(WORDS, draw)
    assert dict(matplotlib.rcParams) == before
    assert "stroke: var(--first)" in chart.svg
    assert "50 $ or \\alpha $x^2$" in chart.svg
    assert "漢字" in chart.svg
    assert not any(colour in chart.svg for colour in LIGHT.values())
    assert chart == drawn(WORDS, draw)


def test_themes_have_the_same_names_and_distinct_colours():
    assert LIGHT.keys() == DARK.keys()
    assert len(set(LIGHT.values())) == len(LIGHT)
    assert len(set(CATEGORIES)) == len(CATEGORIES) == 20
    assert not set(CATEGORIES) & set(LIGHT.values())
    assert adaptive("fill: #123456") == "fill: #123456"
