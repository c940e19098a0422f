"""Distances between samples and data, against closed forms and against brute force."""

import math

import numpy as np
import pytest

from latentia.metrics import neighbours
from latentia.metrics.figures import Ledger
from latentia.metrics.generation import (
    METRICS,
    compare_samples,
    frechet_distance,
    gaussian_distance,
    kernel_distance,
    squared_mmd,
)
from latentia.metrics.neighbours import density_coverage, precision_recall, shares


def normal(count, features, seed, shift=0.0):
    return shift + np.random.default_rng(seed).normal(size=(count, features))


def compared(real, generated, reference=None, **options):
    ledger = Ledger({}, {})
    compare_samples(ledger, real, generated, reference, space="raw values", split="test", **options)
    return ledger


def test_the_distance_of_gaussians_with_independent_dimensions():
    mean_a, mean_b = np.array([1.0, -2.0, 0.5]), np.array([0.0, 2.0, 0.5])
    var_a, var_b = np.array([4.0, 1.0, 0.25]), np.array([1.0, 9.0, 0.25])
    expected = ((mean_a - mean_b) ** 2).sum() + ((np.sqrt(var_a) - np.sqrt(var_b)) ** 2).sum()
    assert gaussian_distance(mean_a, np.diag(var_a), mean_b, np.diag(var_b)) == pytest.approx(expected)


def test_the_distance_of_gaussians_whose_covariances_do_not_commute():
    # In two dimensions tr (A B)^(1/2) = sqrt(tr A B + 2 sqrt(det A det B)).
    a, b = np.array([[2.0, 0.9], [0.9, 1.0]]), np.array([[1.0, -0.7], [-0.7, 3.0]])
    assert not np.allclose(a @ b, b @ a)
    root = math.sqrt(np.trace(a @ b) + 2 * math.sqrt(np.linalg.det(a) * np.linalg.det(b)))
    expected = np.trace(a) + np.trace(b) - 2 * root
    zero = np.zeros(2)
    assert gaussian_distance(zero, a, zero, b) == pytest.approx(expected)
    assert gaussian_distance(zero, b, zero, a) == pytest.approx(expected)


def test_the_distance_of_gaussians_without_a_density():
    zero = np.zeros(2)
    assert gaussian_distance(zero, np.diag([1.0, 0.0]), zero, np.diag([0.0, 1.0])) == pytest.approx(2.0)


def test_the_frechet_distance_of_a_set_to_itself_is_zero():
    x = normal(500, 20, 0) @ normal(20, 20, 1)
    assert frechet_distance(x, x[::-1]) == pytest.approx(0.0, abs=1e-6 * x.var())


def test_the_frechet_distance_of_shifted_gaussians_is_the_shift_squared():
    shift = np.array([1.0, 0.5, 0.0, -1.0])
    squared = float((shift**2).sum())
    count = 20_000
    found = frechet_distance(normal(count, 4, 0), normal(count, 4, 1, shift))
    error = 2 * math.sqrt(squared) * math.sqrt(2 / count)  # of |difference of the means|^2
    assert found == pytest.approx(squared, abs=4 * error)


def test_one_feature_is_enough():
    assert frechet_distance(normal(5000, 1, 0), normal(5000, 1, 1, 2.0)) == pytest.approx(4.0, abs=0.2)


def test_the_discrepancy_agrees_with_a_sum_over_pairs():
    a, b = normal(4, 3, 0), normal(3, 3, 1, 0.5)

    def k(x, y):
        return (float(x @ y) / 3 + 1) ** 3

    within_a = sum(k(a[i], a[j]) for i in range(4) for j in range(4) if i != j) / (4 * 3)
    within_b = sum(k(b[i], b[j]) for i in range(3) for j in range(3) if i != j) / (3 * 2)
    across = sum(k(x, y) for x in a for y in b) / (4 * 3)
    assert squared_mmd(a, b) == pytest.approx(within_a + within_b - 2 * across)


def test_the_kernel_distance_of_equal_distributions_is_zero_within_its_error():
    mean, error = kernel_distance(normal(10_000, 8, 0), normal(10_000, 8, 1))
    assert error > 0
    assert abs(mean) < 3 * error


