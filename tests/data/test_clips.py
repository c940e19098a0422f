"""Clips: from films, animations and folders of pictures; what cannot be used is named in one line."""

import subprocess
import sys
import time
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

import latentia
from latentia.core.errors import ConfigError, DataError
from latentia.data import load
from latentia.data.loader import loaders
from latentia.data.readers.films import ahead, windows
from latentia.data.splits import make_splits
from latentia.data.transforms import Scale

av = pytest.importorskip("av")


def _moving(frames, height=32, width=48, seed=0):
    """A square that moves over a gradient, `(T, H, W, 3)`."""
    y, x = np.mgrid[:height, :width]
    clip = np.repeat(np.stack([x * 4, y * 6, x + y], axis=-1)[None], frames, axis=0).astype(np.uint8)
    for at in range(frames):
        left = (seed * 5 + at) % (width - 8)
        clip[at, 8:16, left : left + 8] = 255
    return clip


def film(path, clip, *, codec="libx264", pix="yuv444p", rate=25, sound=False, times=None):
    """Write a film, nearly without loss."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate, options={"crf": "1"} if codec == "libx264" else {})
        stream.height, stream.width, stream.pix_fmt = *clip.shape[1:3], pix
        scale = 1000 if times else rate
        stream.time_base = stream.codec_context.time_base = Fraction(1, scale)
        for at, pixels in enumerate(clip):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts = times[at] if times else at
            frame.time_base = Fraction(1, scale)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())


def sound(path):
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        out.mux(stream.encode(frame))
        out.mux(stream.encode())


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for number in range(12):
        film(folder / f"clip{number:02}.mp4", _moving(20, seed=number))
    return folder


def test_films_become_windows_whose_pixels_are_those_of_the_frames(films):
    data = load(films, frames=9)
    assert data.event.kind == "video"
    assert data.x.shape == (24, 3, 9, 32, 48)
    wanted = _moving(20).transpose(3, 0, 1, 2)
    for window in range(2):
        shown = data.x[window].astype(int)
        assert np.abs(shown - wanted[:, 9 * window : 9 * window + 9]).mean() < 3
    assert load(films, frames=9, stride=4).x.shape[0] == 12 * 3
    assert load(films).x.shape == (12, 3, 17, 32, 48)


def test_no_split_parts_the_windows_of_a_film(films):
    data = load(films, frames=5, test=0.2, validation=0.2)
    owners = {name: set((at // 4).tolist()) for name, at in data.splits.items()}
    assert {name: len(own) for name, own in owners.items()} == {"train": 8, "validation": 2, "test": 2}
    assert all(len(at) == 4 * len(owners[name]) for name, at in data.splits.items())
    groups = np.repeat(np.arange(10), 3)
    splits = make_splits(30, {}, 0.1, 0.1, groups=groups)
    assert sorted(np.concatenate([*splits.values()])) == list(range(30))


def test_sizes_and_crops_are_those_of_pictures(films):
    assert load(films, frames=9, size=16).x.shape[-2:] == (16, 16)
    short = load(films, frames=9, size=16, fit="short", crop=16)
    assert short.x.shape == (24, 3, 9, 16, 16)
    assert short.pictures is not None and short.pictures.sizes.tolist()[0] == [16, 24]
    middle = short.pictures.whole(0)[..., 4:20]
    assert np.array_equal(short.x[0], middle)
    loader = loaders(short, Scale(0.0, 255.0))["train"]
    index = loader.chosen(0, 0, 0, 4)
    varied = loader.varied(index).numpy()
    wholes = [short.pictures.whole(int(at)) for at in index]
    for crop, whole in zip(varied, wholes, strict=True):
        places = [np.array_equal(crop, whole[..., left : left + 16]) for left in range(9)]
        assert any(places)
    padded = load(films, frames=9, size=(32, 64), fit="pad").x
    assert padded[..., :8].max() == 0 and padded[..., 8:56].max() > 200


def test_a_rate_repeats_and_leaves_out_frames(tmp_path):
    clip = np.repeat(np.arange(0, 200, 10, dtype=np.uint8), 16 * 16 * 3).reshape(20, 16, 16, 3)
    times = [0, 40, 80, 200, 240, *range(280, 280 + 15 * 40, 40)]  # a gap of three frames
    film(tmp_path / "a.mp4", clip, times=times)
    half = load(tmp_path, frames=2, rate=12.5).x[:, 0].mean(axis=(2, 3)).reshape(-1)
    assert np.abs(half[:5] - [0, 20, 20, 40, 60]).max() < 4


def test_pictures_are_frames_where_clips_are_asked_for(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for at in (0, 1, 2, 10):
            Image.fromarray(np.full((8, 8), at, np.uint8)).save(tmp_path / name / f"frame{at}.png")
    data = load(tmp_path, frames=4)
    assert data.x.shape == (2, 1, 4, 8, 8)
    assert data.x[0, 0, :, 0, 0].tolist() == [0, 1, 2, 10]
    assert load(tmp_path, frames=1).x.shape == (8, 1, 1, 8, 8)
    assert load(tmp_path).x.shape == (8, 1, 8, 8)


def test_pictures_beside_films_are_left_out_and_counted(tmp_path):
    for number in range(2):
        film(tmp_path / f"{number}.mp4", _moving(9))
    film(tmp_path / "short.mp4", _moving(4))
    Image.fromarray(np.zeros((32, 48, 3), np.uint8)).save(tmp_path / "still.png")
    data = load(tmp_path, frames=9)
    assert len(data.x) == 2
    assert "1 picture beside clips (data.frames=1 takes both)" in data.summary()
    assert "1 clip that is shorter than a window" in data.summary()
    assert len(load(tmp_path, frames=1).x) == 9 + 9 + 4 + 1


def test_an_animation_is_a_film_where_clips_are_asked_for(tmp_path):
    shown = [Image.fromarray(frame) for frame in _moving(12)]
    for name in ("a.gif", "b.gif"):
        shown[0].save(tmp_path / name, save_all=True, append_images=shown[1:], duration=40)
    assert load(tmp_path, frames=6).x.shape == (4, 3, 6, 32, 48)
    assert load(tmp_path / "a.gif", frames=6).x.shape == (2, 3, 6, 32, 48)


def test_grey_and_deep_films(tmp_path):
    clip = _moving(10)
    for name in ("a.mkv", "b.mkv"):
        film(tmp_path / name, clip, codec="ffv1", pix="gray")
    assert load(tmp_path, frames=5).x.shape == (4, 1, 5, 32, 48)
    film(tmp_path / "c.mp4", clip, pix="yuv444p10le")
    data = load(tmp_path, frames=5)
    assert data.x.shape == (6, 3, 5, 32, 48)
    assert "1 clip's bits beyond 8 of each value" in data.summary()


def test_what_is_no_clip_is_named_and_may_be_skipped(films, tmp_path):
    for number in range(2):
        (tmp_path / f"{number}.mp4").write_bytes((films / f"clip0{number}.mp4").read_bytes())
    sound(tmp_path / "sound.mp4")
    with pytest.raises(DataError, match=r"'sound.mp4' .*it has no video stream but sound.*--skip-bad"):
        load(tmp_path, frames=9)
    (tmp_path / "none.mp4").write_bytes(b"nothing")
    (tmp_path / "empty.mkv").write_bytes(b"")
    data = load(tmp_path, frames=9, skip_bad=True)
    assert data.skipped == ("empty.mkv", "none.mp4", "sound.mp4")
    assert len(data.x) == 4


def test_a_corrupt_tail_is_said_and_what_is_before_it_used(tmp_path):
    for name in ("a.mpg", "b.mpg"):
        film(tmp_path / name, _moving(60, 64, 96), codec="mpeg1video", pix="yuv420p")
    content = (tmp_path / "b.mpg").read_bytes()
    (tmp_path / "b.mpg").write_bytes(content[: len(content) // 2])
    data = load(tmp_path, frames=5)
    assert 12 < len(data.x) < 24


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"frames": 33}, r"no clip has the 33 frames of a window, the longest has 20; give data.frames=17"),
        ({"frames": 0}, r"data.frames is 0"),
        ({"frames": 9, "rate": -1}, r"data.rate is -1"),
        ({"frames": 9, "pages": "examples"}, r"data.pages=examples does not apply"),
    ],
)
def test_settings_that_do_not_fit_are_told(films, settings, words):
    with pytest.raises((DataError, ConfigError), match=words):
        load(films, **settings)


def test_sizes_that_differ_are_told_with_both_ways_out(tmp_path):
    film(tmp_path / "a.mp4", _moving(9))
    film(tmp_path / "b.mp4", _moving(9, 48, 32))
    with pytest.raises(DataError, match=r"'b.mp4' has frames of 48x32, and 'a.mp4' of 32x48.*data.size=128"):
        load(tmp_path, frames=9)
    with pytest.raises(ConfigError, match=r"data\.frames=9 does not apply"):
        load(np.zeros((4, 3, 9, 8, 8), np.float32), frames=9)


@pytest.mark.parametrize("how", [{}, {"size": 16, "fit": "short", "crop": 16}])
def test_packed_clips_are_those_that_were_read(films, tmp_path, how):
    whole = load(films, frames=9, **how)
    packed = latentia.pack(films, tmp_path / "packed", frames=9, workers=2, **how)
    crop = {"crop": how["crop"]} if how else {}
    for buffer in (1024, 1):
        data = load(packed, buffer=buffer, **crop)
        for name, at in whole.splits.items():
            assert np.array_equal(data.x[data.splits[name]], whole.x[at])
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "packed").iterdir()}
    (tmp_path / "packed" / "test-00000.npy").unlink()
    latentia.pack(films, tmp_path / "packed", frames=9, **how)
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "packed").iterdir()}
    assert {name for name in after if after[name] != before[name]} <= {
        name for name in after if name.startswith(("test-00000", "index"))
    }
    assert load(packed, **crop).fingerprint == data.fingerprint


SLOW = """
import sys, time
import latentia.data.packing.clips as clips
import latentia.data.packing.pack as whole
from latentia.data.packing import writer
def slow(*args, made=clips.windows_of):
    time.sleep(0.1)
    yield from made(*args)
