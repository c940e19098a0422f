"""Tables as numbers and numbers as tables: types, holes, settings, and whatever people's tables hold."""

import datetime
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentia.core.errors import ConfigError, DataError, LatentiaError
from latentia.data import load
from latentia.data.record import DataRecord
from latentia.data.schema import Column, Schema

pd = pytest.importorskip("pandas", reason="needs pandas: pip install 'latentia[tables]'")

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
DAYS = pd.date_range("1999-12-30", periods=12, freq="D")


def people(rows=40, holes=True):
    rng = np.random.default_rng(0)
    at = np.arange(rows)
    gone = at % 7 == 3 if holes else np.zeros(rows, bool)
    grades = pd.CategoricalDtype(["low", "middle", "high"], ordered=True)
    return pd.DataFrame(
        {
            "age": pd.array(np.where(gone, None, rng.integers(18, 80, rows)), dtype="Int64"),
            "children": rng.integers(0, 5, rows),
            "income": np.where(gone, np.nan, rng.normal(3000, 500, rows).round(2)),
            "weight": rng.normal(70, 9, rows).astype(np.float32),
            "city": np.where(gone, None, rng.choice(["Oslo", "Ås", "Praha"], rows)),
            "grade": pd.Categorical(np.where(gone, None, rng.choice(grades.categories, rows)), dtype=grades),
            "member": pd.array(np.where(gone, None, rng.random(rows) < 0.5), dtype="boolean"),
            "active": rng.random(rows) < 0.5,
            "born": pd.Series(DAYS[rng.integers(0, 12, rows)]).mask(gone).array,
            "seen": (
                pd.Timestamp("2024-03-30", tz="Europe/Oslo")
                + pd.to_timedelta(rng.integers(0, 10**6, rows), "s")
            ),
        },
        index=[f"row {number}" for number in at],
    )


def attempt(frame, **settings):
    """Load a frame; give the data, or None and what the refusal says."""
    try:
        return load(frame, **settings), ""
    except LatentiaError as error:
        return None, str(error)


def same_table(got, want):
    """Compare frames, types included, in what both have."""
    for name in got.columns:
        assert str(got[name].dtype) == str(want[name].dtype), name
        pd.testing.assert_series_equal(got[name].reset_index(drop=True), want[name].reset_index(drop=True))


def test_every_type_of_column_comes_back_as_it_was_given():
    frame = people()
    data = load(frame)
    kinds = [column.kind for column in data.schema.columns]
    assert kinds == [
        "integer",
        "integer",
        "real",
        "real",
        "category",
        "ordered",
        "boolean",
        "boolean",
        "time",
        "time",
    ]
    assert data.schema.columns[4].categories == ("Oslo", "Praha", "Ås")
    assert data.schema.columns[5].categories == ("low", "middle", "high")
    same_table(data.schema.frame(data.x), frame)
    assert Schema.from_record(json.loads(json.dumps(data.schema.record()))) == data.schema
    assert data.summary().startswith(
        "table: table of 10 columns: 2 integers, 2 reals, 2 booleans, 2 times, 1 category, 1 ordered "
        "category, 36 missing values in 6 of its columns (9 %)"
    )


def test_the_schema_says_what_the_training_split_is_like():
    data = load(people())
    train = data.x[data.splits["train"]]
    for at, column in enumerate(data.schema.columns):
        assert (column.low, column.high) == (np.nanmin(train[:, at]), np.nanmax(train[:, at]))
        assert column.missing == bool(np.isnan(train[:, at]).any())
    record = DataRecord.from_table(json.loads(json.dumps(DataRecord.of(data).table())))
    assert record.schema == data.schema
    older = {name: value for name, value in DataRecord.of(data).table().items() if name != "schema"}
    assert DataRecord.from_table(older).schema is None
    assert DataRecord.from_table(older).reading.names == data.columns


def test_made_up_rows_stay_in_the_ranges_and_digits_of_the_training():
    data = load(people())
    rng = np.random.default_rng(1)
    wild = rng.normal(0, 1e4, (30, 10))
    made = data.schema.frame(wild, clip=True)
    low, high = (
        np.array([getattr(column, end) for column in data.schema.columns]) for end in ("low", "high")
    )
    numeric = np.array([column.numeric for column in data.schema.columns])
    codes = data.schema.codes(made)
    assert ((codes >= low - 0.01) & (codes <= high + 0.01))[:, numeric].all()
    assert (made["income"].round(2) == made["income"]).all()
    assert set(made["city"].dropna()) <= {"Oslo", "Ås", "Praha"}
    unseen = data.schema.frame(np.full((1, 10), 3.0))
    assert unseen["city"].isna().all()