def test_the_kernel_distance_compares_three_moments():
    # In one dimension (x y + 1)^3 = 1 + 3 x y + 3 x^2 y^2 + x^3 y^3: the moments of N(0, 1) are 0, 1, 0,
    # those of N(1, 1) are 1, 2, 4.
    mean, error = kernel_distance(normal(20_000, 1, 0), normal(20_000, 1, 1, 1.0))
    assert mean == pytest.approx(3 * 1 + 3 * 1 + 16, abs=4 * error)


def test_a_single_subset_has_no_error():
    mean, error = kernel_distance(normal(3, 2, 0), normal(3, 2, 1))
    assert math.isfinite(mean)
    assert error is None


def test_a_set_has_all_of_itself():
    x = normal(300, 5, 0)
    good, found = precision_recall(x, x.copy())
    _, covered = density_coverage(x, x.copy())
    assert good.all() and found.all() and covered.all()


def test_repeated_examples_have_all_of_themselves():
    x = np.repeat(1000 + normal(30, 6, 0), 10, axis=0)  # far from the origin, every radius 0
    good, found = precision_recall(x, x.copy())
    _, covered = density_coverage(x, x.copy())
    assert good.all() and found.all() and covered.all()


def test_sets_far_apart_have_nothing_in_common():
    a, b = normal(200, 5, 0), normal(200, 5, 1, 100.0)
    assert not any(values.any() for values in (*precision_recall(a, b), *density_coverage(a, b)))


def test_samples_of_one_mode_are_precise_and_recall_half():
    data = np.concatenate([normal(300, 4, 0), normal(300, 4, 1, 60.0)])
    good, found = precision_recall(data, normal(600, 4, 2))
    assert good.mean() > 0.8
    assert found[:300].mean() > 0.8
    assert not found[300:].any()


def test_density_and_coverage_of_the_same_distribution_have_their_expectations():
    # Each sample is in each ball with probability k / N. A real example is not covered if its k nearest
    # of the N - 1 other real examples and the N samples are all real.
    count, k = 2000, 5
    densities, coverages = [], []
    for seed in range(4):
        depth, covered = density_coverage(normal(count, 3, 2 * seed), normal(count, 3, 2 * seed + 1), k)
        densities.append(depth.mean())
        coverages.append(covered.mean())
    missed = math.prod((count - 1 - i) / (2 * count - 1 - i) for i in range(k))
    assert np.mean(densities) == pytest.approx(1.0, abs=0.03)
    assert np.mean(coverages) == pytest.approx(1 - missed, abs=0.01)


@pytest.mark.parametrize(("features", "shift"), [(2, 0.0), (8, 0.3)])
def test_the_errors_of_precision_recall_density_and_coverage_are_their_spread(features, shift):
    """Over fresh data and fresh samples; with the balls held as they are they would be 0.6 to 0.85 of it."""
    count, repeats = 400, 200
    found, stated = [], []
    for seed in range(repeats):
        real, samples = normal(count, features, 2 * seed), normal(count, features, 2 * seed + 1, shift)
        pairs = [
            pair
            for measure in (precision_recall, density_coverage)
            for pair in shares(measure, real, samples)[0]
        ]
        found.append([mean for mean, _ in pairs])
        stated.append([error for _, error in pairs])
    spread = np.std(found, axis=0, ddof=1)
    ratio = np.sqrt(np.mean(np.square(stated), axis=0)) / spread
    # 200 repeats know a spread to 5 %, the factors of ten subsets each are right on average
    assert (np.abs(ratio - 1) < 0.16).all(), ratio


def test_a_share_of_all_or_none_has_an_error_and_too_few_examples_have_none():
    near, far = normal(200, 3, 0), normal(200, 3, 1, 100.0)
    for measure, others in (
        (precision_recall, near.copy()),
        (precision_recall, far),
        (density_coverage, far),
    ):
        (_, (mean, error)), how = shares(measure, near, others)
        assert mean in (0.0, 1.0) and 0.003 < error < 0.02 and "subsets of 25" in how
    (_, error), _ = shares(precision_recall, near[:63], far[:63])[0]
    assert error is None


