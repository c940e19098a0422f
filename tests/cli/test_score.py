"""The verb `score`: what it writes, what it says, and what it refuses."""

import csv
import re
import shutil

import numpy as np
import pytest

import latentia
from latentia.cli import main

TINY = ["--network", "mlp", "--hidden", "16", "--latent-dim", "2", "--epochs", "40", "--quiet"]


def run_verb(*arguments):
    """Run the command line and give its exit status."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


def read(path):
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    return {name: [row[name] for row in rows] for name in rows[0]}


def write(path, rows, labels=None):
    names = ["height", "weight", "age"] + ["kind"] * (labels is not None)
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(names)
        writer.writerows([*row, *([labels[at]] if labels is not None else [])] for at, row in enumerate(rows))
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A run on 400 rows in which the weight follows the height, and 60 rows of which 20 break that."""
    folder = tmp_path_factory.mktemp("table")
    rng = np.random.default_rng(0)
    height = rng.normal(size=460)
    rows = np.stack([height, height + 0.1 * rng.normal(size=460), rng.normal(size=460)], axis=1).round(4)
    source = write(folder / "usual.csv", rows[:400])
    rows[440:, 1] += np.where(rows[440:, 1] < 0, 4, -4)
    labels = ["usual"] * 40 + ["fraud"] * 20
    write(folder / "new.csv", rows[400:], labels)
    run = folder / "run"
    assert run_verb("train", source, "--label", "none", *TINY, "--out", run) == 0
    return folder, run


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    run = tmp_path_factory.mktemp("pictures") / "run"
    assert run_verb("train", "digits", *TINY[:-3], "--epochs", "2", "--quiet", "--out", run) == 0
    return run


def test_rows_are_scored_with_reasons_and_held_against_held_out_ones(table, tmp_path, capsys):
    _, run = table
    assert run_verb("score", run, "-o", tmp_path / "own.csv") == 0
    found = read(tmp_path / "own.csv")
    assert list(found) == ["row", "score", "p_value", "outlier", "reasons"]
    opened = latentia.open_run(run)
    rows = np.array(found["row"], int)
    assert np.array_equal(rows, opened.dataset.splits["test"])
    scores = np.array(found["score"], float)
    assert np.allclose(scores, opened.score(opened.dataset.x[rows]))
    limit = opened.scorer().threshold(0.05)
    held_out = opened.score(opened.dataset.x[opened.dataset.splits["validation"]])
    assert (held_out > limit).mean() <= 0.05 and limit in held_out
    assert np.array_equal(np.array(found["outlier"]) == "True", scores > limit)
    assert np.allclose(np.array(found["p_value"], float), opened.scorer().p_values(scores))
    assert f"{int((scores > limit).sum())} of 40 beyond {limit:.4g}" in capsys.readouterr().out


def test_labels_give_auroc_and_average_precision(table, tmp_path, capsys):
    from sklearn.metrics import average_precision_score, roc_auc_score

    folder, run = table
    out = tmp_path / "new.csv"
    assert run_verb("score", run, folder / "new.csv", "--label", "kind", "--reasons", "1", "-o", out) == 0
    found, line = read(out), capsys.readouterr().out
    assert found["label"] == ["usual"] * 40 + ["fraud"] * 20
    strange, scores = np.array(found["label"]) == "fraud", np.array(found["score"], float)
    numbers = r"AUROC ([\d.]+), average precision ([\d.]+) \(by chance ([\d.]+)\)"
    said = re.search(rf"'fraud' against others: {numbers}", line)
    assert said is not None
    expected = (roc_auc_score(strange, scores), average_precision_score(strange, scores), 20 / 60)
    assert np.allclose([float(part) for part in said.groups()], expected, atol=5e-5)
    assert expected[0] > 0.95
    named = [reason.split(" ")[0] for reason in np.array(found["reasons"])[strange]]
    assert np.mean([name in ("weight", "height") for name in named]) > 0.8
    assert run_verb("score", run, folder / "new.csv", "--label", "kind", "--anomaly", "usual", "-o", out) == 0
    turned = re.search(rf"'usual' against others: {numbers}", capsys.readouterr().out)
    assert turned is not None and np.isclose(float(turned[1]), 1 - expected[0], atol=1e-4)
    assert run_verb("score", run, folder / "new.csv", "-o", out) == 0  # the column is unknown to the run
    assert "label" not in read(out) and "against others" not in capsys.readouterr().out


