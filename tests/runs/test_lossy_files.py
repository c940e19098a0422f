"""Files of pictures with loss from the command line, by the run of the golden file."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import latentia
from latentia.cli import main
from latentia.coding.rates import by_file, measured, psnr
from latentia.runs import picture_peers
from latentia.runs.pictures import compress
from latentia.runs.scores import score
from tests.coding.test_pictures import GOLDEN, SMALL, mosaics


@pytest.fixture
def run(tmp_path):
    """The golden run on its own, where no other is found."""
    folder = tmp_path / "runs" / "grey"
    shutil.copytree(GOLDEN, folder)
    return folder


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, picture in enumerate(mosaics()):
        Image.fromarray(picture[0] * 15).save(folder / f"{number}.png")
    return folder


def said(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in arguments])
    out, err = capsys.readouterr()
    return ended.value.code, out, err


def refused(capsys, *arguments):
    code, out, err = said(capsys, *arguments)
    assert code == 2 and not out
    lines = [line for line in err.strip().splitlines() if line.startswith("latentia: ")]
    assert len(lines) == 1 and "Traceback" not in err, err
    return lines[0]


@pytest.fixture
def stored(run, tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.stack([mosaics()[0]] * 3))
    code, out, _ = said(
        capsys, "compress", run, tmp_path / "x.npy", "-o", tmp_path / "x.lat", "--step", "0.4"
    )
    size = (tmp_path / "x.lat").stat().st_size
    assert code == 0
    assert f"3 pictures in {size:,} bytes, {8 * size / 192:.4f} bits per pixel (step 0.4)" in out
    return tmp_path / "x.lat"


def test_pictures_become_a_file_and_pictures_again(run, stored, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = said(capsys, "decompress", stored, "-o", tmp_path / "back")  # the run is found in runs/
    assert code == 0 and "3 pictures" in out
    files = sorted((tmp_path / "back").iterdir())
    assert [file.name for file in files] == ["000000.png", "000001.png", "000002.png"]
    first = np.asarray(Image.open(files[0]))
    code, _, _ = said(capsys, "decompress", stored, "-o", tmp_path / "one.png", "--run", run, "--rows", "1:2")
    assert code == 0 and (np.asarray(Image.open(tmp_path / "one.png")) == first).all()
    code, _, _ = said(capsys, "decompress", stored, "-o", tmp_path / "all.npy", "--run", run)
    found = np.load(tmp_path / "all.npy").reshape(3, 8, 8)
    assert code == 0 and (found == first).all()


def test_several_processes_write_and_read_the_same_pictures(run, tmp_path, capsys):
    pictures = tmp_path / "x.npy"
    np.save(pictures, np.stack([np.roll(mosaics()[0], turn, axis=-1) for turn in range(5)]))
    for number in (1, 2):
        words = ("compress", run, pictures, "--workers", number, "-o", tmp_path / f"{number}.lat")
        code, _, err = said(capsys, *words)
        assert code == 0, err
        words = ("decompress", tmp_path / f"{number}.lat", "--run", run, "--workers", number)
        assert said(capsys, *words, "-o", tmp_path / f"back{number}")[0] == 0
    assert (tmp_path / "1.lat").read_bytes() == (tmp_path / "2.lat").read_bytes()
    for file in sorted((tmp_path / "back1").iterdir()):
        assert file.read_bytes() == (tmp_path / "back2" / file.name).read_bytes()
    content = bytearray((tmp_path / "2.lat").read_bytes())
    content[-3] ^= 1
    (tmp_path / "2.lat").write_bytes(content)
    assert "is damaged" in refused(capsys, *words, "-o", tmp_path / "back3")
    assert not (tmp_path / "back3").exists()


def test_a_folder_of_pictures_of_many_sizes(pictures, tmp_path, capsys):
    crop = {"crop": 8}
    small = {**SMALL, "epochs": 1, "network": {**SMALL["network"], "channels": [4, 4], "blocks": [0, 1]}}
    for number in range(10):  # as many as splits need
        shutil.copy(pictures / "1.png", pictures / f"more-{number}.png")
    (pictures / "2.png").unlink()  # smaller than a crop
    latentia.train(pictures, out=tmp_path / "run", quiet=True, data=crop, **small)
    code, out, err = said(capsys, "compress", tmp_path / "run", pictures, "-o", tmp_path / "p.lat")
    assert code == 0, err
    assert "12 pictures" in out
    code, _, err = said(
        capsys, "decompress", tmp_path / "p.lat", "-o", tmp_path / "p", "--run", tmp_path / "run"
    )
    assert code == 0, err
    sizes = sorted(Image.open(file).size for file in (tmp_path / "p").iterdir())
    assert sizes == sorted([(8, 8), *[(30, 21)] * 11])
    line = refused(
        capsys, "decompress", tmp_path / "p.lat", "-o", tmp_path / "p.npy", "--run", tmp_path / "run"
    )
    assert "the pictures differ in size; name a new folder" in line
    line = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert line["split"] == "test" and line["rate"] > 0


def test_failures_take_one_line_and_leave_nothing(run, stored, tmp_path, capsys):
    source, out = tmp_path / "x.npy", tmp_path / "y.lat"
    line = refused(capsys, "compress", run, source, "-o", out, "--step", "7")
    assert "a step is from 2^-12 to 4, not 7" in line
    line = refused(capsys, "decompress", stored, "-o", tmp_path / "a.png", "--run", run)
    assert "is one picture, and there are 3" in line
    content = bytearray(stored.read_bytes())
    content[-10] ^= 1
    stored.write_bytes(content)
    line = refused(capsys, "decompress", stored, "-o", tmp_path / "b", "--run", run)
    assert "picture 3 of 3 is damaged or cut off; others may be whole: read them with --rows" in line
    stored.write_bytes(content[:30])
    refused(capsys, "decompress", stored, "-o", tmp_path / "b", "--run", run)
    stored.write_bytes(b"LAT\x07" + content[4:])
    line = refused(capsys, "decompress", stored, "-o", tmp_path / "b", "--run", run)
    assert "is of format 7, and this version reads up to 2; use a later latentia" in line
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"runs", "x.npy", "x.lat"}


def test_what_was_killed_goes_on_and_gives_the_same_file(run, tmp_path):
    whole = load_digits().images[:200, None].astype(np.uint8)
    np.save(tmp_path / "x.npy", whole)
    command = [sys.executable, "-m", "latentia", "compress", str(run), str(tmp_path / "x.npy"), "--resume"]
    command += ["-o", str(tmp_path / "x.lat")]
    part = tmp_path / ".x.lat.part"
    process = subprocess.Popen(command, env=os.environ, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (part.is_file() and part.stat().st_size > 1_000):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert part.stat().st_size > 1_000 and not (tmp_path / "x.lat").exists()
    opened = latentia.open_run(run)
    written = compress(opened, whole, tmp_path / "x.lat", resume=True)
    again = compress(opened, whole, tmp_path / "whole.lat")
    assert (written.size, written.pixels) == (again.size, again.pixels) and not part.exists()
    assert (tmp_path / "x.lat").read_bytes() == (tmp_path / "whole.lat").read_bytes()


def test_pictures_that_are_there_stay_and_others_are_written_anew(run, tmp_path, monkeypatch):
    opened, pictures, part = latentia.open_run(run), mosaics(), tmp_path / ".x.lat.part"
    others = [pictures[0], pictures[1] + np.uint8(3), pictures[2]]
    content, other = (opened.compress(some, step=0.4) for some in (pictures, others))
    coded = []
    code = opened.picture_coder.code
    monkeypatch.setattr(opened.picture_coder, "code", lambda x, step: coded.append(x) or code(x, step))
    for begun, given, want, anew in (
        (content[:-1], pictures, content, 1),
        (content, others, other, 2),
        (content + b"more", pictures, content, 0),
        (content[:9], pictures, content, 3),
    ):
        part.write_bytes(begun)
        coded.clear()
        written = compress(opened, given, tmp_path / "x.lat", step=0.4, resume=True)
        assert (tmp_path / "x.lat").read_bytes() == want and len(coded) == anew and not part.exists()
        assert written.pixels == sum(picture[0].size for picture in given)


def test_what_was_begun_otherwise_is_refused(run, tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.stack([mosaics()[0]] * 2))
    opened, part = latentia.open_run(run), tmp_path / ".x.lat.part"
    lossless = (GOLDEN.parent / "levels" / "examples.lat").read_bytes()
    one = opened.compress(mosaics()[:1], step=0.4)
    step = opened.compress([mosaics()[0]] * 2, step=0.5)
    for begun in (one, step, step[:4] + b"\0" + step[5:], lossless):
        part.write_bytes(begun)
        line = refused(
            capsys, "compress", run, tmp_path / "x.npy", "-o", tmp_path / "x.lat", "--step", "0.4", "--resume"
        )
        assert "was begun with another model, another --step or another number of pictures" in line
        assert part.read_bytes() == begun and not (tmp_path / "x.lat").exists()


def test_others_are_compared_at_the_psnr_of_the_file(run, tmp_path, capsys, monkeypatch):
    x = load_digits().images[:6, None].astype(np.uint8)
    np.save(tmp_path / "x.npy", x)
    monkeypatch.setattr(picture_peers, "absent", lambda kind: kind == "AVIF")
    command = ("compress", run, tmp_path / "x.npy", "-o", tmp_path / "x.lat", "--step", "0.4", "--compare")
    code, out, err = said(capsys, *command)
    assert code == 0, err
    _, own, jpeg, webp, avif = out.splitlines()
    back = latentia.open_run(run).decompress((tmp_path / "x.lat").read_bytes())
    want = np.mean([psnr(*pair, 16) for pair in zip(x, back, strict=True)])
    size = (tmp_path / "x.lat").stat().st_size
    assert (
        own.split() == f"this file {size} bytes, {size / 48:.4f} bits per pixel, PSNR {want:.2f} dB".split()
    )
    assert avif == "  AVIF: this Pillow was built without it"
    for kind, line in (("JPEG", jpeg), ("WebP", webp)):
        quality = int(re.match(rf"  {kind}, quality (\d+) ", line)[1])
        point = measured(x, quality, by_file(kind, quality), 16)
        assert (
            f" {point.size:,} bytes, {point.size / 48:.4f} bits per pixel, PSNR {point.decibels:.2f} dB"
            in line
        )
        assert measured(x, quality - 1, by_file(kind, quality - 1), 16).decibels < want <= point.decibels
    _, _, line, *_ = picture_peers.compared(latentia.open_run(run), x.astype(np.float32), tmp_path / "x.lat")
    assert "WebP: it takes pixels of 8 bits alone" in line


def test_a_rounded_latent_has_a_bound_and_no_estimate_of_the_likelihood(run):
    opened = latentia.open_run(run)
    found = score(opened, np.stack([mosaics()[0]] * 2), None, samples=3, seed=0)
    assert found["elbo"].shape == (2,)
    assert "log_likelihood" not in found and "is certain" in found["missing"]["log_likelihood"]


def test_options_of_the_other_kind_of_file_are_refused(run, tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.stack([mosaics()[0]] * 2))
    code, _, err = said(capsys, "compress", run, tmp_path / "x.npy", "-o", tmp_path / "x.lat", "--block", "9")
    assert code == 2 and "--block is for files without loss; leave it out" in err
    lossless = GOLDEN.parent / "levels"
    code, _, err = said(
        capsys, "compress", lossless, lossless / "examples.npy", "-o", tmp_path / "x.lat", "--step", "0.5"
    )
    assert code == 2 and "--step is for runs that code with loss" in err
    line = refused(capsys, "decompress", lossless / "examples.lat", "-o", tmp_path / "x", "--run", run)
    assert "holds examples without loss, and the run codes pictures with loss" in line
