"""Files without loss, from Python and from the command line."""

import io
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import latentia
from latentia.cli import main
from latentia.coding import bitsback
from latentia.coding.masses import cost
from latentia.coding.stages import choices_of
from latentia.core.errors import ConfigError, DataError
from latentia.runs import compression, workers
from latentia.runs.compression import Compressed, compress

QUICK = {"epochs": 15, "latent_dim": 4, "network": {"name": "mlp", "hidden": [32], "activation": "relu"}}


@pytest.fixture(scope="module")
def levels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("levels") / "levels"
    return latentia.train("digits", out=folder, likelihood="discretised_logistic", quiet=True, **QUICK)


@pytest.fixture(scope="module")
def x(levels):
    return np.asarray(levels.dataset.x)


def said(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in arguments])
    out, err = capsys.readouterr()
    return ended.value.code, out, err


def bound_of(run, x, draws=1):
    """-ELBO of examples in bits, by the float networks and draws of their own."""
    total = 0.0
    with torch.no_grad():
        for part in run.prepare(x):
            q = run.model.encode(part)
            for z in (q.rsample() for _ in range(draws)):
                terms = q.log_prob(z) - run.model.prior(None).log_prob(z) - run.model.decode(z).log_prob(part)
                total += float(terms.double().sum())
    return total / draws / math.log(2)


def test_all_examples_come_back_near_the_bound(levels, x, tmp_path):
    written = compress(levels, x, tmp_path / "x.lat")
    assert (levels.decompress((tmp_path / "x.lat").read_bytes()) == x).all()
    assert written.size == (tmp_path / "x.lat").stat().st_size
    bound = bound_of(levels, x)
    assert written.bound == pytest.approx(bound, rel=5e-3)  # other latents
    assert 8 * written.size < 1.005 * bound * 1.002


def test_the_exact_network_keeps_the_bound(levels, x):
    found = levels.compressor
    z = found.walk(found.posterior(found.symbols.of(x.reshape(len(x), -1)))).mean()
    middle = found.cells.middle(z).float() * 2.0**-12
    with torch.no_grad():
        p = levels.model.decode(middle)
        want = -p.log_prob(torch.cat(list(levels.prepare(x)))).double().numpy() / math.log(2)
    symbols = found.symbols.of(x.reshape(len(x), -1))
    got = sum(cost(*part) for part in choices_of(found.p(z), symbols))
    assert got.mean() == pytest.approx(want.mean(), rel=5e-4)


def test_rows_are_read_by_themselves_and_neither_lanes_nor_batches_change_a_file(
    levels, x, tmp_path, monkeypatch
):
    compress(levels, x[:300], tmp_path / "a.lat", block=50)
    monkeypatch.setattr(workers, "LANES", 2)
    monkeypatch.setattr(bitsback, "AT_ONCE", 7)
    compress(levels, x[:300], tmp_path / "b.lat", block=50)
    content = (tmp_path / "a.lat").read_bytes()
    assert content == (tmp_path / "b.lat").read_bytes()
    with (tmp_path / "a.lat").open("rb") as handle:
        opened = Compressed(levels, handle, "a.lat")
        for first, end in ((0, 1), (49, 51), (120, 260), (299, 300)):
            assert (np.concatenate(list(opened.read(first, end))) == x[first:end]).all()
        with pytest.raises(DataError, match="examples 0 to 299; there are none from 5 to 300"):
            next(opened.read(5, 301))
    damaged = bytearray(content)
    damaged[-20] ^= 1
    (tmp_path / "c.lat").write_bytes(damaged)
    with (tmp_path / "c.lat").open("rb") as handle:
        opened = Compressed(levels, handle, "c.lat")
        assert (np.concatenate(list(opened.read(0, 250))) == x[:250]).all()
        with pytest.raises(
            DataError, match=r"block 6 of 6 \(examples 250 to 299\) is damaged.*others may be whole"
        ):
            list(opened.read())


def test_a_file_decodes_by_a_copy_of_the_run_without_its_data(levels, x, tmp_path):
    content = levels.compress(x[:100])
    shutil.copytree(levels.folder.path, tmp_path / "copy")
    copy = latentia.open_run(tmp_path / "copy", device="cpu")
    assert (copy.decompress(content) == x[:100]).all()


