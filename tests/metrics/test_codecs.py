"""Floors of codecs where mathematics gives the answer."""

import io

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from latentia.evaluation.facets.codec import nearest
from latentia.metrics.codecs import block_pca, down_up, payload, through_files
from latentia.metrics.figures import Unmeasurable
from latentia.metrics.generation import resampled_frechet
from latentia.metrics.judge import JudgeFeatures
from latentia.metrics.spectrum import band_names, cosines, noise_spectrum, spectrum


def photographs(side=32, every=12):
    cut = []
    for image in load_sample_images().images:
        rows, columns = image.shape[0] // side, image.shape[1] // side
        blocks = image[: rows * side, : columns * side].reshape(rows, side, columns, side, 3)
        cut.append(blocks.transpose(0, 2, 4, 1, 3).reshape(-1, 3, side, side))
    return np.concatenate(cut)[::every].astype(np.float32) / 255


def test_block_pca_leaves_the_variance_of_the_components_that_it_leaves_out():
    x = photographs()
    blocks = x.reshape(len(x), 3, 4, 8, 4, 8).transpose(0, 2, 4, 1, 3, 5).reshape(-1, 192)
    variances = np.linalg.eigvalsh(np.cov(blocks, rowvar=False, bias=True).astype(np.float64))[::-1]
    for numbers in (1, 4, 16):
        code = block_pca(x, x, (4, 4), numbers)
        error = ((code.images - x).astype(np.float64) ** 2).mean()
        assert error == pytest.approx(variances[numbers:].sum() / 192, rel=1e-3)
        assert code.size == 16 * numbers
        assert f"{numbers} component" in code.how and "8x8" in code.how


def test_block_pca_is_exact_on_blocks_of_as_many_dimensions_whatever_their_size():
    rng = np.random.default_rng(0)
    basis = rng.normal(size=(2, 3, 4, 5))
    weights = rng.normal(size=(20, 2, 3, 2))  # images of 2x3 blocks, each a mixture of two
    blocks = np.einsum("nhwk,kcyx->nhwcyx", weights, basis)
    x = blocks.transpose(0, 3, 1, 4, 2, 5).reshape(20, 3, 8, 15).astype(np.float32)
    assert np.allclose(block_pca(x[:12], x[12:], (2, 3), 2).images, x[12:], atol=1e-4)
    cut = np.ascontiguousarray(x[:, :, :7, :13])  # blocks go on beyond the edge
    assert block_pca(cut, cut, (2, 3), 40).images.shape == cut.shape
    with pytest.raises(
        Unmeasurable, match=r"blocks of 4x5: PCA with 60 components needs more than 60 values"
    ):
        block_pca(x, x, (2, 3), 60)


def test_a_smaller_picture_keeps_constants_and_counts_its_values():
    flat = np.full((2, 3, 24, 16), 0.3, dtype=np.float32)
    code = down_up(flat, 256)
    assert np.allclose(code.images, flat, atol=1e-6)
    assert code.size == 3 * 11 * 7 and "11x7" in code.how
    x = photographs()
    assert np.allclose(down_up(x, x[0].size).images, x, atol=1e-6)  # nothing is left out
    errors = [((down_up(x, values).images - x) ** 2).mean() for values in (48, 192, 768)]
    assert errors == sorted(errors, reverse=True)
    with pytest.raises(Unmeasurable, match=r"with 2 values not a pixel of 3 channels"):
        down_up(x, 2)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
@pytest.mark.parametrize("channels", [1, 3])
def test_files_are_within_the_size_and_as_good_as_it_allows(kind, channels):
    x = photographs()[:, :channels]
    codes = [through_files(x, kind, size) for size in (120, 240, 480)]
    assert all(code.size <= size for code, size in zip(codes, (120, 240, 480), strict=True))
    errors = [float(((code.images - x) ** 2).mean()) for code in codes]
    assert errors == sorted(errors, reverse=True) and codes[0].images.shape == x.shape
    best = through_files(x, kind, 1e9)
    assert "quality 100" in best.how and float(((best.images - x) ** 2).mean()) < 2e-3
    with pytest.raises(Unmeasurable, match=r"at its lowest quality, and the latent has 1$"):
        through_files(x, kind, 1)
    with pytest.raises(Unmeasurable, match=r"1 or 3 channels, and these have 4"):
        through_files(np.zeros((1, 4, 16, 16), np.float32), kind, 100)


def test_a_payload_is_what_depends_on_the_image():
    plain, busy = np.zeros((32, 32, 3), np.uint8), np.random.default_rng(0).integers(0, 256, (32, 32, 3))

    def written(pixels, kind):
        file = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(file, kind, quality=50)
        return file.getvalue()

    headers = {len(written(x, "JPEG")) - payload(written(x, "JPEG"), "JPEG") for x in (plain, busy)}
    assert len(headers) == 1 and headers.pop() > 500  # the tables
    for x in (plain, busy):
        file = written(x, "WEBP")
        assert len(file) - payload(file, "WEBP") in (
            30,
            31,
        )  # the container, the header and a byte that fills up


def test_energy_is_kept_and_divided_by_frequency():
    assert np.allclose(cosines(7) @ cosines(7).T, np.eye(7), atol=1e-12)
    for down, across in ((0, 1), (3, 2), (7, 15)):
        wave = np.outer(cosines(8)[down], cosines(16)[across])[None, None]
        shares = spectrum(np.concatenate([wave, -wave]))
        place = min(7, int(8 * (down / 7 + across / 15) / 2))
        assert shares[place] == pytest.approx(1) and shares.sum() == pytest.approx(1)
    noise = np.random.default_rng(0).normal(size=(400, 3, 8, 12)) * np.array([1.0, 50.0, 0.1])[:, None, None]
    assert np.allclose(spectrum(noise + 7), noise_spectrum(8, 12), atol=0.01)
    assert np.isnan(spectrum(np.ones((3, 2, 4, 4)))).all()
    assert spectrum(np.random.default_rng(0).normal(size=(5, 2, 1, 1))).tolist() == [1.0]
    assert band_names(4) == ("0-25 %", "25-50 %", "50-75 %", "75-100 %")


def test_a_shift_has_its_square_for_a_distance_and_pairs_know_it_for_certain():
    a = np.random.default_rng(0).normal(size=(200, 4))
    value, error = resampled_frechet(a, a + np.array([3.0, 0, 0, 4.0]), paired=True)
    assert value == pytest.approx(25) and error < 1e-6
    assert resampled_frechet(a, a + np.array([3.0, 0, 0, 4.0]))[1] > 0.1


def test_the_judge_sees_nothing_between_equal_pictures_and_more_between_worse_ones():
    x = photographs()
    judge = JudgeFeatures(3, 32 * 32)
    noise = np.random.default_rng(0).normal(size=x.shape).astype(np.float32)
    seen, made = judge.compare(x, [x, x + 0.02 * noise, x + 0.1 * noise])
    assert np.allclose(seen, judge(x), atol=1e-4) and seen.shape == (len(x), 120)
    assert np.allclose(made[0][0], seen) and (made[0][1] < 1e-6).all()
    assert (made[2][1] > made[1][1]).all() and (made[1][1] > 1e-3).all()
    with pytest.raises(Unmeasurable, match=r"1, 3 or 4 channels, and these have 2"):
        JudgeFeatures(2, 64)


def test_neighbours_are_the_nearest_others():
    assert nearest(np.array([[0.0], [1.0], [1.2], [9.0]])).tolist() == [1, 2, 1, 2]
