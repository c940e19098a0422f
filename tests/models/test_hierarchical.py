import math

import numpy as np
import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal

import latentia
from latentia.core.errors import LatentiaError
from latentia.core.types import Batch, Pass
from latentia.data.loader import Loader
from latentia.data.transforms import Identity
from latentia.metrics.likelihood import importance_weighted
from latentia.models import HierarchicalVAE
from latentia.networks import LadderConv, LadderMLP
from latentia.objectives import ELBO
from latentia.probability import Gaussian, Hierarchy, StandardNormal, Walked, kl_per_dimension
from latentia.runs import session


def lively(model, size=0.4):
    """Give every weight a value, so that no level is the standard normal."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += size * torch.randn_like(parameter) / math.sqrt(parameter.shape[-1])
    return model.eval()


def small(levels=(2, 3, 2), network=None):
    torch.manual_seed(0)
    return lively(HierarchicalVAE((1, 4, 4), levels, network=network or LadderMLP(12)))


def batch_of(n, seed=0):
    x = torch.rand(n, 1, 4, 4, generator=torch.Generator().manual_seed(seed)).round()
    return Batch(x, torch.arange(n))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("ladder") / "run"
    model = {"name": "hierarchical_vae", "levels": [2, 3, 4]}
    training = {"epochs": 4, "lr": 4e-3, "skip": 1e4}
    network = {"name": "ladder_mlp", "width": 24}
    return latentia.train("digits", out=out, model=model, network=network, training=training)


def test_one_level_is_the_flat_vae():
    model = small((3,))
    state = model(batch_of(5), 2)
    means, deviations = state.q.mean, state.q.stddev
    q = Independent(Normal(means, deviations), 1)
    flat = Pass(state.batch, q, state.z, StandardNormal((3,))(), model.decode(state.z))
    one, other = ELBO(samples=2)(state), ELBO(samples=2)(flat)
    assert torch.allclose(one.rate, other.rate, rtol=1e-5)
    assert torch.allclose(one.distortion, other.distortion, rtol=1e-5)
    assert torch.allclose(state.q.log_prob(state.z), q.log_prob(state.z), atol=1e-5)
    assert torch.allclose(state.p_z.log_prob(state.z), flat.p_z.log_prob(state.z), atol=1e-5)


@pytest.mark.parametrize("levels", [(2, 3), (2, 3, 2)], ids=str)
@pytest.mark.parametrize("network", [LadderMLP(12), LadderConv(5, halvings=())], ids=["mlp", "conv"])
def test_the_joint_density_is_the_product_of_its_conditionals_walked_by_hand(levels, network):
    model = small(levels, network)
    x = batch_of(3).x
    z = torch.randn(3, *model.latent)
    features, state = model.encoder(x), model.decoder.start.expand(3, *model.decoder.start.shape[1:])
    log_p, log_q = torch.zeros(3), torch.zeros(3)
    shapes = network.shapes((1, 4, 4), levels)
    for stage, d, part, shape in zip(model.decoder, features, z.split(model.levels, dim=1), shapes):
        h, part = stage.arrive(state), part.unflatten(1, shape)
        mean, log_variance = stage.prior(h).chunk(2, dim=1)
        shift, log_ratio = stage.posterior(torch.cat([h, d], dim=1)).chunk(2, dim=1)
        scale = (log_variance / 2).exp()
        log_p += Normal(mean, scale).log_prob(part).flatten(1).sum(1)
        q = Normal(mean + scale * shift, scale * (log_ratio / 2).exp())
        log_q += q.log_prob(part).flatten(1).sum(1)
        state = h + stage.merge(part)
    assert torch.allclose(model.prior().log_prob(z), log_p, rtol=1e-4)
    assert torch.allclose(model.encode(x).log_prob(z), log_q, rtol=1e-4)
    assert torch.allclose(model.decode(z).mean, model.decoder.finish(state).sigmoid(), atol=1e-6)


def test_the_kl_of_the_levels_is_that_of_samples_within_their_error():
    model = small()
    x = batch_of(2).x
    with torch.no_grad():
        q, p = model.encode(x), model.prior()
        z = q.sample((20_000,))
        sampled = q.log_prob(z) - p.log_prob(z)
        kl = kl_per_dimension(q, p, z)
    assert kl.shape == (2, 7) and (kl >= 0).all()
    error = sampled.std(dim=0) / math.sqrt(len(z))
    assert ((kl.sum(dim=1) - sampled.mean(dim=0)).abs() < 5 * error).all()


def check_weights(model):
    """Find that importance weights q / p over draws of p average to one."""
    with torch.no_grad():
        q, p = model.encode(batch_of(2).x), model.prior()
        z = p.sample((20_000, 2))
        weights = (q.log_prob(z) - p.log_prob(z)).exp()
    assert ((weights.mean(dim=0) - 1).abs() < 5 * weights.std(dim=0) / math.sqrt(len(z))).all()


def test_importance_weights_of_the_prior_average_to_one():
    check_weights(small((1, 2)))


@pytest.mark.parametrize("sample_shape", [(), (1,), (3,), (2, 3)], ids=str)
def test_a_pass_and_a_new_walk_along_its_latents_agree(sample_shape):
    model = small()
    q = model.encode(batch_of(4).x)
    for z in (q.rsample(sample_shape), q.sample(sample_shape)):
        assert z.shape == (*sample_shape, 4, 7)
        kept = q.log_prob(z)
        assert torch.allclose(kept, model.encode(batch_of(4).x).log_prob(z.clone()), atol=1e-5)
    state = model(batch_of(4), 2)
    anew = kl_per_dimension(model.encode(state.batch.x), model.prior(), state.z)
    assert torch.allclose(anew, kl_per_dimension(state.q, state.p_z, state.z), atol=1e-5)
    assert torch.allclose(state.p_x.mean, model.decode(state.z).mean, atol=1e-6)


def test_large_draws_walk_in_pieces_to_the_same_densities():
    p = small((1, 2)).prior()
    with torch.no_grad():
        z = p.sample((5000,))
        pieces = p.log_prob(z.clone())
    assert torch.allclose(pieces, p.log_prob(z.clone()), atol=1e-4)


def test_a_training_pass_goes_down_the_ladder_once():
    model = small()
    walked = []
    model.decoder.stages[0].merge.register_forward_hook(lambda *_: walked.append(1))
    ELBO()(model(batch_of(4), 3)).loss.mean().backward()
    assert len(walked) == 1


def test_densities_asked_with_a_gradient_have_one_though_the_draw_had_none():
    model = small()
    q = model.encode(batch_of(2).x)
    z = q.sample((3,))
    q.log_prob(z).sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.encoder.parameters())


def test_the_mean_follows_the_means_and_the_variances_are_those_on_its_way():
    model = small()
    p = model.prior()
    given = p.given(p.mean)
    assert torch.allclose(given.loc, p.mean, atol=1e-6)
    assert torch.allclose(given.variance, p.variance, atol=1e-6)
    assert torch.equal(p.mean[:2], torch.zeros(2)) and torch.equal(p.variance[:2], torch.ones(2))


def test_kept_levels_stay_and_the_others_are_drawn_given_them():
    p = small().prior()
    z = p.sample((1,)).expand(4000, -1)
    again = p.redraw(z, 2)
    assert torch.equal(again[:, :5], z[:, :5])
    given = p.given(z)
    apart = (again[:, 5:] - given.loc[:, 5:]) / given.scale[:, 5:]
    assert apart.mean(dim=0).abs().max() < 5 / math.sqrt(4000)
    assert (apart.std(dim=0) - 1).abs().max() < 5 / math.sqrt(2 * 4000)


def test_a_temperature_scales_the_deviation_of_every_level():
    p = small().prior()
    torch.manual_seed(0)
    z = p.tempered(0.5).sample((4000,))
    given = p.given(z)
    apart = (z - given.loc) / given.scale
    assert (apart.std(dim=0) - 0.5).abs().max() < 5 * 0.5 / math.sqrt(2 * 4000)
    assert torch.allclose(p.tempered(0.0).sample((1,))[0], p.mean, atol=1e-6)


class Chain(HierarchicalVAE):
    """z1 ~ N(0, 1), z2 ~ N(a z1, s^2), x ~ N(w z2 + v, t^2), with a posterior that is not the exact one."""

    A, S, T = 0.8, 0.6, 0.5
    W = torch.tensor([1.0, -2.0, 0.5])

    def __init__(self):
        super().__init__((3,), (1, 1), network=LadderMLP(2), likelihood=Gaussian(sigma=self.T))

    def encode(self, x, c=None):
        guess = (x @ self.W / self.W.square().sum()).unsqueeze(1)

        def walk(shape, choose):
            first = Normal(0.6 * guess.expand(*shape, 1), torch.tensor(0.9))
            one = choose(0, first)
            second = Normal(guess + 0.1 * one, torch.tensor(0.45)).expand((*shape, 1))
            two = choose(1, second)
            given = Normal(
                torch.cat([first.loc, second.loc], -1), torch.tensor([0.9, 0.45]).expand(*shape, 2)
            )
            return Walked(torch.cat([one, two], -1), given)

        return Hierarchy(walk, (1, 1), torch.Size((len(x),)))

    def prior(self, c=None):
        def walk(shape, choose):
            one = choose(0, Normal(torch.zeros(*shape, 1), torch.ones(())))
            two = choose(1, Normal(self.A * one, torch.tensor(self.S)))
            given = Normal(torch.cat([torch.zeros_like(one), self.A * one], -1), torch.tensor([1.0, self.S]))
            return Walked(torch.cat([one, two], -1), given)

        return Hierarchy(walk, (1, 1), torch.Size())

    def decode(self, z, c=None):
        return Independent(Normal(z[..., 1:] * self.W, self.T), 1)

    def exact(self, x):
        variance = self.A**2 + self.S**2
        covariance = variance * torch.outer(self.W, self.W) + self.T**2 * torch.eye(3)
        return MultivariateNormal(torch.zeros(3), covariance).log_prob(x)


def test_the_importance_weighted_bound_reaches_the_likelihood_of_a_linear_chain():
    model = Chain().eval()
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    found = importance_weighted(model, Loader(x, torch.arange(40), Identity()), 4000)
    exact = model.exact(x).numpy()
    assert np.abs(found.log_likelihood - exact).max() < 6 / math.sqrt(found.effective.min())
    assert found.log_likelihood.mean() == pytest.approx(exact.mean(), abs=5 * found.sampling_error)


def test_every_verb_works_on_a_hierarchy(run):
    x = run.dataset.x[:4]
    codes = run.encode(x)
    assert codes.shape == (4, 9)
    assert np.allclose(run.reconstruct(x), run.decode(codes))
    assert np.array_equal(run.encode(x, sample=True), run.encode(x, sample=True))
    assert run.interpolate(x[0], x[1], steps=5).shape == (5, 1, 8, 8)
    assert run.traverse(x[0]).shape == (9, 9, 1, 8, 8)
    assert np.array_equal(run.sample(4), latentia.open_run(run.folder.path).sample(4))


def test_the_report_shows_samples_level_by_level(run):
    from latentia.report.facets import levels
    from latentia.report.group import gather

    section = levels.section(gather([run]))
    samples, rates = section.panels[0].exhibits
    assert section.title == "Level by level"
    assert samples.words.title == "Samples level by level" and rates.words.title == "Rate by level"


def test_the_rates_of_the_levels_are_logged_and_measured_and_add_up(run):
    logged = run.metrics("validation")[-1]
    assert len(logged["rate_by_level"]) == 3
    assert sum(logged["rate_by_level"]) == pytest.approx(logged["rate"], rel=1e-5)
    found = latentia.evaluate(run, only=("likelihood", "health"), samples=4, limit=20)
    by_level = found.figures["rate_by_level"]
    assert by_level.parts == ("z1", "z2", "z3")
    assert sum(by_level.value) == pytest.approx(found.figures["rate"].value, rel=1e-5)
    assert "the posterior is no Gaussian" in found.missing["total_correlation"]
    assert found.figures["latent_spread"].value == pytest.approx(1, abs=0.5)


def test_a_run_that_is_resumed_ends_bit_for_bit_as_one_that_never_stopped(run, tmp_path):
    settings = {section: run.spec[section] for section in ("model", "network")}
    training = {"epochs": 4, "lr": 4e-3, "skip": 1e4, "max_minutes": 1e-6}
    latentia.train("digits", out=tmp_path / "run", **settings, training=training)
    session.resume(tmp_path / "run", {"max_minutes": 10})
    again = latentia.open_run(tmp_path / "run")
    assert again.metrics("train")[-1]["step"] == run.metrics("train")[-1]["step"]
    for (name, one), two in zip(run.model.state_dict().items(), again.model.state_dict().values()):
        assert torch.equal(one, two), name


def test_upper_levels_can_be_kept_and_no_more_than_there_are(run, tmp_path):
    z = run.sample_latents(6)
    assert np.array_equal(run.redraw(z, 1)[:, :2], z[:, :2])
    assert np.array_equal(run.redraw(z, 3), z)
    with pytest.raises(LatentiaError, match="'kept' must be from 0 to 3"):
        run.redraw(z, 4)
    with pytest.raises(LatentiaError, match=r"truncation needs a normal prior.*temperature"):
        run.sample(2, truncation=1.0)
    flat = latentia.train("digits", out=tmp_path / "flat", epochs=1, network={"name": "mlp", "hidden": [8]})
    with pytest.raises(LatentiaError, match=r"'vae' has no levels.*hierarchical_vae"):
        flat.redraw(flat.sample_latents(2), 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"objective": "dreg"}, r"'dreg' changes the gradient .*'hierarchical_vae'.*objective.name=iwae"),
        ({"model": {"levels": []}}, "'model.levels' is empty"),
        ({"model": {"levels": [4, 0]}}, "'model.levels' must hold sizes of at least 1"),
        ({"network": "mlp"}, "'hierarchical_vae' does not work with network 'mlp'.*ladder_mlp"),
        (
            {"model": {"name": "vae"}, "network": "ladder_mlp"},
            "'vae' does not work with network 'ladder_mlp'",
        ),
        ({"network": "ladder_mpl"}, "unknown network 'ladder_mpl'; did you mean 'ladder_mlp'"),
        ({"prior": "standard_normal"}, "has a prior of its own"),
        (
            {"network": {"name": "ladder_conv", "halvings": [4, 1, 1]}},
            "asks for 4.*8x8 can be halved 3 times",
        ),
        ({"network": {"name": "ladder_conv", "halvings": [1, 2, 1]}}, "must not rise"),
        ({"network": {"name": "ladder_conv", "halvings": [2, 1]}}, "has 2 numbers.*has 3"),
        ({"training": {"skip": 0}}, "'training.skip' must be positive"),
    ],
)
def test_what_does_not_fit_is_caught_before_anything_is_written(tmp_path, settings, message):
    given = {"model": {"name": "hierarchical_vae", **settings.pop("model", {})}, **settings}
    with pytest.raises(LatentiaError, match=message):
        latentia.train("digits", out=tmp_path / "run", **given)
    assert not (tmp_path / "run").exists()


def test_a_ladder_of_images_refuses_a_table(tmp_path):
    table = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    with pytest.raises(LatentiaError, match=r"'ladder_conv' needs images.*network\.name=ladder_mlp"):
        latentia.train(table, out=tmp_path / "run", model="hierarchical_vae", network="ladder_conv")
