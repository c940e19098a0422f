import gzip
import sys

import numpy as np
import pytest

from latentia.core.errors import MissingExtra
from latentia.data import load

pd = pytest.importorskip("pandas", reason="needs pandas: pip install 'latentia[tables]'")

IRIS = ["5.1,3.5,1.4,0.2,setosa", "7.0,3.2,4.7,1.4,versicolor", "6.3,3.3,6.0,2.5,virginica"]


@pytest.fixture
def table(tmp_path):
    """Write lines as a file; give its path."""

    def write(lines, name="t.csv"):
        text = "\n".join(lines) + "\n"
        data = text.encode()
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    ("name", "delimiter"),
    [("t.csv", ","), ("t.csv", ";"), ("t.csv", "\t"), ("t.tsv", "\t"), ("t.csv.gz", ","), ("t.tsv.gz", "\t")],
)
@pytest.mark.parametrize("label", ["label", "Class", "TARGET", "y"])
def test_csv_with_a_label_column(table, name, delimiter, label):
    lines = [delimiter.join(["a", label, "b"])]
    lines += [delimiter.join([str(i // 2), "dog" if i % 2 else "cat", str(i / 4)]) for i in range(40)]
    data = load(table(lines, name))
    assert data.event.kind == "vector"
    assert data.columns == ("a", "b")
    assert data.x.dtype == np.float64
    np.testing.assert_array_equal(data.x, [[i // 2, i / 4] for i in range(40)])
    assert data.labels.tolist() == [0, 1] * 20
    assert data.label_names == ("cat", "dog")
    assert data.name == "t"


def test_csv_without_a_header(table):
    data = load(table(["0.5,1", "2,3", "4,5"]))
    assert data.x.tolist() == [[0.5, 1], [2, 3], [4, 5]]
    assert data.columns == ("0", "1")
    whole = load(table(["10,1", "2,3", "4,5"]))
    assert len(whole) == 3
    data = load(table(IRIS * 4), label="4")
    assert data.event == (4,)
    assert data.label_names == ("setosa", "versicolor", "virginica")
    assert len(data) == 12


def test_header_of_numbers_as_pandas_writes_it(tmp_path, rng):
    frame = pd.DataFrame(rng.normal(size=(15, 5)))
    for index in (True, False):
        frame.to_csv(tmp_path / "t.csv", index=index)
        data = load(tmp_path / "t.csv")
        np.testing.assert_allclose(data.x, frame.to_numpy(), rtol=1e-14)
        assert data.columns == ("0", "1", "2", "3", "4")


def test_byte_order_mark_quotes_and_spaces(tmp_path):
    (tmp_path / "t.csv").write_bytes('\ufeff"a, first", b\n1, "2"\n3, 4\n'.encode())
    data = load(tmp_path / "t.csv")
    assert data.columns == ("a, first", "b")
    assert data.x.tolist() == [[1, 2], [3, 4]]


def test_label_by_name(table, refused):
    path = table(["a,kind,y", "1,p,0.5", "2,q,1.5", "3,p,2.5"])
    data = load(path, label="kind")
    assert data.columns == ("a", "y")  # a target of real numbers is a column like the others
    assert data.labels.tolist() == [0, 1, 0]
    refused(path, "'knid'", "did you mean 'kind'?", label="knid")
    refused(path, "column 'y' cannot be labels", "not whole", label="y")


def test_words_among_numbers_are_categories_or_left_out_with_a_word(table, refused):
    lines = ["a,b", *[f"{i / 8},{'many' if i == 5 else i % 3}" for i in range(12)]]
    data = load(table(lines))
    assert data.schema.columns[1].categories == ("0", "1", "2", "many")
    assert "column b has words among numbers ('many'): taken as categories" in data.summary()
    lines = ["a,b", "1,2", "", "3,4", "5,many", "6,7"]
    assert load(table(lines)).columns == ("a",)
    assert (
        "column b has words among numbers ('many'): left out (data.types=b:real"
        in load(table(lines)).summary()
    )
    assert "left out: 1 column of keys (b)" in load(table(lines)).summary()
    refused(table(lines), "t.csv", "row 3 (line 5)", "column 'b'", "'many'", "data.label=b", types="b:real")
    lines = ["a,b", '"1\n",2', "3,x"]  # a quoted line break
    refused(table(lines), "row 2 (line 4)", "column 'b'", "'x'", types={"b": "real"})


@pytest.mark.parametrize(
    ("cell", "word"), [("inf", "infinity"), ("-inf", "infinity"), ("1e300", "too large")]
)
def test_cells_that_are_not_finite(table, refused, cell, word):
    lines = ["a,b", *["1,2", "2,3"] * 3, f"{cell},2", "1,2"]
    refused(table(lines), "row 7 (line 8)", "column 'a'", word)


@pytest.mark.parametrize("cell", ["nan", "", "NA", "?", "null"])
def test_cells_without_a_value(table, cell):
    data = load(table(["a,b", *["1.5,2", "2,3"] * 3, f"{cell},2", "1,2"]))
    assert np.argwhere(np.isnan(data.x)).tolist() == [[6, 0]]
    assert ("taken as missing" in data.summary()) == bool(cell)
    assert "1 missing values in 1 of its columns (6.2 %)" in data.summary()


def test_tables_that_are_none(table, tmp_path, refused):
    refused(table([""]), "t.csv", "is not a table")
    refused(table(["a,b", "1,2", "1,2,3"]), "t.csv", "is not a table", "line 3")
    refused(table(["a,b", "1,2,3", "4,5,6"]), "t.csv", "more cells")
    refused(table(["label", "x", "y"]), "no column but label")
    refused(table(["a,b"]), "0 examples")
    refused(table(["a,b", "1,2"]), "1 example;")
    (tmp_path / "t.csv").write_bytes(b"a,b\n1,\xff\xfe\n")
    refused(tmp_path / "t.csv", "t.csv", "is not a table", "UTF-8 (byte 0xff")
    whole = gzip.compress(b"a,b\n" + b"1,2\n" * 5000)
    (tmp_path / "t.csv.gz").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / "t.csv.gz", "t.csv.gz", "is not a table")


def test_parquet(tmp_path, rng, refused):
    pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'latentia[tables]'")
    frame = pd.DataFrame({"a": rng.normal(size=30), "n": np.arange(30) // 2, "label": ["u", "v", "w"] * 10})
    frame.to_parquet(tmp_path / "t.parquet")
    data = load(tmp_path / "t.parquet")
    np.testing.assert_array_equal(data.x, frame[["a", "n"]].to_numpy())
    assert data.label_names == ("u", "v", "w")
    frame.loc[11, "a"] = np.nan
    frame.to_parquet(tmp_path / "t.parquet")
    assert np.argwhere(np.isnan(load(tmp_path / "t.parquet").x)).tolist() == [[11, 0]]
    frame.loc[11, "a"] = np.inf
    frame.to_parquet(tmp_path / "t.parquet")
    refused(tmp_path / "t.parquet", "t.parquet", "row 12,", "column 'a' is infinity")
    (tmp_path / "t.parquet").write_bytes(b"PAR1 no")
    refused(tmp_path / "t.parquet", "t.parquet", "not a Parquet table")


def test_frames_of_every_type_of_column(refused):
    frame = pd.DataFrame(
        {
            "i": pd.array([1, 2, 3], dtype="Int64"),
            "f": [0.5, 1.5, 2.5],
            "b": [True, False, True],
            "o": np.array([1, 2.5, "3"], dtype=object),
            "class": pd.Categorical(["x", None, "y"]),
        }
    )
    data = load(frame)
    assert data.x.tolist() == [[1, 0.5, 1, 1], [2, 1.5, 0, 2.5], [3, 2.5, 1, 3]]
    assert data.labels.tolist() == [0, -1, 1]
    assert (data.name, data.source) == ("table", "memory")
    assert load((frame[["i", "f"]], [5, 6, 5])).labels.tolist() == [0, 1, 0]
    frame.loc[1, "i"] = pd.NA
    assert np.isnan(load(frame).x[1, 0])
    times = load(pd.DataFrame({"t": pd.to_datetime(["2020-01-03", "2020-01-01", None])}))
    np.testing.assert_array_equal(times.x, [[2], [0], [np.nan]])
    assert times.schema.columns[0].origin == "2020-01-01"
    refused(pd.DataFrame({"a": [1j, 2j], "b": [1j, 3]}), "no column that a model could learn from", "complex")
    refused(pd.DataFrame(np.zeros((3, 2)), columns=["a", "a"]), "two columns 'a'")
    assert load(pd.DataFrame(np.eye(3))).columns == ("0", "1", "2")


def test_any_library_with_columns():
    class Frame:
        columns = ("p", "q", "label")

        def __getitem__(self, name):
            return {"p": [1, 2, 3], "q": [4.0, 5, 6], "label": ["a", "b", "a"]}[name]

    data = load(Frame())
    assert data.x.tolist() == [[1, 4], [2, 5], [3, 6]]
    assert data.label_names == ("a", "b")


def test_missing_pandas_names_the_extra(table, refused, monkeypatch):
    path = table(["a,b", "1,2", "3,4"])
    monkeypatch.setitem(sys.modules, "pandas", None)
    refused(path, "t.csv", "pandas", "latentia[tables]", error=MissingExtra)
