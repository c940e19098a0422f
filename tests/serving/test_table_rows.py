"""Rows of a table over HTTP: objects by column name, in the types of the table, with holes."""

import io
import json

import numpy as np
import pytest

import latentia
from latentia.serving import bodies as wire
from latentia.serving.server import create_app
from latentia.serving.service import Limits, Service
from tests.serving.asking import asked_at

pd = pytest.importorskip("pandas", reason="needs pandas: pip install 'latentia[tables]'")

SMALL = {"epochs": 1, "latent_dim": 2, "hidden": [8], "quiet": True}
ROW = {"age": 39, "city": "Oslo", "joined": "2020-05-01", "price": 12.5, "member": True}


def _customers(rows=120):
    rng = np.random.default_rng(0)
    gone = rng.random(rows) < 0.1
    return pd.DataFrame(
        {
            "age": pd.array(np.where(gone, None, rng.integers(18, 80, rows)), dtype="Int64"),
            "city": np.where(gone, None, rng.choice(["Oslo", "Ås, Follo", "Praha"], rows)),
            "joined": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), "D"),
            "price": np.where(gone[::-1], np.nan, rng.gamma(2, 40, rows).round(2)),
            "member": rng.random(rows) < 0.4,
        }
    )


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return latentia.train(_customers(), out=tmp_path_factory.mktemp("table") / "run", **SMALL)


@pytest.fixture(scope="module")
def client(table):
    table.scorer()
    with asked_at(create_app(Service(table))) as found:
        yield found


def _answer(client, path, ask):
    answer = client.post(f"/{path}", json=ask)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _line(client, path, ask, status=422):
    answer = client.post(f"/{path}", json=ask)
    assert answer.status_code == status, answer.text
    line = answer.json()["error"]
    assert line and "\n" not in line and "Traceback" not in line
    return line


def _typed(row):
    assert list(row) == list(ROW)
    assert all(isinstance(row[name], kind) for name, kind in zip(ROW, (int, str, str, float, bool)))
    assert row["city"] in ("Oslo", "Ås, Follo", "Praha")
    assert len(row["joined"]) == 10 and pd.Timestamp(row["joined"]).year in range(2018, 2025)
    assert row["price"] == round(row["price"], 2)


def test_objects_say_what_a_frame_says_in_any_order(client, table):
    frame = pd.DataFrame([ROW]).assign(joined=pd.Timestamp(ROW["joined"]))
    expected = table.encode(frame)
    for ask in (ROW, [ROW], dict(reversed(ROW.items()))):
        np.testing.assert_allclose(_answer(client, "encode", {"x": ask})["mean"], expected, rtol=1e-5)
    codes = table.record.schema.codes(frame)
    np.testing.assert_allclose(_answer(client, "encode", {"x": codes.tolist()})["mean"], expected, rtol=1e-5)


def test_answers_are_objects_in_the_types_of_the_table(client, table):
    for path, ask in {
        "reconstruct": {"x": [ROW, ROW]},
        "decode": {"z": [[0, 0], [1, 1]]},
        "sample": {"n": 2},
    }.items():
        rows = _answer(client, path, ask)["x"]
        assert len(rows) == 2
        for row in rows:
            _typed(row)
    z = np.array([[0.3, -1.0]], np.float32)
    made = table.decode(z).iloc[0]
    row = _answer(client, "decode", {"z": z.tolist()})["x"][0]
    assert (row["age"], row["city"], row["member"]) == (made["age"], made["city"], made["member"])
    assert row["joined"] == str(made["joined"])[:10] and row["price"] == pytest.approx(made["price"])


def test_arrays_hold_codes(client, table):
    stream = io.BytesIO()
    np.save(stream, np.array([[39, 0, 5, 12.5, np.nan]]))
    headers = {"content-type": wire.NPY, "accept": wire.NPY}
    answer = client.post("/reconstruct", content=stream.getvalue(), headers=headers)
    assert answer.status_code == 200, answer.text
    assert np.load(io.BytesIO(answer.content)).shape == (1, 5)


def test_what_is_missing_is_null_and_can_be_filled_in(client, table):
    whole = _answer(client, "encode", {"x": ROW})["mean"]
    row = {**ROW, "age": None, "city": None}
    assert not np.allclose(_answer(client, "encode", {"x": row})["mean"], whole)
    found = _answer(client, "impute", {"x": [row, ROW]})
    _typed(found["x"][0])
    assert found["x"][1] == ROW and found["x"][0] == {**ROW, **{k: found["x"][0][k] for k in ("age", "city")}}
    assert 1 <= found["effective_sample_size"][0] <= 500
    drawn = _answer(client, "impute", {"x": row, "draws": 3, "seed": 1, "samples": 50})["draws"]
    assert len(drawn) == 3 and all(rows[0]["price"] == 12.5 for rows in drawn)
    frame = pd.DataFrame([row]).assign(joined=pd.Timestamp(ROW["joined"]))
    assert table.impute(frame)["age"].iloc[0] == found["x"][0]["age"]


def test_scores_have_a_share_and_reasons(client, table):
    odd = {**ROW, "price": 9000.0}
    found = _answer(client, "score", {"x": [ROW, odd], "method": "reconstruction", "samples": 0})
    assert found["score"][1] > found["score"][0] and 0 < found["p_value"][1] <= found["p_value"][0] <= 1
    assert next(iter(found["reasons"][1])) == "price" and found["elbo"][1] < found["elbo"][0]
    x = table.record.schema.codes(pd.DataFrame([odd]).assign(joined=pd.Timestamp(odd["joined"])))
    assert found["score"][1] == pytest.approx(table.score(x, method="reconstruction")[0], rel=1e-5)
    assert "score" not in _answer(client, "score", {"x": ROW})
    assert "did you mean" in _line(client, "score", {"x": ROW, "method": "recontsruction"})