COLUMNS = {
    "int64": st.integers(-(2**40), 2**40),
    "Int64": st.none() | st.integers(-(2**53), 2**53),
    "uint8": st.integers(0, 255),
    "float64": st.none() | st.floats(-1e30, 1e30),
    "float32": st.none() | st.floats(-(2.0**100), 2.0**100, width=32),
    "bool": st.booleans(),
    "boolean": st.none() | st.booleans(),
    "str": st.none() | st.sampled_from(["a", "b", "ü", "日本", "a b", "None"]),
    "string": st.none() | st.sampled_from(["a", "b", "1x", "é,\"'"]),
    "category": st.none() | st.sampled_from(["x", "y", "z"]),
    "datetime64[ns]": st.none() | st.datetimes(datetime.datetime(1800, 1, 1), datetime.datetime(2200, 1, 1)),
    "datetime64[s]": st.none() | st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 1, 1)),
    "datetime64[us, Asia/Tokyo]": st.none()
    | st.datetimes(datetime.datetime(1950, 1, 1), datetime.datetime(2200, 1, 1)),
    "timedelta64[ns]": st.none() | st.timedeltas(datetime.timedelta(-90), datetime.timedelta(9000)),
    "date": st.none() | st.dates(),
}


@QUICK
@given(st.data(), st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=5), st.integers(2, 12))
def test_codes_and_frame_undo_each_other(draw, types, rows):
    frame = pd.DataFrame(index=range(rows))
    for number, dtype in enumerate(types):
        cells = draw.draw(st.lists(COLUMNS[dtype], min_size=rows, max_size=rows))
        if dtype == "date":
            frame[f"c{number}"] = pd.Series(cells, dtype=object)
        elif dtype.startswith("datetime64") and "," in dtype:
            frame[f"c{number}"] = pd.to_datetime(pd.Series(cells, dtype="datetime64[us]")).dt.tz_localize(
                "Asia/Tokyo"
            )
        else:
            frame[f"c{number}"] = pd.Series(cells, dtype=dtype)
    data, told = attempt(frame, columns=list(frame.columns), label="none")
    if data is None:
        assert "no column that a model could learn from" in told
        return
    back = data.schema.frame(data.x)
    np.testing.assert_array_equal(data.schema.codes(back), data.x)
    for name in back.columns:
        given_type, found = str(frame[name].dtype), str(back[name].dtype)
        assert found == given_type or (given_type, found) == ("str", "object")
        assert (back[name].isna() == frame[name].isna()).all()
    np.testing.assert_array_equal(data.schema.codes(frame[list(back.columns)[::-1]]), data.x)


WILD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.sampled_from(
        [1e30, 1e-30, 1e308, -0.0, "NA", "?", "", " ", "nan", "007", "1,5", "12%", "2020-13-45", "2024-02-30"]
    ),
    st.text(max_size=6),
    st.dates(),
    st.just([1, 2]),
    st.just(1j),
    st.just(pd.NaT),
    st.just(pd.NA),
)
WORDS = st.text(st.characters(blacklist_categories=("Cs",)), max_size=8)


@settings(QUICK, max_examples=150)
@given(st.data(), st.integers(1, 25), st.integers(1, 5))
def test_wild_tables_are_read_or_refused_in_one_line(draw, rows, width):
    frame = {}
    for number in range(width):
        kind = draw.draw(st.sampled_from(["wild", "constant", "id", "missing", "number", "word"]))
        name = draw.draw(WORDS)
        cell = {
            "wild": WILD,
            "constant": st.just(draw.draw(WILD)),
            "missing": st.none(),
            "number": st.floats(-1e30, 1e30),
            "word": st.sampled_from("abc"),
        }.get(kind)
        cells = list(range(rows)) if cell is None else draw.draw(st.lists(cell, min_size=rows, max_size=rows))
        frame[f"{name}{number}"] = pd.Series(cells, dtype=object if kind == "wild" else None)
    frame = pd.DataFrame(frame)
    data, told = attempt(frame)
    if data is None:
        assert "\n" not in told and len(told) < 500
        return
    assert not np.isinf(data.x).any() and not np.isnan(data.x).all(axis=0).any()
    named = set(data.columns) | set(data.schema.ignored) | {data.label}
    assert named >= set(map(str, frame.columns))
    back = data.schema.frame(data.x)
    np.testing.assert_array_equal(data.schema.codes(back), data.x)
    for name, column in zip(data.columns, data.schema.columns):
        kinds = {"real": "f", "integer": "iuf", "boolean": "b"}
        assert column.kind not in kinds or back[name].dtype.kind in kinds[column.kind] + "O"


