"""Reconstruction figures, and figures as records."""

import json
import math
import sys

import numpy as np
import pytest
from sklearn.decomposition import PCA

from latentia.metrics.figures import Figure, Ledger, Unmeasurable, mean_and_error
from latentia.metrics.reconstruction import principal_components, reconstruction
from latentia.metrics.similarity import multiscale_similarity, structural_similarity


def measured(given, decoded, image=True, **options):
    ledger = Ledger({}, {})
    reconstruction(ledger, given, decoded, image=image, units="in [0, 1]", split="test", **options)
    return ledger


@pytest.fixture
def images():
    return np.random.default_rng(0).random((12, 1, 20, 20), dtype=np.float32)


def test_a_perfect_reconstruction_is_told_so(images):
    ledger = measured(images, images)
    assert ledger.figures["mse"].value == 0
    assert ledger.figures["ssim"].value == pytest.approx(1, abs=1e-5)
    assert ledger.figures["psnr"].value == 120  # of an error held at 1e-12


def test_a_constant_error_has_the_error_and_the_decibels_that_it_must(images):
    ledger = measured(images, images + np.float32(0.1))
    assert ledger.figures["mse"].value == pytest.approx(0.01, rel=1e-5)
    assert ledger.figures["mse"].error == pytest.approx(0, abs=1e-7)
    assert ledger.figures["psnr"].value == pytest.approx(20, abs=1e-4)
    assert np.all(np.asarray(ledger.figures["ssim"].value) < 1)


def test_ssim_of_flat_images_is_the_luminance_term():
    a, b = np.full((2, 1, 16, 16), 0.2, np.float32), np.full((2, 1, 16, 16), 0.6, np.float32)
    c = 0.01**2
    expected = (2 * 0.2 * 0.6 + c) / (0.2**2 + 0.6**2 + c)
    assert measured(a, b).figures["ssim"].value == pytest.approx(expected, abs=1e-4)


def published_ssim(x, y):
    """SSIM and its contrast and structure of grey images of range 1, by the formula of Wang et al., 2004.

    Gaussian window of 11 pixels and sigma 1.5, only where it lies within the picture.
    """
    offsets = np.arange(11) - 5
    weights = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(weights, weights) / weights.sum() ** 2
    one, other = (np.lib.stride_tricks.sliding_window_view(a.astype(float), (11, 11)) for a in (x, y))
    mean_x, mean_y = ((a * window).sum(axis=(-1, -2)) for a in (one, other))
    var_x = (one**2 * window).sum(axis=(-1, -2)) - mean_x**2
    var_y = (other**2 * window).sum(axis=(-1, -2)) - mean_y**2
    both = (one * other * window).sum(axis=(-1, -2)) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    contrast = (2 * both + c2) / (var_x + var_y + c2)
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return (luminance * contrast).mean(), contrast.mean()


def test_ssim_is_the_published_one_over_the_windows_within_the_picture():
    """Pictures that agree at the edge and differ in the middle: reflected edges would count as agreement."""
    rng = np.random.default_rng(0)
    given = rng.random((3, 2, 28, 24), dtype=np.float32)
    decoded = given.copy()
    decoded[..., 6:-6, 6:-6] = rng.random((3, 2, 16, 12))
    each = [np.mean([published_ssim(given[n, c], decoded[n, c])[0] for c in range(2)]) for n in range(3)]
    assert structural_similarity(given, decoded) == pytest.approx(each, abs=1e-5)
    figure = measured(given, decoded).figures["ssim"]
    assert figure.value == pytest.approx(np.mean(each), abs=1e-5)
    assert "within the picture" in figure.protocol


