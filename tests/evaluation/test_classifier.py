"""The feature space of a classifier that is trained on demand."""

import math

import numpy as np
import pytest
import torch

import latentia
from latentia.core import storage
from latentia.data.sources import load
from latentia.evaluation import classifier
from latentia.evaluation.classifier import classifier_features
from latentia.metrics.figures import Unmeasurable


@pytest.fixture
def short(monkeypatch):
    """Train for a few steps only, where it does not matter how well."""
    monkeypatch.setattr(classifier, "STEPS", (20, 20))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTIA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


def stripes(count, seed=0):
    """Images made from two factors: the direction of stripes and their brightness."""
    rng = np.random.default_rng(seed)
    factors = rng.integers(0, [2, 3], (count, 2))
    lines = (np.arange(16) // 2 % 2)[None, None, None, :] * np.ones((count, 1, 16, 16))
    images = np.where(factors[:, 0, None, None, None] == 0, lines, lines.transpose(0, 1, 3, 2))
    images = images * (60 + 60 * factors[:, 1, None, None, None]) + rng.normal(size=images.shape)
    return images.clip(0, 255).astype(np.uint8), factors


def trained(count=200, **options):
    x, factors = stripes(count)
    return classifier_features(x, factors, *stripes(100, 1), high=255, quiet=True, **options)


def test_digits_are_told_apart(cache):
    digits = load("digits")
    train, test = digits.splits["train"], digits.splits["test"]
    x, labels = digits.x, digits.labels
    space = classifier_features(x[train], labels[train], x[test], labels[test], high=digits.high, quiet=True)
    assert space.accuracy["target 0"] > 0.9
    codes = space(x[test])
    assert codes.shape == (len(test), 64)
    assert codes.dtype == np.float32
    shown = f"{100 * space.accuracy['target 0']:.1f}"
    assert space.name == (
        f"64 features of a convolutional classifier trained on {len(train):,} training images "
        f"(test accuracy {shown} %)"
    )
    # Features of one class lie together: a vote of five neighbours knows what the classifier knows.
    apart = ((codes[:, None] - codes[None]) ** 2).sum(axis=2)
    nearest = np.argsort(apart, axis=1)[:, 1:6]
    assert (digits.labels[test][nearest] == digits.labels[test][:, None]).mean() > 0.85


def test_the_variance_of_the_features_is_one_on_average(cache, short):
    x, _ = stripes(200)
    assert trained(200)(x).var(axis=0, ddof=1).mean() == pytest.approx(1.0, rel=1e-3)


def test_factors_have_a_head_each(cache):
    space = trained(600, head_names=("direction", "brightness"))
    assert space.accuracy == {"direction": 1.0, "brightness": 1.0}
    assert space.name.endswith("600 training images (mean test accuracy 100.0 % over 2 targets)")


def test_a_factor_that_does_not_vary_has_no_head(cache, short):
    x, factors = stripes(100)
    fixed = np.concatenate([np.zeros((100, 1), dtype=np.int64), factors[:, :1]], axis=1)
    space = classifier_features(x, fixed, x, fixed, high=255, head_names=("nothing", "direction"), quiet=True)
    assert list(space.accuracy) == ["direction"]


def test_tables_are_standardised(cache):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 600)
    table = (rng.normal(size=(600, 4)) * 0.1 + np.eye(4)[labels]) * [1e-4, 1.0, 1e4, 1.0] + [0, 1e3, 0, 7]
    table = table.astype(np.float32)
    space = classifier_features(table[:400], labels[:400], table[400:], labels[400:], high=1.0, quiet=True)
    assert space.accuracy["target 0"] == 1.0
    assert "dense classifier trained on 400 training examples" in space.name
    assert space(table).shape == (600, 64)


def test_training_again_gives_the_same_features(monkeypatch, short):
    monkeypatch.setenv("LATENTIA_CACHE", "off")
    x, _ = stripes(50, 2)
    before = torch.get_rng_state()
    first, second = trained()(x), trained()(x)
    assert (first == second).all()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_classifier_is_trained_once(cache, short, monkeypatch):
    x, _ = stripes(50, 2)
    first = trained()
    monkeypatch.setattr(classifier, "_train", lambda *arguments: pytest.fail("trained again"))
    second = trained()
    assert (first(x) == second(x)).all()
    assert first.name == second.name
    assert len(list(cache.glob("*.safetensors"))) == 1


