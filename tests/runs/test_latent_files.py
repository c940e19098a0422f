"""Files of rounded latents, with loss, of runs that have no other."""

import shutil

import numpy as np
import pytest
from PIL import Image

import latentia
from latentia.core.errors import ConfigError, DataError
from latentia.runs import coder
from latentia.runs.compression import compress
from tests.runs.test_compression import QUICK, said


def trained(folder, **settings):
    return latentia.train("digits", out=folder, quiet=True, **{**QUICK, **settings})


@pytest.fixture(scope="module")
def vae(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("latents") / "vae", likelihood="gaussian_optimal", epochs=40)


@pytest.fixture(scope="module")
def points(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("latents") / "points", model="autoencoder")


@pytest.fixture(scope="module")
def x(vae):
    return np.asarray(vae.dataset.x)


def squared(made, x):
    return float(np.square(made.astype(np.float64) - x).mean())


def test_rounding_errors_are_those_of_draws_from_the_posterior(vae, x):
    back = vae.decompress(vae.compress(x, lossy=True))
    drawn = [squared(vae.inference.decode(vae.encode(x, sample=True, seed=seed)), x) for seed in range(5)]
    assert back.dtype == x.dtype and back.shape == x.shape
    assert squared(back, x) == pytest.approx(np.mean(drawn), rel=0.05)
    assert squared(vae.reconstruct(x), x) < 0.97 * np.mean(drawn)
    _, deviation = vae.posterior(np.asarray(vae.dataset.part(vae.examples("train", coder.SHOWN))))
    steps = vae.latent_coder.steps
    assert steps == pytest.approx(np.sqrt(12 * np.square(deviation, dtype=np.float64).mean(axis=0)), rel=1e-5)
    found = (vae.latent_coder.of(x.reshape(len(x), -1)) + vae.latent_coder.tables["lowest"]) * steps
    assert np.abs(found - vae.encode(x)).max() <= 0.5001 * steps.max()


def test_points_are_rounded_as_finely_as_reconstructions_ask_for(points, x):
    train = np.asarray(points.dataset.part(points.examples("train", coder.SHOWN)))[: coder.TRIED]
    z = points.encode(train)
    exact = squared(points.inference.decode(z), train)
    steps = points.latent_coder.steps.astype(np.float32)
    assert squared(points.inference.decode(np.rint(z / steps) * steps), train) <= 1.0101 * exact
    assert squared(points.inference.decode(np.rint(z / (2 * steps)) * 2 * steps), train) > 1.01 * exact


def test_a_file_takes_what_the_latents_take(vae, x, tmp_path):
    written = compress(vae, x, tmp_path / "x.lat", lossy=True, block=600)
    assert written.loss and "rounded latents alone" in written.summary()
    found = vae.latent_coder
    k = found.of(x.reshape(len(x), -1))
    p = np.diff(found._borders, axis=1) / found._borders[:, -1:]
    bits = -np.log2(p[np.arange(k.shape[1]), k]).sum()
    assert written.bound == pytest.approx(bits, rel=1e-3)
    assert 0 < written.size - bits / 8 < 130  # a header and three blocks
    shares = np.stack([np.bincount(column, minlength=p.shape[1]) for column in k.T]) / len(k)
    entropy = -(shares * np.log2(np.maximum(shares, 1e-12))).sum() * len(k)
    assert entropy <= bits < 1.03 * entropy


def test_both_kinds_of_file_are_told_apart(x, vae, tmp_path, capsys):
    run = trained(tmp_path / "runs" / "both", likelihood="discretised_logistic", epochs=3)
    exact, rounded = run.compress(x[:50]), run.compress(x[:50], lossy=True)
    assert len(rounded) < len(exact)
    again = latentia.open_run(run.folder.path, device="cpu")
    assert (again.decompress(exact) == x[:50]).all()
    assert (again.decompress(rounded) == run.decompress(rounded)).all() and not (
        again.decompress(rounded) == x[:50]
    ).all()
    for content in (rounded, exact):
        with pytest.raises(DataError, match="was written by another model than this run's"):
            vae.decompress(content)
    with pytest.raises(DataError, match="was written by another model than this run's"):
        again.decompress(vae.compress(x[:5], lossy=True))


