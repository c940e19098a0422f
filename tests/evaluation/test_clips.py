"""A codec of video is measured frame by frame beside codes of as many numbers, and its report plays clips."""

import numpy as np
import pytest
import torch

import latentia
from latentia.metrics.clips import by_frame, cosine_code, flicker, movement, psnr, smaller_and_back
from latentia.report import build
from tests.export.pictures import LTX, clips, trained


def test_flicker_is_that_of_the_error_and_not_of_the_clip():
    given = clips(4).astype(np.float32) / 255
    assert flicker(given, given + 0.1) == pytest.approx(np.zeros(4), abs=1e-6)
    jumping = given + 0.1 * (np.arange(9) % 2).reshape(9, 1, 1).astype(np.float32)
    assert flicker(given, jumping) == pytest.approx(np.full(4, 0.1), rel=1e-4)
    assert psnr(np.array([0.01])) == pytest.approx([20])
    assert by_frame(given, jumping)[:, 1::2] == pytest.approx(np.full((4, 4), 20), rel=1e-4)
    assert movement(jumping).min() > movement(given).max() - 0.1


def test_codes_give_back_all_where_all_is_kept():
    given = clips(6).astype(np.float32) / 255
    back = cosine_code(given, given[:2], (4, 8, 8), 1, 3 * 4 * 8 * 8)
    assert np.abs(back - given[:2]).max() < 1e-5
    few = cosine_code(given, given[:2], (4, 8, 8), 1, 8)
    fewer = cosine_code(given, given[:2], (4, 8, 8), 1, 2)
    assert np.square(few - given[:2]).mean() < np.square(fewer - given[:2]).mean()
    again, size = smaller_and_back(given, 3 * 4 * 6 * 6)
    assert np.prod(size) * 3 <= 3 * 4 * 6 * 6
    assert again.shape == given.shape
    assert torch.isfinite(torch.from_numpy(again)).all()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    settings = {**LTX, "network": {**LTX["network"], "linear": True}}
    return trained(
        tmp_path_factory.mktemp("clips") / "run", settings, clips(30), {"epochs": 1, "batch_size": 4}
    )


def test_a_run_is_measured_and_its_report_plays(run):
    figures = latentia.evaluate(run, only=["reconstruction"]).figures
    table = figures["clip_psnr"]
    assert table.parts == ("this run", "cosines", "trilinear")
    x = run.dataset.x[run.dataset.splits["test"]].astype(np.float32)
    apart = np.square((run.inference.reconstruct(x).clip(0, 255) - x) / 255).mean(axis=(1, 2, 3, 4))
    assert table.value[0] == pytest.approx(psnr(apart).mean(), rel=1e-3)
    halves = [np.array(figures[f"clip_psnr_{half}"].value) for half in ("still", "moving")]
    shares = np.array([figures[f"clip_psnr_{half}"].examples for half in ("still", "moving")])
    mean = (shares[0] * halves[0] + shares[1] * halves[1]) / shares.sum()
    assert mean == pytest.approx(table.value, rel=1e-4)
    assert len(figures["clip_psnr_frames"].value) == 9
    assert all(value >= 0 for value in figures["clip_flicker"].value)
    page = build([run]).read_text()
    assert page.count("data:image/webp") >= 2
    assert "As a codec of video" in page
    assert "trilinear" in page