def test_a_table_of_many_columns(rng):
    wide = pd.DataFrame(rng.normal(size=(30, 2000)).round(3))
    wide[1999] = rng.choice(["a", "b"], 30)
    wide.columns = [f"c{at}" for at in range(2000)]
    data = load(wide)
    assert data.x.shape == (30, 2000)
    assert "table of 2000 columns: 1999 reals, 1 category" in data.summary()
    same_table(data.schema.frame(data.x), wide)


def test_columns_that_say_nothing_are_named_and_left_out(rng):
    frame = people().assign(
        key=[f"k{at:03}" for at in range(40)],
        row=np.arange(40),
        customer_id=rng.permutation(9999)[:40],
        country="Norway",
        empty=np.nan,
        note=[f"a note on {at % 30}" for at in range(40)],
        tags=[[at] for at in range(40)],
    )
    data = load(frame)
    assert data.columns == tuple(people().columns)
    for told in (
        "3 columns of keys (key, row, customer_id)",
        "1 column of one value (country)",
        "1 column without values (empty)",
        "1 column of free text (note)",
        "1 column of list values (tags)",
    ):
        assert told in data.summary()
    assert load(frame, columns=["key", "city"]).columns == ("city", "key")


def test_what_is_read_can_be_chosen(refused):
    frame = people()
    assert load(frame, columns="age").columns == ("age",)
    assert load(frame, columns=["city", "age"]).columns == ("age", "city")
    assert load(frame, drop=["age", "born"]).columns[0] == "children"
    assert "left out: 2 columns by data.drop" in load(frame, drop=["age", "born"]).summary()
    for types in ({"children": "category"}, ["children:category"], "children:category"):
        column = load(frame, types=types).schema.columns[1]
        assert (column.kind, column.categories, column.dtype) == ("category", (0, 1, 2, 3, 4), "int64")
    chosen = load(frame, types={"children": "category"})
    same_table(chosen.schema.frame(chosen.x), frame)
    assert load(frame, label="city").columns.count("city") == 0
    refused(
        frame,
        "data.columns: the data frame has no column 'agee'; did you mean 'age'?",
        error=ConfigError,
        columns="agee",
    )
    refused(frame, "data.drop: the data frame has no column 'x'", error=ConfigError, drop="x")
    refused(
        frame, "'age' is 'int', which is no kind; did you mean 'integer'?", error=ConfigError, types="age:int"
    )
    refused(frame, "NAME:KIND is needed", error=ConfigError, types="age")
    refused(frame, "data.columns and data.drop both name 'age'", error=ConfigError, columns="age", drop="age")
    refused(frame, "row 1, column 'income'", "whole numbers", types="income:integer")
    refused(frame, "column 'city' holds 'Praha', and data.types asks for times", types="city:time")
    refused(np.zeros((9, 2)), "data.drop=('a',) does not apply", error=ConfigError, drop="a")


def test_other_tables_are_read_by_the_same_columns():
    schema = load(people()).schema
    frame = people(9)
    codes = schema.codes(frame)
    np.testing.assert_array_equal(schema.codes(frame[frame.columns[::-1]]), codes)
    assert schema.codes(frame.iloc[:1]).shape == (1, 10)
    moved = frame.assign(city="Bergen")
    assert (schema.codes(moved)[:, 4] == 3).all()
    for change, told in [
        ({"age": ["old"] * 9}, r"row 1, column 'age' is 'old', .*trained on integer values"),
        ({"age": [30.5] * 9}, r"column 'age' is 30.5, and the column is one of whole numbers"),
        ({"income": frame["born"]}, r"column 'income' holds times"),
        ({"born": [5] * 9}, r"column 'born' holds numbers, and the column is one of times"),
        ({"city": [0.5] * 9}, r"column 'city' is 0.5, and the column is one of words"),
        ({"active": ["yes"] * 9}, r"column 'active' is 'yes'"),
    ]:
        with pytest.raises(DataError, match=told) as caught:
            schema.codes(frame.assign(**change))
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="has no column 'city'; did you mean 'citty'"):
        schema.codes(frame.rename(columns={"city": "citty"}))
    with pytest.raises(DataError, match="two columns 'city'"):
        schema.codes(pd.concat([frame, frame[["city"]]], axis=1))


def test_words_written_otherwise_are_the_same_values(tmp_path):
    schema = Schema((Column("zip", "category", "string", ("0150", "5003")), Column("ok", "boolean", "bool")))
    table = pd.DataFrame({"zip": [5003, 150, 5003], "ok": ["true", "False", ""]})
    np.testing.assert_array_equal(schema.codes(table), [[1, 1], [2, 0], [1, np.nan]])
    numbers = Schema((Column("n", "category", "int64", (1, 2, 30)),))
    np.testing.assert_array_equal(
        numbers.codes(pd.DataFrame({"n": ["30", "1", "x", None]})), [[2], [0], [3], [np.nan]]
    )