def test_a_share_of_the_examples_can_count_as_outliers(table, tmp_path):
    folder, run = table
    out = tmp_path / "new.csv"
    assert run_verb("score", run, folder / "new.csv", "--contamination", "0.25", "-o", out) == 0
    assert read(out)["outlier"].count("True") == 15
    assert run_verb("score", run, folder / "new.csv", "--false-positive-rate", "0.3", "-o", out) == 0
    assert read(out)["outlier"][40:].count("True") >= 18


def test_parquet_holds_the_same_as_csv(table, tmp_path):
    pd = pytest.importorskip("pandas", reason="needs pandas: pip install 'latentia[tables]'")
    _, run = table
    for name in ("found.csv", "found.parquet"):
        assert run_verb("score", run, "--method", "density", "-o", tmp_path / name) == 0
    first, second = pd.read_csv(tmp_path / "found.csv"), pd.read_parquet(tmp_path / "found.parquet")
    pd.testing.assert_frame_equal(first, second, check_dtype=False)
    assert second["outlier"].dtype == bool


def test_pictures_are_scored_without_reasons(pictures, tmp_path, capsys):
    out = tmp_path / "scores.csv"
    assert run_verb("score", pictures, "--anomaly", "8", "-o", out) == 0
    found = read(out)
    assert list(found) == ["row", "score", "p_value", "outlier", "label"]
    assert len(found["row"]) == 180 and "'8' against others: AUROC" in capsys.readouterr().out


