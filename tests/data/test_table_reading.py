"""What people's tables look like: headers of numbers, words that look like nothing, keys, large numbers."""

import zipfile

import numpy as np
import pytest

from latentia.core.errors import ConfigError
from latentia.data import load
from latentia.data.raw import Options
from latentia.data.readers.header import decide, guess

pd = pytest.importorskip("pandas", reason="needs pandas: pip install 'latentia[tables]'")


def lines_of(array, form="%.4f"):
    return [",".join(form % value for value in row) for row in array]


@pytest.fixture
def write(tmp_path):
    def text(lines, name="t.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        return tmp_path / name

    return text


@pytest.mark.parametrize(
    "names",
    [
        [str(year) for year in range(1990, 2000)],
        [f"{400.5 + 30 * step}" for step in range(10)],
        ["400.5", "431.2", "460.9", "492", "520.4", "551", "579", "612.5", "641", "671.3"],
        [str(at) for at in range(10)],
        ["country", *map(str, range(1990, 1999))],
    ],
)
def test_a_header_of_numbers_is_no_row(write, rng, names):
    rows = lines_of(rng.random((60, 10)))
    if names[0] == "country":
        rows = [f"{rng.choice(['DE', 'US'])},{row.split(',', 1)[1]}" for row in rows]
    data = load(write([",".join(names), *rows]), label="country" if names[0] == "country" else None)
    assert len(data) == 60
    assert data.columns == tuple(name for name in names if name != "country")
    assert data.observed[1] <= 1
    assert "data.header" not in data.summary()


def test_a_table_without_a_header_loses_no_row(write, rng):
    letters = [f"{rng.choice(list('ABC'))},{row}" for row in lines_of(rng.integers(0, 16, (200, 4)), "%d")]
    data = load(write(letters), label="0")
    assert len(data) == 200
    assert data.columns == ("1", "2", "3", "4")
    assert load(pd.read_csv(write(letters), header=None), label=0).label_names == ("A", "B", "C")
    assert data.label_names == ("A", "B", "C")
    for width in (1, 2, 3, 16):
        for form in ("%d", "%.3f"):
            values = np.array([np.roll(np.arange(width) * 3 % 7, at) + at % 5 for at in range(50)])
            data = load(write(lines_of(values, form)))
            assert data.x.tolist() == values.tolist()
    rising = np.sort(rng.integers(0, 9, (40, 6)), axis=1)
    assert len(load(write(lines_of(rising, "%d")))) == 40


def test_the_user_decides_what_the_first_line_is(write, refused):
    path = write(["10,20,30,40,50", *[f"{at},{at * 7 % 5},1,{at % 3},0" for at in range(30)]])
    data = load(path)
    assert len(data) == 30
    assert "first line read as names (data.header=false if it is data)" in data.summary()
    assert len(load(path, header=False)) == 31
    assert "first line" not in load(path, header=False).summary()
    path = write(["0", *["0.5", "0.25", "2.5"] * 10])
    assert "first line read as data (data.header=true if it is names)" in load(path).summary()
    assert (len(load(path)), len(load(path, header=True))) == (31, 30)
    refused(path, "data.header is 'x'", error=ConfigError, header="x")
    np.save(path.with_name("a.npy"), np.zeros((4, 2)))
    refused(path.with_name("a.npy"), "data.header=True does not apply", error=ConfigError, header=True)


@pytest.mark.parametrize(
    ("first", "rows", "named"),
    [
        (["a", "b"], [["1", "2"]], True),
        (["a", "b"], [], True),
        (["5.1", "setosa"], [["4.9", "setosa"], ["6", "virginica"]], False),
        (["id", "5.1"], [["1", "2"], ["2", "3"]], True),
        (["name", "city"], [["Ann", "Rome"], ["Bob", "Oslo"]], True),
        (["Ann", "Rome"], [["Bob", "Rome"]], False),
        (["", "a"], [["0", "1.5"], ["1", "2.5"]], True),
        (["1", "2", "3"], [["2", "3", "4"], ["3", "4", "5"], ["4", "5", "6"]], False),
        (["NA", "1"], [["2", "3"], ["4", "5"]], False),
    ],
)
def test_the_first_line_against_the_others(first, rows, named):
    assert guess(first, rows).named == named


def test_names_that_are_expected_are_known_above_a_single_line():
    uneven = ["400.5", "431.2", "460.9", "492"]
    row = ["0.1", "0.2", "0.15", "0.3"]
    assert decide(uneven, [row], Options()) == (False, ())
    assert decide(uneven, [row], Options(expected=tuple(uneven))) == (True, ())
    assert decide(uneven, [row], Options(expected=tuple(uneven), header=False)) == (False, ())
    assert decide(row, [], Options(expected=tuple(uneven))) == (False, ())
    assert (
        decide(["0", "1", "2"], [], Options(expected=("0", "1", "2")))[0] is False
    )  # of a table without names


def test_words_that_look_like_nothing_are_classes(tmp_path, rng):
    x = rng.normal(size=(30, 2))
    words = np.array(["none", "NA", "null", "nan", "edge", "N/A"] * 5)
    frame = pd.DataFrame(x, columns=["a", "b"]).assign(label=words)
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    np.savez(tmp_path / "t.npz", x=x, label=words)
    for source in (tmp_path / "t.csv", tmp_path / "t.parquet", tmp_path / "t.npz", frame, (x, words)):
        data = load(source)
        assert data.label_names == ("N/A", "NA", "edge", "nan", "none", "null")
        assert [data.label_names[code] for code in data.labels] == words.tolist()


def test_empty_cells_have_no_label(write):
    rows = [f"{at},{label}" for at, label in enumerate(["p", "", "q", " ", "NA"] * 4)]
    data = load(write(["a,label", *rows]))
    assert data.label_names == ("NA", "p", "q")
    assert "3 labels of label (8 without)" in data.summary()
    data = load(write(["a,label", *[f"{at},{label}" for at, label in enumerate(["3", "", "7", "NA"] * 4)]]))
    assert data.label_names == ("3", "7")
    assert (data.labels < 0).sum() == 8


def test_classes_called_by_digits_stay_as_written(write):
    names = ["007", "10", "9", "1990"]
    data = load(write(["a,label", *[f"{at},{name}" for at, name in enumerate(names * 5)]]))
    assert data.label_names == ("007", "9", "10", "1990")


def test_quantities_called_y_or_target_are_no_labels(tmp_path, rng):
    points = pd.DataFrame(rng.integers(0, 100, (200, 3)), columns=list("xyz"))
    points.to_csv(tmp_path / "points.csv", index=False)
    data = load(tmp_path / "points.csv")
    assert data.columns == ("x", "y", "z")
    assert "no labels" in data.summary()
    assert "column y is taken as numbers (as labels with data.label=y)" in data.summary()
    chosen = load(tmp_path / "points.csv", label="y")
    assert (chosen.columns, chosen.label) == (("x", "z"), "y")
    assert " labels of y, " in chosen.summary()
    few = load(points.assign(y=points.y % 3))
    assert few.columns == ("x", "y", "z")
    classes = points.rename(columns={"x": "a"}).assign(y=points.y % 3)
    assert load(classes).label == "y"
    assert load(classes, label="none").columns == ("a", "y", "z")
    prices = points.assign(target=points.x * 1000)
    assert load(prices).labels is None
    assert load(points.assign(label=points.x % 10)).label == "label"
    assert load(points.assign(label=np.arange(200))).labels is None


def test_columns_that_count_the_rows_are_named(tmp_path, rng):
    frame = pd.DataFrame(rng.normal(size=(40, 2)), columns=list("ab"))
    frame = frame.assign(customer_id=100_000 + rng.permutation(40))
    assert "left out: 1 column of keys (customer_id)" in load(frame).summary()
    assert load(frame, types={"customer_id": "integer"}).columns == ("a", "b", "customer_id")
    assert load(frame, columns=["customer_id", "a"]).columns == ("a", "customer_id")
    frame[["a", "b"]].to_csv(tmp_path / "t.csv")
    data = load(tmp_path / "t.csv")
    assert data.columns == ("a", "b")
    assert "left out: 1 column of row names" in data.summary()
    (tmp_path / "t.csv").write_text(",b\n0.5,1\n0.5,2\n0.25,3\n")  # no index: the numbers repeat
    assert load(tmp_path / "t.csv").columns == ("column 0", "b")


def test_a_column_without_a_name_that_is_no_index(write, refused):
    assert np.isnan(load(write([",b", "0,1", ",2", "2,3"])).x[1, 0])
    refused(write([",b", "inf,1", "1,2", "2,3"]), "column 'column 0' is infinity")
    data = load(write([",b,", "x,1,", "x,2,", "y,3,"]))
    assert data.columns == ("b",)
    assert "left out: 1 column of row names, 1 empty column without a name" in data.summary()


def test_no_digit_is_lost(tmp_path, rng):
    t = np.arange(400)
    frame = pd.DataFrame({"time": 1_700_000_000 + t, "load": t / 100, "account": 20_000_000 + 3 * t})
    frame.to_csv(tmp_path / "log.csv", index=False)
    frame.to_parquet(tmp_path / "log.parquet")
    for source in (tmp_path / "log.csv", tmp_path / "log.parquet", frame):
        data = load(source)
        assert data.x.dtype == np.float64
        np.testing.assert_array_equal(data.x, frame.to_numpy())
        assert data.layout.types == ("int64", "float64", "int64")
    small = pd.DataFrame({"a": np.float32([0.5, 1.5]), "b": [3, 1 << 24], "c": [True, False]})
    data = load(small)
    assert (data.x.dtype, data.layout.types) == (np.float32, ("float32", "int64", "bool"))
    assert data.x.tolist() == [[0.5, 3, 1], [1.5, 1 << 24, 0]]


def test_whole_numbers_that_no_float_holds_are_refused(write, refused):
    rows = [f"{(1 << 53) + at},{at}" for at in range(5)]
    refused(write(["id,a", *rows]), "row 2 (line 3)", "column 'id' is 9007199254740993", "rounded")
    huge = [f"1234567890123456789012{at},1" for at in range(5)]
    refused(write(["id,a", *huge]), "column 'id' is 1234567890123456789012", "rounded")


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("1_000", "'1_000', not a finite number"),
        ("0x10", "'0x10', not a finite number"),
        ("12%", "'12%', not"),
        ("$5", "'$5', not"),
        ('"1,5"', "'1,5', not a finite number (a comma"),
        ('"1,234"', "'1,234', not"),
        ("1 000", "not a finite number"),
        ("٣", "not a finite number"),
    ],
)
def test_text_that_only_looks_like_a_number_is_refused(write, refused, cell, told):
    refused(write(["a,b", "1,2", f"3,{cell}", "5,6"]), "row 2 (line 3), column 'b'", told, "data.label=b")
    refused(pd.DataFrame({"b": ["2", cell.strip('"')]}), "row 2, column 'b'", told)