def test_rows_can_be_drawn_with_given_columns(client):
    rows = _answer(client, "sample", {"n": 5, "given": {"city": "Praha"}, "seed": 2})["x"]
    assert {row["city"] for row in rows} == {"Praha"} and len({row["age"] for row in rows}) > 1
    assert "never has the value 'Bergen'" in _line(client, "sample", {"given": {"city": "Bergen"}})
    assert "object" in _line(client, "sample", {"given": ["city"]})


def test_what_does_not_belong_is_ignored_with_a_word(client):
    found = _answer(client, "encode", {"x": {**ROW, "shoe": 44}})
    assert found["notes"] == ["the rows given: column 'shoe' ignored, which the run does not know"]
    assert found["mean"] == _answer(client, "encode", {"x": ROW})["mean"]
    assert "'city' (1)" in _answer(client, "reconstruct", {"x": {**ROW, "city": "Bergen"}})["notes"][0]


@pytest.mark.parametrize(
    ("ask", "word"),
    [
        ({name: value for name, value in ROW.items() if name != "city"}, "has no column 'city'"),
        ({**{k: v for k, v in ROW.items() if k != "city"}, "citi": "Oslo"}, "did you mean 'citi'"),
        ([ROW, {"age": 3}], "number 2 has no 'city'; give null"),
        ([ROW, 3], "number 2 is no object"),
        ([[39, "Oslo", "2020-05-01", 12.5, True]], "objects by column name"),
        ({**ROW, "age": 30.5}, "whole numbers"),
        ({**ROW, "age": "old"}, "'age'"),
        ({**ROW, "age": 10**400}, "'age'"),
        ({**ROW, "age": [1]}, "'age'"),
        ({**ROW, "city": {"name": "Oslo"}}, "'city'"),
        ({**ROW, "joined": "1 May"}, "2024-05-01"),
        ({**ROW, "joined": "2020-02-31"}, "'joined'"),
        ({**ROW, "price": "dear"}, "'price' is 'dear'"),
        ({**ROW, "member": 3}, "'member'"),
        ({}, "has no column"),
    ],
)
def test_rows_that_do_not_fit_are_refused_in_one_line(client, ask, word):
    assert word in _line(client, "encode", {"x": ask})


def test_infinity_is_no_value_and_rows_have_a_limit(client, table):
    body = json.dumps({"x": {**ROW, "price": float("inf")}})
    answer = client.post("/encode", content=body, headers={"content-type": wire.JSON})
    assert answer.status_code == 422 and "infinity" in answer.json()["error"]
    assert "4,096" in _line(client, "encode", {"x": [ROW] * 5000}, 413)
    with asked_at(create_app(Service(table, limits=Limits(latents=100)))) as few:
        assert "latents" in _line(few, "impute", {"x": ROW}, 413)


def test_the_description_has_columns_and_an_example_that_is_answered(client):
    paths = client.get("/openapi.json").json()["paths"]
    for path in ("/encode", "/reconstruct", "/score", "/impute", "/sample", "/decode"):
        content = paths[path]["post"]["requestBody"]["content"][wire.JSON]
        assert client.post(path, json=content["example"]).status_code == 200
    row = paths["/encode"]["post"]["requestBody"]["content"][wire.JSON]["schema"]["properties"]["x"]["anyOf"][
        0
    ]
    assert row["required"] == list(ROW) and row["properties"]["city"]["examples"][0] == "Oslo"
    kinds = [column["kind"] for column in client.get("/info").json()["schema"]]
    assert kinds == ["integer", "category", "time", "real", "boolean"]


def test_spans_of_time_and_numbers_alone_by_name(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "wait": pd.to_timedelta(rng.integers(0, 9000, 60), "s"),
            "a": rng.normal(size=60),
            "k": ["x", "y"] * 30,
        }
    )
    run = latentia.train(frame, out=tmp_path / "spans", **SMALL)
    with asked_at(create_app(Service(run))) as client:
        row = {"wait": 90.5, "a": 1, "k": "y"}
        expected = run.encode(pd.DataFrame([row]).assign(wait=pd.to_timedelta([90.5], "s")))
        np.testing.assert_allclose(_answer(client, "encode", {"x": row})["mean"], expected, rtol=1e-5)
        assert isinstance(_answer(client, "decode", {"z": [0, 0]})["x"][0]["wait"], float)
    numbers = latentia.train(frame[["a"]].assign(b=2.0 * frame["a"]), out=tmp_path / "numbers", **SMALL)
    with asked_at(create_app(Service(numbers))) as client:
        assert list(_answer(client, "reconstruct", {"x": {"b": 1, "a": 2}})["x"][0]) == ["a", "b"]
        assert len(_answer(client, "reconstruct", {"x": [[2, 1]]})["x"][0]) == 2
        found = _answer(client, "impute", {"x": [{"b": 1, "a": None}]})
        assert found["x"][0]["b"] == 1 and "trained on examples without any" in found["notes"][0]
        assert "latentia score" in _line(client, "score", {"x": [[2, 1]], "method": "auto"}, 404)


def test_pictures_with_holes_are_taken_and_filled_in(tmp_path):
    run = latentia.train("digits", out=tmp_path / "run", **SMALL)
    x = run.dataset.x[:2].astype(np.float64)
    x[:, :, :4] = np.nan
    with asked_at(create_app(Service(run))) as client:
        sent = [
            [[[None if value != value else value for value in line] for line in c] for c in one] for one in x
        ]
        found = np.array(_answer(client, "impute", {"x": sent, "samples": 20})["x"])
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found[:, :, 4:], x[:, :, 4:])
        assert "no rows of named columns" in _line(client, "encode", {"x": {"age": 3}})