def test_the_command_line_writes_and_reads(levels, x, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(levels.folder.path.parent)
    file = tmp_path / "test.lat"
    code, out, _ = said(capsys, "compress", levels.folder.path, "-o", file)
    assert code == 0 and "180 examples in" in out and "bits per dimension; +" in out
    code, out, _ = said(capsys, "decompress", file, "-o", tmp_path / "test.npy")
    assert code == 0 and "180x1x8x8" in out
    test = x[levels.dataset.splits["test"]]
    assert (np.load(tmp_path / "test.npy") == test).all()
    code, _, _ = said(
        capsys, "decompress", file, "--run", levels.folder.path, "--rows", "3:9", "-o", tmp_path / "some.npz"
    )
    assert code == 0 and (np.load(tmp_path / "some.npz")["x"] == test[3:9]).all()
    monkeypatch.chdir(tmp_path)
    code, _, err = said(capsys, "decompress", file, "-o", tmp_path / "no.npy")
    assert code == 2 and "no run here wrote" in err and "--run" in err
    for rows in ("9:5", "3:3", "0:181", ":-1", "-3:", "5", "1:2:3", "x:"):
        words = ("decompress", file, "--run", levels.folder.path, "-o", tmp_path / "no.npy", "--rows", rows)
        code, out, err = said(capsys, *words)
        told = "there are none from" if rows in ("9:5", "3:3", "0:181") else "--rows takes two numbers"
        assert code == 2 and told in err and not out and not (tmp_path / "no.npy").exists()
    for verb in ("compress", "encode", "reconstruct"):
        code, _, err = said(capsys, verb, levels.folder.path, "-n", "-1", "-o", tmp_path / "no.npy")
        assert code == 2 and "-1 is not in the range" in err and not (tmp_path / "no.npy").exists()
    code, _, err = said(capsys, "decompress", tmp_path / "test.npy", "-o", tmp_path / "no.npy")
    assert code == 2 and "is no file that 'latentia compress' wrote" in err


def test_what_was_killed_goes_on_and_gives_the_same_file(levels, tmp_path):
    source = np.tile(np.asarray(levels.dataset.x), (2, 1, 1, 1))
    np.save(tmp_path / "x.npy", source)
    command = [sys.executable, "-m", "latentia", "compress", str(levels.folder.path), str(tmp_path / "x.npy")]
    command += ["--block", "16", "--resume", "-o", str(tmp_path / "x.lat")]
    part = tmp_path / ".x.lat.part"
    process = subprocess.Popen(command, env=os.environ, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (part.is_file() and part.stat().st_size > 10_000):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert part.is_file() and not (tmp_path / "x.lat").exists()
    done = part.stat().st_size
    assert subprocess.run(command, env=os.environ, check=False, stderr=subprocess.DEVNULL).returncode == 0
    assert done > 10_000 and not part.exists()
    compress(levels, source, tmp_path / "whole.lat", block=16)
    assert (tmp_path / "x.lat").read_bytes() == (tmp_path / "whole.lat").read_bytes()


def test_several_processes_write_and_read_the_same(levels, x, tmp_path, capsys):
    compress(levels, x[:300], tmp_path / "one.lat", block=30)
    written = compress(levels, x[:300], tmp_path / "two.lat", block=30, workers=2)
    assert written.size == (tmp_path / "one.lat").stat().st_size
    assert (tmp_path / "one.lat").read_bytes() == (tmp_path / "two.lat").read_bytes()
    with (tmp_path / "two.lat").open("rb") as handle:
        found = Compressed(levels, handle, "two.lat", workers=2)
        assert (np.concatenate(list(found.read(25, 299))) == x[25:299]).all()
    damaged = bytearray((tmp_path / "two.lat").read_bytes())
    damaged[-20] ^= 1
    (tmp_path / "two.lat").write_bytes(damaged)
    words = ("decompress", tmp_path / "two.lat", "--run", levels.folder.path, "--workers")
    code, _, err = said(capsys, *words, 2, "-o", tmp_path / "x.npy")
    assert code == 2 and "block 10 of 10" in err and not (tmp_path / "x.npy").exists()
    code, _, err = said(capsys, *words, 0, "-o", tmp_path / "x.npy")
    assert code == 2 and "workers is 0; a number from 1 on is needed" in err


def test_a_process_that_dies_is_one_line_and_what_is_done_stays(levels, x, tmp_path, monkeypatch):
    compress(levels, x, tmp_path / "one.lat", block=16)
    words = [sys.executable, "-m", "latentia", "compress", str(levels.folder.path)]
    words += ["--split", "all", "--block", "16", "--workers", "2", "-o", str(tmp_path / "two.lat")]
    part = tmp_path / ".two.lat.part"
    process = subprocess.Popen(words, env=os.environ, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (part.is_file() and part.stat().st_size > 2_000):
        time.sleep(0.02)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    coding = [at for at in children if b"spawn_main" in Path(f"/proc/{at}/cmdline").read_bytes()]
    os.kill(int(coding[0]), signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "a process that coded died" in err and "--resume and --workers 1" in err and "Traceback" not in err
    assert not (tmp_path / "two.lat").exists()
    words[words.index("2")] = "1"
    assert subprocess.run([*words, "--resume"], env=os.environ, check=False).returncode == 0
    assert (tmp_path / "one.lat").read_bytes() == (tmp_path / "two.lat").read_bytes()


def test_what_was_left_by_other_examples_is_not_gone_on_with(levels, x, tmp_path):
    compress(levels, x[:64], tmp_path / "x.lat", block=16)
    (tmp_path / "x.lat").rename(tmp_path / ".x.lat.part")
    compress(levels, x[64:128], tmp_path / "x.lat", block=16, resume=True)
    assert (levels.decompress((tmp_path / "x.lat").read_bytes()) == x[64:128]).all()
    (tmp_path / "x.lat").rename(tmp_path / ".x.lat.part")
    with pytest.raises(DataError, match="was begun with another model, other examples or another --block"):
        compress(levels, x[:65], tmp_path / "x.lat", block=16, resume=True)


def test_what_cannot_be_coded_is_refused_with_the_setting_to_change(levels, x, tmp_path):
    with pytest.raises(DataError, match=r"example 0 holds 0\.5, .* of 17 values from 0 to 16 alone"):
        levels.compress(np.full((1, 1, 8, 8), 0.5, np.float32) + x[:1])
    with pytest.raises(DataError, match="there are no examples"):
        compression.to_bytes(levels.compressor, x[:0])
    with pytest.raises(ConfigError, match="a block holds from 1 to"):
        compress(levels, x, tmp_path / "x.lat", block=0)
    refused = {
        "is a density.*discretised_logistic_mixture": {"likelihood": "gaussian"},
        "prior 'MixturePrior' cannot be coded": {"prior": "mixture"},
        r"train with --model vae posterior\.name=diagonal_gaussian": {"posterior": "full_gaussian"},
    }
    for number, (message, setting) in enumerate(refused.items()):
        settings: Any = {"likelihood": "bernoulli", **QUICK, "epochs": 1, **setting}
        run = latentia.train("digits", out=tmp_path / str(number), quiet=True, **settings)
        with pytest.raises(ConfigError, match=message):
            run.compress(x[:2])


def test_networks_with_group_normalisation_are_coded_by(x, tmp_path):
    settings: Any = {**QUICK, "epochs": 1, "network": {"name": "resnet", "channels": [8]}}
    run = latentia.train(
        "digits", out=tmp_path / "run", likelihood="discretised_logistic", quiet=True, **settings
    )
    assert (run.decompress(run.compress(x[:20])) == x[:20]).all()


def test_another_runs_file_and_a_later_version_are_named(levels, x, tmp_path):
    other = latentia.train(
        "digits", out=tmp_path / "other", likelihood="discretised_logistic", seed=1, quiet=True, **QUICK
    )
    content = levels.compress(x[:5])
    with pytest.raises(DataError, match="was written by another model than this run's"):
        other.decompress(content)
    with pytest.raises(DataError, match="is of format 3, and this version reads up to 2; use a later"):
        levels.decompress(content[:3] + b"\3" + content[4:])
    with pytest.raises(DataError, match="is damaged: it says format 0"):
        levels.decompress(content[:3] + b"\0" + content[4:])
    with pytest.raises(DataError, match="holds pictures with loss, and the run codes examples without"):
        levels.decompress(content[:3] + b"\2" + content[4:])


def test_without_the_extra_it_says_what_to_install(levels, x, monkeypatch):
    monkeypatch.setitem(sys.modules, "constriction", None)
    with pytest.raises(latentia.core.errors.MissingExtra, match=r"pip install 'latentia\[compression\]'"):
        levels.compress(x[:2])


def test_colours_that_depend_on_each_other_come_back_near_their_bound(x, tmp_path):
    grey = x[:1200].astype(np.float64)
    tinted = np.concatenate([15 * grey, 40 + 12 * grey, 255 - 9 * grey + grey % 3], axis=1).astype(np.uint8)
    run = latentia.train(
        tinted, out=tmp_path / "run", likelihood={"name": "pixel_logistic_mixture", "components": 2},
        quiet=True, **QUICK | {"network": {"name": "conv", "channels": [6, 8]}},
    )  # fmt: skip
    written = compress(run, tinted, tmp_path / "x.lat")
    assert (run.decompress((tmp_path / "x.lat").read_bytes()) == tinted).all()
    assert len(run.compressor.p(np.zeros((1, 4)))) == 3
    assert 8 * written.size == pytest.approx(bound_of(run, tinted), rel=0.005)


@pytest.mark.parametrize(
    ("name", "network", "sizes"),
    [
        ("hierarchical_vae", "ladder_mlp", [2, 3, 4]),
        ("hierarchical_vae", "ladder_conv", [2, 1]),
        ("markovian_vae", "mlp", [2, 3, 4]),
    ],
    ids=["dense", "convolutional", "chain"],
)
def test_a_hierarchy_is_coded_level_by_level_near_its_bound(name, network, sizes, x, tmp_path):
    model: Any = {"name": name, "levels": sizes}
    run = latentia.train(
        "digits", out=tmp_path / "run", model=model, network=network, likelihood="discretised_logistic",
        epochs=8, quiet=True,
    )  # fmt: skip
    written = compress(run, x[:600], tmp_path / "x.lat")
    assert (run.decompress((tmp_path / "x.lat").read_bytes()) == x[:600]).all()
    bound = bound_of(run, x[:600], draws=4)
    assert 8 * written.size == pytest.approx(bound, rel=0.01)
    # Of the first example a ladder has to have everything chosen, a chain its lowest level.
    block = run.compressor.encode([run.compressor.of(x[:600].reshape(600, -1))])[0]
    assert block.chosen == [0] and len(run.compressor.links) == (3 if name == "markovian_vae" else 1)
    assert block.drawn == 599


@pytest.fixture(scope="module")
def table(mixed_table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("table") / "table"
    return latentia.train(mixed_table, out=folder, likelihood={"numbers": "histogram"}, quiet=True, **QUICK)


def test_a_table_comes_back_with_its_types_its_words_and_its_holes(table, mixed_table, tmp_path, capsys):
    pandas = pytest.importorskip("pandas")
    rows = table.other(mixed_table).x
    found = table.decompress(table.compress(rows))
    pandas.testing.assert_frame_equal(found, table.record.schema.frame(rows))
    file, run = tmp_path / "x.lat", table.folder.path
    code, out, _ = said(capsys, "compress", run, mixed_table, "-o", file, "--compare")
    assert code == 0 and "1,797 examples in" in out and "xz -9e" in out
    code, _, _ = said(capsys, "decompress", file, "--run", run, "-o", tmp_path / "x.csv")
    assert code == 0
    assert (tmp_path / "x.csv").read_text() == mixed_table.read_text().replace("\r\n", "\n")


def test_a_number_in_no_cell_is_coded_and_a_category_that_is_none_is_refused(table, mixed_table):
    rows = np.array(table.other(mixed_table).x)[:4]
    rows[0, :2] = 12345.6, 10_000_019
    content = compression.to_bytes(table.compressor, rows)
    found = np.concatenate(list(Compressed(table, io.BytesIO(content), "x").read()))
    assert np.array_equal(found, rows, equal_nan=True)
    unknown = "an unknown category"
    for column, value, name, shown in (
        (2, 3, "city", unknown),
        (1, 2.5, "count", "2.5"),
        (0, 1e12, "size", r"1e\+12"),
        (4, 2, "member", unknown),
    ):
        wrong = rows.copy()
        wrong[1, column] = value
        told = f"example 1: column '{name}' holds {shown}, .* has no probability of"
        with pytest.raises(DataError, match=told):
            compression.to_bytes(table.compressor, wrong)


def test_a_column_with_a_density_is_refused_by_name(mixed_table, tmp_path):
    run = latentia.train(
        mixed_table,
        out=tmp_path / "run",
        likelihood={"numbers": "gaussian"},
        quiet=True,
        **{**QUICK, "epochs": 1},
    )
    with pytest.raises(
        ConfigError, match=r"column 'size' has the family gaussians.*likelihood\.numbers=histogram"
    ):
        run.compress(np.zeros((1, 6)))