def test_tables_of_words_with_holes_are_scored(tmp_path, capsys):
    pd = pytest.importorskip("pandas", reason="needs pandas: pip install 'latentia[tables]'")
    rng = np.random.default_rng(0)
    size = rng.normal(size=200).round(3)
    frame = pd.DataFrame(
        {"size": size, "class": np.where(size > 0, "large", "small"), "n": rng.poisson(3, 200)}
    )
    frame.loc[::9, "size"] = np.nan
    frame.loc[::11, "class"] = None
    frame.to_csv(tmp_path / "words.csv", index=False)
    run = tmp_path / "run"
    assert run_verb("train", tmp_path / "words.csv", "--label", "none", *TINY, "--out", run) == 0
    strange = pd.DataFrame({"size": [2.0, None], "class": ["small", "huge"], "n": [3, 90]})
    strange.to_csv(tmp_path / "new.csv", index=False)
    assert run_verb("score", run, tmp_path / "new.csv", "-o", tmp_path / "out.csv") == 0
    assert (
        "categories that the run does not know, taken as another value: 'class' (1)"
        in capsys.readouterr().err
    )
    found = read(tmp_path / "out.csv")
    assert found["reasons"][1].startswith("n +") and "size" not in found["reasons"][1]
    assert max(map(float, found["p_value"])) < 0.2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--contamination", "0"], r"contamination must be in \(0, 0.5\], not 0"),
        (["--contamination", "0.6"], r"contamination must be in \(0, 0.5\], not 0.6"),
        (["--false-positive-rate", "1"], r"a share in \(0, 1\) is needed for the threshold"),
        (["--method", "densty"], "there is no score 'densty'; did you mean 'density'"),
        (["--anomaly", "fraud"], "has no labels, and one is asked for: 'fraud'; give data.label"),
        (["--label", "kind"], "give label with a source"),
        (["--split", "trian"], "unknown split 'trian'; did you mean 'train'"),
        (
            ["-o", "scores.png"],
            "cannot write 'scores.png': this is a table; end the name in .csv or .parquet",
        ),
    ],
)
def test_what_cannot_be_is_one_line(table, tmp_path, capsys, monkeypatch, arguments, message):
    _, run = table
    monkeypatch.chdir(tmp_path)
    output = [] if "-o" in arguments else ["-o", "out.csv"]
    assert run_verb("score", run, *output, *arguments) == 2
    error = capsys.readouterr().err
    assert re.search(message, error) and len(error.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_labels_of_one_kind_cannot_be_told_apart(pictures, tmp_path, capsys):
    x = latentia.open_run(pictures).dataset.x[:5, 0]
    np.savez(tmp_path / "one.npz", x=x, y=np.full(5, 3))
    out = tmp_path / "out.csv"
    assert run_verb("score", pictures, tmp_path / "one.npz", "--anomaly", "3", "-o", out) == 2
    assert "all examples have the label '3', and two kinds are needed" in capsys.readouterr().err
    assert run_verb("score", pictures, "--anomaly", "eight", "-o", out) == 2
    assert "no example here has the label 'eight'" in capsys.readouterr().err


def test_what_was_learned_is_kept_and_serves_when_the_data_are_gone(table, tmp_path, capsys):
    folder, _ = table
    source, moved = tmp_path / "usual.csv", tmp_path / "run"
    shutil.copy(folder / "usual.csv", source)
    assert run_verb("train", source, "--label", "none", *TINY, "--out", moved) == 0
    out = tmp_path / "out.csv"
    source.rename(tmp_path / "elsewhere.csv")
    assert run_verb("score", moved, folder / "new.csv", "-o", out) == 2
    assert "the data that" in capsys.readouterr().err
    (tmp_path / "elsewhere.csv").rename(source)
    assert run_verb("score", moved, folder / "new.csv", "-o", out) == 0
    kept = read(out)
    source.unlink()
    out.unlink()
    assert run_verb("score", moved, folder / "new.csv", "-o", out) == 0
    assert read(out) == kept


def test_a_folder_that_cannot_be_written_to_can_be_scored_by(table, tmp_path, monkeypatch):
    from latentia.core import storage
    from latentia.core.errors import RunError

    folder, run = table
    read_only = tmp_path / "run"
    shutil.copytree(run, read_only)
    (read_only / "anomaly.safetensors").unlink(missing_ok=True)

    def refuse(path, *_):
        raise RunError(f"cannot write {path}")

    monkeypatch.setattr(storage, "save_tensors", refuse)
    assert run_verb("score", read_only, folder / "new.csv", "-o", tmp_path / "out.csv") == 0
    assert len(read(tmp_path / "out.csv")["row"]) == 60
    assert not (read_only / "anomaly.safetensors").exists()


def test_what_is_kept_of_scores_is_made_anew_where_it_is_damaged(table, tmp_path):
    folder, run = table
    own = tmp_path / "run"
    shutil.copytree(run, own)
    for out in ("first.csv", "second.csv"):
        assert run_verb("score", own, folder / "new.csv", "-o", tmp_path / out) == 0
        kept = own / "anomaly.safetensors"
        whole = kept.read_bytes()
        kept.write_bytes(whole[: len(whole) // 2])
    assert read(tmp_path / "first.csv") == read(tmp_path / "second.csv")


def test_tensors_are_taken_back_only_of_their_label_and_shapes(tmp_path):
    import torch

    from latentia.core import storage

    path, label = tmp_path / "kept.safetensors", {"weights": 3, "of": ["a", 1]}
    assert storage.kept(path, label) is None
    storage.keep(path, {"x": torch.arange(4.0)}, label)
    found = storage.kept(path, label, {"x": torch.zeros(4)})
    assert found is not None and torch.equal(found["x"], torch.arange(4.0))
    assert storage.kept(path, {**label, "weights": 4}) is None
    assert storage.kept(path, label, {"x": torch.zeros(5)}) is None
    assert storage.kept(path, label, {"y": torch.zeros(4)}) is None
    storage.keep(tmp_path, {"x": torch.zeros(1)}, label)  # a folder has the name: nothing is kept, or raised