def test_what_marks_a_missing_value_in_a_text_is_said(tmp_path):
    rows = [
        ",".join(
            (
                str(at / 4) if at % 5 else "NA",
                "NA" if at % 6 == 1 else "fm"[at % 2],
                "?" if at == 3 else "uv"[at % 2],
            )
        )
        for at in range(40)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["x,sex,work", *rows]))
    data = load(tmp_path / "t.csv")
    assert [column.categories for column in data.schema.columns[1:]] == [("f", "m"), ("u", "v")]
    assert np.isnan(data.x).sum(axis=0).tolist() == [8, 7, 1]
    assert "'?', 'NA' taken as missing" in data.summary()
    (tmp_path / "t.csv").write_text(
        "\n".join(["x,land", *[f"{at % 7},{'NA' if at % 3 else 'NO'}" for at in range(40)]])
    )
    assert load(tmp_path / "t.csv").schema.columns[1].categories == (
        "NA",
        "NO",
    )  # no number is missing: Namibia


def test_a_csv_and_a_parquet_of_the_same_table(tmp_path):
    frame = people()
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    text, columns = load(tmp_path / "t.csv"), load(tmp_path / "t.parquet")
    np.testing.assert_array_equal(columns.x, load(frame).x)
    kinds = [column.kind for column in text.schema.columns]
    assert kinds == [
        "integer",
        "integer",
        "real",
        "real",
        "category",
        "category",
        "boolean",
        "boolean",
        "time",
        "time",
    ]
    assert [column.dtype for column in text.schema.columns[:2]] == ["Int64", "int64"]
    np.testing.assert_allclose(text.x[:, [0, 1, 2, 4, 6, 7, 8, 9]], columns.x[:, [0, 1, 2, 4, 6, 7, 8, 9]])


def test_packed_tables_keep_their_schema(tmp_path):
    from latentia.data.packing.pack import pack

    frame = people(400)
    data = load(frame)
    pack(frame, tmp_path / "packed")
    for buffer in (1024, 1):
        packed = load(tmp_path / "packed", buffer=buffer)
        assert packed.schema == data.schema
        assert packed.summary().split(",")[0] == data.summary().split(",")[0].replace("table:", "packed:")
    order = np.concatenate([data.splits[name] for name in ("train", "validation", "test")])
    np.testing.assert_array_equal(packed.x[:], data.x[order])
    pack(frame, tmp_path / "few", columns=["age", "city"], types={"age": "real"})
    few = load(tmp_path / "few")
    assert [column.kind for column in few.schema.columns] == ["real", "category"]


def test_examples_with_holes_are_known_again():
    from latentia.data.identity import fingerprint, found, rows_of

    frame = people()
    data, turned = load(frame), load(frame.iloc[::-1])
    payload = data.x.copy()
    payload[np.isnan(payload)] = np.array([0xFFF8000000000001], np.uint64).view(np.float64)[0]  # another NaN
    assert found(rows_of(data), turned).tolist() == list(range(39, -1, -1))
    assert fingerprint(data) == fingerprint(load(frame)) != fingerprint(turned)
    from dataclasses import replace

    assert fingerprint(replace(data, x=payload)) == fingerprint(data)


def test_frames_of_arrow_keep_whole_numbers_whole():
    pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'latentia[tables]'")
    big = 2**53 - 1  # a float64 of Arrow's own making would do up to here
    table = pyarrow.table(
        {
            "n": [1, None, big, 4] * 5,
            "w": ["a", "b", None, "a"] * 5,
            "day": [datetime.date(2020, 1, at % 9 + 1) for at in range(20)],
            "b": [True, None, False, True] * 5,
        }
    )
    data = load(table)
    assert data.schema.columns[0].dtype == "Int64"
    assert [column.kind for column in data.schema.columns] == ["integer", "category", "time", "boolean"]
    assert data.schema.frame(data.x)["n"].tolist()[::2] == [1, big] * 5


def test_sheets_of_excel_have_types(tmp_path):
    pytest.importorskip("openpyxl", reason="needs openpyxl: pip install 'latentia[excel]'")
    frame = people().drop(columns=["grade", "seen", "weight"])
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    data = load(tmp_path / "t.xlsx")
    np.testing.assert_array_equal(data.x, load(frame).x)
    types = [column.dtype for column in data.schema.columns]
    assert types[:3] == ["Int64", "int64", "float64"] and types[4:6] == ["boolean", "bool"]
