"""Bringing latents to the plane: few and many, reproducibly, with a sign of progress."""

import io
import sys
import types

import numpy as np
import pytest

from latentia.data.dataset import Dataset
from latentia.plots import projection as maps
from latentia.plots.map_charts import densest
from latentia.report import inputs


def groups(count, dims=6, apart=10.0):
    rng = np.random.default_rng(0)
    half = count // 2
    return np.concatenate([rng.normal(size=(half, dims)), rng.normal(size=(count - half, dims)) + apart])


def dataset(count):
    order = np.arange(count)
    splits = {"train": order[40:], "validation": order[:0], "test": order[:40]}
    return Dataset("some", "memory", np.zeros((count, 2), np.float32), splits)


def test_further_points_are_put_among_those_that_were_arranged(monkeypatch):
    pytest.importorskip("openTSNE")
    monkeypatch.setattr(maps, "FITTED", 120)
    codes = groups(300)
    told = []
    flat, again = maps.tsne(codes, 1, told.append), maps.tsne(codes, 1)
    assert (flat.points == again.points).all()
    assert np.isfinite(flat.points).all()
    assert sum(told) == pytest.approx(1)
    assert "120 points are arranged, the others put among them" in flat.method
    centres = flat.points[:150].mean(axis=0), flat.points[150:].mean(axis=0)
    nearer = np.linalg.norm(flat.points[:, None] - np.stack(centres), axis=-1).argmin(axis=1)
    assert (nearer == np.arange(300) // 150).mean() > 0.99


def test_few_points_are_all_arranged():
    pytest.importorskip("openTSNE")
    told = []
    flat = maps.tsne(groups(60), 0, told.append)
    assert sum(told) == pytest.approx(1)
    assert "put among" not in flat.method


def test_another_seed_chooses_other_points(monkeypatch):
    monkeypatch.setattr(maps, "FITTED", 10)
    chosen = [maps._some(100, seed) for seed in (0, 0, 1)]
    assert (chosen[0] == chosen[1]).all()
    assert (chosen[0] != chosen[2]).any()
    assert len(set(chosen[0].tolist())) == 10
    assert maps._some(7, 0).tolist() == list(range(7))


def test_more_points_than_a_map_takes_are_drawn_from_with_the_seed(monkeypatch):
    data = dataset(200)
    candidates = inputs.choose(data, 3, points=150).mapped.tolist()
    assert set(range(40)) <= set(candidates)  # held-out examples first, then others
    monkeypatch.setattr(inputs, "MOST_MAPPED", 50)
    first, again, other = (inputs.choose(data, seed, points=150) for seed in (3, 3, 4))
    assert len(first.mapped) == len(set(first.mapped.tolist())) == 50
    assert first.drawn_from == 150
    assert first.mapped.tolist() == again.mapped.tolist() != other.mapped.tolist()
    assert set(first.mapped.tolist()) <= set(candidates)
    few = inputs.choose(data, 3, points=50)
    assert (few.drawn_from, len(few.mapped)) == (0, 50)


def test_many_runs_are_mapped_with_fewer_points(monkeypatch):
    monkeypatch.setattr(inputs, "MAPPED", 3000)
    assert [inputs.mapped_for(runs) for runs in (1, 2, 3, 6, 20)] == [3000, 3000, 2000, 1000, 1000]


def test_ways_by_what_is_installed(monkeypatch):
    codes = groups(40)
    monkeypatch.setattr(maps, "installed", lambda package: package == "umap")
    assert maps.ways(codes) == ("pca", "umap")
    assert maps.ways(codes[:, :2]) == ("itself",)
    assert maps.ways(np.ones((40, 5))) == ("pca",)
    assert "pip install 'latentia[maps]'" in maps.missing(codes)
    assert maps.best(codes) == "pca"
    assert maps.missing(codes[:, :2]) == maps.missing(np.ones((40, 5))) == ""
    monkeypatch.setattr(maps, "installed", lambda package: True)
    assert maps.ways(codes) == ("pca", "tsne", "umap")
    assert maps.best(codes) == "tsne"
    assert maps.missing(codes) == ""


def test_umap_is_asked_for_the_same_map_every_time(monkeypatch):
    """The package is optional and slow to load; what is asked of it is what counts here."""
    asked = {}

    class Mapper:
        def __init__(self, **settings):
            asked.update(settings)

        def fit_transform(self, codes):
            return codes[:, :2].astype(np.float32)

    module = types.ModuleType("umap")
    module.UMAP = Mapper
    monkeypatch.setitem(sys.modules, "umap", module)
    told = []
    codes = groups(30)
    flat = maps.bring("umap", codes, 5, told.append)
    assert asked == {"n_neighbors": 15, "random_state": 5, "n_jobs": 1}
    assert flat.points == pytest.approx(codes[:, :2], rel=1e-6)
    assert told == [1.0]
    maps.bring("umap", codes[:8], 5)
    assert asked["n_neighbors"] == 7


def test_no_bar_without_a_terminal(capfd):
    with maps.progress_of(2) as tick:
        for _ in range(4):
            tick(0.5)
    assert capfd.readouterr() == ("", "")


def test_a_bar_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with maps.progress_of(1) as tick:
        tick(0.25)
        tick(0.75)
    assert "latent maps:   0%" in screen.getvalue()
    with maps.progress_of(0):  # nothing that takes its time
        shown = screen.getvalue()
    assert screen.getvalue() == shown


@pytest.mark.parametrize("share", [0.5, 0.3])
def test_the_name_of_a_class_in_two_groups_stands_in_one_of_them(share):
    rng = np.random.default_rng(0)
    left = rng.normal((-6, 0), 1, (int(share * 600), 2))
    right = rng.normal((6, 0), 1, (600 - len(left), 2))
    own = rng.permutation(np.concatenate([left, right]))  # another class lies at the origin, between them
    x, y = densest(own)
    assert abs(abs(x) - 6) < 0.7 and abs(y) < 0.7


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_name_of_a_class_of_few_points_stands_on_one_of_them(count):
    points = np.random.default_rng(1).normal(size=(count, 2))
    assert list(densest(points)) in points.tolist()