def test_multi_scale_similarity_is_the_published_one():
    rng = np.random.default_rng(1)
    given = rng.random((2, 1, 176, 180), dtype=np.float32)
    decoded = np.clip(given + 0.1 * rng.normal(size=given.shape), 0, 1).astype(np.float32)
    expected = []
    for one, other in zip(given[:, 0], decoded[:, 0], strict=True):
        product = 1.0
        for place, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
            whole, contrast = published_ssim(one, other)
            product *= (whole if place == 4 else contrast) ** weight
            height, width = (side // 2 for side in one.shape)
            one, other = (
                a[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean(axis=(1, 3))
                for a in (one, other)
            )
        expected.append(product)
    assert multiscale_similarity(given, decoded) == pytest.approx(expected, abs=5e-5)


def test_errors_are_given_by_label(images):
    decoded = images.copy()
    decoded[:6] += 0.1
    labels = np.array([0] * 6 + [2] * 5 + [-1])
    figure = measured(images, decoded, labels=labels, names=("ring", "", "disc")).figures["mse_by_label"]
    assert figure.parts == ("ring", "disc")
    assert figure.value == pytest.approx((0.01, 0.0), rel=1e-4, abs=1e-9)
    assert measured(images, decoded).missing["mse_by_label"] == "the data have no labels"


def test_what_cannot_be_measured_is_missing_with_its_reason(images, monkeypatch):
    missing = measured(images, images).missing
    assert missing["ms_ssim"] == "images of 20x20 are too small for it: it needs 176 pixels"
    assert "too small" in measured(images[..., :8, :8], images[..., :8, :8]).missing["ssim"]
    table = measured(images.reshape(12, -1), images.reshape(12, -1), image=False)
    assert set(table.missing) == {"psnr", "ssim", "ms_ssim", "mse_by_label"}
    assert table.figures["mse"].value == 0
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    monkeypatch.setitem(sys.modules, "torchmetrics.functional.image", None)
    assert "pip install 'latentia[metrics]'" in measured(images, images).missing["ssim"]


def test_multi_scale_similarity_of_equal_images_is_one():
    large = np.random.default_rng(0).random((2, 1, 176, 176), dtype=np.float32)
    assert measured(large, large).figures["ms_ssim"].value == pytest.approx(1, abs=1e-5)


def test_principal_components_are_scikit_learns():
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(200, 3)) @ rng.normal(size=(3, 10)) + 0.1 * rng.normal(size=(200, 10))).astype(
        np.float32
    )
    fitted, codes, decoded = principal_components(x[:150], x[150:], 3)
    pca = PCA(3).fit(x[:150])
    assert np.allclose(decoded, pca.inverse_transform(pca.transform(x[150:])), atol=1e-3)
    assert fitted.shape == (150, 3) and codes.shape == (50, 3)
    with pytest.raises(Unmeasurable, match="PCA with 10 components needs more than 10 values"):
        principal_components(x, x, 10)


def test_a_figure_survives_json():
    for figure in (
        Figure(1.5, "nats", "test", "how", 0.1, 10, "lower"),
        Figure((1.0, math.nan), "", "test", "how", (0.1, math.nan), 10, "", ("a", "b")),
        Figure(math.nan, "", "test", "how"),
    ):
        text = json.dumps(figure.as_json(), allow_nan=False)
        assert repr(Figure.from_json(json.loads(text))) == repr(figure)


def test_the_error_of_a_mean_is_that_of_statistics():
    mean, error = mean_and_error(np.array([1.0, 2.0, 3.0, 4.0]))
    assert mean == 2.5
    assert error == pytest.approx(math.sqrt(5 / 3) / 2)
    assert mean_and_error(np.array([3.0])) == (3.0, None)


def test_a_ledger_notes_why_figures_are_missing():
    ledger = Ledger({}, {})

    def refuse():
        raise Unmeasurable("no reason to")

    ledger.measure(["a", "b"], refuse)
    ledger.measure(["c"], lambda: {"c": Figure(1.0, "", "test", "")})
    assert ledger.missing == {"a": "no reason to", "b": "no reason to"}
    assert set(ledger.figures) == {"c"}
