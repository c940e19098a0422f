"""Pictures with loss: a golden file, its limits, damage, and what becomes of pictures of any size.

`golden/pictures` was written once, in November 2026, by a small run on scikit-learn's digits (`make`
below, 15 epochs): grey pictures of 8x8, 21x30 and 5x9 pixels, mosaics of digits. Its latents have to decode
on every machine and for ever; pixels may differ by a level.
"""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

import latentia
from latentia.coding.exact import REACH, WEIGHT_BITS, _Affine
from latentia.coding.picture_file import PictureReader, check_of
from latentia.coding.pictures import MOST, PictureCoder, whole_step
from latentia.core.errors import ConfigError, DataError, LatentiaError
from latentia.runs.pictures import PictureFile, compress

GOLDEN = Path(__file__).parent / "golden" / "pictures"
SIDES = ((8, 8), (21, 30), (5, 9))
SMALL = {
    "latent_dim": 4,
    "network": {"name": "hyper_codec", "channels": [8, 8, 16], "blocks": [0, 1, 1], "side": 4, "hidden": 8},
    "posterior": {"name": "rounded", "finest": 0.2, "coarsest": 1.0},
    "prior": {"name": "hyperprior", "hidden": 8},
    "likelihood": {"name": "gaussian_optimal"},
    "objective": {"name": "rate_distortion"},
}
SCRIPT = """
import sys, torch, numpy as np, latentia
from latentia.runs.pictures import PictureFile
torch.set_num_threads(int(sys.argv[1]))
run = latentia.open_run(sys.argv[2], device="cpu")
with open(sys.argv[2] + "/pictures.lat", "rb") as handle:
    found = np.concatenate([each.ravel() for each in PictureFile(run, handle, "golden").read()])
want = np.load(sys.argv[2] + "/pictures.npy")
assert np.abs(found.astype(int) - want).max() <= 1
print(run.picture_coder.probe())
"""


def mosaics():
    """Grey pictures of digits, uint8, 0 to 16."""
    whole = load_digits().images[:16].astype(np.uint8).reshape(4, 4, 8, 8).swapaxes(1, 2).reshape(32, 32)
    return [np.ascontiguousarray(whole[None, :height, :width]) for height, width in SIDES]


def make(folder, epochs=8):
    """Train such a run; with `pictures.lat` and `pictures.npy` beside it, it is what `golden` holds."""
    return latentia.train("digits", out=folder, quiet=True, epochs=epochs, **SMALL)


@pytest.fixture(scope="module")
def golden():
    return latentia.open_run(GOLDEN, device="cpu")


@pytest.fixture(scope="module")
def content():
    return (GOLDEN / "pictures.lat").read_bytes()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make(tmp_path_factory.mktemp("lossy") / "run")


def latents(run, content):
    reader, coder = PictureReader(io.BytesIO(content), "x"), run.picture_coder
    pictures = [reader.picture(number) for number in range(reader.header.count)]
    step = reader.header.step
    return [(each, coder.decode(each.content, step, each.height, each.width)) for each in pictures], step


def test_the_golden_file_decodes_and_is_written_the_same_again(golden, content):
    found, step = latents(golden, content)
    for coded, k in found:
        assert check_of(k, coded.height, coded.width) == coded.check
        assert golden.picture_coder.encode(k, step, coded.height, coded.width) == coded.content
    pixels = np.concatenate([each.ravel() for each in golden.decompress(content)])
    want = np.load(GOLDEN / "pictures.npy")
    assert pixels.dtype == want.dtype and np.abs(pixels.astype(int) - want).max() <= 1


@pytest.mark.parametrize(("setting", "threads"), [("default", 2), ("avx2", 1)])
def test_it_decodes_with_other_instructions_and_threads(golden, setting, threads):
    few = {"MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "ONEDNN_MAX_CPU_ISA": "SSE41"} if setting == "default" else {}
    environment = {**os.environ, **few, "ATEN_CPU_CAPABILITY": setting, "MKL_CBWR": "COMPATIBLE"}
    command = [sys.executable, "-c", SCRIPT, str(threads), str(GOLDEN)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == golden.picture_coder.probe()


def test_the_network_of_the_prior_is_one_of_64_bit_integers(golden, monkeypatch):
    def forward(self, x):
        weight, bias, x = (part.numpy().astype(np.int64) for part in (self.weight, self.bias, x))
        out, pad = weight.shape[0], weight.shape[2] // 2
        x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(2, 3))
        sums = np.einsum("bchwij,ocij->bohw", windows, weight) + bias.reshape(out, 1, 1)
        whole = sums + (1 << (self.shift - 1)) >> self.shift
        ends = REACH if self.shift == WEIGHT_BITS else np.inf
        return torch.from_numpy(whole.astype(np.float64)).clamp(-ends, ends)

    want = golden.picture_coder.probe()
    monkeypatch.setattr(_Affine, "forward", forward)
    assert golden.picture_coder.probe() == want


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_a_changed_file_gives_one_line_and_no_pictures(golden, content, data):
    changed, at = bytearray(content), data.draw(st.integers(0, len(content) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "insert"]))
    if kind == "flip":
        changed[at] ^= 1 << data.draw(st.integers(0, 7))
    elif kind == "cut":
        del changed[at:]
    else:
        changed[at:at] = data.draw(st.binary(min_size=1, max_size=9))
    if bytes(changed) == content:
        return
    with pytest.raises(LatentiaError) as told:
        golden.decompress(bytes(changed))
    assert "\n" not in str(told.value)


