"""Estimators around trained runs, and the detector as PyOD has detectors."""

from __future__ import annotations

import importlib
import pickle
import sys
import types

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone

import latentia
from latentia.applications import AnomalyDetector, Denoiser, Imputer, LatentEncoder, Synthesizer
from latentia.core.errors import MissingExtra, Note, RunError


@pytest.fixture(scope="module")
def frame():
    pandas = pytest.importorskip("pandas")
    generator = np.random.default_rng(0)
    size = generator.normal(size=300)
    return pandas.DataFrame(
        {
            "width": 2 * size + 0.1 * generator.normal(size=300),
            "height": -size + 0.1 * generator.normal(size=300),
            "kind": np.where(size > 0, "large", "small"),
        }
    )


@pytest.fixture(scope="module")
def run(frame, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "mine"
    return latentia.train(frame, latent_dim=2, network="mlp", epochs=60, lr=3e-3, out=out)


def test_an_encoder_around_a_run_encodes_as_the_run_does(run, frame):
    for given in (run, run.folder.path, str(run.folder.path)):
        encoder = LatentEncoder.from_run(given)
        assert encoder.latent_dim == 2 and encoder.n_iter_ == 60
        assert np.allclose(encoder.transform(frame), run.encode(frame), atol=1e-6)
    assert list(encoder.inverse_transform(encoder.transform(frame)).columns) == list(frame.columns)
    assert clone(encoder).latent_dim == 2


def test_columns_are_matched_by_name(run, frame):
    encoder = LatentEncoder.from_run(run)
    other = frame[["kind", "height", "width"]].assign(note="new")
    with pytest.warns(Note, match="note"):
        assert np.array_equal(encoder.transform(other), encoder.transform(frame))
    with pytest.raises(ValueError, match="height"):
        encoder.transform(frame.drop(columns="height"))


def test_a_detector_around_a_run_has_its_scores_and_its_threshold(run, frame, tmp_path):
    detector = AnomalyDetector.from_run(run, false_positive_rate=0.1)
    assert np.allclose(-detector.score_samples(frame), run.score(frame))
    assert detector.offset_ == -run.scorer().threshold(0.1)
    odd = frame.assign(height=-frame["height"])
    assert (detector.predict(odd) < 0).mean() > 0.8
    assert (detector.predict(frame) < 0).mean() < 0.2
    detector.save(tmp_path / "kept")
    for again in (AnomalyDetector.load(tmp_path / "kept"), pickle.loads(pickle.dumps(detector))):
        assert np.array_equal(again.predict(odd), detector.predict(odd))


def test_what_a_run_cannot_do_is_told(run, tmp_path):
    with pytest.raises(RunError, match="nothing"):
        LatentEncoder.from_run(tmp_path / "nothing")
    with pytest.raises(ValueError, match="give false_positive_rate"):
        AnomalyDetector.from_run(run, contamination=0.1)
    with pytest.raises(ValueError, match="no score 'best'"):
        AnomalyDetector.from_run(run, method="best")


def test_a_denoiser_around_a_run_reconstructs(run, frame):
    clean = Denoiser.from_run(run).transform(frame)
    assert list(clean.columns) == list(frame.columns)
    assert np.corrcoef(clean["width"], frame["width"])[0, 1] > 0.9


def test_an_imputer_around_a_run_fills_in_as_the_run_does(run, frame):
    holed = frame.assign(height=frame["height"].where(np.arange(300) % 3 > 0))
    filled = Imputer.from_run(run, samples=200).transform(holed)
    assert filled.equals(run.impute(holed, samples=200)) and filled.notna().all().all()


def test_a_synthesizer_around_a_run_makes_up_its_rows(run, frame, tmp_path):
    maker = Synthesizer.from_run(run, components=5, random_state=0)
    made = maker.sample(300, {"kind": "large"})
    assert list(made.columns) == list(frame.columns) and (made["kind"] == "large").all()
    assert made["width"].mean() > 0.5
    assert made["height"].mean() < -0.3
    assert maker.score(frame) > maker.score(frame.assign(height=-frame["height"]))
    maker.save(tmp_path / "kept")
    assert Synthesizer.load(tmp_path / "kept").sample(9).equals(maker.sample(9))
    pictures = latentia.train(
        np.zeros((40, 8, 8), np.uint8) + np.arange(40, dtype=np.uint8)[:, None, None],
        epochs=1,
        out=tmp_path / "p",
    )
    with pytest.raises(ValueError, match="no density of rows"):
        Synthesizer.from_run(pictures)


def test_progress_is_shown_where_it_is_asked_for(frame, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)  # a terminal, or a notebook
    values = frame[["width", "height"]].to_numpy()
    LatentEncoder(latent_dim=1, max_iter=2).fit(values)
    assert capsys.readouterr().err == ""
    LatentEncoder(latent_dim=1, max_iter=2, verbose=True).fit(values)
    assert "%" in capsys.readouterr().err


def test_a_notebook_shows_estimators_as_scikit_learn_does(run, frame):
    fresh, fitted = LatentEncoder(latent_dim=3), LatentEncoder.from_run(run)
    assert "LatentEncoder" in fresh._repr_html_() and "fitted" in fitted._repr_html_()


def test_a_seed_repeats_a_fit_and_a_generator_gives_others(frame):
    values = frame[["width", "height"]].to_numpy()
    make = lambda state: LatentEncoder(latent_dim=1, max_iter=3, random_state=state).fit_transform(values)  # noqa: E731
    assert np.array_equal(make(1), make(1)) and not np.array_equal(make(1), make(2))
    generator = np.random.RandomState(0)
    assert not np.array_equal(make(generator), make(generator))


def test_frames_of_polars_come_in_and_go_out(frame):
    polars = pytest.importorskip("polars")
    given = polars.from_pandas(frame)
    encoder = LatentEncoder(latent_dim=2, max_iter=3, random_state=0)
    assert np.array_equal(encoder.fit_transform(given), encoder.fit_transform(frame))
    assert isinstance(encoder.set_output(transform="polars").transform(given), polars.DataFrame)
    clean = Denoiser(max_iter=3, random_state=0).set_output(transform="polars").fit_transform(given)
    assert isinstance(clean, polars.DataFrame) and clean.columns == given.columns


class Stand(BaseEstimator):
    """What PyOD's BaseDetector does with the scores of a fit."""

    def __init__(self, contamination=0.1):
        self.contamination = contamination

    def _set_n_classes(self, y):
        self._classes = 2

    def _process_decision_scores(self):
        self.threshold_ = np.percentile(self.decision_scores_, 100 * (1 - self.contamination))
        self.labels_ = (self.decision_scores_ > self.threshold_).astype(int)

    def predict(self, X):
        return (self.decision_function(X) > self.threshold_).astype(int)


@pytest.fixture
def pyod(monkeypatch):
    """The adapter's module, over PyOD where it is installed, else over a stand-in."""
    try:
        import pyod.models.base  # noqa: F401
    except ImportError:
        base = types.ModuleType("pyod.models.base")
        base.BaseDetector = Stand
        for name in ("pyod", "pyod.models"):
            monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
        monkeypatch.setitem(sys.modules, "pyod.models.base", base)
    yield importlib.reload(importlib.import_module("latentia.applications.pyod"))
    monkeypatch.undo()
    importlib.reload(sys.modules["latentia.applications.pyod"])


def test_a_detector_is_one_of_pyod(pyod, frame):
    values = frame[["width", "height"]].to_numpy()
    made = AnomalyDetector(latent_dim=1, max_iter=40, random_state=0).as_pyod().set_params(contamination=0.2)
    fitted = clone(made).fit(values)
    assert fitted.labels_.sum() == 60
    strange = values * [1, -1]
    assert fitted.predict(strange).mean() > 0.5 > fitted.predict(values).mean()
    assert np.array_equal(fitted.decision_scores_, fitted.decision_function(values))
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.decision_function(strange), fitted.decision_function(strange))
    assert isinstance(made, pyod.PyodDetector)


def test_without_pyod_its_extra_is_named():
    try:
        import pyod  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtra, match=r"latentia\[pyod\]"):
            AnomalyDetector().as_pyod()
    else:
        pytest.skip("PyOD is installed")
