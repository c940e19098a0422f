"""Films through a codec: piece by piece what the whole gives, and as files."""

import subprocess
import sys
import time

import numpy as np
import pytest
import torch

import latentia
from latentia.cli import main
from latentia.core.errors import ConfigError
from latentia.runs.films import Codec, open_film, pairs, write_film

av = pytest.importorskip("av")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A codec of 4 frames of 8x8, trained for a moment, whose linear code makes all of its weights count."""
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 255, (24, 3, 3, 4, 4)).astype(np.float32)
    x = torch.nn.functional.interpolate(torch.from_numpy(coarse), size=(9, 16, 16), mode="trilinear").numpy()
    return latentia.train(
        x.astype(np.uint8),
        out=tmp_path_factory.mktemp("films") / "run",
        model={"name": "vae", "latent_dim": 6},
        network={"name": "causal3d", "channels": [8, 12, 16], "blocks": [1, 1, 1, 1], "patch": 2},
        posterior="shared_gaussian",
        likelihood="gaussian_optimal",
        transform="signed",
        training={"epochs": 2, "batch_size": 4},
    )


@pytest.fixture(scope="module")
def film():
    """Smooth frames of another size, whose sides no stride divides, and as many as no stride divides, too."""
    coarse = torch.rand(1, 3, 6, 4, 4, generator=torch.Generator().manual_seed(1)) * 255
    clip = torch.nn.functional.interpolate(coarse, size=(44, 21, 30), mode="trilinear")[0]
    return [frame.numpy().astype(np.uint8) for frame in clip.transpose(0, 1)]


def _close(found, whole):
    return np.abs(found - whole).max() <= 1e-5 * np.abs(whole).max()


@pytest.mark.parametrize("size", [None, 1, 2, 3, 5])
@pytest.mark.parametrize("count", [44, 41, 5, 3, 1])
def test_a_film_in_pieces_is_the_film_as_a_whole(run, film, size, count):
    clip = np.stack(film[:count], axis=1)
    codec = Codec(run, size)
    latents = list(codec.latents(iter(film[:count])))
    z = torch.cat(latents, dim=2).numpy()
    assert z.shape[2] == 1 + -(-(count - 1) // 4)
    assert _close(z, run.inference.encode(clip))
    whole = run.inference.decode(z)[0]
    frames = np.stack(list(codec.frames(latents)), axis=1)
    assert _close(frames, whole)


def test_frames_and_what_becomes_of_them_come_in_pairs(run, film):
    from latentia.runs.films import Film

    found = list(pairs(run, Film(iter(film), 25.0, 44), 2))
    assert len(found) == 44
    assert all(np.array_equal(given, frame) for (given, _), frame in zip(found, film, strict=True))
    assert all(made.shape == given.shape for given, made in found)


def test_the_verbs_take_and_write_films(run, film, tmp_path, capsys):
    source = tmp_path / "film.mp4"
    assert write_film(source, iter(film), 20.0, (0.0, 255.0)) == 44
    with av.open(str(source)) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (30, 21)
        assert float(container.streams.video[0].average_rate) == 20.0
    back = np.stack(list(open_film(source, run).frames)).astype(float)
    assert np.abs(back - np.stack(film)).mean() < 3

    def called(*words):
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        assert ended.value.code == 0
        return capsys.readouterr().out

    assert "44 frames as 1x6x12x3x4" in called("encode", run.folder.path, source, "-o", tmp_path / "z.npy")
    assert "45 frames" in called("decode", run.folder.path, tmp_path / "z.npy", "-o", tmp_path / "back.mp4")
    called("reconstruct", run.folder.path, source, "-o", tmp_path / "both.gif")
    with av.open(str(tmp_path / "both.gif")) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(shown) == 44
    assert shown[0].shape == (21, 60, 3)
    assert "4 clips of 9 frames" in called("sample", run.folder.path, "-n", 4, "-o", tmp_path / "new.mp4")


ENDLESS = """
import itertools, sys
from pathlib import Path
import numpy as np
from latentia.runs.films import write_film
def frames():
    for at in itertools.count():
        if at == 60:
            print("writing", flush=True)
        yield np.full((3, 16, 16), at % 255, np.uint8)
write_film(Path(sys.argv[1]), frames(), 25.0, (0.0, 255.0))
"""


@pytest.mark.parametrize("before", [True, False])
def test_a_film_whose_writing_is_killed_leaves_what_was_there(film, tmp_path, before):
    path = tmp_path / "film.mp4"
    if before:
        write_film(path, iter(film), 20.0, (0.0, 255.0))
    there = path.read_bytes() if before else None
    process = subprocess.Popen([sys.executable, "-c", ENDLESS, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"writing\n"
    process.kill()
    process.communicate()
    assert (path.read_bytes() if path.exists() else None) == there
    assert write_film(path, iter(film), 20.0, (0.0, 255.0)) == 44


def test_a_training_on_clips_that_is_killed_goes_on_bit_for_bit(tmp_path):
    x = np.random.default_rng(0).integers(0, 255, (24, 3, 9, 16, 16), np.uint8)
    np.save(tmp_path / "clips.npy", x)
    settings = [
        "model.latent_dim=4", "network=causal3d", "network.channels=4,8,8", "network.blocks=1,1,1,1",
        "network.patch=2", "posterior=shared_gaussian",
    ]  # fmt: skip
    more = ["training.epochs=8", "training.batch_size=4", "training.checkpoint_seconds=0", "--threads", "1"]

    def command(out):
        words = ["train", str(tmp_path / "clips.npy"), "--out", str(out), *settings, *more]
        return [sys.executable, "-m", "latentia", *words]

    broken = tmp_path / "broken"
    process = subprocess.Popen(command(broken), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not list(broken.glob("checkpoints/*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    process.kill()
    process.communicate()
    resume = [sys.executable, "-m", "latentia", "train", "--resume", str(broken)]
    subprocess.run(resume, check=True, capture_output=True)
    subprocess.run(command(tmp_path / "whole"), check=True, capture_output=True)
    one, other = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("broken", "whole"))
    assert one == other


def test_what_takes_no_films_says_so(tmp_path):
    x = np.random.default_rng(0).random((20, 1, 8, 8), np.float32)
    plain = latentia.train(x, out=tmp_path / "plain", network="mlp", training={"epochs": 1})
    with pytest.raises(ConfigError, match=r"does not take whole films; train with network\.name=causal3d"):
        open_film(tmp_path / "a.mp4", plain)
