"""Probes of representations whose usefulness is known."""

import math

import numpy as np
import pytest

from latentia.metrics import probes
from latentia.metrics.figures import Ledger
from latentia.metrics.probes import STEPS, names_of, probe


def ledger():
    return Ledger({}, {})


def measured(spaces, labels_train, labels_test, **options):
    found = ledger()
    probe(found, spaces, labels_train, labels_test, split="test", **options)
    return found


def clusters(count, classes=4, *, apart=50.0, noise=1.0, seed=0):
    """Gaussian clusters on the axes, as codes and labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    codes = apart * np.eye(classes)[labels] + noise * rng.normal(size=(count, classes))
    return codes.astype(np.float32), labels


def test_classes_far_apart_are_found_by_every_probe():
    (train, labels), (test, truth) = clusters(1200), clusters(400, seed=1)
    found = measured({"": (train, test)}, labels, truth)
    assert found.missing == {}
    assert sorted(found.figures) == sorted(names_of([""]))
    assert all(figure.value == pytest.approx(1.0) for figure in found.figures.values())
    assert all(figure.better == "higher" and figure.split == "test" for figure in found.figures.values())


def test_classes_that_differ_in_the_last_digits_are_found():
    labels = np.arange(400) % 4
    codes = 1_700_000_000.0 + 10.0 * labels[:, None] + np.random.default_rng(0).normal(size=(400, 2))
    figures = measured({"": (codes, codes)}, labels, labels).figures
    assert figures["linear_probe_accuracy"].value > 0.99
    assert figures["knn_accuracy"].value > 0.99


def test_codes_that_know_nothing_are_at_chance():
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(3000, 5)), rng.normal(size=(3000, 5))
    labels, truth = rng.integers(0, 4, 3000), rng.integers(0, 4, 3000)
    figures = measured({"": (train, test)}, labels, truth).figures
    for name in ("linear_probe_accuracy", "knn_accuracy", "label_efficiency_1000"):
        assert figures[name].value == pytest.approx(0.25, abs=4 * math.sqrt(0.25 * 0.75 / 3000))
    assert abs(figures["kmeans_ari"].value) < 0.01
    assert figures["kmeans_nmi"].value < 0.01


def test_the_linear_probe_reaches_the_best_accuracy_there_is():
    # Two unit Gaussians two apart: no classifier does better than Phi(1).
    best = 0.5 * (1 + math.erf(1 / math.sqrt(2)))
    rng = np.random.default_rng(1)
    labels, truth = rng.integers(0, 2, 5000), rng.integers(0, 2, 8000)
    train, test = (rng.normal(size=(len(y), 3)) + np.outer(y, [2.0, 0, 0]) for y in (labels, truth))
    figure = measured({"": (train, test)}, labels, truth).figures["linear_probe_accuracy"]
    assert figure.error == pytest.approx(math.sqrt(figure.value * (1 - figure.value) / 7999))
    assert figure.value == pytest.approx(best, abs=3 * figure.error)
    assert "5,000 training examples" in figure.protocol


def test_a_ring_around_a_disc_is_for_neighbours_and_not_for_a_plane():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 2000)
    angle = rng.uniform(0, 2 * math.pi, 2000)
    codes = (1 + 3 * labels)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    figures = measured({"": (codes[:1000], codes[1000:])}, labels[:1000], labels[1000:]).figures
    assert figures["knn_accuracy"].value == 1.0
    assert figures["linear_probe_accuracy"].value < 0.7


def test_the_units_of_the_features_do_not_matter_to_the_linear_probe():
    (train, labels), (test, truth) = clusters(600, apart=2.0), clusters(600, apart=2.0, seed=1)
    scale, shift = np.array([1e-3, 1.0, 50.0, 1e3]), np.array([0.0, 5.0, -70.0, 1e3])
    spaces = {"": (train, test), "rescaled": (train * scale + shift, test * scale + shift)}
    figures = measured(spaces, labels, truth).figures
    for name in ("linear_probe_accuracy", "label_efficiency_100"):
        assert figures[name].value == pytest.approx(figures[f"{name}_rescaled"].value, abs=0.005)


def test_a_constant_feature_is_no_feature():
    (train, labels), (test, truth) = clusters(300), clusters(100, seed=1)
    wide = [np.concatenate([codes, np.full((len(codes), 1), 7.7)], axis=1) for codes in (train, test)]
    figures = measured({"": tuple(wide)}, labels, truth).figures
    assert figures["linear_probe_accuracy"].value == 1.0


def test_few_labels_are_drawn_from_every_class():
    # One example in a hundred is of the second class: ten drawn at random would miss it nine times in ten.
    labels = (np.arange(2000) % 100 == 0).astype(np.int64)
    rng = np.random.default_rng(3)
    codes = 40 * labels[:, None] + rng.normal(size=(2000, 2))
    figure = measured({"": (codes, codes)}, labels, labels).figures["label_efficiency_10"]
    assert figure.value == 1.0
    assert figure.error == 0.0


def test_more_labels_help():
    (train, labels), (test, truth) = clusters(3000, 8, apart=3.0), clusters(2000, 8, apart=3.0, seed=1)
    figures = measured({"": (train, test)}, labels, truth).figures
    few, some, many = (figures[f"label_efficiency_{count}"] for count in (10, 100, 1000))
    assert few.value + 3 * few.error < some.value < many.value


def test_examples_without_a_label_are_left_out():
    (train, labels), (test, truth) = clusters(400), clusters(200, seed=1)
    labels, truth = labels.copy(), truth.copy()
    labels[:100], truth[:50] = -1, -1
    train[:100], test[:50] = np.nan, np.nan
    found = measured({"": (train, test)}, labels, truth)
    assert found.figures["linear_probe_accuracy"].value == 1.0
    assert found.figures["linear_probe_accuracy"].examples == 150
    assert "300 training examples" in found.figures["knn_accuracy"].protocol
    assert (
        found.missing["label_efficiency_1000"] == "1,000 labels were asked of 300 labelled training examples"
    )


def test_no_more_than_ten_thousand_examples_are_used(monkeypatch):
    monkeypatch.setattr(probes, "LIMIT", 500)
    (train, labels), (test, truth) = clusters(2000), clusters(900, seed=1)
    # Sorted by class, as sources can be: the first 500 would hold one class.
    rows, places = np.argsort(labels, kind="stable"), np.argsort(truth, kind="stable")
    found = measured({"": (train[rows], test[places])}, labels[rows], truth[places])
    assert found.figures["kmeans_nmi"].examples == 500
    assert "500 training examples" in found.figures["linear_probe_accuracy"].protocol
    assert found.figures["linear_probe_accuracy"].value == 1.0


@pytest.mark.parametrize(
    ("labels", "truth", "figure", "reason"),
    [
        (None, None, "linear_probe_accuracy", "the training examples have no labels"),
        (None, None, "kmeans_ari", "the examples of the test split have no labels"),
        (np.zeros(60, int), np.zeros(60, int), "knn_accuracy", "all labelled examples are of one class, 0"),
        (np.zeros(60, int), np.zeros(60, int), "kmeans_nmi", "all labelled examples are of one class, 0"),
        (
            np.arange(60) % 2,
            np.arange(60) % 3,
            "knn_accuracy",
            "class 2 of the test split is not among the 60",
        ),
        (np.arange(60) % 12, np.arange(60) % 12, "label_efficiency_10", "10 labels cannot cover 12 classes"),
        (
            np.arange(60) % 2,
            np.arange(60) % 2,
            "label_efficiency_100",
            "100 labels were asked of 60 labelled",
        ),
        (
            np.where(np.arange(60) < 6, np.arange(60) % 2, -1),
            np.arange(60) % 2,
            "knn_accuracy",
            "of 6 training",
        ),
    ],
)
def test_what_cannot_be_measured_is_missing_with_its_reason(labels, truth, figure, reason):
    codes = np.random.default_rng(0).normal(size=(60, 3))
    found = measured({"": (codes, codes)}, labels, truth)
    assert reason in found.missing[figure]
    assert sorted([*found.figures, *found.missing]) == sorted(names_of([""]))


def test_a_class_that_only_the_test_split_has_does_not_stop_the_clusters():
    codes, labels = clusters(60, 3)
    found = measured({"": (codes, codes)}, labels % 2, labels)
    assert found.figures["kmeans_ari"].value == pytest.approx(1.0)


def test_one_space_that_cannot_be_used_leaves_the_others():
    (train, labels), (test, truth) = clusters(120), clusters(80, seed=1)
    spaces = {"": (train, test), "pca": (np.full_like(train, np.inf), test)}
    found = measured(spaces, labels, truth)
    assert found.figures["linear_probe_accuracy"].value == 1.0
    assert found.missing["linear_probe_accuracy_pca"] == "the principal components are not all finite"


def test_an_empty_split_has_its_reason():
    codes, labels = clusters(100)
    found = measured({"": (codes, codes[:0])}, labels, labels[:0])
    assert set(found.missing) == set(names_of([""]))


def test_images_are_taken_flat_and_every_step_is_told():
    codes, labels = clusters(80, 4)
    heard = []
    spaces = {"pixels": (codes.reshape(-1, 1, 2, 2), codes.reshape(-1, 1, 2, 2)), "": (codes, codes)}
    found = measured(spaces, labels, labels, tick=heard.append)
    assert found.figures["knn_accuracy_pixels"].value == found.figures["knn_accuracy"].value == 1.0
    assert len(heard) == 2 * STEPS
    assert heard[0] == "linear probe accuracy of the pixels"


def test_the_same_seed_gives_the_same_figures():
    (train, labels), (test, truth) = clusters(300, apart=2.0), clusters(300, apart=2.0, seed=1)
    first, second = (measured({"": (train, test)}, labels, truth, seed=5).figures for _ in range(2))
    assert first == second