def test_blocks_change_nothing(monkeypatch):
    monkeypatch.setattr(neighbours, "_BLOCK", 10)
    real, samples = normal(37, 3, 0), normal(41, 3, 1, 0.3)

    def apart(a, b):
        return np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=2))

    def radius(x, k):
        return np.sort(apart(x, x), axis=1)[:, k]

    good, found = precision_recall(real, samples, 3)
    assert (good == (apart(samples, real) <= radius(real, 3)).any(axis=1)).all()
    assert (found == (apart(real, samples) <= radius(samples, 3)).any(axis=1)).all()
    depth, covered = density_coverage(real, samples, 5)
    inside = apart(samples, real) <= radius(real, 5)
    assert (depth == inside.sum(axis=1) / 5).all()
    assert (covered == inside.any(axis=0)).all()


def test_every_sampler_and_the_real_examples_get_every_figure():
    generated = {"prior": normal(400, 4, 1, 0.5), "mixture": normal(400, 4, 2)}
    found = compared(normal(400, 4, 0), generated, normal(900, 4, 3))
    assert found.missing == {}
    assert sorted(found.figures) == sorted(
        f"{metric}_{kind}" for metric in METRICS for kind in ("prior", "mixture", "real")
    )
    assert {figure.examples for figure in found.figures.values()} == {400}
    assert found.figures["frechet_prior"].better == found.figures["kernel_prior"].better == "lower"
    assert found.figures["coverage_mixture"].better == "higher"
    assert all(figure.better == "" for name, figure in found.figures.items() if name.endswith("_real"))
    assert found.figures["frechet_prior"].value > found.figures["frechet_mixture"].value
    assert "400 examples of the test split" in found.figures["frechet_prior"].protocol


def test_all_sets_are_cut_to_the_smallest():
    found = compared(normal(500, 3, 0), {"prior": normal(300, 3, 1)}, normal(900, 3, 2))
    assert {figure.examples for figure in found.figures.values()} == {300}


def test_the_error_of_the_frechet_distance_is_its_spread():
    # Far apart, the distance varies as |difference of the means|^2 does.
    count, shift = 1000, 3.0
    found = compared(normal(count, 2, 0), {"prior": normal(count, 2, 1, shift)}).figures["frechet_prior"]
    expected = 2 * math.sqrt(2) * shift * math.sqrt(2 / count)
    assert found.value == pytest.approx(2 * shift**2, abs=4 * expected)
    assert 0.5 < found.error / expected < 1.6  # 20 resamples know a spread to a sixth


def test_what_cannot_be_measured_leaves_the_rest():
    found = compared(normal(10, 16, 0), {"prior": normal(10, 16, 1)})
    reason = "the covariance of 16 features needs 17 examples of each kind, not 10"
    assert found.missing["frechet_prior"] == reason
    assert "density_prior" in found.figures
    assert found.missing["recall_real"] == "there are no other real examples"


def test_samples_that_are_not_finite_spoil_their_own_figures_only():
    broken = normal(50, 2, 1)
    broken[7, 1] = np.nan
    found = compared(normal(50, 2, 0), {"prior": broken, "mixture": normal(50, 2, 2)})
    assert found.missing["kernel_prior"] == "the features of the samples (prior) are not all finite"
    assert "kernel_mixture" in found.figures


@pytest.mark.parametrize(("count", "lost"), [(5, "density"), (3, "precision"), (1, "kernel")])
def test_too_few_examples_have_their_reason(count, lost):
    found = compared(normal(count, 2, 0), {"prior": normal(count, 2, 1)})
    assert "examples of each kind" in found.missing[f"{lost}_prior"]


def test_no_samples_at_all_have_their_reason():
    found = compared(normal(40, 2, 0), {"prior": normal(0, 2, 1)}, normal(40, 2, 2))
    assert found.missing["coverage_prior"] == "there are no samples (prior)"
    assert found.figures["coverage_real"].examples == 40


def test_the_same_seed_gives_the_same_figures():
    arguments = (normal(80, 2, 0), {"prior": normal(90, 2, 1)})
    assert compared(*arguments, seed=3).figures == compared(*arguments, seed=3).figures
