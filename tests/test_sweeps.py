"""A family of runs: planned, checked, trained, interrupted, resumed, shown."""

import json
import shutil
import signal

import numpy as np
import pytest
import torch

from latentia import api, sweeps
from latentia.core import config, storage
from latentia.core.errors import ConfigError, DataError, RunError
from latentia.runs import session
from latentia.training.folder import RunFolder

SMALL = {"network": {"name": "mlp", "hidden": [8]}, "training": {"epochs": 2}, "model": {"latent_dim": 2}}


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name != "figures")


def test_the_members_are_every_combination():
    family = sweeps.members(
        {"objective": {"beta": 9}}, {"objective.beta": [0, 0.5], "model.latent_dim": [2, 8]}
    )
    assert [member.name for member in family] == [
        f"objective.beta={beta},model.latent_dim={dim}" for beta in ("0", "0.5") for dim in (2, 8)
    ]
    assert family[3].settings == {"objective": {"beta": 0.5}, "model": {"latent_dim": 8}}
    assert [member.label for member in family] == ["0, 2", "0, 8", "0.5, 2", "0.5, 8"]


def test_values_may_be_names_or_lists_and_never_leave_the_folder():
    family = sweeps.members({}, {"likelihood.name": ["mse", "../l1"]})
    assert [member.name for member in family] == ["likelihood.name=mse", "likelihood.name=.._l1"]
    family = sweeps.members({}, {"network.hidden": [[512, 256], [64]]})
    assert [member.name for member in family] == ["network.hidden=512-256", "network.hidden=64"]


@pytest.mark.parametrize("text", ["objective.beta", "objective.beta=4", "objective.beta=1,1", "=1,2"])
def test_an_axis_needs_a_key_and_two_values(text):
    with pytest.raises(ConfigError):
        sweeps.parse_axis(text)


def test_an_axis_may_be_named_as_its_flag_is():
    assert sweeps.parse_axis("beta=0.5,1") == ("objective.beta", [0.5, 1])
    assert sweeps.parse_axis("seed=0,1") == ("training.seed", [0, 1])
    assert sweeps.parse_axis("latent-dim=2,8") == ("model.latent_dim", [2, 8])
    assert sweeps.parse_axis("model=vae,autoencoder") == ("model.name", ["vae", "autoencoder"])
    with pytest.raises(ConfigError, match=r"unknown setting 'bta'.*beta"):
        sweeps.parse_axis("bta=1,2")


def test_a_sweep_trains_every_run_and_shows_them(tmp_path):
    said = []
    ended = sweeps.start("digits", SMALL, ["objective.beta=0,1,4"], out=tmp_path / "a sweep", say=said.append)
    assert names(ended.folder) == ["objective.beta=0", "objective.beta=1", "objective.beta=4"]
    runs = [api.open_run(ended.folder / name) for name in names(ended.folder)]
    assert [run.spec["objective"]["beta"] for run in runs] == [0.0, 1.0, 4.0]
    assert len({str(run.spec["training"]) for run in runs}) == 1
    assert ended.page is not None and ended.page == ended.folder / "sweep.html"
    assert "β = 0, 1, 4" in ended.page.read_text(encoding="utf-8")
    plan = config.read_toml(ended.folder / "sweep.toml")
    assert plan["over"] == {"objective.beta": [0, 1, 4]}
    assert any(line.startswith("[3/3] objective.beta=4") for line in said)


def test_a_sweep_over_a_table_of_words_with_holes(tmp_path, mixed_table):
    settings = {**SMALL, "data": {"label": "none"}}
    over = ["likelihood.numbers=gaussian,histogram"]
    ended = sweeps.start(mixed_table, settings, over, out=tmp_path / "sweep")
    runs = [api.open_run(ended.folder / name) for name in names(ended.folder)]
    assert [run.recipe["likelihood"]["numbers"] for run in runs] == ["gaussian", "histogram"]
    schemas = [run.record.schema for run in runs]
    assert all(schema is not None and schema.mixed and schema.columns[0].missing for schema in schemas)
    assert ended.page is not None and "numbers = gaussian" in ended.page.read_text(encoding="utf-8")


