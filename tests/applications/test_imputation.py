"""The imputer gives back what it was given without its holes: types, order, index, and every digit."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from latentia.applications import Imputer

pandas = pytest.importorskip("pandas")
SHORT = {"max_iter": 15, "hidden": (32,), "latent_dim": 2, "samples": 50, "random_state": 0}


def make(**parameters):
    return Imputer(**{**SHORT, **parameters})


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(0)
    z = generator.normal(size=(300, 2))
    x = z @ generator.normal(size=(2, 5)) + 0.1 * generator.normal(size=(300, 5))
    x[generator.random(x.shape) < 0.3] = np.nan
    x[:, 4] = np.nan_to_num(x[:, 4])
    return x


@pytest.fixture(scope="module")
def fitted(rows):
    return make().fit(rows)


@pytest.fixture(scope="module")
def table():
    generator = np.random.default_rng(0)
    age = generator.integers(18, 90, 300)
    frame = pandas.DataFrame(
        {
            "age": age,
            "height": np.round(generator.normal(170, 10, 300), 1),
            "work": np.where(age > 60, "retired", np.where(age % 2, "office", "field")),
            "married": age > 40,
            "level": pandas.Categorical(
                np.where(age > 50, "high", "low"), categories=["low", "high"], ordered=True
            ),
            "since": pandas.Timestamp("2020-01-01") + pandas.to_timedelta(age, unit="D"),
            "empty": np.nan,
        },
        index=np.arange(300) + 7,
    )
    frame["married"] = frame["married"].astype("boolean")
    frame["age"] = frame["age"].astype("Int64")
    for at, name in enumerate(frame.columns[:-1]):
        frame.loc[frame.index[generator.random(300) < 0.1 + 0.01 * at], name] = None
    return frame


def test_values_are_kept_and_holes_are_filled(fitted, rows):
    filled = fitted.transform(rows)
    seen = ~np.isnan(rows)
    assert np.array_equal(filled[seen], rows[seen]) and np.isfinite(filled).all()
    assert np.array_equal(fitted.holes_, [0, 1, 2, 3])
    single = fitted.transform(rows.astype(np.float32))
    assert single.dtype == np.float32 and np.array_equal(single[seen], rows.astype(np.float32)[seen])


def test_new_rows_need_no_new_fit_and_one_may_have_no_value(fitted):
    assert np.isfinite(fitted.transform(np.full((1, 5), np.nan))).all()


def test_a_frame_comes_back_in_its_types(table):
    fitted = make().fit(table)
    for filled in (fitted.transform(table), *fitted.impute(table, 2)):
        assert list(filled.columns) == list(table.columns) and filled.index.equals(table.index)
        assert (filled.dtypes == table.dtypes).all()
        for name in table.columns:
            seen = table[name].notna()
            assert (filled[name][seen] == table[name][seen]).all()
        assert filled["empty"].isna().all()  # of what never had a value there is nothing to learn
        assert filled.drop(columns="empty").notna().all().all()
        assert set(filled["work"]) <= {"retired", "office", "field"}
        assert (filled["since"] == filled["since"].dt.normalize()).all()
        assert np.allclose(filled["height"], filled["height"].round(1))
    first, second = fitted.impute(table, 2)
    assert not first.equals(second)
    assert fitted.impute(table, 1, seed=3)[0].equals(fitted.impute(table, 1, seed=3)[0])


def test_indicators_stand_beside_the_columns(rows, table):
    fitted = make(add_indicator=True).fit(rows)
    found = fitted.transform(rows)
    assert np.array_equal(found[:, 5:], np.isnan(rows[:, :4]))
    assert list(fitted.get_feature_names_out()[4:]) == ["x4", *(f"missingindicator_x{at}" for at in range(4))]
    framed = make(add_indicator=True).set_output(transform="pandas").fit(table).transform(table)
    assert list(framed.columns)[:7] == list(table.columns)
    named = framed["missingindicator_work"]
    assert np.array_equal(named.astype(bool), table["work"].isna()) and "missingindicator_empty" not in framed


def test_set_output_names_what_was_an_array(rows):
    found = make().set_output(transform="pandas").fit_transform(rows)
    assert list(found.columns) == [f"x{at}" for at in range(5)]


def test_it_stands_before_a_classifier():
    x, y = load_digits(return_X_y=True)
    x = np.where(np.random.default_rng(0).random(x[:300].shape) < 0.3, np.nan, x[:300])
    pipeline = make_pipeline(make(latent_dim=8, max_iter=40), LogisticRegression(max_iter=500))
    assert pipeline.fit(x, y[:300]).score(x, y[:300]) > 0.8


def test_intervals_hold_what_was_hidden_as_often_as_they_say():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(600, 2)) @ generator.normal(size=(2, 6)) + 0.3 * generator.normal(
        size=(600, 6)
    )
    hidden = generator.random(x.shape) < 0.3
    holed = np.where(hidden, np.nan, x)
    fitted = make(max_iter=100, learning_rate=5e-3, samples=300).fit(holed)
    low, high = fitted.interval(holed)
    inside = (low <= x) & (x <= high)
    assert inside[~hidden].all() and np.array_equal(low[~hidden], x[~hidden])
    assert 0.83 < inside[hidden].mean() < 0.95
    tight = fitted.interval(holed, 0.5)
    assert ((tight[1] - tight[0]) < (high - low))[hidden].mean() > 0.99


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"samples": 0}, "'samples' must be at least 1"),
        ({"importance_samples": 0}, "samples"),
        ({"settings": {"likelihood": {"name": "gausian"}}}, "did you mean 'gaussian'"),
    ],
)
def test_wrong_parameters_are_one_line(rows, parameters, message):
    with pytest.raises(ValueError, match=message) as caught:
        make(max_iter=1).set_params(**parameters).fit(rows).transform(rows)
    assert "\n" not in str(caught.value)


def test_wrong_requests_are_one_line(fitted, rows):
    with pytest.raises(ValueError, match=r"level must be in \(0, 1\)"):
        fitted.interval(rows, 90)
    with pytest.raises(ValueError, match="draws must be at least 1"):
        fitted.interval(rows, draws=0)
    with pytest.raises(ValueError, match=r"column 2 .* holds no value"):
        make().fit(np.where(np.arange(5) == 1, np.nan, rows))


def test_pictures_have_holes_too():
    pictures = load_digits().images[:200].astype(np.float32)
    holed = np.where(np.random.default_rng(0).random(pictures.shape) < 0.2, np.nan, pictures)
    filled = Imputer(latent_dim=4, max_iter=2, samples=20, random_state=0).fit(holed).transform(holed)
    assert filled.shape == pictures.shape and np.isfinite(filled).all()
    assert np.array_equal(filled[~np.isnan(holed)], holed[~np.isnan(holed)])
