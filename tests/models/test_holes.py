"""Missing values: what is not there changes nothing, and log p is that of what is."""

import math
import warnings

import numpy as np
import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal

import latentia
from latentia import assembly
from latentia.core import registry
from latentia.core.errors import ConfigError, Note
from latentia.core.types import Batch
from latentia.data.dataset import Dataset
from latentia.data.loader import Loader
from latentia.data.transforms import Binarise, Identity, Standardise
from latentia.metrics.floor import floor, mean_example
from latentia.metrics.likelihood import importance_weighted
from latentia.metrics.terms import per_example, squared_error
from latentia.models import VAE
from latentia.networks import MLP, Masked
from latentia.objectives import ELBO, IWAE
from latentia.probability import Gaussian, GaussianOptimal, entries, observed
from latentia.training import Training


def holed(count=200, columns=6, share=0.3, seed=0):
    """Some correlated numbers, and the same with holes."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 2)) @ rng.normal(size=(2, columns)) + 0.5 * rng.normal(size=(count, columns))
    x = x.astype(np.float32)
    return x, np.where(rng.random(x.shape) < share, np.float32(np.nan), x)


def dataset_of(x, **facts):
    rows, count = np.arange(len(x)), len(x) // 10
    splits = {"train": rows[2 * count :], "validation": rows[:count], "test": rows[count : 2 * count]}
    return Dataset("holes", "memory", x, splits, **facts)


def linear(sigma, columns=6):
    """A VAE that is probabilistic PCA, with holes."""
    return VAE((columns,), 2, network=MLP(hidden=()), likelihood=Gaussian(sigma), inputs=Masked())


def test_log_p_of_what_is_observed_is_that_of_probabilistic_pca():
    torch.manual_seed(0)
    sigma, x = 0.7, torch.from_numpy(holed(12)[1])
    model = linear(sigma).eval().requires_grad_(False)
    layer = model.decoder[-1]
    covariance = layer.weight @ layer.weight.T + sigma**2 * torch.eye(6)
    truth = []
    for row in x:
        there = ~row.isnan()
        p = MultivariateNormal(layer.bias[there], covariance[there][:, there])
        truth.append(float(p.log_prob(row[there])))
    loader = Loader(x, torch.arange(len(x)), Identity())
    found = importance_weighted(model, loader, 20_000).log_likelihood
    assert found == pytest.approx(truth, abs=0.03)
    terms = next(per_example(model, ELBO(), loader, samples=4000))
    lower = -(terms["distortion"] + terms["rate"]).numpy()
    assert (lower <= np.array(truth) + 0.05).all()


def test_the_bound_of_several_samples_is_above_the_elbo_with_holes_too():
    torch.manual_seed(0)
    x = torch.from_numpy(holed(100)[1])
    terms = IWAE(64)(linear(0.5)(Batch(x, torch.arange(100)), 64))
    assert float(terms.diagnostics["iwae_bound"].mean()) > float(terms.elbo.mean()) + 0.1


def test_entries_sum_to_log_p_and_a_hole_adds_nothing():
    x = torch.from_numpy(holed(5)[1])
    p = observed(Independent(Normal(torch.randn(3, 5, 6), 1.0), 1))
    apart = entries(p, x)
    assert apart.shape == (3, 5, 6) and (apart[:, x.isnan()] == 0).all()
    assert torch.allclose(apart.sum(dim=-1), p.log_prob(x))
    assert torch.equal(p.mean, p.base_dist.base.mean) and p.sample((2,)).shape == (2, 3, 5, 6)
    wide = p.expand((2, 3, 5))
    assert torch.equal(wide.log_prob(x)[1], p.log_prob(x))


def test_with_nothing_missing_log_p_is_what_it_was():
    x = torch.from_numpy(holed(5)[0])
    p = Independent(Normal(torch.randn(3, 5, 6), 1.0), 1)
    assert torch.equal(observed(p).log_prob(x), p.log_prob(x))


@pytest.mark.parametrize("shape", [(6,), (1, 8, 8)], ids=str)
@pytest.mark.parametrize(
    "name", [name for name in registry.names("model") if not registry.lookup("model", name).copies]
)
def test_every_family_learns_from_data_with_holes(name, shape):
    _, x = holed(150, math.prod(shape))
    x[0] = np.nan  # an example of which nothing is known
    data = dataset_of(x.reshape(-1, *shape), labels=np.arange(150) % 3, label_names=("a", "b", "c"))
    settings = {"model": {"name": name}, "data": {}, "network": {"name": "conv"} if len(shape) == 3 else {}}
    if "hierarchical" in name and len(shape) == 3:
        settings["network"] = {"name": "ladder_conv"}
    spec = assembly.complete(settings, data, Training)
    assert spec["inputs"] == {"name": "masked", "missing": True, "fill": spec["inputs"]["fill"]}
    parts = assembly.fresh(spec, data.event, 0)
    assembly.begin(parts, data, 0)
    assert parts.model.holes
    c = torch.from_numpy(parts.condition.of(data)) if parts.condition else None
    terms = parts.objective(
        parts.model(Batch(parts.transform(torch.from_numpy(data.x)), torch.arange(150), c))
    )
    assert torch.isfinite(terms.loss).all()
    terms.loss.mean().backward()
    for key, parameter in parts.model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), key


@pytest.mark.parametrize("model", ["diffusion", "conditional_diffusion"])
def test_a_prior_alone_refuses_holes(model):
    data = dataset_of(holed(40)[1], labels=np.arange(40) % 2, label_names=("a", "b"))
    with pytest.raises(ConfigError, match=r"has no encoder that could see missing values; fill them in"):
        assembly.complete({"model": {"name": model}, "data": {}}, data, Training)


def test_what_a_masked_autoencoder_hides_is_as_missing_as_a_hole():
    _, x = holed(40)
    data = dataset_of(x)
    spec = assembly.complete({"model": {"name": "masked_autoencoder"}, "data": {}}, data, Training)
    model = assembly.fresh(spec, data.event, 0).model.eval()
    seen, hidden = torch.from_numpy(x), torch.rand(40, 6) < 0.4
    other = torch.where(hidden, torch.randn(40, 6) * 100, seen)
    assert torch.equal(model.look(seen, hidden).mean, model.look(other, hidden).mean)
    assert torch.equal(model.look(seen, hidden).mean, model.encode(seen.masked_fill(hidden, torch.nan)).mean)


def test_the_best_sigma_is_that_of_what_is_observed():
    whole, x = holed(400)
    likelihood = GaussianOptimal()
    likelihood.holes = True
    likelihood.observe(torch.zeros(1, 400, 6), torch.from_numpy(x))
    assert float(likelihood.variance) == pytest.approx(np.nanmean(x**2), rel=1e-5)
    assert float(likelihood.variance) == pytest.approx(float((whole**2).mean()), rel=0.1)


def test_statistics_of_a_transform_are_those_of_what_is_observed():
    _, x = holed(300)
    x[:, 2] = np.nan
    data = dataset_of(x)
    train = x[data.splits["train"]]
    spec = assembly.complete({"data": {}}, data, Training)
    others = [0, 1, 3, 4, 5]
    assert np.array(spec["transform"]["mean"])[others] == pytest.approx(np.nanmean(train[:, others], axis=0))
    assert np.array(spec["transform"]["std"])[others] == pytest.approx(np.nanstd(train[:, others], axis=0))
    assert spec["transform"]["mean"][2] == spec["transform"]["std"][2] == 0
    assert data.observed == (np.nanmin(x), np.nanmax(x)) and data.training_range[0] == np.nanmin(train)
    made = Standardise(spec["transform"]["mean"], spec["transform"]["std"])(torch.from_numpy(x))
    assert torch.equal(made.isnan(), torch.from_numpy(x).isnan())


def test_a_hole_stays_a_hole_when_it_is_binarised():
    raw = torch.tensor([[0.0, 1.0, torch.nan]])
    assert Binarise(0.0, 1.0)(raw).isnan().tolist() == [[False, False, True]]


def test_an_error_counts_what_is_observed_and_names_as_right_or_wrong():
    x = torch.tensor([[1.0, 4.0, torch.nan], [torch.nan, 2.0, 0.0], [torch.nan] * 3])
    decoded, nominal = torch.tensor([[3.0, 3.0, 1.0]]), torch.tensor([False, True, True])
    assert squared_error(decoded, x, nominal).tolist() == [2.5, 1.0, 0.0]
    assert squared_error(decoded, x)[:2].tolist() == [2.5, 1.0]


def test_the_mean_example_is_that_of_what_is_observed_and_the_commonest_name():
    x = torch.tensor([[1.0, 2.0], [torch.nan, 2.0], [3.0, 1.0], [5.0, torch.nan]])
    loader, nominal = Loader(x, torch.arange(4), Identity()), torch.tensor([False, True])
    mean = mean_example(loader, nominal)
    assert mean.tolist() == [3.0, 2.0]
    assert floor(loader, mean, nominal=nominal) == pytest.approx((2 + 0 + 0.5 + 4) / 4)


def test_what_compares_whole_examples_is_refused_in_one_line():
    data = dataset_of(holed(50)[1])
    settings = {"objective": {"name": "geco"}, "data": {}}
    with pytest.raises(ConfigError, match=r"objective 'geco' compares whole examples.*objective\.name=elbo"):
        assembly.complete(settings, data, Training)
    assembly.complete(settings, dataset_of(holed(50)[0]), Training)


def test_a_model_trained_on_whole_examples_takes_holes_and_says_how(tmp_path):
    whole, x = holed(100)
    latentia.train(whole, out=tmp_path / "run", epochs=1, latent_dim=2, quiet=True)
    run = latentia.open_run(tmp_path / "run")
    before = run.model.encode(run.transform(torch.from_numpy(whole[:4]))).mean
    with pytest.warns(Note, match=r"trained on examples without any: the encoder is shown"):
        z = run.encode(x[:20])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it says so once
        assert np.array_equal(run.encode(x[:20]), z)
    center = run.decode(run.prior_mean()[None])[0]
    filled = np.where(np.isnan(x), center, x)[:20]
    assert z == pytest.approx(run.encode(filled), abs=1e-4)
    given = run.transform(torch.from_numpy(x[:4]))
    assert torch.isfinite(run.model.decode(torch.from_numpy(z[:4])).log_prob(given)).all()
    assert torch.equal(run.model.encode(run.transform(torch.from_numpy(whole[:4]))).mean, before)
    assert not any("fill" in key for key in run.model.state_dict())


def test_light_pictures_with_holes_are_seen_as_the_mirror_of_dark_ones():
    rng = np.random.default_rng(0)
    dark = rng.beta(1, 4, (40, 1, 4, 4)).astype(np.float32)
    dark[rng.random(dark.shape) < 0.3] = np.nan
    seen = []
    for x in (dark, 1 - dark):
        settings = {"model": {"name": "vae", "latent_dim": 2}, "network": {"name": "mlp", "hidden": [4]}}
        spec = assembly.complete(settings, dataset_of(x), Training)
        inputs = Masked(fill=spec["inputs"]["fill"], missing=spec["inputs"]["missing"])
        seen.append(inputs(torch.from_numpy(x)))
        assert abs(float(seen[-1][:, :1][~np.isnan(x)].mean())) < 0.02  # not where a hole is: that is 0
        assert (seen[-1][:, :1][np.isnan(x)] == 0).all()
    torch.testing.assert_close(seen[0][:, :1], -seen[1][:, :1], atol=2e-4, rtol=0)
    rows = assembly.complete({"model": {"name": "vae", "latent_dim": 2}}, dataset_of(holed()[1]), Training)
    assert rows["inputs"]["fill"] == 0.0  # columns are standardised