def test_numbers_however_plainly_written(write):
    data = load(write(["a,b,c", "  3 ,1e3,-.5", "+4,2E-1,7.", "0,0.5,-0"]))
    assert data.x.tolist() == [[3, 1000, -0.5], [4, 0.2, 7], [0, 0.5, 0]]


def test_decimal_commas(write, refused):
    data = load(write(["a;b", "1,5;1", "0,25;2", "3;10"]))
    assert data.x.tolist() == [[1.5, 1], [0.25, 2], [3, 10]]
    assert data.layout.types == ("float64", "int64")
    headerless = load(write(["1,5;2,5;3,5", "0,5;7,25;9,0", "3,5;1,5;0,5"]))
    assert headerless.x.tolist() == [[1.5, 2.5, 3.5], [0.5, 7.25, 9], [3.5, 1.5, 0.5]]
    refused(write(["a;b", "1,500;1", "2,250;2"]), "'1,500'", "decimals or for thousands")
    refused(write(["a;b", "1,5;1.250", "2,5;2.500"]), "decimal commas", "'1.250'")


def test_signs_for_thousands_are_read_where_they_can_be_nothing_else(write, refused):
    quoted = load(write(["a,b", '"1,234.5",1', '"2,345",2', "999,3", ",4", "NA,5"]))
    assert np.array_equal(quoted.x[:, 0], [1234.5, 2345, 999, np.nan, np.nan], equal_nan=True)
    assert "',' taken as a sign for thousands in 'a'" in quoted.summary()
    german = load(write(["a;b;c", "1.234,5;1;x", "999,25;2;y", "-1.234.567;3;x", "0,5;4;y"]))
    assert german.x[:, 0].tolist() == [1234.5, 999.25, -1234567, 0.5]
    assert "'.' taken as a sign for thousands in 'a'" in german.summary()
    english = load(write(["a;b", "1,234.5;1", "2,345;2", "5;3"]))
    assert english.x[:, 0].tolist() == [1234.5, 2345, 5]
    refused(write(["a;b", "1.234,5;1.250", "2.345,5;2.500"]), "decimal commas", "'1.250'")
    refused(write(["a,b", '"1,234.5",1', '"1,5",2', "3,3"]), "'1,234.5', not")
    refused(write(["a,b", "1'234.5,1", "2'345.5,2"]), '"1\'234.5", not')
    refused(write(["a;b", "1 234,5;1", "0,5;2"]), "'1 234,5', not")


