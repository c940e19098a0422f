"""Scores of what is unusual: what their definitions say, of each example alone, sums of their parts."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from latentia.core.errors import ConfigError
from latentia.core.threads import shared_out, using
from latentia.data import load
from latentia.runs import anomaly, inputs
from latentia.runs.anomaly import IN_NATS, METHODS, AnomalyScorer
from latentia.runs.density import totals
from latentia.runs.fitting import fit
from latentia.runs.neighbours import NEIGHBOURS, Neighbours, Tail


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(0)
    z = generator.normal(size=(400, 2))
    return (z @ generator.normal(size=(2, 6)) + 0.3 * generator.normal(size=(400, 6))).astype(np.float32)


@pytest.fixture(scope="module")
def model(rows):
    settings = {
        "model": {"latent_dim": 2}, "network": {"name": "mlp", "hidden": [32]},
        "training": {"epochs": 60, "batch_size": 50, "validate_every": 20, "lr": 5e-3},
    }  # fmt: skip
    return fit(load(rows, validation=0.1, test=0.0), settings)


@pytest.fixture(scope="module")
def scorer(model, rows):
    return AnomalyScorer.fit(model, rows, held_out=np.arange(360, 400))


@pytest.mark.parametrize("method", METHODS)
def test_what_is_far_scores_higher_and_every_score_is_of_the_row_alone(scorer, rows, method):
    far = np.concatenate([rows[:50], 6 * rows[:50, ::-1]])
    scores = scorer.score(far, method=method)
    assert scores.shape == (100,) and scores.dtype == np.float64
    assert np.median(scores[50:]) > scores[:50].max()
    assert np.array_equal(scores[[7, 80]], scorer.score(far[[7, 80]], method=method))
    assert np.array_equal(scores[::-1], scorer.score(np.ascontiguousarray(far[::-1]), method=method))


@pytest.mark.parametrize("method", METHODS)
def test_contributions_sum_to_the_score(scorer, rows, method):
    strange = rows[:40].copy()
    strange[:, 2] += 8
    found = scorer.explain(strange, method=method)
    assert np.allclose(found.entries.sum(axis=1) + found.latent, found.score, rtol=1e-5, atol=1e-5)
    assert np.allclose(found.score, scorer.score(strange, method=method), rtol=1e-5, atol=1e-5)
    if method != "latent":
        assert found.entries.argmax(axis=1).tolist().count(2) > 20
    assert found.expected.shape == strange.shape


@pytest.mark.parametrize("method", ["auto", "elbo"])
def test_many_rows_are_scored_in_parts_as_they_are_together(scorer, rows, method, monkeypatch):
    x = np.concatenate([rows] * (1200 // len(rows) + 1))[:1200]
    scores, whole = scorer.score(x, method=method), scorer.explain(x, method=method)
    monkeypatch.setattr(anomaly, "PART", 512)
    assert np.array_equal(scorer.score(x, method=method), scores)
    parts = scorer.explain(x, method=method)
    assert np.array_equal(parts.entries, whole.entries) and np.array_equal(parts.latent, whole.latent)


@pytest.mark.parametrize("method", IN_NATS)
def test_threads_share_out_parts_and_change_nothing(scorer, rows, method, monkeypatch):
    with using(1):
        want = scorer.score(rows, method=method)
    monkeypatch.setattr(anomaly, "PART", 64)
    seen = set()
    monkeypatch.setattr(anomaly, "totals", lambda parts: (seen.add(threading.get_ident()), totals(parts))[1])
    with using(3):
        assert np.array_equal(scorer.score(rows, method=method), want)
        assert torch.get_num_threads() == 3
    assert threading.get_ident() not in seen


@pytest.mark.parametrize("method", METHODS)
def test_no_example_is_lost_where_few_are_worked_on_at_once(scorer, rows, method, monkeypatch):
    want = scorer.score(rows, method=method)
    monkeypatch.setattr(inputs, "VALUES", 7 * 6)
    assert scorer.model.inference.chunk == 7
    found = scorer.score(rows[:100], method=method)
    assert found.shape == (100,) and np.allclose(found, want[:100], rtol=1e-4, atol=1e-5)
    assert len(scorer.explain(rows[:100], method=method).score) == 100


def test_what_fails_in_a_thread_is_raised_and_order_is_kept():
    with using(2):
        assert shared_out(lambda at: at * at, iter(range(9))) == [at * at for at in range(9)]
        with pytest.raises(ZeroDivisionError):
            shared_out(lambda at: 1 // (3 - at), iter(range(9)))
        assert torch.get_num_threads() == 2
        assert shared_out(lambda at: at, iter([])) == []


def test_the_aggregate_posterior_is_the_mean_of_the_training_posteriors(scorer):
    import torch

    z = torch.randn(3, 4, 2)
    parts = [
        multivariate_normal(mean, np.diag(std.astype(float) ** 2)).pdf(z.numpy().reshape(-1, 2))
        for mean, std in zip(scorer.mean, scorer.deviation)
    ]
    assert np.allclose(scorer._aggregate(z).numpy().ravel(), np.log(np.mean(parts, axis=0)), atol=1e-3)


def test_neighbours_leave_a_reference_point_itself_out():
    points = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    distances = np.sqrt(np.square(points[:, None] - points[None]).sum(axis=2))
    found = Neighbours(points)
    own = np.sort(distances, axis=1)[:, 1 : NEIGHBOURS + 1].mean(axis=1)
    assert np.allclose(found.score(points), own, rtol=1e-5)
    other = points[:5] + np.float32(0.01)
    known = np.sort(np.sqrt(np.square(other[:, None] - points[None]).sum(axis=2)), axis=1)[:, :NEIGHBOURS]
    assert np.allclose(found.score(other), known.mean(axis=1), rtol=1e-5)
    again, shares = found.explain(other)
    assert np.array_equal(again, found.score(other)) and np.allclose(shares.sum(axis=1), 1)


def test_where_a_share_may_be_anomalous_the_neighbours_come_after_as_many_as_that():
    points = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    distances = np.sqrt(np.square(points[:, None] - points[None]).sum(axis=2))
    found = Neighbours(points, 0.1)
    own = np.sort(distances, axis=1)[:, 1 + 6 : 1 + 6 + NEIGHBOURS].mean(axis=1)
    assert np.allclose(found.score(points), own, rtol=1e-5)
    known = np.sort(distances, axis=1)[:, 1:]
    other = Neighbours(points[1:], 0.1).score(points[:1])  # floor(0.1 * 59) = 5 of them do not count
    assert np.allclose(other, known[:1, 5 : 5 + NEIGHBOURS].mean(axis=1), rtol=1e-5)
    for count in (1, 2, 5, 7):  # too few to leave any out
        assert np.isfinite(Neighbours(points[:count], 0.5).score(points[:count])).all()


def test_a_group_of_anomalies_hides_from_the_nearest_but_not_from_what_comes_after():
    generator = np.random.default_rng(0)
    points = generator.normal(size=(1000, 3))
    points[:80] = 5 + 0.01 * generator.normal(size=(80, 3))
    nearest, after = (Neighbours(points, share).score(points) for share in (0.0, 0.1))
    assert nearest[:80].max() < nearest[80:].min()
    assert after[:80].min() > after[80:].max()


@pytest.fixture(scope="module")
def robust(model, rows):
    return AnomalyScorer.fit(model, rows, held_out=np.arange(360, 400), contamination=0.1)


def test_with_contamination_auto_is_the_surprise_of_values_and_latents(robust, model, rows):
    assert len(robust.view.values) == 400
    spaces = [robust.view.values, robust.view.latents]
    known = [np.sort(np.linalg.norm(part[:, None] - part[None], axis=2), axis=1) for part in spaces]
    each = [part[:, 41:46].mean(axis=1) for part in known]  # itself and floor(0.1 * 400) more do not count
    want = sum(Tail.of(part).surprise(part) for part in each)
    assert np.allclose(robust.score(rows), want, rtol=1e-3, atol=1e-3)
    again = AnomalyScorer(model, robust.state())
    assert np.array_equal(again.score(rows), robust.score(rows))


@pytest.mark.parametrize("method", METHODS)
def test_with_contamination_contributions_sum_to_the_score(robust, rows, method):
    strange = rows[:40] + np.array([0, 0, 8, 0, 0, 0], np.float32)
    found = robust.explain(strange, method=method)
    assert np.allclose(found.entries.sum(axis=1) + found.latent, found.score, rtol=1e-5, atol=1e-5)
    assert np.allclose(found.score, robust.score(strange, method=method), rtol=1e-5, atol=1e-5)
    assert (found.latent >= 0).all() or method in IN_NATS


def test_what_was_learned_before_there_was_a_contamination_scores_as_it_did(scorer, model, rows):
    state = {name: value for name, value in scorer.state().items() if name != "contamination"}
    assert np.array_equal(AnomalyScorer(model, state).score(rows), scorer.score(rows))


def test_a_tail_counts_within_the_sample_and_goes_on_beyond_it():
    tail = Tail.of(np.random.default_rng(0).exponential(size=999))
    inside = np.median(tail.scores)
    assert np.isclose(tail.surprise(np.array([inside]))[0], np.log(1000) - np.log(501), atol=1e-6)
    values = np.linspace(0, 30, 500)
    assert (np.diff(tail.surprise(values)) >= 0).all()
    assert (np.diff(tail.surprise(values[300:])) > 0).all()
    assert np.isclose(tail.surprise(np.array([10.0]))[0], 10, rtol=0.2)  # -log P(x > 10) of Exp(1)


def test_p_values_of_what_was_held_out_are_spread_evenly(scorer, rows):
    p = scorer.p_values(scorer.score(rows[360:]))
    assert np.array_equal(np.sort(p), np.arange(2, 42) / 41)
    assert scorer.p_values(np.array([1e9]))[0] == 1 / 41
    assert (scorer.held_out["auto"] > scorer.threshold(0.1)).mean() <= 0.1


def test_state_is_all_there_is(scorer, model, rows):
    again = AnomalyScorer(model, scorer.state())
    for method in METHODS:
        assert np.array_equal(again.score(rows[:20], method=method), scorer.score(rows[:20], method=method))


@pytest.fixture(scope="module")
def mixed():
    pd = pytest.importorskip("pandas", reason="needs pandas: pip install 'latentia[tables]'")
    generator = np.random.default_rng(0)
    size = generator.normal(size=300)
    word = np.where(size > 0, "large", "small")
    frame = pd.DataFrame(
        {
            "size": size, "word": word, "count": generator.poisson(np.exp(size)),
            "weight": 3 * size + generator.normal(size=300), "town": generator.choice(["a", "b", "c"], 300),
        }
    )  # fmt: skip
    frame.loc[::7, "weight"] = np.nan
    frame.loc[3::11, "word"] = None
    settings = {
        "model": {"latent_dim": 2}, "network": {"name": "mlp", "hidden": [32]},
        "likelihood": {"name": "columns"},
        "training": {"epochs": 40, "batch_size": 50, "validate_every": 20, "lr": 5e-3},
    }  # fmt: skip
    made = fit(load(frame, validation=0.1, test=0.0, label="none"), settings)
    return frame, made, AnomalyScorer.fit(made, *made.inward(frame))


@pytest.mark.parametrize("method", METHODS)
def test_contributions_of_words_and_counts_sum_to_the_score_and_what_is_missing_adds_nothing(mixed, method):
    frame, model, scorer = mixed
    x, c = model.inward(frame)
    found = scorer.explain(x, c, method=method)
    assert found.entries.shape == (300, 5)
    assert np.allclose(found.entries.sum(axis=1) + found.latent, found.score, rtol=1e-5, atol=1e-5)
    assert np.allclose(found.score, scorer.score(x, c, method=method), rtol=1e-5, atol=1e-5)
    assert not found.entries[np.isnan(x)].any()
    empty = np.full_like(x[:1], np.nan)
    assert not scorer.explain(empty, method=method).entries.any()
    assert np.isfinite(scorer.score(empty, method=method)).all()


@pytest.mark.parametrize("method", ["auto", "neighbours", "density", "likelihood", "elbo"])
def test_a_word_that_training_never_saw_and_one_that_does_not_fit_are_strange(mixed, method):
    frame, model, scorer = mixed
    plain = frame.dropna().reset_index(drop=True).iloc[:60]
    usual = scorer.score(*model.inward(plain), method=method)
    with pytest.warns(match="categories that the run does not know"):
        given = model.inward(plain.assign(town="elsewhere"))
    unseen = scorer.explain(*given, method=method)
    assert (unseen.score > usual).mean() > 0.9
    assert (unseen.entries.argmax(axis=1) == 4).mean() > 0.7
    wrong = plain.assign(word=np.where(plain["word"] == "large", "small", "large"))
    assert np.median(scorer.score(*model.inward(wrong), method=method) - usual) > 0


def test_what_there_is_not_is_one_line(scorer, rows):
    with pytest.raises(ConfigError, match="no score 'densty'; did you mean 'density'"):
        scorer.score(rows, method="densty")
    with pytest.raises(ConfigError, match="share in"):
        scorer.threshold(0.0)
    plain = fit(load(rows, validation=0.1, test=0.0), {"model": "autoencoder", "training": {"epochs": 2}})
    with pytest.raises(ConfigError, match="no bound on log p"):
        AnomalyScorer.fit(plain, rows).score(rows, method="elbo")