def test_pictures_of_any_size_come_back_in_their_size_near_what_the_model_gives(run, tmp_path):
    pictures = mosaics()
    written = compress(run, pictures, tmp_path / "x.lat", step=0.2)
    assert written.size == (tmp_path / "x.lat").stat().st_size
    with (tmp_path / "x.lat").open("rb") as handle:
        found = list(PictureFile(run, handle, "x.lat").read())
    assert [each.shape for each in found] == [each.shape for each in pictures]
    assert all(each.dtype == np.uint8 for each in found)
    coder, step = run.picture_coder, whole_step(0.2)
    for original, made in zip(pictures, found, strict=True):
        x = next(run.prepare(original[None]))
        k = torch.from_numpy(coder.latents(x[0], step)).float()
        with torch.no_grad():
            mean = run.model.decode(k.unsqueeze(0) * (step * 2.0**-12)).mean
        mean = mean[..., : x.shape[2], : x.shape[3]]
        spread = float((x - x.mean()).square().mean())
        assert float((mean - x).square().mean()) < 0.6 * spread  # it has learned something
        want = np.rint(run.transform.invert(mean)[0].numpy().clip(0, 255))
        assert np.abs(made - want).max() <= 1


def test_the_file_is_as_long_as_the_model_says(run):
    x = np.asarray(run.dataset.x)[:64]
    step = whole_step(0.3) * 2.0**-12
    content = run.compress(list(x), step=0.3)
    with torch.no_grad():
        coder = run.picture_coder
        k = [coder.latents(each, whole_step(0.3)) for each in next(run.prepare(x))]
        z = torch.from_numpy(np.stack(k)).float() * step
        log_p = run.model.prior().at(step).log_prob(z) + np.log(step) * z[0].numel()
    bits = float(-log_p.sum()) / np.log(2)
    reader = PictureReader(io.BytesIO(content), "x")
    words = sum(8 * len(reader.picture(number).content) for number in range(64))
    assert bits < words < 1.02 * bits + 64 * 32 + 64  # a word is open at the end of each picture


def test_what_is_chosen_of_two_multiples_costs_less_than_the_nearest(run):
    coder, step = run.picture_coder, whole_step(0.6)
    whole = np.asarray(run.dataset.x)[:256].reshape(16, 16, 8, 8).swapaxes(1, 2).reshape(1, 1, 128, 128)
    x = next(run.prepare(whole))
    with torch.no_grad():
        z = run.model.encoder(x)[0].double().numpy() * 2.0**12 / step
    nearest, chosen = np.rint(z).astype(np.int64), coder.latents(x[0], step)
    bits = [8 * len(coder.encode(k, step, 128, 128)) for k in (nearest, chosen)]
    errors = [((k - z) ** 2).sum() for k in (nearest, chosen)]
    assert (np.abs(chosen - z) < 1).all() and bits[1] < bits[0] and errors[1] > errors[0]
    assert 6 * errors[1] + bits[1] * np.log(2) < 6 * errors[0] + bits[0] * np.log(2)


def test_steps_trade_bits_for_errors(run):
    x = list(np.asarray(run.dataset.x)[:100])
    sizes, errors = [], []
    for step in (0.2, 0.5, 1.0):
        content = run.compress(x, step=step)
        sizes.append(len(content))
        errors.append(np.mean((run.decompress(content).astype(float) - np.stack(x)) ** 2))
    assert sizes == sorted(sizes, reverse=True) and errors == sorted(errors)


def test_the_coder_is_kept_in_the_folder_and_made_but_once(run):
    first = run.picture_coder
    kept = latentia.open_run(run.folder.path, device="cpu").picture_coder
    assert kept.name == first.name and kept.probe() == first.probe()


def test_what_cannot_be_coded_is_refused_in_one_line(run, golden, content):
    with pytest.raises(DataError, match="there are no pictures"):
        run.compress([])
    with pytest.raises(ConfigError, match=r"a step is from 2\^-12 to 4, not 9"):
        run.compress(mosaics(), step=9)
    for hole in (np.nan, np.inf):
        holed = [mosaics()[0].astype(np.float32), np.full((1, 9, 5), hole)]
        with pytest.raises(DataError, match=r"picture 1 has missing values|index .* is infinity"):
            run.compress(holed)
    with pytest.raises(DataError, match="shape 1x8x8, and these have 3x8x8"):
        run.compress([np.zeros((3, 8, 8), np.uint8)])
    with pytest.raises(DataError, match=r"written by another model than this run's \(coder"):
        run.decompress(content)
    with pytest.raises(ConfigError, match="files without loss need a VAE with a Gaussian posterior"):
        _ = golden.compressor
    with pytest.raises(DataError, match=r"pictures 0 to 2; there are none from 1 to 3"):
        list(PictureFile(golden, io.BytesIO(content), "x").read(1, 4))
    plain = latentia.train("digits", epochs=1, quiet=True, out=None, latent_dim=2)
    with pytest.raises(
        ConfigError, match="files with loss need rounded latents; train with --posterior rounded"
    ):
        PictureCoder.make(plain.model)


def test_latents_beyond_the_cells_are_held_at_their_ends(run):
    coder = run.picture_coder
    k = np.zeros((run.latent[0], 1, 1), np.int64)
    k[::3], k[1::3] = MOST, -MOST
    content = coder.encode(k, whole_step(1.0), 8, 8)
    assert (coder.decode(content, whole_step(1.0), 8, 8) == k).all()