def test_lines_of_numbers_for_thousands_are_no_names(write):
    data = load(write(['"1,234.5",2', '"2,345.5",3', '"3,456.5",4']))
    assert data.x.tolist() == [[1234.5, 2], [2345.5, 3], [3456.5, 4]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_is_read_however_it_is_written(tmp_path, encoding):
    text = "by,größe,plz\n" + "Zürich,1.5,08001\nGenève,2.5,01200\n" * 4
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    data = load(tmp_path / "t.csv", types={"plz": "category"})
    assert data.columns == ("by", "größe", "plz")
    assert data.schema.columns[0].categories == ("Genève", "Zürich")
    assert data.schema.columns[2].categories == ("01200", "08001")


@pytest.mark.parametrize("lines", [0, 3000])
def test_other_encodings_are_refused(tmp_path, refused, lines):
    """Which one it is cannot be seen, and a wrong guess would be wrong words."""
    text = "by,n\n" + "Oslo,1\n" * lines + "Zürich,2\n" * 3
    (tmp_path / "t.csv").write_bytes(text.encode("cp1252"))
    refused(tmp_path / "t.csv", "is not a table in UTF-8", "0xfc", "save it as UTF-8")


def test_truth_values_are_numbers(write):
    data = load(write(["a,b", "True,1.5", "False,2", "TRUE,3"]))
    assert data.x.tolist() == [[1, 1.5], [0, 2], [1, 3]]
    assert data.layout.types == ("bool", "float64")
    labelled = load(write(["a,label", "1,True", "2,False", "3,True"]))
    assert (labelled.label_names, labelled.labels.tolist()) == (("False", "True"), [1, 0, 1])


def test_tables_that_cannot_be_told_apart_or_read(write, refused):
    refused(write(["a,b,a", "1,2,3", "4,5,6"]), "two columns 'a'")
    refused(write([]), "is empty")


def contest(write, train="train.csv", test="test.csv"):
    write(["n,a,survived", *[f"{at * 7 % 41},{at / 4},{at % 2}" for at in range(40)]], train)
    return write(["a,n", *[f"{at / 4},{at * 3 % 11}" for at in range(10)]], test).parent


def test_a_folder_of_train_and_test(write, refused):
    folder = contest(write)
    write(["n,survived", "1,0"], "sample_submission.csv")
    data = load(folder)
    assert data.columns == ("n", "a")
    assert len(data) == 50
    assert data.splits["test"].tolist() == list(range(40, 50))
    np.testing.assert_array_equal(data.x[41], [3, 0.25])
    assert (data.label, data.labels.tolist()) == ("survived", [0, 1] * 20 + [-1] * 10)
    summary = data.summary()
    assert "2 labels of survived (10 without)" in summary
    assert "10 test (given)" in summary
    assert "left out: 1 other table (sample_submission.csv)" in summary
    write(["n,a,survived,more", *["1,2,0,3"] * 4], "test.csv")
    refused(folder, "test.csv has a column 'more' that train.csv lacks")
    write(["n", *["1"] * 4], "test.csv")
    refused(folder, "test.csv lacks the columns a, survived of train.csv")
    write(["n,a", "1,2", "3,x"], "test.csv")
    refused(folder, "row 42 (test.csv, line 3), column 'a' is 'x'", types="a:real")


def test_a_quantity_to_predict_is_left_out(write):
    write(["a,price", *[f"{at * at},{at * 1000}" for at in range(60)]], "x_train.csv")
    data = load(write(["a", *map(str, range(9))], "x_test.csv").parent)
    assert (data.columns, data.labels) == (("a",), None)
    assert "left out: 1 column that x_test.csv lacks (price)" in data.summary()


def test_parts_of_one_table(write, refused):
    write(["a,b", *[f"{at},1" for at in range(8)]], "2023.csv")
    folder = write(["b,a", *[f"2,{at}" for at in range(8)]], "2024.csv").parent
    data = load(folder)
    assert data.x.tolist() == [[at, 1] for at in range(8)] + [[at, 2] for at in range(8)]
    write(["p,q", "1,2"], "other.csv")
    refused(folder, "other.csv has a column 'p' that 2023.csv lacks")


def test_zips_of_tables(write, tmp_path, refused):
    folder = contest(write, "in/train.csv", "in/test.csv")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    data, same = load(tmp_path / "all.zip"), load(folder)
    np.testing.assert_array_equal(data.x, same.x)
    assert data.splits["test"].tolist() == same.splits["test"].tolist()
    with zipfile.ZipFile(tmp_path / "one.csv.zip", "w") as archive:
        archive.write(folder / "train.csv", "train.csv")
    assert len(load(tmp_path / "one.csv.zip")) == 40
    content = bytearray((tmp_path / "all.zip").read_bytes())
    content[60] ^= 255
    (tmp_path / "all.zip").write_bytes(bytes(content))
    refused(tmp_path / "all.zip", "all.zip, train.csv: is not a table (Bad CRC-32")


def test_pixels_in_columns_become_images(tmp_path, rng, refused):
    pixels = rng.integers(0, 256, (30, 12))
    frame = pd.DataFrame(pixels, columns=[f"pixel{at}" for at in range(12)])
    frame.insert(0, "label", np.arange(30) % 10)
    frame.to_csv(tmp_path / "mnist_train.csv", index=False)
    data = load(tmp_path / "mnist_train.csv", shape=(3, 4))
    assert (data.x.dtype, data.high) == (np.uint8, 255)
    np.testing.assert_array_equal(data.x, pixels.reshape(30, 1, 3, 4))
    assert data.labels.tolist() == (np.arange(30) % 10).tolist()
    assert data.layout.axes == "flat"
    np.testing.assert_array_equal(data.layout.restore(data.x.astype(np.float32)), pixels)
    assert load(tmp_path / "mnist_train.csv", shape=[3, 2, 2]).event == (3, 2, 2)
    assert load(pixels / 255, shape=(3, 4)).x.dtype == np.float32
    frame.to_csv(tmp_path / "bare.csv", index=False, header=False)  # as MNIST goes round, too
    refused(tmp_path / "bare.csv", "13 numbers", "such as data.label=0", error=ConfigError, shape=(3, 4))
    assert load(tmp_path / "bare.csv", shape=(3, 4), label="0").x.shape == (30, 1, 3, 4)
    few = pd.DataFrame(pixels % 17).rename(columns=str)
    assert (load(few, shape=(3, 4)).high, load(few > 3, shape=(3, 4)).high) == (16, 1)
    refused(
        tmp_path / "mnist_train.csv", "data.shape=1x5x5 is for rows of 25", error=ConfigError, shape=(5, 5)
    )
    refused(tmp_path / "mnist_train.csv", "data.shape is 28", error=ConfigError, shape=28)
    refused("digits", "data.shape", "does not apply", error=ConfigError, shape=(8, 8))


def test_arrays_of_rows_keep_their_digits_too(tmp_path):
    wide = np.stack([1_700_000_000 + 2 * np.arange(40), np.arange(40)], axis=1)
    np.save(tmp_path / "whole.npy", wide)
    np.save(tmp_path / "real.npy", wide / 3)
    np.savez(tmp_path / "two.npz", x_train=wide, x_test=wide + 1)
    for source, values in ((wide, wide), (tmp_path / "whole.npy", wide), (tmp_path / "real.npy", wide / 3)):
        data = load(source)
        assert data.x.dtype == np.float64
        np.testing.assert_array_equal(data.x, values)
        assert data.observed == (values.min(), values.max())
    np.testing.assert_array_equal(load(tmp_path / "two.npz").x, np.concatenate([wide, wide + 1]))
    assert load(wide.astype(np.float32)).x.dtype == np.float32
    assert load(np.zeros((4, 8, 8))).x.dtype == np.float32  # pictures have no digits to lose


def test_large_files_of_rows_keep_their_digits_too(tmp_path, monkeypatch):
    wide = np.stack([1_700_000_000 + np.arange(70_000), np.arange(70_000)], axis=1)
    np.save(tmp_path / "whole.npy", wide)
    data = load(tmp_path / "whole.npy", buffer=1)
    assert not isinstance(data.x, np.ndarray)
    np.testing.assert_array_equal(data.x[68_000:], wide[68_000:])
    assert data.observed == (0, 1_700_069_999)


def test_packed_tables_keep_their_digits_and_settings(tmp_path, write):
    from latentia.data.packing.pack import pack

    wide = np.stack([1_700_000_000 + 2 * np.arange(40), np.arange(40) * 7 % 11], axis=1)
    path = write(["10,20", *lines_of(wide, "%d")])
    pack(path, tmp_path / "packed", header=True, label="none")
    data = load(tmp_path / "packed")
    assert (data.x.dtype, data.columns) == (np.float64, ("10", "20"))
    assert data.layout.types == ("int64", "int64")
    assert sorted(data.x[:, 0].astype(int)) == wide[:, 0].tolist()
    pack(write(lines_of(wide % 200, "%d")), tmp_path / "pictures", shape=(1, 2))
    assert load(tmp_path / "pictures").event == (1, 1, 2)
    assert load(tmp_path / "pictures").x.dtype == np.uint8


def test_plain_arrays_from_text(write, rng):
    from latentia.data.readers.plain import read_array

    values = 1_700_000_000 + rng.normal(size=(20, 4))
    np.testing.assert_array_equal(read_array(write(lines_of(values, "%.17g"))), values)
    np.testing.assert_array_equal(
        read_array(write(["z1;z2;z3;z4", *[row.replace(",", ";") for row in lines_of(values, "%.17g")]])),
        values,
    )


def test_a_needless_zero_is_found_wherever_it_stands(write, monkeypatch):
    monkeypatch.setattr("latentia.data.readers.delimited._SCANNED", 7)
    plain = [f"{at},{at / 8},-0.5" for at in range(30)]
    assert len(load(write(["a,b,c", *plain]))) == 30
    for row in range(20, 27):
        for cell in ("007", "-01", '"05"', " 08"):
            lines = [*plain[:row], f"{cell},1,1", *plain[row:]]
            data = load(write(["a,b,c", *lines]))
            assert data.columns == ("b", "c")
            assert "left out: 1 column of keys (a)" in data.summary()
