"""The verb `impute`: what it fills in, what it leaves alone, and what it refuses."""

import csv
import shutil

import numpy as np
import pytest

from latentia.cli import main

TINY = ["--network", "mlp", "--hidden", "16", "--latent-dim", "2", "--epochs", "5", "--quiet"]


def run_verb(*arguments):
    """Run the command line and give its exit status."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


def read(path):
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.reader(handle))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A run on 200 rows of a key, whole numbers, decimals, words and dates, with holes."""
    pytest.importorskip("pandas")
    folder = tmp_path_factory.mktemp("table")
    rng = np.random.default_rng(0)
    rows = [
        [
            f"id-{at}",
            rng.integers(20, 60),
            f"{rng.normal():.2f}",
            rng.choice(["red", "blue"]),
            f"2024-0{rng.integers(1, 9)}-11",
        ]
        for at in range(200)
    ]
    for row in rows[::7]:
        row[int(rng.integers(1, 5))] = ""
    source = folder / "things.csv"
    with source.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([["id", "age", "size", "colour", "made"], *rows])
    assert run_verb("train", source, "--model", "vae", *TINY, "--out", folder / "run") == 0
    return folder


def test_holes_alone_are_filled_in(table, tmp_path, capsys):
    assert run_verb("impute", table / "run", table / "things.csv", "-o", tmp_path / "filled.csv") == 0
    said = capsys.readouterr().out
    assert "filled.csv: 200x5" in said and "29 missing values" in said
    given, filled = read(table / "things.csv"), read(tmp_path / "filled.csv")
    assert given[0] == filled[0]
    for before, after in zip(given[1:], filled[1:], strict=True):
        before[2], after[2] = before[2] and float(before[2]), float(after[2])  # 0.5 may have been 0.50
        assert all(new == old for old, new in zip(before, after, strict=True) if old != "")
        assert int(after[1]) and abs(after[2]) < 9 and after[3] in ("red", "blue")
        assert after[4].startswith("2024-")


def test_draws_are_files_of_their_own(table, tmp_path):
    out = tmp_path / "some" / "filled.csv"
    assert run_verb("impute", table / "run", table / "things.csv", "--draws", 2, "-o", out) == 0
    assert sorted(path.name for path in out.parent.iterdir()) == ["filled-1.csv", "filled-2.csv"]
    one, two = (read(out.with_stem(f"filled-{number}")) for number in (1, 2))
    assert one != two
    again = tmp_path / "again.csv"
    assert run_verb("impute", table / "run", table / "things.csv", "--draws", 2, "-o", again) == 0
    assert read(again.with_stem("again-1")) == one


def test_parquet_has_the_types(table, tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    out = tmp_path / "filled.parquet"
    assert run_verb("impute", table / "run", table / "things.csv", "-o", out) == 0
    frame = pandas.read_parquet(out)
    assert not frame.isna().any().any() and frame["age"].dtype.kind == "i"


def test_pictures_are_filled_in(tmp_path, capsys):
    run = tmp_path / "run"
    assert run_verb("train", "digits", "--model", "vae", *TINY, "--out", run) == 0
    from sklearn.datasets import load_digits

    pictures = load_digits().images[:10].astype(np.float32)
    whole = pictures.copy()
    pictures[:, :4] = np.nan
    np.save(tmp_path / "half.npy", pictures)
    assert run_verb("impute", run, tmp_path / "half.npy", "-o", tmp_path / "whole.npy") == 0
    filled = np.load(tmp_path / "whole.npy")[:, 0]
    assert np.array_equal(filled[:, 4:], whole[:, 4:]) and np.isfinite(filled).all()
    assert run_verb("impute", run, tmp_path / "half.npy", "-o", tmp_path / "whole.png") == 0
    assert "10 images" in capsys.readouterr().out


FIRST = b"id,age,size,colour,made\n"
UNREADABLE = {
    "gone.csv": (None, "gone.csv"),
    "empty.csv": (b"", "empty.csv: is not a table"),
    "noise.csv": (bytes(range(128, 256)), "noise.csv: is not a table"),
    "noise.parquet": (bytes(range(256)), "noise.parquet: is not a Parquet table"),
    "first-line.csv": (FIRST, "first-line.csv: holds no example"),
    "few.csv": (b"id,age,size\nid-1,30,1.5\n", "few.csv: has no column 'colour'"),
    "words.csv": (FIRST + b"id-1,old,1,red,2024-01-11\n", "words.csv: row 1 (line 2), column 'age' is 'old'"),
}


@pytest.mark.parametrize("name", UNREADABLE)
@pytest.mark.parametrize("verb", ["impute", "score"])
def test_a_source_that_cannot_be_read_is_named(table, tmp_path, capsys, verb, name):
    content, message = UNREADABLE[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    out = tmp_path / "out.csv"
    assert run_verb(verb, table / "run", tmp_path / name, "-o", out) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize("verb", ["impute", "score"])
@pytest.mark.parametrize(
    ("run", "message"), [("nowhere", "nowhere does not exist"), ("broken", "model.safetensors is damaged")]
)
def test_a_run_that_cannot_be_read_is_named(table, tmp_path, capsys, verb, run, message):
    broken = tmp_path / "broken"
    shutil.copytree(table / "run", broken)
    (broken / "model.safetensors").write_bytes((broken / "model.safetensors").read_bytes()[:100])
    out = tmp_path / "out.csv"
    assert run_verb(verb, tmp_path / run, table / "things.csv", "-o", out) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1 and not out.exists()


@pytest.mark.parametrize("verb", ["impute", "score"])
@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("out.xlsx", "end the name in"),
        ("out.png", "end the name in"),
        ("a file/out.csv", "choose another place"),
        ("a folder.csv", "it is a folder"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_the_work(
    table, tmp_path, capsys, monkeypatch, verb, out, message
):
    def never(*_, **__):
        raise AssertionError("work was done that is lost")

    monkeypatch.setattr("latentia.runs.filling.impute", never)
    monkeypatch.setattr("latentia.runs.judging.judge", never)
    (tmp_path / "a file").write_text("")
    (tmp_path / "a folder.csv").mkdir()
    assert run_verb(verb, table / "run", table / "things.csv", "-o", tmp_path / out) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


@pytest.mark.parametrize(("option", "value"), [("--draws", -1), ("--samples", 0)])
def test_numbers_out_of_range_are_refused(table, tmp_path, capsys, option, value):
    out = tmp_path / "out.csv"
    assert run_verb("impute", table / "run", table / "things.csv", option, value, "-o", out) == 2
    assert f"'{option[2:]}' must be at least" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["impute", "score"])
def test_what_is_interrupted_while_it_writes_leaves_what_was_there(
    table, tmp_path, capsys, monkeypatch, verb
):
    out = tmp_path / "out.csv"
    out.write_text("what was there")

    def half(handle, *_, **__):
        handle.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("pandas.DataFrame.to_csv", lambda frame, handle, **_: half(handle))
    monkeypatch.setattr("latentia.cli.output.write_csv", half)
    assert run_verb(verb, table / "run", table / "things.csv", "-o", out) == 130
    assert "interrupted" in capsys.readouterr().err
    assert out.read_text() == "what was there" and list(tmp_path.iterdir()) == [out]
