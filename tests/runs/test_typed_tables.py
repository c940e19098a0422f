"""A run on a table of words, dates and holes: others are read by its schema and given back in their types."""

import csv

import numpy as np
import pytest

import latentia
from latentia.cli import main
from latentia.core.errors import DataError, Note

pd = pytest.importorskip("pandas", reason="needs pandas: pip install 'latentia[tables]'")


def customers(rows):
    rng = np.random.default_rng(0)
    gone = rng.random(rows) < 0.1
    return pd.DataFrame(
        {
            "customer_id": [f"c{at:04}" for at in range(rows)],
            "age": pd.array(np.where(gone, None, rng.integers(18, 80, rows)), dtype="Int64"),
            "city": np.where(gone, None, rng.choice(["Oslo", "Ås, Follo", "Praha"], rows)),
            "joined": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), "D"),
            "price": np.where(gone[::-1], np.nan, rng.gamma(2, 40, rows).round(2)),
            "member": rng.random(rows) < 0.4,
        },
        index=[f"row {at}" for at in range(rows)],
    )


def latentia_main(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("customers")
    frame = customers(80)
    frame.to_csv(folder / "customers.csv", index=False)
    run = latentia.train(folder / "customers.csv", out=folder / "run", epochs=1, latent_dim=2, hidden=[8])
    return folder, latentia.open_run(run.folder.path), frame


def test_a_frame_comes_back_as_a_frame_with_its_index(trained):
    _folder, run, frame = trained
    assert run.record.schema.names == ("age", "city", "joined", "price", "member")
    made = run.reconstruct(frame)
    assert made.index.equals(frame.index)
    assert dict(made.dtypes.astype(str)) == {
        "age": "Int64",
        "city": "string",
        "joined": "string",
        "price": "float64",
        "member": "bool",
    }
    assert set(made["city"]) <= {"Oslo", "Ås, Follo", "Praha"}
    assert pd.to_datetime(made["joined"]).between("2019-12-01", "2022-08-01").all()
    sampled = run.sample(6, noise=True)
    assert list(sampled.columns) == list(made.columns)
    ages = frame["age"].iloc[run.dataset.splits["train"]]
    assert sampled["age"].between(ages.min(), ages.max()).all()


def test_other_tables_are_read_by_name_with_a_word(trained):
    folder, run, frame = trained
    z = run.encode(folder / "customers.csv")
    assert np.array_equal(run.encode(frame[frame.columns[::-1]]), z)
    assert np.array_equal(run.encode(frame.iloc[3:4]), z[3:4]) or np.allclose(
        run.encode(frame.iloc[3:4]), z[3:4]
    )
    with pytest.warns(Note, match="column 'extra' ignored, which the run does not know"):
        assert np.array_equal(run.encode(frame.assign(extra=1)), z)
    with pytest.warns(
        Note, match=r"categories that the run does not know, taken as another value: 'city' \(2\)"
    ):
        run.encode(frame.assign(city=["Bergen"] * 2 + ["Oslo"] * 78))
    with pytest.raises(DataError, match="column 'price' is 'dear'"):
        run.encode(frame.assign(price="dear"))
    with pytest.raises(DataError, match="has no column 'city'; did you mean 'citi'"):
        run.encode(frame.rename(columns={"city": "citi"}))
    with pytest.warns(Note, match="column 'price' lies far outside of the training's"):
        run.encode(frame.assign(price=frame["price"] * 100))
    given = latentia.load(frame, types={"age": "real"})  # read on its own, and otherwise
    assert np.array_equal(run.fitting(given).x, run.other(frame).x, equal_nan=True)


def test_rows_that_were_added_change_nothing_of_the_run(trained):
    folder, run, frame = trained
    before = run.dataset.x.copy()
    more = pd.concat([frame, frame.assign(city="Bergen", age=99)])
    more.to_csv(folder / "customers.csv", index=False)
    try:
        with pytest.warns(Note, match="80 of its 160 examples were added"):
            np.testing.assert_array_equal(latentia.open_run(run.folder.path).dataset.x, before)
    finally:
        frame.to_csv(folder / "customers.csv", index=False)


def test_files_have_names_types_and_empty_cells(trained):
    folder, run, frame = trained
    place = run.folder.path
    source, out = folder / "customers.csv", folder / "out.csv"
    assert latentia_main("reconstruct", place, source, "-n", 0, "-o", out) == 0
    with out.open(newline="", encoding="utf-8") as handle:
        names, *rows = csv.reader(handle)
    assert names == ["age", "city", "joined", "price", "member"] and len(rows) == 80
    assert all(row[0].isdigit() and row[4] in ("True", "False") and len(row[2]) == 10 for row in rows)
    assert all(len(row[3].partition(".")[2]) <= 2 for row in rows)
    assert latentia_main("sample", place, "-n", 7, "--noise", "-o", folder / "rows.csv") == 0
    assert latentia_main("sample", place, "-n", 7, "--noise", "-o", folder / "rows.parquet") == 0
    text, columns = run.other(folder / "rows.csv").x, run.other(folder / "rows.parquet").x
    np.testing.assert_array_equal(text, columns)
    schema = run.record.schema
    np.testing.assert_array_equal(schema.codes(schema.frame(text)), text)
    assert latentia_main("encode", place, folder / "rows.csv", "-o", folder / "z.parquet") == 0
    assert np.allclose(pd.read_parquet(folder / "z.parquet").to_numpy(), run.encode(folder / "rows.parquet"))
    from latentia.data.readers.plain import texts

    held = run.dataset.x[:5]
    written = [texts(column, held[:, at]) for at, column in enumerate(schema.columns)]
    cells = frame.drop(columns="customer_id").iloc[:5].isna().to_numpy().T
    assert [[cell == "" for cell in column] for column in written] == cells.tolist()


def test_settings_of_columns_are_recorded_and_inherited(tmp_path):
    frame = customers(60).assign(zip=[f"{at % 7:04}" for at in range(60)], code=np.arange(60) % 5)
    frame.to_csv(tmp_path / "t.csv", index=False)
    words = ["data.columns=age,city,code", "data.types=code:category", "--epochs", 1, "--hidden", 8]
    assert latentia_main("train", tmp_path / "t.csv", *words, "--out", tmp_path / "run", "--quiet") == 0
    run = latentia.open_run(tmp_path / "run")
    assert [column.kind for column in run.record.schema.columns] == ["integer", "category", "category"]
    assert run.record.schema.columns[2].categories == tuple("01234")  # as they are written
    assert run.encode(frame).shape[0] == 60
    assert (
        latentia_main("train", tmp_path / "t.csv", "data.drop=agee", "--out", tmp_path / "no", "--quiet") == 2
    )
    again = ["--config", tmp_path / "run" / "run.toml", "--out", tmp_path / "again", "--quiet"]
    assert latentia_main("train", *again) == 0
    assert latentia.open_run(tmp_path / "again").record.schema == run.record.schema