clips.windows_of = slow
whole.plan = lambda job, size: writer.plan(job, job.each)
whole.pack(sys.argv[1], sys.argv[2], frames=9, workers=1)
"""


def test_a_packing_of_films_that_is_killed_goes_on(films, tmp_path):
    out = tmp_path / "packed"
    command = [sys.executable, "-c", SLOW, str(films), str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    while len(list(out.glob("t*[0-9].json"))) < 3:
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    process.kill()
    process.communicate()
    with pytest.raises(DataError, match="not packed to the end"):
        load(out)
    kept = {path: path.stat().st_mtime_ns for path in out.glob("t*[0-9].json")}
    assert len(kept) < 11
    subprocess.run(command, check=True, capture_output=True)
    whole, packed = load(films, frames=9), load(out)
    for name, at in whole.splits.items():
        assert np.array_equal(packed.x[packed.splits[name]], whole.x[at])
    assert all(path.stat().st_mtime_ns == before for path, before in kept.items())
    assert not list(out.glob(".*.part"))


def test_windows_and_threads_keep_the_order():
    frames = [np.full((1, 1, 1), at) for at in range(10)]
    starts = [int(window[0, 0, 0, 0]) for window in windows(frames, 3, 5)]
    assert starts == [0, 5]
    assert [int(window[0, 0, 0, 0]) for window in windows(frames, 4, 2)] == [0, 2, 4, 6]
    made = [(item, list(pieces)) for item, pieces in ahead(range(7), lambda n: iter(range(n)), 3)]
    assert made == [(n, list(range(n))) for n in range(7)]

    def broken(number):
        yield number
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        [list(pieces) for _, pieces in ahead([1, 2], broken, 2)]
