"""A run knows its data: their content, and each of their examples."""

import shutil
import warnings

import numpy as np
import pytest

import latentia
from latentia.core import config
from latentia.core.errors import DataError, LatentiaError, Note
from latentia.data.identity import fingerprint, found, rows_of
from latentia.explorer.encoded import label_of
from latentia.runs import session

TINY = {"network": {"hidden": [8]}, "model": {"latent_dim": 2}, "training": {"epochs": 1}}


def table(path, rows, names=("a", "b", "c")):
    lines = [",".join(names), *(",".join(map(repr, row)) for row in np.asarray(rows).tolist())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def trained(tmp_path):
    rows = np.random.default_rng(0).normal(size=(300, 3))
    table(tmp_path / "t.csv", rows)
    session.start(tmp_path / "t.csv", TINY, out=tmp_path / "run", quiet=True)
    return tmp_path, rows


def splits(run):
    return {name: run.dataset.x[at] for name, at in run.dataset.splits.items()}


@pytest.mark.parametrize("order", ["behind", "before", "shuffled"])
def test_rows_that_come_later_change_no_split(trained, order):
    folder, rows = trained
    before = splits(latentia.open_run(folder / "run"))
    added = rows[:40] + 1
    changed = {
        "behind": np.concatenate([rows, added]),
        "before": np.concatenate([added, rows]),
        "shuffled": np.random.default_rng(1).permutation(np.concatenate([rows, added])),
    }[order]
    table(folder / "t.csv", changed)
    run = latentia.open_run(folder / "run")
    with pytest.warns(Note, match=r"40 of its 340 examples were added since .* it goes on with the 300"):
        after = splits(run)
    assert all(np.array_equal(after[name], before[name]) for name in before)
    assert "left out: 40 added since the training" in run.dataset.summary()


def test_rows_that_are_gone_or_changed_are_noticed_in_one_line(trained):
    folder, rows = trained
    changed = rows.copy()
    changed[7, 1] += 1
    for there in (rows[3:], changed):
        table(folder / "t.csv", there)
        with pytest.raises(
            DataError, match=r"have changed: .* lack [13] of the run's 300 examples"
        ) as caught:
            latentia.open_run(folder / "run").dataset  # noqa: B018
        assert "\n" not in str(caught.value)
        assert "train anew" in str(caught.value) and "--data" in str(caught.value)


def test_a_run_is_resumed_on_its_own_rows_alone(tmp_path):
    rows = np.random.default_rng(0).normal(size=(120, 3))
    table(tmp_path / "t.csv", rows)
    for name in ("whole", "resumed"):
        stop = {} if name == "whole" else {"max_minutes": 1e-9}
        settings = {**TINY, "training": {"epochs": 3, **stop}}
        session.start(tmp_path / "t.csv", settings, out=tmp_path / name, quiet=True)
    table(tmp_path / "t.csv", np.concatenate([rows, rows[:20] + 1]))
    with pytest.warns(Note, match="20 of its 140 examples were added"):
        ended = session.resume(tmp_path / "resumed", {"max_minutes": 60.0}, quiet=True)
    assert ended.finished
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "resumed")]
    assert weights[0] == weights[1]
    table(tmp_path / "t.csv", rows + 1)
    with pytest.raises(DataError, match="lack 120 of the run's 120 examples"):
        session.resume(tmp_path / "resumed", quiet=True)


def test_what_is_kept_belongs_to_the_data(trained):
    folder, _rows = trained
    run = latentia.open_run(folder / "run")
    key = config.read_toml(folder / "run" / "run.toml")["data"]["fingerprint"]
    assert run.data_key == key == fingerprint(run.dataset)
    assert label_of(run)["data"] == key
    run.sampler("mixture")
    assert run.kept_sampler("mixture") is not None
    run.__dict__["data_key"] = "other"
    assert run.kept_sampler("mixture") is None


def test_the_same_rows_elsewhere_are_the_runs_own(trained):
    folder, rows = trained
    before = splits(latentia.open_run(folder / "run"))
    table(folder / "moved.csv", rows[::-1])
    run = latentia.open_run(folder / "run")
    moved = run.other(folder / "moved.csv")
    assert np.array_equal(moved.x, run.dataset.x[::-1])  # in the order of the file
    for name, at in moved.splits.items():
        assert np.array_equal(moved.x[at][::-1], before[name])