def test_other_data_or_labels_are_trained_anew(cache, short):
    x, factors = stripes(60)
    changed = x.copy()
    changed[0, 0, 0, 0] ^= 1
    for images, targets in ((x, factors), (changed, factors), (x, factors[::-1]), (x, factors[:, 0])):
        classifier_features(images, targets, images, targets, high=255, quiet=True)
    assert len(list(cache.glob("*.safetensors"))) == 4


@pytest.mark.parametrize("damage", ["cut", "foreign"])
def test_a_damaged_cache_is_trained_anew(cache, short, damage):
    x, _ = stripes(50, 2)
    first = trained()(x)
    (kept,) = cache.glob("*.safetensors")
    if damage == "cut":
        kept.write_bytes(kept.read_bytes()[:1000])
    else:
        storage.save_tensors(kept, {"heads.0.weight": torch.zeros(3)}, {"format": 2})
    assert (trained()(x) == first).all()
    assert storage.load_tensors(kept)[0]["heads.0.weight"].shape == (2, 64)


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path, monkeypatch, short):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("LATENTIA_CACHE", str(tmp_path / "file"))
    assert trained()(stripes(5)[0]).shape == (5, 64)


def test_the_cache_can_be_off(tmp_path, monkeypatch, short):
    monkeypatch.setenv("LATENTIA_CACHE", "off")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    trained()
    assert list(tmp_path.iterdir()) == []


def test_bytes_and_floats_in_data_units_are_the_same(cache, short):
    space = trained()
    x, _ = stripes(30, 3)
    assert np.allclose(space(x), space(x.astype(np.float32)))
    assert np.allclose(space(x)[7:9], space(x[7:9]), atol=1e-5)
    assert space(x[:0]).shape == (0, 64)


def test_examples_without_a_target_are_left_out(cache, short):
    x, factors = stripes(100)
    targets, truth = factors.copy(), factors.copy()
    targets[:40], targets[40:50, 1] = -1, -1
    truth[:, 1] = -1
    space = classifier_features(x, targets, x, truth, high=255, quiet=True)
    assert "trained on 60 training images" in space.name
    assert math.isnan(space.accuracy["target 1"])
    assert np.isfinite(space(x)).all()


def test_without_test_examples_the_accuracy_is_left_open(cache, short):
    x, factors = stripes(100)
    space = classifier_features(x, factors, x[:0], factors[:0], high=255, quiet=True)
    assert space.name.endswith("(untested)")


@pytest.mark.parametrize("targets", [np.zeros(20, int), np.full((20, 2), -1), np.zeros((0, 2), int)])
def test_one_class_is_no_task(targets, cache):
    x = stripes(20)[0][: len(targets)]
    with pytest.raises(Unmeasurable, match="at least two classes"):
        classifier_features(x, targets, x, targets, high=255, quiet=True)


@pytest.mark.parametrize(
    "event", [(1, 8, 8), (3, 9, 40), (4, 33, 20), (1, 100, 130), (1, 7, 7), (2, 12), (5,)]
)
def test_every_shape_has_features(event, cache, short):
    x = np.random.default_rng(0).integers(0, 256, (12, *event)).astype(np.float32)
    labels = np.arange(12) % 3
    space = classifier_features(x, labels, x, labels, high=255, quiet=True)
    assert space(x).shape == (12, 64)


def test_moving_keeps_the_image_and_repeats_its_edge():
    x = torch.arange(2 * 2 * 6 * 5).reshape(2, 2, 6, 5)
    moved = classifier._moved(x.repeat(20, 1, 1, 1), 1)
    wide = torch.nn.functional.pad(x.float(), (1, 1, 1, 1), mode="replicate")
    windows = {
        tuple(wide[i, :, dy : dy + 6, dx : dx + 5].flatten().tolist())
        for i in range(2)
        for dy in range(3)
        for dx in range(3)
    }
    seen = {tuple(image.flatten().float().tolist()) for image in moved}
    assert seen <= windows
    assert len(seen) > 9


@pytest.mark.slow
def test_mnist_is_told_apart(shared_data, cache):
    mnist = latentia.load(shared_data / "mnist")
    train, test = mnist.splits["train"], mnist.splits["test"]
    space = classifier_features(
        mnist.x[train], mnist.labels[train], mnist.x[test], mnist.labels[test], high=255, quiet=True
    )
    assert space.accuracy["target 0"] >= 0.985
