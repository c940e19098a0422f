"""The chain of levels against mathematics: densities by hand, exact likelihoods where all is linear."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal

import latentia
from latentia.core.errors import LatentiaError
from latentia.core.types import Batch, Pass
from latentia.data.loader import Loader
from latentia.data.transforms import Identity
from latentia.metrics.likelihood import importance_weighted
from latentia.models import MarkovianVAE
from latentia.networks import MLP
from latentia.objectives import ELBO, IWAE, DReG
from latentia.probability import Gaussian, StandardNormal, kl_per_dimension
from latentia.runs import session
from tests.models.test_hierarchical import batch_of, check_weights, lively

SETTINGS = {
    "model": {"name": "markovian_vae", "levels": [3, 4], "links": [12]},
    "network": {"name": "mlp", "hidden": [24]},
}


def small(levels=(2, 3, 2)):
    torch.manual_seed(0)
    return lively(MarkovianVAE((1, 4, 4), levels, (12,), network=MLP((12,))))


def test_one_level_is_the_flat_vae():
    model = small((3,))
    state = model(batch_of(5), 2)
    q = Independent(Normal(state.q.mean, state.q.stddev), 1)
    flat = Pass(state.batch, q, state.z, StandardNormal((3,))(), model.decode(state.z))
    assert torch.allclose(state.q.log_prob(state.z), q.log_prob(state.z), atol=1e-5)
    assert torch.allclose(state.p_z.log_prob(state.z), flat.p_z.log_prob(state.z), atol=1e-5)
    one, other = ELBO(samples=2)(state), ELBO(samples=2)(flat)
    assert torch.allclose(one.distortion, other.distortion, rtol=1e-5)
    # That of the chain is the estimate by the samples, that of the flat one exact.
    estimate = (q.log_prob(state.z) - flat.p_z.log_prob(state.z)).mean()
    assert one.rate.mean().item() == pytest.approx(estimate.item(), rel=1e-4)


@pytest.mark.parametrize("levels", [(2, 3), (2, 3, 2)], ids=str)
def test_the_joint_densities_are_the_products_of_their_factors_walked_by_hand(levels):
    model = small(levels)
    x, z = batch_of(3).x, torch.randn(3, sum(levels))
    parts = z.split(levels, dim=1)

    def log_density(numbers, part):
        mean, log_variance = numbers.chunk(2, dim=1)
        return Normal(mean.flatten(1), (log_variance / 2).exp().flatten(1)).log_prob(part).sum(1)

    log_q, log_p = log_density(model.encoder(x), parts[-1]), Normal(0, 1).log_prob(parts[0]).sum(1)
    for n in range(len(levels) - 1):
        log_q += log_density(model.chain.up[n](parts[n + 1]), parts[n])
        log_p += log_density(model.chain.down[n](parts[n]), parts[n + 1])
    assert torch.allclose(model.encode(x).log_prob(z), log_q, rtol=1e-4)
    assert torch.allclose(model.prior().log_prob(z), log_p, rtol=1e-4)
    assert torch.allclose(model.decode(z).mean, model.decoder(parts[-1]).sigmoid(), atol=1e-6)
    shares = kl_per_dimension(model.encode(x), model.prior(), z[None])
    assert torch.allclose(shares.sum(1), log_q - log_p, atol=1e-4)


def test_importance_weights_of_prior_and_posterior_average_to_one():
    check_weights(small((1, 2)))


def test_a_pass_and_a_new_walk_along_its_latents_agree():
    model = small()
    state = model(batch_of(4), 2)
    anew = model.encode(state.batch.x)
    assert torch.allclose(anew.log_prob(state.z.clone()), state.q.log_prob(state.z), atol=1e-5)
    assert torch.allclose(state.p_x.mean, model.decode(state.z).mean, atol=1e-6)


def layers_of(network):
    return [part for part in network.modules() if isinstance(part, nn.Linear)]


def test_a_linear_chain_has_the_likelihood_of_its_gaussian():
    """z_1 ~ N(0, 1), z_2 ~ N(a z_1, s^2 I), x ~ N(b z_2, t^2 I): log p(x) is known."""
    torch.manual_seed(0)
    s, t = 0.7, 0.5
    model = MarkovianVAE((3,), (1, 2), (), network=MLP(()), likelihood=Gaussian(sigma=t)).eval()
    a, b = torch.randn(2, 1), torch.randn(3, 2)
    (down,), (decoder,) = layers_of(model.chain.down[0]), layers_of(model.decoder)
    with torch.no_grad():
        for parameter in (*down.parameters(), *decoder.parameters()):
            parameter.zero_()
        down.weight[:2], down.bias[2:] = a, 2 * math.log(s)
        decoder.weight.copy_(b)
    x = torch.randn(20, 3)
    covariance = b @ (a @ a.T + s**2 * torch.eye(2)) @ b.T + t**2 * torch.eye(3)
    exact = MultivariateNormal(torch.zeros(3), covariance).log_prob(x).numpy()
    found = importance_weighted(model, Loader(x, torch.arange(20), Identity()), 20_000)
    assert np.abs(found.log_likelihood - exact).max() < 6 / math.sqrt(found.effective.min())


def test_both_gradients_of_the_importance_weighted_bound_have_one_mean():
    """DReG changes the gradient along the way of z: in a chain that climbs, it stays unbiased."""
    model = small((2, 2))
    x = batch_of(2).x.repeat(30, 1, 1, 1)  # thirty draws at once
    batch = Batch(x, torch.arange(60))
    parameters = [*model.encoder.parameters(), *model.chain.up.parameters()]

    def gradients(objective, seed):
        torch.manual_seed(seed)
        found = torch.autograd.grad(objective(model(batch, 4)).loss.mean(), parameters)
        return torch.cat([part.flatten() for part in found])

    plain, doubly = (
        torch.stack([gradients(objective(samples=4), seed) for seed in range(100)])
        for objective in (IWAE, DReG)
    )
    error = (plain.var(dim=0) / len(plain) + doubly.var(dim=0) / len(doubly)).sqrt() + 1e-6
    assert ((plain.mean(dim=0) - doubly.mean(dim=0)).abs() / error).max() < 5


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("chain") / "run"
    return latentia.train("digits", out=out, **SETTINGS, training={"epochs": 4, "lr": 4e-3})


def test_every_verb_works_on_a_chain(run):
    x = run.dataset.x[:4]
    codes = run.encode(x)
    assert codes.shape == (4, 7)
    assert np.allclose(run.reconstruct(x), run.decode(codes))
    assert run.interpolate(x[0], x[1], steps=5).shape == (5, 1, 8, 8)
    assert np.array_equal(run.sample(4), latentia.open_run(run.folder.path).sample(4))
    z = run.sample_latents(6)
    assert np.array_equal(run.redraw(z, 1)[:, :3], z[:, :3])


def test_the_rates_of_the_levels_add_up_to_the_rate_of_the_bound(run):
    logged = run.metrics("validation")[-1]
    assert sum(logged["rate_by_level"]) == pytest.approx(logged["rate"], rel=1e-5)
    found = latentia.evaluate(run, only=("likelihood", "health"), samples=200, limit=20)
    assert found.figures["rate_by_level"].parts == ("z1", "z2")
    assert found.figures["log_likelihood"].value > found.figures["elbo"].value


def test_a_run_that_is_resumed_ends_bit_for_bit_as_one_that_never_stopped(run, tmp_path):
    training = {"epochs": 4, "lr": 4e-3, "max_minutes": 1e-6}
    latentia.train("digits", out=tmp_path / "run", **SETTINGS, training=training)
    session.resume(tmp_path / "run", {"max_minutes": 10})
    again = latentia.open_run(tmp_path / "run")
    for (name, one), two in zip(run.model.state_dict().items(), again.model.state_dict().values()):
        assert torch.equal(one, two), name


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"levels": []}, r"'model.levels' is empty"),
        ({"levels": [2, 0]}, r"'model.levels' must hold sizes of at least 1, not \[2, 0\]"),
        ({"links": [0]}, r"model.links"),
    ],
)
def test_sizes_that_cannot_be_are_refused(settings, message, tmp_path):
    with pytest.raises(LatentiaError, match=message):
        latentia.train("digits", out=tmp_path / "run", model={"name": "markovian_vae", **settings})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": "grid"}, "levels of 'markovian_vae' are vectors"),
        ({"network": "ladder_mlp"}, "'markovian_vae' does not work with network 'ladder_mlp'"),
        ({"prior": "mixture"}, "prior"),
    ],
)
def test_parts_that_do_not_fit_are_refused(settings, message, tmp_path):
    with pytest.raises(LatentiaError, match=message):
        latentia.train("digits", out=tmp_path / "run", model="markovian_vae", **settings)