def test_a_sweep_that_was_stopped_goes_on_where_it_was(tmp_path, monkeypatch):
    out = tmp_path / "sweep"
    calls = []
    start = session.start

    def stop_at_the_second(source, settings, **options):
        calls.append(options["out"].name)
        ended = start(source, settings, **options)
        if len(calls) < 2:
            return ended
        rows = [row for row in ended.folder.metrics() if row["split"] != "test"]
        storage.write_text(ended.folder.metrics_file, "".join(f"{json.dumps(r)}\n" for r in rows))
        return session.Trainings(ended.folder, ended.dataset, signal.SIGINT, False)

    monkeypatch.setattr(session, "start", stop_at_the_second)
    ended = sweeps.start("digits", SMALL, ["objective.beta=0.5,1,2"], out=out)
    assert ended.interrupted is signal.SIGINT and ended.page is None
    first = (out / "objective.beta=0.5/model.safetensors").read_bytes()
    monkeypatch.setattr(session, "start", start)
    said = []
    ended = sweeps.go_on(out, say=said.append)
    assert said[0] == "[1/3] objective.beta=0.5: done already"
    assert (out / "objective.beta=0.5/model.safetensors").read_bytes() == first
    assert ended.page is not None and ended.page.is_file() and len(names(out)) == 3
    again = sweeps.go_on(out, say=said.append)
    assert again.page == ended.page
    assert sum("done already" in line for line in said) == 4


def test_a_resumed_sweep_gives_the_runs_of_one_that_was_never_stopped(tmp_path):
    whole = sweeps.start("digits", SMALL, ["objective.beta=1,2"], out=tmp_path / "whole").folder
    cut = sweeps.start("digits", SMALL, ["objective.beta=1,2"], out=tmp_path / "cut").folder
    shutil.rmtree(cut / "objective.beta=2")
    sweeps.go_on(cut)
    for name in names(whole):
        assert (
            RunFolder(whole / name).weights_file.read_bytes()
            == RunFolder(cut / name).weights_file.read_bytes()
        )


def in_memory(kind):
    """Make data of a program: pictures of which training sees crops, a frame, a data set of torch."""
    rng = np.random.default_rng(0)
    if kind == "array":
        x = rng.integers(0, 255, (40, 1, 6, 6), dtype=np.uint8)
        return (x, np.arange(40) % 3), {"data": {"crop": 4}}
    if kind == "frame":
        pd = pytest.importorskip("pandas", reason="needs pandas: pip install 'latentia[tables]'")
        return pd.DataFrame({"a": rng.normal(size=40), "b": ["u", "v"] * 20, "label": ["p", "q"] * 20}), {}
    rows = torch.from_numpy(rng.normal(size=(40, 3)).astype(np.float32))
    return torch.utils.data.TensorDataset(rows, torch.arange(40) % 2), {}


@pytest.mark.parametrize("kind", ["array", "frame", "torch"])
def test_data_in_memory_are_kept_in_each_run_and_the_sweep_goes_on_with_them(tmp_path, kind):
    source, settings = in_memory(kind)
    given = {**SMALL, **settings}
    whole = sweeps.start(source, given, ["objective.beta=1,2"], out=tmp_path / "whole").folder
    assert (whole / "sweep.html").is_file()
    assert config.read_toml(whole / "sweep.toml")["source"] == "memory"
    cut = tmp_path / "cut"
    shutil.copytree(whole, cut)
    shutil.rmtree(cut / "objective.beta=2")
    assert sweeps.go_on(cut).page is not None
    for file in ("model.safetensors", "run.toml", "model.json", "examples.safetensors"):
        one, other = (folder / "objective.beta=2" / file for folder in (whole, cut))
        assert one.read_bytes() == other.read_bytes(), file
    (cut / "objective.beta=2").rename(tmp_path / "alone")
    shutil.rmtree(cut)
    run, first = (api.open_run(path) for path in (tmp_path / "alone", whole / "objective.beta=1"))
    np.testing.assert_array_equal(run.dataset.x, first.dataset.x)
    assert len(run.dataset) == 40
    assert (run.dataset.pictures is None) == (kind != "array")


