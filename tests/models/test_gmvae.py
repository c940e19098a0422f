"""Clusters: the components of a mixture prior, read by Bayes' rule and held against classes."""

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture

import latentia
from latentia.core.errors import ConfigError
from latentia.metrics.clusters import matched
from latentia.probability import MixturePrior
from latentia.report import build

SMALL = {"network": {"name": "mlp", "hidden": [16]}, "latent_dim": 3, "epochs": 2}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return latentia.train("digits", model="gmvae", out=tmp_path_factory.mktemp("runs") / "gm", **SMALL)


def test_components_follow_bayes_rule():
    """A mixture in one dimension, whose answer scikit-learn knows."""
    rng = np.random.default_rng(0)
    prior = MixturePrior((2,), components=3)
    known = GaussianMixture(3, covariance_type="diag")
    known.weights_ = np.array([0.2, 0.5, 0.3])
    known.means_, known.covariances_ = rng.normal(size=(3, 2)), rng.uniform(0.5, 2, (3, 2))
    known.precisions_cholesky_ = known.covariances_**-0.5
    with torch.no_grad():
        prior.logits.copy_(torch.tensor(known.weights_).log() + 7)
        prior.means.copy_(torch.tensor(known.means_))
        prior.log_sigmas.copy_(torch.tensor(known.covariances_).log() / 2)
        z = torch.randn(5, 4, 2)
        found = prior.components(z)
    assert found.shape == (5, 4, 3)
    expected = known.predict_proba(z.reshape(-1, 2).double().numpy()).reshape(5, 4, 3)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_clusters_are_matched_one_to_one():
    truth = np.array([0, 0, 0, 1, 1, 2])
    assert matched(truth, np.array([5, 5, 5, 3, 3, 9])).all()
    assert matched(truth, np.array([7, 7, 8, 7, 7, 7])).tolist() == [False, False, True, True, True, False]
    assert matched(truth, np.zeros(6, int)).sum() == 3  # one cluster is that of one class
    assert matched(np.zeros(4, int), np.arange(4)).sum() == 1


def test_a_run_says_which_clusters_it_found(run):
    x = run.dataset.x[:5]
    shares = run.clusters(x)
    assert shares.shape == (5, 10)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    found = latentia.evaluate(run, only=["representation"]).figures
    assert 0.1 <= found["cluster_accuracy"].value <= 1 and found["cluster_accuracy"].examples == 180
    assert 1 <= found["clusters_used"].value <= 10
    assert found["kmeans_accuracy_pixels"].value > 0.5  # the floor that a clustering has to beat
    assert "By cluster" in build([run], quiet=True).read_text(encoding="utf-8")


def test_clusters_begin_at_those_of_the_latents_that_a_run_begins_at(run, tmp_path):
    plain = latentia.train("digits", out=tmp_path / "vae", latent_dim=4, epochs=3, network=SMALL["network"])
    at = {"epochs": 1, "lr": 1e-12, "ema": 0}
    started = latentia.train(
        "digits", model="gmvae", start=plain.folder.path, training=at, out=tmp_path / "gm"
    )
    assert started.latent == (4,) and started.spec["network"] == plain.spec["network"]  # said once
    rows = plain.dataset.splits["train"]
    torch.manual_seed(0)
    z = torch.from_numpy(plain.inference.encode(plain.dataset.part(rows), sample=True))
    with torch.no_grad():
        own, fresh = (float(p().log_prob(z).mean()) for p in (started.model.prior, MixturePrior((4,))))
    fitted = GaussianMixture(10, covariance_type="diag", n_init=5, random_state=0).fit(z).score(z)
    assert own > fresh + 0.3
    assert own == pytest.approx(fitted, abs=0.1)
    again = latentia.train("digits", start=started.folder.path, training=at, out=tmp_path / "again")
    torch.testing.assert_close(
        again.model.prior.means, started.model.prior.means
    )  # its own prior comes along


def test_a_mixture_needs_latents_to_begin_at(tmp_path):
    plain = latentia.train("digits", out=tmp_path / "vae", **SMALL)
    with pytest.raises(ConfigError, match="that takes two for each component"):
        MixturePrior((3,), 10).begin_at(lambda: torch.zeros(19, 3))
    with pytest.raises(ConfigError, match="do not fit the model"):
        latentia.train("digits", model="gmvae", latent_dim=5, start=plain.folder.path, out=tmp_path / "gm")
    assert not (tmp_path / "gm").exists()


def test_other_priors_have_no_clusters(tmp_path):
    run = latentia.train("digits", out=tmp_path / "vae", **SMALL)
    with pytest.raises(ConfigError, match="train one with --model gmvae"):
        run.clusters(run.dataset.x[:5])


def test_a_prior_that_nothing_trains_is_refused():
    with pytest.raises(ConfigError, match=r"learns its prior from a bound.*use objective\.name=elbo"):
        latentia.train("digits", model="gmvae", objective="reconstruction", out="never-made")
