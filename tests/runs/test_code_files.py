"""Files of codes: without loss where the data have probabilities, and with it elsewhere."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest

import latentia
from latentia.core.errors import ConfigError, DataError
from latentia.core.pool import Pool
from latentia.evaluation.records import Settings
from latentia.evaluation.subject import Subject
from latentia.evaluation.topics import files
from latentia.report.facets import files as shown
from latentia.report.group import gather
from latentia.runs import coder
from latentia.runs.compression import Compressed, compress
from tests.coding.test_golden import GOLDEN, OTHERWISE
from tests.evaluation.test_files import opened
from tests.report.conftest import assessed
from tests.runs.test_compression import said

TINY = {
    "model": {"name": "vqvae", "downsample": 4, "latent_dim": 2},
    "network": {"name": "grid", "channels": 8, "blocks": 1},
    "posterior": {"name": "finite_scalar", "levels": [4]},
    "epochs": 1,
}


@pytest.fixture(scope="module")
def codes(tmp_path_factory):
    return opened(GOLDEN / "codes", tmp_path_factory.mktemp("codes"))


@pytest.fixture(scope="module")
def squared(tmp_path_factory):
    out = tmp_path_factory.mktemp("squared") / "squared"
    run = latentia.train("digits", out=out, likelihood="mse", quiet=True, **TINY)
    run.sampler("autoregressive", steps=5, width=8, layers=1)
    return run


def test_data_come_back_value_by_value_and_rows_by_themselves(codes, tmp_path, capsys):
    x = np.asarray(codes.dataset.x)[:150]
    written = compress(codes, x, tmp_path / "x.lat", block=60)
    content = (tmp_path / "x.lat").read_bytes()
    assert not written.loss and (codes.decompress(content) == x).all()
    reader = Compressed(codes, io.BytesIO(content), "x")
    assert (np.concatenate(list(reader.read(59, 61))) == x[59:61]).all()
    with pytest.raises(DataError, match=r"example 0 holds 0\.5, .* of 17 values from 0 to 16 alone"):
        codes.compress(x[:1] + np.float32(0.5))
    np.save(tmp_path / "x.npy", x)
    code, out, _ = said(
        capsys, "compress", codes.folder.path, tmp_path / "x.npy", "-o", tmp_path / "y.lat", "--compare"
    )
    assert code == 0 and "of -log2 p(x, codes)" in out and "xz -9e" in out and "with loss" not in out


def test_a_density_makes_files_of_codes_alone_and_says_so(squared, tmp_path, capsys):
    x = np.asarray(squared.dataset.x)[:40]
    written = compress(squared, x, tmp_path / "x.lat", block=16)
    assert "is a density" in written.loss and "codes alone" in written.summary()
    found = squared.decompress((tmp_path / "x.lat").read_bytes())
    assert found.dtype == x.dtype and np.abs(found - squared.reconstruct(x)).max() <= 0.501
    with (tmp_path / "x.lat").open("rb") as handle:
        reader = Compressed(squared, handle, "x")
        symbols = np.concatenate(list(reader._decoded(range(3), Pool(), lambda count: None)))
    assert (symbols == squared.inference.codes(x).reshape(40, -1)).all()
    code, out, _ = said(capsys, "compress", squared.folder.path, "-o", tmp_path / "y.lat", "--compare")
    assert code == 0 and "come back with loss: likelihood" in out and "without loss, others take" in out
    code, out, _ = said(
        capsys, "decompress", tmp_path / "y.lat", "--run", squared.folder.path, "-o", tmp_path / "y.npy"
    )
    assert code == 0 and "with loss, as the decoder has them" in out
    damaged = bytearray((tmp_path / "x.lat").read_bytes())
    damaged[-3] ^= 8
    with pytest.raises(DataError, match="block 3 of 3"):
        squared.decompress(bytes(damaged))


def test_codes_decode_with_other_instructions_and_threads(squared, tmp_path):
    x = np.asarray(squared.dataset.x)[:40]
    (tmp_path / "x.lat").write_bytes(squared.compress(x))
    command = [sys.executable, "-m", "latentia", "decompress", str(tmp_path / "x.lat")]
    command += ["--run", str(squared.folder.path), "-o", str(tmp_path / "x.npy")]
    env = {**os.environ, **OTHERWISE["plain"], "MKL_CBWR": "COMPATIBLE", "OMP_NUM_THREADS": "2"}
    subprocess.run(command, env=env, check=True, capture_output=True, timeout=120)
    assert (
        np.abs(np.load(tmp_path / "x.npy").astype(int) - squared.decompress(squared.compress(x))).max() <= 1
    )


def test_the_prior_is_fitted_first_and_kept_with_the_coder(squared, tmp_path, monkeypatch):
    assert squared.compressor.prior_rounds  # made and kept, whichever test comes first
    run = opened(squared.folder.path, tmp_path)
    (run.folder.path / coder.FILE).unlink()
    assert coder.quick(run)
    (run.folder.samplers / "autoregressive.safetensors").unlink()
    assert coder.codable(run) and not coder.quick(run)
    found = Subject(run, Settings(), True)
    files.measure(found)
    assert all("--sampler autoregressive" in why for why in found.ledger.missing.values())
    asked = []
    kept = squared.sampler_as_fitted("autoregressive")
    monkeypatch.setattr(type(run), "sampler_as_fitted", lambda *_, **given: asked.append(given) or kept)
    content = run.compress(np.asarray(squared.dataset.x)[:5])
    assert asked == [{"quiet": False}] and coder.quick(run)
    again = latentia.open_run(run.folder.path, device="cpu")
    assert (again.decompress(content) == squared.decompress(squared.compress(squared.dataset.x[:5]))).all()
    assert len(asked) == 1


def test_reading_fits_no_prior(codes, tmp_path, monkeypatch, capsys):
    run = opened(codes.folder.path, tmp_path)
    (run.folder.path / coder.FILE).unlink()
    monkeypatch.setattr(coder, "_prior", lambda run: pytest.fail("fitted"))
    file = GOLDEN / "codes" / "examples.lat"
    words = ("decompress", file, "--run", run.folder.path, "-o", tmp_path / "x.npy")
    code, _, err = said(capsys, *words)
    assert (
        code == 2
        and f"with the {coder.FILE} or latents.safetensors that {run.folder.path} lacks; copy it" in err
    )
    assert not (run.folder.path / coder.FILE).exists() and not (tmp_path / "x.npy").exists()


def test_conditions_have_no_file(tmp_path):
    settings = {
        **TINY,
        "model": {"name": "conditional_vae", "latent_dim": 2},
        "network": "mlp",
        "prior": "uniform_codes",
    }
    run = latentia.train("digits", out=tmp_path / "run", objective="vq", quiet=True, **settings)
    assert not coder.codable(run)
    with pytest.raises(ConfigError, match="a conditional model cannot be coded by"):
        run.compress(np.asarray(run.dataset.x)[:2])


@pytest.mark.parametrize("name", ["codes", "squared"])
def test_the_evaluation_and_the_report_say_what_a_file_takes(name, request):
    run = request.getfixturevalue(name)
    subject = Subject(run, Settings(), True)
    files.measure(subject)
    bits = subject.ledger.figures["file_bits_per_dim"]
    loss = name == "squared"
    assert bits.parts[0] == (files.PRIOR if loss else files.BOUND) and ("xz -9e" in bits.parts) != loss
    assert isinstance(bits.value, tuple) and bits.value[1] > bits.value[0]
    assert ("with loss: likelihood" in bits.protocol) == loss
    found = assessed(run, **subject.ledger.figures)
    group = gather([run], 0, [found])
    (panel,) = shown.section(group).panels
    assert ("as a file of their codes" if loss else "as a file without loss") in panel.note