def test_a_sweep_of_data_in_memory_that_no_run_has_kept_cannot_go_on(tmp_path):
    ended = sweeps.start(
        np.eye(20, 4, dtype=np.float32), SMALL, ["objective.beta=1,2"], out=tmp_path / "sweep"
    )
    for name in names(ended.folder):
        shutil.rmtree(ended.folder / name)
    with pytest.raises(RunError, match=r"data in memory, and no run has kept them; start it anew"):
        sweeps.go_on(ended.folder)


@pytest.mark.parametrize(
    ("over", "settings", "match"),
    [
        ([], SMALL, "something to vary"),
        (["objective.betta=0,1"], SMALL, r"unknown key 'objective\.betta'.*did you mean 'beta'"),
        (["objective.beta=1,-1"], SMALL, r"'objective\.beta' must not be negative"),
        (["data.seed=0,1"], SMALL, "compared on the same data"),
        (["objective.beta=1,2", "objective.beta=3,4"], SMALL, "twice"),
        (["objective.beta=1,1.0"], SMALL, "the same number"),
        (["model.name=vae,vaee"], SMALL, "unknown model 'vaee'"),
        (["nonsense.beta=1,2"], SMALL, "unknown section 'nonsense'"),
    ],
)
def test_a_mistake_in_any_run_is_told_before_anything_is_trained(tmp_path, over, settings, match):
    with pytest.raises(ConfigError, match=match):
        sweeps.start("digits", settings, over, out=tmp_path / "sweep")
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_ran_out_of_time_is_not_done(tmp_path):
    settings = {**SMALL, "training": {"epochs": 200, "max_minutes": 1e-5}}
    said: list[str] = []
    ended = sweeps.start("digits", settings, ["objective.beta=1,2"], out=tmp_path / "sweep", say=said.append)
    # The next goes on, and the page shows both as far as they came.
    assert ended.page is not None and "of 200 epochs" in ended.page.read_text(encoding="utf-8")
    stopped = [line for line in said if "is out of time" in line]
    assert [line.split()[0] for line in stopped] == ["objective.beta=1", "objective.beta=2"]
    assert f"give them as long again with: latentia sweep --resume {tmp_path / 'sweep'}" in said[-1]

    def steps():
        folders = [RunFolder(ended.folder / name) for name in names(ended.folder)]
        return [max(row["step"] for row in folder.metrics()) for folder in folders]

    before = steps()
    sweeps.go_on(tmp_path / "sweep")
    after = steps()
    assert all(late >= early for early, late in zip(before, after, strict=True))


def test_values_that_differ_little_are_runs_of_their_own():
    family = sweeps.members({}, {"objective.beta": [0.1234567, 0.1234568]})
    assert len({member.name for member in family}) == 2


def test_bad_places_are_refused(tmp_path):
    with pytest.raises(RunError, match="is not a sweep"):
        sweeps.go_on(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("x")
    with pytest.raises(RunError, match="exists and is no sweep"):
        sweeps.start("digits", SMALL, ["objective.beta=0,1"], out=tmp_path / "full")
    with pytest.raises(DataError, match="no such file"):
        sweeps.start(str(tmp_path / "nothing"), SMALL, ["objective.beta=0,1"], out=tmp_path / "sweep")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/sweep.toml").write_text("source = 'digits'\n")
    with pytest.raises(RunError, match=r"sweep\.toml is damaged"):
        sweeps.go_on(tmp_path / "bad")
