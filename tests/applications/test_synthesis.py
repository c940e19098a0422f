"""Made rows are rows of the table: its columns, types and ranges; what is asked of all they have."""

from __future__ import annotations

import numpy as np
import pytest

from latentia.applications import Synthesizer

pandas = pytest.importorskip("pandas")
SHORT = {
    "max_iter": 120, "hidden": (64,), "latent_dim": 4, "components": 5,
    "learning_rate": 5e-3, "random_state": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def table():
    generator = np.random.default_rng(0)
    age = generator.integers(18, 90, 600)
    frame = pandas.DataFrame(
        {
            "age": age,
            "height": np.round(generator.normal(170, 10, 600), 1).astype(np.float32),
            "work": np.where(age > 60, "retired", np.where(age % 2, "office", "field")),
            "married": age > 40,
            "level": pandas.Categorical(
                np.where(age > 50, "high", "low"), categories=["low", "high"], ordered=True
            ),
            "since": pandas.Timestamp("2020-01-01") + pandas.to_timedelta(age, unit="D"),
        }
    )
    frame.loc[(age > 60) & (generator.random(600) < 0.6), "height"] = np.nan
    frame.loc[generator.random(600) < 0.1, "work"] = None
    return frame


@pytest.fixture(scope="module")
def fitted(table):
    return Synthesizer(**SHORT).fit(table)


def test_rows_are_of_the_table(fitted, table):
    made = fitted.sample(500)
    assert list(made.columns) == list(table.columns) and (made.dtypes == table.dtypes).all()
    assert len(made) == 500 and made.index.equals(pandas.RangeIndex(500))
    for name in ("age", "height", "since"):
        assert made[name].dropna().between(table[name].min(), table[name].max()).all()
    assert set(made["work"].dropna()) <= set(table["work"].dropna())
    height = made["height"].dropna().astype(float)
    assert np.allclose(height, height.round(1), atol=1e-4)
    assert (made["since"] == made["since"].dt.normalize()).all()


def test_columns_go_together_as_they_did(fitted, table):
    made = fitted.sample(2000)
    assert ((made["age"] > 40) == made["married"]).mean() > 0.9
    assert ((made["age"] > 60) == (made["work"] == "retired"))[made["work"].notna()].mean() > 0.9
    assert abs(made["age"].mean() - table["age"].mean()) < 3


def test_values_are_missing_where_they_were(fitted, table):
    made = fitted.sample(3000)
    assert list(fitted.holes_) == ["height", "work"]
    for name in table.columns:
        assert abs(made[name].isna().mean() - table[name].isna().mean()) < 0.04
    assert made["height"].isna()[made["age"] > 62].mean() > 5 * made["height"].isna()[made["age"] < 58].mean()


def test_what_is_asked_of_all_rows_they_have(fitted):
    made = fitted.sample(300, {"work": "retired", "height": 171.5}, random_state=1)
    assert (made["work"] == "retired").all() and np.allclose(made["height"], 171.5)
    assert (made["age"] > 60).mean() > 0.8  # of all rows 0.4
    assert fitted.sample(num_rows=20, condition={"married": False})["married"].eq(False).all()


def test_seeds_decide_the_rows(fitted):
    assert fitted.sample(30, random_state=3).equals(fitted.sample(30, random_state=3))
    assert not fitted.sample(30, random_state=3).equals(fitted.sample(30, random_state=4))
    given = {"married": True}
    assert fitted.sample(30, given, random_state=3).equals(fitted.sample(30, given, random_state=3))


def test_it_is_kept_with_its_mixture(fitted, table, tmp_path):
    fitted.save(tmp_path / "kept")
    again = Synthesizer.load(tmp_path / "kept")
    assert again.sample(50).equals(fitted.sample(50))
    assert np.array_equal(again.log_prob(table[:50]), fitted.log_prob(table[:50]))


def test_real_rows_are_likelier_than_shuffled_ones(fitted, table):
    generator = np.random.default_rng(0)
    shuffled = table.apply(lambda column: column.iloc[generator.permutation(len(column))].array)
    assert fitted.score(table) > fitted.score(shuffled.astype(table.dtypes)) + 2


def test_quality_tells_made_rows_from_shuffled_ones_and_from_copies(fitted, table):
    generator = np.random.default_rng(0)
    shuffled = table.apply(lambda column: column.iloc[generator.permutation(len(column))].array)
    ours = fitted.quality(table[:300], table[300:])
    theirs = fitted.quality(table[:300], made=shuffled.astype(table.dtypes)[:300])
    assert ours.shape > 0.85 and ours.trend > theirs.trend + 0.05
    assert ours.detectability < theirs.detectability and theirs.nearer is None
    assert 0.3 < ours.nearer < 0.7 and ours.copies < 0.1
    copied = fitted.quality(table[:300], table[300:], made=table[:300])
    assert copied.copies == 1 and copied.nearer > 0.8 and copied.shape == copied.trend == 1
    assert "pair trends 1.000" in str(copied)


def test_arrays_are_taken_and_given():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(400, 1)) @ np.ones((1, 3)) + 0.1 * generator.normal(size=(400, 3))
    x[generator.random(400) < 0.3, 2] = np.nan
    fitted = Synthesizer(**SHORT).fit(x)
    made = fitted.sample(1000)
    assert made.shape == (1000, 3) and not np.isnan(made[:, :2]).any()
    assert abs(np.isnan(made[:, 2]).mean() - np.isnan(x[:, 2]).mean()) < 0.1
    assert np.corrcoef(made[:, 0], made[:, 1])[0, 1] > 0.7
    assert fitted.quality(x).shape > 0.85


def test_a_stretched_column_is_less_dense_by_the_logarithm_of_the_stretch():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(400, 3))
    x[generator.random(400) < 0.5, 2] = np.nan
    plain, wide = (Synthesizer(**SHORT).fit(x * [1, scale, scale]) for scale in (1, 8))
    less = plain.score_samples(x) - wide.score_samples(x * [1, 8, 8])
    expected = np.log(8) * (~np.isnan(x[:, 1:])).sum(axis=1)
    assert np.allclose(less.mean(), expected.mean(), atol=0.05)


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda fitted: fitted.sample(0), "'n' must be positive"),
        (lambda fitted: fitted.sample(5, {"work": "Retired"}), "never has the value 'Retired'; did you mean"),
        (lambda fitted: fitted.sample(5, {"wrk": "retired"}), "no column 'wrk'; did you mean 'work'"),
        (lambda fitted: Synthesizer(components=0).fit(np.eye(20)), "'components' must be at least"),
        (lambda fitted: Synthesizer().fit(np.zeros((20, 8, 8))), "rows are needed"),
    ],
)
def test_wrong_requests_are_one_line(fitted, work, message):
    with pytest.raises(ValueError, match=message) as caught:
        work(fitted)
    assert "\n" not in str(caught.value)
