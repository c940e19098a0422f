"""The estimators are scikit-learn's in every respect that it checks, and keep what they learned."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from latentia.applications import AnomalyDetector, Denoiser, Imputer, LatentEncoder, Synthesizer
from latentia.core.errors import RunError

ALL = (LatentEncoder, AnomalyDetector, Denoiser, Imputer, Synthesizer)


def checks():
    for estimator in ALL:
        for made, check in estimator_checks_generator(estimator()):
            yield pytest.param(
                made, check, id=f"{estimator.__name__}-{getattr(check, 'func', check).__name__}"
            )


# Needs SCIPY_ARRAY_API=1 before SciPy is imported; without it scikit-learn skips it by itself.
@pytest.mark.parametrize(("estimator", "check"), list(checks()))
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_finds_nothing_wrong(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(0)
    z = generator.normal(size=(300, 2))
    return z @ generator.normal(size=(2, 5)) + 0.2 * generator.normal(size=(300, 5))


SHORT = {"max_iter": 15, "hidden": (32,), "random_state": 0}


def make(kind):
    return kind(latent_dim=2, **SHORT)


def work_of(fitted):
    scores = isinstance(fitted, AnomalyDetector | Synthesizer)
    return fitted.score_samples if scores else fitted.transform


@pytest.mark.parametrize("kind", ALL)
def test_what_was_fitted_is_saved_loaded_pickled_and_cloned(kind, rows, tmp_path):
    fitted = make(kind).fit(rows)
    work = work_of(fitted)
    fitted.save(tmp_path / "kept")
    for again in (kind.load(tmp_path / "kept"), pickle.loads(pickle.dumps(fitted))):
        assert np.array_equal(work_of(again)(rows), work(rows))
        assert again.get_params() == fitted.get_params()
    assert not list((tmp_path / "kept").glob("*.pkl"))
    repeated = clone(fitted).fit(rows)
    assert np.array_equal(work_of(repeated)(rows), work(rows))
    other = next(each for each in ALL if each is not kind)
    with pytest.raises(RunError, match=f"holds a {kind.__name__}: read it with {kind.__name__}.load"):
        other.load(tmp_path / "kept")
    with pytest.raises(RunError, match="holds no estimator"):
        kind.load(tmp_path)


def test_they_work_in_pipelines_searches_and_beside_other_columns(rows):
    x, y = load_digits(return_X_y=True)
    x, y = x[:300], y[:300]
    pipeline = make_pipeline(make(LatentEncoder).set_params(latent_dim=8), LogisticRegression(max_iter=500))
    assert cross_val_score(pipeline, x, y, cv=2).mean() > 0.5
    found = GridSearchCV(make(LatentEncoder), {"latent_dim": [1, 3]}, cv=2).fit(rows)
    assert found.best_params_["latent_dim"] == 3  # two factors and noise: one latent is too few
    beside = ColumnTransformer(
        [("latent", make(LatentEncoder), [0, 1, 2]), ("plain", StandardScaler(), [3, 4])]
    )
    assert beside.fit_transform(rows).shape == (300, 4)


def test_frames_come_out_of_set_output(rows):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rows, columns=list("abcde"), index=np.arange(300) + 7)
    found = make(LatentEncoder).set_output(transform="pandas").fit_transform(frame)
    assert list(found.columns) == ["latentencoder0", "latentencoder1"]
    assert found.index.equals(frame.index)


def test_an_encoder_decodes_and_scores_as_its_model_does(rows):
    fitted = make(LatentEncoder).set_params(max_iter=60, learning_rate=5e-3).fit(rows)
    back = fitted.inverse_transform(fitted.transform(rows))
    assert np.square(back - rows).mean() < 0.3 * rows.var()
    # log p of the data's own units: stretched data are less dense by the logarithm of the stretch
    stretched = make(LatentEncoder).set_params(max_iter=60, learning_rate=5e-3).fit(10 * rows)
    less = fitted.score(rows) - stretched.score(10 * rows)
    assert np.isclose(less, 5 * np.log(10), atol=0.05)


def test_training_goes_on_where_it_is_told_to(rows):
    once = make(LatentEncoder).fit(rows)
    more = clone(once).set_params(warm_start=True)
    scores = [more.fit(rows).score(rows) for _ in range(4)]
    assert scores[-1] > scores[0]
    parts = LatentEncoder(latent_dim=2, hidden=(32,), random_state=0)
    first = parts.partial_fit(rows[:150]).score(rows)
    for _ in range(25):
        parts.partial_fit(rows[:150]).partial_fit(rows[150:])
    assert parts.score(rows) > first
    with pytest.raises(ValueError, match="features"):
        parts.partial_fit(rows[:, :3])


def test_pictures_are_taken_as_pictures():
    pictures = load_digits().images[:200].astype(np.uint8)
    fitted = LatentEncoder(latent_dim=4, max_iter=2, random_state=0).fit(pictures)
    assert fitted.model_.recipe["network"]["name"] == "conv"
    assert fitted.transform(pictures).shape == (200, 4)
    assert fitted.inverse_transform(fitted.transform(pictures)).shape == pictures.shape
    noisy = Denoiser(max_iter=2, random_state=0).fit(pictures)
    assert noisy.transform(pictures).shape == pictures.shape


def test_a_run_is_kept_where_one_is_asked_for(rows, tmp_path):
    fitted = make(LatentEncoder).set_params(run=str(tmp_path / "run")).fit(rows)
    assert (tmp_path / "run" / "model.safetensors").is_file()
    assert np.isfinite(fitted.transform(rows)).all()


@pytest.fixture(scope="module")
def fitted(rows):
    return AnomalyDetector(latent_dim=2, hidden=(32,), max_iter=60, random_state=0).fit(rows[:250])


class TestDetection:
    def test_orientations_and_thresholds(self, fitted, rows):
        strange = rows[250:] + np.array([0, 0, 5, 0, 0])
        assert (fitted.predict(strange) == -1).mean() > 0.8
        assert (fitted.predict(rows[250:]) == -1).mean() < 0.25
        assert np.array_equal(fitted.decision_scores_, -fitted.score_samples(rows[:250]))
        assert np.array_equal(fitted.labels_, (fitted.predict(rows[:250]) == -1).astype(int))
        p = fitted.p_values(strange)
        assert np.array_equal(fitted.predict_proba(strange), np.stack([p, 1 - p], axis=1))
        share = clone(fitted).set_params(contamination=0.2).fit(rows[:250])
        assert share.labels_.sum() == 50

    def test_a_group_of_anomalies_among_the_training_examples_is_found(self, rows, tmp_path):
        generator = np.random.default_rng(0)
        group = np.array([1, 1, 1.5, 1, 1]) * 3 + 0.02 * generator.normal(size=(20, rows.shape[1]))
        both = np.concatenate([group, rows[:230]])
        detector = AnomalyDetector(contamination=0.1, latent_dim=2, hidden=(32,), max_iter=60, random_state=0)
        labels = detector.fit(both).labels_
        assert labels.sum() == 25 and labels[:20].all()
        detector.save(tmp_path / "kept")
        kept = AnomalyDetector.load(tmp_path / "kept")
        assert np.array_equal(kept.score_samples(both), detector.score_samples(both))

    def test_reasons_name_the_column(self, fitted, rows):
        found = fitted.explain(rows[250:] + np.array([0, 0, 5, 0, 0]))
        assert np.allclose(found.entries.sum(axis=1) + found.latent, found.score)
        assert (found.entries.argmax(axis=1) == 2).mean() > 0.7

    @pytest.mark.parametrize("share", [0, 0.6, -1, "many"])
    def test_a_share_out_of_range_is_refused(self, rows, share):
        with pytest.raises(ValueError, match="contamination must be"):
            AnomalyDetector(contamination=share).fit(rows)

    def test_a_method_that_there_is_not_is_refused(self, rows):
        with pytest.raises(ValueError, match="no score 'best'"):
            AnomalyDetector(method="best", **SHORT).fit(rows)


def test_settings_of_a_run_file_hold_and_wrong_ones_are_refused(rows):
    fitted = make(LatentEncoder).set_params(settings={"objective": {"beta": 4.0}}).fit(rows)
    assert fitted.model_.recipe["objective"]["beta"] == 4.0
    with pytest.raises(ValueError, match="unknown setting 'objectiv'"):
        make(LatentEncoder).set_params(settings={"objectiv": {"beta": 4.0}}).fit(rows)