def test_the_command_line_finds_the_run_and_other_processes_give_the_same(
    vae, x, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(vae.folder.path.parent)
    word = vae.folder.path.name
    for count in (1, 2):
        options = ("--lossy", "--split", "all", "--block", 200, "--workers", count)
        code, out, err = said(
            capsys, "compress", word, *options, "-o", tmp_path / f"{count}.lat", "--compare"
        )
        assert code == 0, err
        assert "come back with loss: as --lossy asks for" in out and "without loss, others take" in out
    assert (tmp_path / "1.lat").read_bytes() == (tmp_path / "2.lat").read_bytes()
    words = ("decompress", tmp_path / "1.lat", "--workers", 2)
    code, out, err = said(capsys, *words, "-o", tmp_path / "x.npy")
    assert code == 0 and "of rounded latents: examples come back with loss" in out, err
    want = vae.decompress(vae.compress(x, lossy=True))
    assert (np.load(tmp_path / "x.npy").reshape(want.shape) == want).all()
    code, _, err = said(capsys, *words, "--resume", "-o", tmp_path / "y.npy")
    assert code == 2 and "come back with loss" in err
    damaged = bytearray((tmp_path / "1.lat").read_bytes())
    damaged[-3] ^= 8
    (tmp_path / "1.lat").write_bytes(damaged)
    code, _, err = said(capsys, *words, "-o", tmp_path / "y.npy")
    assert code == 2 and "block 9 of 9" in err and not (tmp_path / "y.npy").exists()
    code, _, err = said(capsys, "compress", word, "-o", tmp_path / "y.lat")
    assert code == 2 and "is a density" in err and "rounded latents alone, with loss, by --lossy" in err


def test_a_copy_without_its_data_reads_and_latents_that_are_no_numbers_are_named(
    vae, x, tmp_path, monkeypatch
):
    content = vae.compress(x[:100], lossy=True)
    shutil.copytree(vae.folder.path, tmp_path / "copy")
    copy = latentia.open_run(tmp_path / "copy", device="cpu")
    with monkeypatch.context() as patch:
        patch.setattr(type(copy), "dataset", property(lambda run: pytest.fail("it asks for the data")))
        assert (copy.decompress(content) == vae.decompress(content)).all()
    with monkeypatch.context() as patch:
        patch.setattr(vae.latent_coder, "choose", lambda x: np.array([[0.0] * 4, [np.nan] * 4]))
        with pytest.raises(DataError, match="example 1 has latents that are no finite numbers"):
            vae.compress(x[:2], lossy=True)
        patch.setattr(vae.latent_coder, "choose", lambda x: np.full((len(x), 4), 1e9))
        ends = vae.latent_coder.of(x[:2].reshape(2, -1))
        assert (ends == vae.latent_coder.tables["counts"] - 1).all()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model": "conditional_vae"}, "a conditional model cannot be coded by"),
        ({"model": "vqvae", "objective": "vq"}, "are codes, which are written without --lossy"),
    ],
)
def test_what_has_no_such_latents_is_refused(settings, said, x, tmp_path):
    run = trained(tmp_path / "run", **{**settings, "epochs": 1})
    with pytest.raises(ConfigError, match=said):
        run.compress(x[:2], lossy=True)


@pytest.mark.parametrize(
    "settings",
    [
        {"posterior": "iaf", "likelihood": "gaussian_optimal"},
        {"network": {"name": "grid", "downsample": 4, "channels": 4, "blocks": 1}, "latent_dim": 2},
        {"model": "hierarchical_vae", "network": {"name": "ladder_mlp", "width": 16}},
        {"model": {"name": "markovian_vae", "levels": [2, 4]}},
    ],
    ids=["flow", "grid", "levels", "chain"],
)
def test_other_latents_are_rounded_as_well(settings, x, tmp_path):
    settings = {**QUICK, **settings, "epochs": 2}
    if settings.get("model"):
        del settings["latent_dim"]
    run = latentia.train("digits", out=tmp_path / "run", quiet=True, **settings)
    z = run.encode(x[:20])
    found = run.latent_coder.of(x[:20].reshape(20, -1)).reshape(z.shape)
    steps, lowest = (part.reshape(z.shape[1:]) for part in (run.latent_coder.steps, run.latent_coder._lowest))
    read = slice(-4, None) if "markovian_vae" in str(settings) else slice(None)
    assert np.abs(((found + lowest) * steps - z)[:, read]).max() <= 0.5001 * steps[read].max()
    if read != slice(None):  # the decoder does not read the upper level, and a file does not pay for it
        assert (run.latent_coder._counts[:2] == 1).all() and (run.latent_coder._counts[2:] > 1).all()
    assert run.decompress(run.compress(x[:20], lossy=True)).shape == x[:20].shape


def test_of_pictures_larger_than_the_crops_the_middle_is_written_and_that_is_said(x, tmp_path, capsys):
    (tmp_path / "pictures").mkdir()
    for number, digit in enumerate(x[:12, 0]):
        Image.fromarray(np.pad(digit, ((2, 2), (3, 1))) * 15).save(tmp_path / "pictures" / f"{number:02}.png")
    run = latentia.train(
        tmp_path / "pictures",
        out=tmp_path / "run",
        model="autoencoder",
        data={"crop": 8},
        quiet=True,
        **QUICK,
    )
    words = ("compress", run.folder.path, tmp_path / "pictures", "--lossy", "-o", tmp_path / "x.lat")
    code, out, err = said(capsys, *words)
    assert code == 0, err
    assert "of each picture its middle, 8x8, is written" in out and "12 examples in" in out