def test_equal_rows_are_each_found_once():
    x = np.array([[1], [1], [2], [3]], np.uint8)
    known = rows_of(latentia.load(np.repeat(x, 4, axis=0), test=0, validation=0))
    again = latentia.load(np.repeat(x[::-1], 4, axis=0), test=0, validation=0)
    at = found(known, again)
    assert sorted(at.tolist()) == list(range(16))
    fewer = latentia.load(np.repeat(x[1:], 4, axis=0), test=0, validation=0)
    assert (found(known, fewer) < 0).sum() == 4


def test_new_values_of_another_type_leave_the_old_rows_known(tmp_path):
    x = np.random.default_rng(0).integers(0, 255, (50, 4), np.uint8)
    known = rows_of(latentia.load(x))
    wider = np.concatenate([x.astype(np.int64), [[300, 1, 2, 3]]])
    assert found(known, latentia.load(wider)).tolist() == list(range(50))
    near = x.astype(np.float64) + 0.5  # cut to bytes they would be equal
    assert (found(known, latentia.load(near)) == -1).all()


def test_a_label_that_changed_is_noticed_whatever_the_codes_are():
    x = np.arange(40, dtype=np.float32).reshape(20, 2)
    one = latentia.load((x, np.array(["b", "c"] * 10)))
    coded_otherwise = latentia.load((x, np.array(["b", "c"] * 10)))
    assert fingerprint(one) == fingerprint(coded_otherwise)
    other = latentia.load((x, np.array(["b", "d"] * 10)))
    assert fingerprint(one) != fingerprint(other)
    assert (found(rows_of(one), other) >= 0).tolist() == [True, False] * 10


@pytest.mark.parametrize("memory", [False, True], ids=["file", "memory"])
def test_a_run_works_without_its_data(tmp_path, memory, capsys):
    rows = np.random.default_rng(0).normal(size=(100, 3))
    table(tmp_path / "t.csv", rows)
    latentia.train(rows if memory else tmp_path / "t.csv", out=tmp_path / "run", epochs=1, latent_dim=2)
    (tmp_path / "t.csv").unlink()
    if memory:  # these are kept with the run
        assert latentia.open_run(tmp_path / "run").dataset.x.shape == (100, 3)
        shutil.rmtree(tmp_path / "run" / "data")
    np.save(tmp_path / "new.npy", rows[:20] + 0.1)
    run = latentia.open_run(tmp_path / "run")
    assert run.sample(2).shape == (2, 3)
    assert run.decode(np.zeros((2, 2))).shape == (2, 3)
    assert run.encode(tmp_path / "new.npy").shape == (20, 2)
    assert run.reconstruct(rows[:5]).shape == (5, 3)
    values = run.traversal_values(3)
    assert np.all(np.isfinite(values)) and np.all(np.diff(values) > 0)
    assert run.traverse(values=values).shape == (2, 3, 3)
    assert run.image_range == run.record.range and run.record.range[0] < 0 < run.record.range[1]
    with pytest.raises(LatentiaError, match="save them as" if memory else "no such file") as caught:
        run.sampler("mixture")
    assert "\n" not in str(caught.value)
    figures = latentia.evaluate(run, data=str(tmp_path / "new.npy"), only=["reconstruction"])
    assert figures.figures["mse"].examples == 20
    assert "examples of the training are needed" in figures.missing["mse_pca"]


def test_conditions_are_drawn_as_often_as_the_training_had_them(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.array(["rare"] * 20 + ["usual"] * 180)
    run = latentia.train(
        (rng.normal(size=(200, 3)), labels), model="conditional_vae", epochs=1, out=tmp_path / "r"
    )
    shutil.rmtree(tmp_path / "r" / "data")
    run = latentia.open_run(tmp_path / "r")
    with pytest.raises(LatentiaError):
        run.dataset  # noqa: B018
    drawn = run.classes_of(run.conditions_for(2000))
    assert 0.05 < drawn.count("rare") / 2000 < 0.16
    assert run.sample(5).shape == (5, 3)


def test_a_run_of_an_earlier_version_opens(trained):
    from latentia.core import storage

    folder, _ = trained
    recipe = storage.read_json(folder / "run" / "model.json")
    del recipe["data"]
    storage.write_json(folder / "run" / "model.json", recipe)
    spec = config.read_toml(folder / "run" / "run.toml")
    del spec["data"]["fingerprint"]
    (folder / "run" / "run.toml").write_text(config.write_toml(spec))
    (folder / "run" / "examples.safetensors").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error", Note)
        run = latentia.open_run(folder / "run")
        assert run.encode(run.dataset.x[:3]).shape == (3, 2)
        assert run.record.columns == ("a", "b", "c")
    (folder / "t.csv").unlink()
    assert latentia.open_run(folder / "run").sample(2).shape == (2, 3)
