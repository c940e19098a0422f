"""The verbs that measure and compare: `evaluate`, `compare` and `sweep`."""

import json
import shutil

import numpy as np
import pytest

from tests.cli.test_verbs import TINY, latentia

QUICK = ["--samples", "10", "--limit", "10"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("a folder with spaces")
    for model in ("vae", "autoencoder"):
        assert latentia("train", "digits", *TINY, "--model", model, "--out", root / model) == 0
    return root


def line_of(error, capsys):
    """Give the one line of a failure."""
    assert error == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("latentia: ")]
    assert len(lines) == 1
    return lines[0]


def test_evaluate_prints_figures_and_writes_them(runs, tmp_path, capsys):
    target = tmp_path / "new folder" / "figures.json"
    assert (
        latentia(
            "evaluate", runs / "vae", *QUICK, "--only", "likelihood, health", "--json", target, "--quiet"
        )
        == 0
    )
    out = capsys.readouterr().out
    figures = json.loads(target.read_text())["figures"]
    for name, figure in figures.items():
        assert f"  {name} " in out
        assert figure["unit"] is not None and figure["protocol"] and figure["split"] == "test"
    assert " ± " in out and "nats" in out
    assert figures["elbo"]["value"] < 0  # log p, not its negative


def test_evaluate_says_what_is_wrong_in_one_line(runs, tmp_path, capsys):
    vae = runs / "vae"
    assert "must be at least 1, not 0" in line_of(latentia("evaluate", vae, "--samples", 0), capsys)
    assert "did you mean 'test'" in line_of(latentia("evaluate", vae, "--split", "tset"), capsys)
    assert "unknown topic" in line_of(latentia("evaluate", vae, "--only", "everything"), capsys)
    assert "does not exist" in line_of(latentia("evaluate", runs / "nothing"), capsys)
    assert "it is a folder" in line_of(latentia("evaluate", vae, "--json", tmp_path), capsys)
    np.save(tmp_path / "other.npy", np.zeros((20, 7), np.float32))
    assert "1x8x8, and other has 7" in line_of(
        latentia("evaluate", vae, "--data", tmp_path / "other.npy"), capsys
    )
    blocked = tmp_path / "file"
    blocked.write_text("x")
    assert "cannot write" in line_of(latentia("evaluate", vae, "--json", blocked / "figures.json"), capsys)
    weights = vae / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    assert "is damaged" in line_of(latentia("evaluate", vae), capsys)
    weights.write_bytes(whole)


def test_compare_writes_one_page_about_several_runs(runs, tmp_path, capsys):
    page = tmp_path / "compare.html"
    assert latentia("compare", runs / "vae", runs / "autoencoder", "-o", page, *QUICK, "--quiet") == 0
    assert f"comparison: {page}" in capsys.readouterr().out
    text = page.read_text(encoding="utf-8")
    assert "autoencoder" in text and "log p(x)" in text


def test_compare_refuses_runs_of_other_data_before_it_measures(runs, tmp_path, capsys):
    np.save(tmp_path / "table.npy", np.random.default_rng(0).normal(size=(60, 64)).astype(np.float32))
    other = tmp_path / "other"
    assert latentia("train", tmp_path / "table.npy", *TINY, "--out", other) == 0
    line = line_of(latentia("compare", runs / "vae", other, "-o", tmp_path / "page.html"), capsys)
    assert "other data" in line
    assert not (other / "evaluation.json").exists() and not (tmp_path / "page.html").exists()


def test_compare_writes_pages_only(runs, capsys):
    whole = (runs / "vae/run.toml").read_text()
    line = line_of(latentia("compare", runs / "vae", "-o", runs / "vae/run.toml"), capsys)
    assert "end the name in .html" in line
    assert (runs / "vae/run.toml").read_text() == whole


def test_damaged_records_are_one_line_or_passed_over(runs, tmp_path, capsys):
    broken = tmp_path / "run"
    shutil.copytree(runs / "vae", broken)
    with (broken / "metrics.jsonl").open("ab") as handle:
        handle.write(b"3\n\xff\xfe\n")
    assert latentia("evaluate", broken, "--only", "reconstruction", "--quiet") == 0
    capsys.readouterr()
    (broken / "model.json").write_text("[]")
    assert "model.json is damaged" in line_of(latentia("evaluate", broken), capsys)
    (broken / "run.toml").write_text("")
    shutil.copy(runs / "vae/model.json", broken / "model.json")
    assert "run.toml is damaged: it has no section 'data'" in line_of(latentia("evaluate", broken), capsys)


def test_sweep_trains_and_goes_on(tmp_path, capsys):
    out = tmp_path / "sweep"
    assert latentia("sweep", "digits", "--over", "objective.beta=0,4", *TINY, "--out", out) == 0
    assert (out / "sweep.html").is_file() and (out / "objective.beta=4/model.safetensors").is_file()
    capsys.readouterr()
    assert latentia("sweep", "--resume", out) == 0
    assert capsys.readouterr().out.count("done already") == 2
    assert "goes alone" in line_of(latentia("sweep", "--resume", out, "--over", "objective.beta=1,2"), capsys)
    assert "holds a sweep already" in line_of(
        latentia("sweep", "digits", "--over", "objective.beta=0,4", *TINY, "--out", out), capsys
    )
    assert "something to vary" in line_of(latentia("sweep", "digits", *TINY), capsys)
    page = tmp_path / "report.html"
    assert latentia("report", out, "-o", page) == 0  # the sweep's own page again
    assert "β = 4" in page.read_text(encoding="utf-8")
