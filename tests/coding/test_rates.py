"""Rates and errors of pictures with loss, and how curves compare."""

import math

import numpy as np
import pytest

from latentia.coding.rates import Point, absent, bd_rate, by_file, measured, psnr, reaching


def curve(scale, psnrs=(20, 24, 28, 32, 36)):
    """Half a dB takes so many times the bits, whatever the codec."""
    return [Point(place, 0, scale * 1.05 ** (2 * at), at) for place, at in enumerate(psnrs)]


def test_a_codec_that_takes_a_share_less_everywhere_has_that_bd_rate():
    found, where = bd_rate(curve(1.0), curve(0.7))
    assert found == pytest.approx(-0.3) and where == "20.0 to 36.0 dB"
    found, where = bd_rate(curve(1.0), curve(1.5, (21, 23, 29.5, 34)))
    assert found == pytest.approx(0.5) and where == "21.0 to 34.0 dB"
    low, high = (1.05 ** (2 * at) for at in (24, 28))
    assert bd_rate(curve(1.0), curve(1.5), low, high) == (pytest.approx(0.5), "24.0 to 28.0 dB")


def test_why_there_is_no_bd_rate_is_told():
    for other in (curve(1.0, (40, 44)), curve(1.0, (35.8, 44))):
        found, why = bd_rate(curve(1.0), other)
        assert math.isnan(found) and why == "the curves share no 0.5 dB there"
    found, why = bd_rate(curve(1.0), curve(1.0, (30, 30)))
    assert math.isnan(found) and "two settings that differ in likeness" in why


def test_the_smallest_quality_that_reaches_a_psnr_is_found():
    tried = []

    def point(quality):
        tried.append(quality)
        return Point(quality, 0, 0.0, float(quality // 3))

    assert reaching(point, 20.0).setting == 60 and len(tried) <= 8
    assert reaching(point, 0.0, 1).setting == 1
    assert reaching(point, 33.0).setting == 99
    tried.clear()
    assert reaching(point, 50.0).decibels == 33 and tried == [100]


@pytest.mark.parametrize("kind", ["JPEG", "WebP", "AVIF"])
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_come_back_of_their_shape_and_near(kind, channels):
    if absent(kind):
        pytest.skip(f"this Pillow was built without {kind}")
    picture = np.tile(np.arange(0, 240, 4, dtype=np.uint8), (channels, 30, 1))
    size, back = by_file(kind, 90)(picture)
    assert back.shape == picture.shape and psnr(picture, back, 255) > 35
    point = measured([picture, picture[:, :10]], 90, by_file(kind, 90))
    other = by_file(kind, 90)(picture[:, :10])[0]
    assert point.size == size + other
    assert point.bits == pytest.approx((8 * size / 1800 + 8 * other / 600) / 2)
    asked = measured([picture], 90, by_file(kind, 90), 255, lambda *pair: sum(map(np.size, pair)))
    assert asked.decibels == 2 * picture.size + 1  # whatever compares is given both and the peak


def test_psnr_is_of_the_range_and_has_an_end():
    a = np.zeros((1, 2, 2), np.uint8)
    assert psnr(a, a + np.uint8(16), 16) == pytest.approx(0) and psnr(a, a, 255) == pytest.approx(120)
