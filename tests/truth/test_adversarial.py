"""The adversarial objective against gradients by hand, and its discriminator on images of any size."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.distributions import Categorical, Independent, Normal

from latentia.core import config, registry
from latentia.core.errors import ConfigError
from latentia.core.event import Event
from latentia.core.types import Batch, Pass
from latentia.networks import ConvFeatures
from latentia.networks.patches import least_side, patches
from latentia.objectives import ELBO, Adversarial, FactorVAE, Perceptual
from latentia.objectives.adversarial import PatchDiscriminator
from latentia.objectives.schedules import Delayed

EVENT = (1, 12, 12)


def objective_of(base=None, event=EVENT, **settings):
    torch.manual_seed(0)
    return Adversarial(event, base or ELBO(), **{"layers": 1, "channels": 8, **settings})


def passed(likelihood="gaussian", samples=2, batch=3, event=EVENT, seed=0):
    """A pass whose decoder is the identity, and what the decoder gives."""
    table = config.check_component("likelihood", likelihood, "likelihood")
    made = config.build("likelihood", table, event=event)
    draw = torch.Generator().manual_seed(seed)
    h = torch.rand((samples, batch, *made.features(event)), generator=draw).requires_grad_()
    x = torch.rand((batch, *event), generator=draw).round()
    q = Independent(Normal(torch.zeros(batch, 2), 1.0), 1)
    p_z = Independent(Normal(torch.zeros(2), 1.0), 1)
    z = torch.zeros(samples, batch, 2)
    # What the decoder gives is no leaf of the graph in a model either.
    return Pass(Batch(x, torch.arange(batch)), q, z, p_z, made(h * 1.0, len(event))), h


def norms(loss, h):
    (slope,) = torch.autograd.grad(loss.sum(), h, retain_graph=True)
    return slope.transpose(0, 1).flatten(1).norm(dim=1)


@pytest.mark.parametrize(
    "likelihood",
    ["gaussian", "laplace", "mse", "l1", "bernoulli", {"name": "l1", "link": "sigmoid"}],
    ids=str,
)
def test_the_ratio_is_that_of_both_gradients_at_the_reconstruction(likelihood):
    objective, (state, h) = objective_of(weight=0.7, start=0.0), passed(likelihood)
    terms = objective(state, 0.02)
    plain = objective.base(state)
    guess = state.p_x.mean
    judged = -torch.stack([objective.adversary(each).mean(dim=0) for each in guess]).mean(dim=0)
    at = guess if likelihood != "bernoulli" else state.p_x.base_dist.logits
    if likelihood != "bernoulli":  # in closed form: (xhat - x) / sigma^2 or sign(xhat - x) / b, over samples
        error = (guess - state.batch.x).detach()
        slope = {"gaussian": error, "mse": 2 * error}.get(str(likelihood), error.sign()) / len(guess)
        own = slope.transpose(0, 1).flatten(1).norm(dim=1)
        (slope,) = torch.autograd.grad(judged.sum(), guess, retain_graph=True)
        ratio = own / (slope.transpose(0, 1).flatten(1).norm(dim=1) + 1e-4)
    else:
        ratio = norms(plain.distortion, at) / (norms(judged, at) + 1e-4)
    assert torch.allclose(terms.diagnostics["adversarial_weight"], ratio, rtol=1e-4)
    assert torch.allclose(terms.adversarial, 0.7 * 0.4 * ratio * judged, rtol=1e-4)  # 0.02 of a ramp of 0.05
    assert torch.allclose(norms(terms.adversarial, h), 0.7 * 0.4 * ratio * norms(judged, h), rtol=1e-4)
    assert torch.equal(terms.score, plain.loss)


def test_a_weight_of_one_pulls_as_hard_as_the_rest():
    """Whatever the likelihood's scale, and with a distance of features in the rest as well."""
    for sigma in (0.1, 1.0, 7.0):
        base = Perceptual(EVENT, ELBO(), ConvFeatures((4, 8)), weight=3.0)
        objective = objective_of(base, weight=1.0, start=0.0)
        state, h = passed({"name": "gaussian", "sigma": sigma})
        terms = objective(state, 1.0)
        assert terms.penalty.min() > 0
        assert torch.allclose(norms(terms.adversarial, h), norms(terms.score, h), rtol=0.02)


@pytest.mark.parametrize("likelihood", [name for name in registry.names("likelihood") if name != "columns"])
def test_every_likelihood_of_images_has_a_ratio(likelihood):
    objective, (state, h) = objective_of(start=0.0), passed(likelihood)
    terms = objective(state, 1.0)
    ratio = terms.diagnostics["adversarial_weight"]
    assert ((ratio > 0) & torch.isfinite(ratio)).all()
    (slope,) = torch.autograd.grad(terms.adversarial.sum(), h)
    assert torch.isfinite(slope).all() and (slope.transpose(0, 1).flatten(1).norm(dim=1) > 0).all()


def test_a_scale_that_is_learned_has_no_weight_in_the_ratio():
    """The mean does not depend on it, and neither may the ratio on how steep the likelihood is in it."""
    objective, (state, _) = objective_of(start=0.0), passed("gaussian_diagonal")
    terms = objective(state, 1.0)
    mean, scale = state.p_x.base_dist.loc, state.p_x.base_dist.scale
    slope = ((mean - state.batch.x) / scale**2 / len(mean)).detach()
    assert torch.allclose(
        terms.diagnostics["adversarial_weight"] * (norms(-_d(objective, state), mean) + 1e-4),
        slope.transpose(0, 1).flatten(1).norm(dim=1), rtol=1e-4,
    )  # fmt: skip


def _d(objective, state):
    return torch.stack([objective.adversary(each).mean(dim=0) for each in state.p_x.mean]).mean(dim=0)


def test_the_loss_of_an_example_depends_on_none_beside_it():
    objective = objective_of(start=0.0)
    state, h = passed(batch=4, samples=2)
    whole = objective(state, 1.0)
    (slope,) = torch.autograd.grad(whole.loss.sum(), h)
    for i in range(4):
        own = h[:, i : i + 1].detach().requires_grad_()
        q = Independent(Normal(torch.zeros(1, 2), 1.0), 1)
        p_x = Independent(Normal(own * 1.0, 1.0), 3)
        batch = Batch(state.batch.x[i : i + 1], torch.arange(1))
        terms = objective(Pass(batch, q, state.z[:, :1], state.p_z, p_x), 1.0)
        assert torch.allclose(terms.loss, whole.loss[i : i + 1], rtol=1e-5)
        assert torch.allclose(torch.autograd.grad(terms.loss.sum(), own)[0][:, 0], slope[:, i], atol=1e-6)


@pytest.mark.parametrize("constant", ["zero weights", "dead units"])
def test_a_discriminator_without_a_gradient_adds_a_finite_term_and_no_gradient(constant):
    objective, (state, h) = objective_of(start=0.0), passed()
    with torch.no_grad():
        if constant == "zero weights":
            objective.adversary.network[-1].weight.zero_()
        else:
            objective.adversary.network[0].weight.zero_()
    terms = objective(state, 1.0)
    assert torch.isfinite(terms.adversarial).all()
    assert torch.isfinite(terms.diagnostics["adversarial_weight"]).all()
    (slope,) = torch.autograd.grad(terms.loss.sum(), h, retain_graph=True)
    assert torch.equal(slope, torch.autograd.grad(terms.score.sum(), h)[0])


@pytest.mark.parametrize("steepness", [1e-8, 1e-4, 1.0, 1e4])
def test_the_discriminator_never_pulls_harder_than_its_weight_times_the_rest(steepness):
    """Nor does it lose its pull under a steep likelihood; one that says next to nothing does."""
    objective = objective_of(start=0.0, weight=0.5)
    state, h = passed({"name": "gaussian", "sigma": 1e-3})
    with torch.no_grad():
        objective.adversary.network[-1].weight.mul_(steepness)
    terms = objective(state, 1.0)
    pull = norms(terms.adversarial, h) / norms(terms.score, h)
    assert (pull <= 0.5 + 1e-6).all()
    assert (pull > 0.45).all() if steepness >= 1 else (pull < 0.45).all()


def test_a_perfect_reconstruction_is_left_alone():
    objective, (state, h) = objective_of(start=0.0), passed("mse")
    exact = replace(state, batch=replace(state.batch, x=state.p_x.mean[0].detach()))
    terms = objective(replace(exact, p_x=Independent(Normal(h[:1] * 1.0, 1.0), 3), z=state.z[:1]), 1.0)
    assert terms.adversarial.abs().max() == 0
    assert torch.autograd.grad(terms.loss.sum(), h)[0].abs().max() == 0


def test_neither_side_trains_the_other():
    objective, (state, h) = objective_of(start=0.0), passed()
    objective(state, 1.0).loss.sum().backward(retain_graph=True)
    assert h.grad is not None and all(p.grad is None for p in objective.adversary.parameters())
    h.grad = None
    losses, _ = objective.adversary.loss(state)
    losses.sum().backward()
    assert h.grad is None and all(p.grad is not None for p in objective.adversary.parameters())


def test_it_is_silent_until_it_starts_and_without_gradients():
    objective, (state, _) = objective_of(start=0.2, ramp=0.1), passed()
    assert objective(state, 0.19).adversarial is None
    assert objective(state, 0.25).adversarial is not None
    with torch.no_grad():
        assert objective(state, 1.0).adversarial is None
    assert [objective.settled(share) for share in (0.0, 0.25, 0.31, 1.0)] == [False, False, True, True]
    half, full = (objective(state, share).adversarial for share in (0.25, 1.0))
    assert torch.allclose(half, 0.5 * full)


@pytest.mark.parametrize(("start", "ramp"), [(0.2, 0.05), (0.0, 0.0), (0.5, 0.5), (0.95, 0.05)])
def test_a_delayed_schedule_waits_rises_and_stays(start, ramp):
    schedule = Delayed(start, ramp)
    for progress in (0.0, 0.1, 0.2, 0.21, 0.5, 0.6, 0.97, 1.0):
        expected = 0.0 if progress < start else min(1.0, (progress - start) / ramp) if ramp else 1.0
        assert schedule(progress) == pytest.approx(expected)
        assert not schedule.settled(progress) or schedule(progress) == 1
    assert schedule.settled(1.0)


def test_the_hinge_loss_and_the_share_that_is_right():
    adversary = PatchDiscriminator(nn.Identity(), 1e-4, (0.5, 0.9))
    true, false = torch.tensor([[2.0, 0.5], [0.25, -1.0]]), torch.tensor([[-3.0, 0.0], [1.0, -0.5]])
    assert adversary.losses(true, false).tolist() == pytest.approx([0.5 * (0.375 + 1.0), 0.5 * (1.25 + 0.75)])


def test_lecam_holds_judgements_to_the_averages_of_the_other_kind():
    adversary = PatchDiscriminator(nn.Identity(), 1e-4, (0.5, 0.9), lecam=0.5)
    plain = PatchDiscriminator(nn.Identity(), 1e-4, (0.5, 0.9))
    true, false = torch.tensor([[2.0, 1.0]]), torch.tensor([[-1.0, -3.0]])
    assert torch.equal(adversary.losses(true, false), plain.losses(true, false))  # no averages yet
    levels = adversary.levels
    assert (float(levels.true), float(levels.false)) == (1.5, -2.0)
    added = adversary.losses(true, false) - plain.losses(true, false)
    assert added.tolist() == pytest.approx([0.5 * (16 + 6.25), 0.5 * (9 + 20.25)])
    adversary.losses(true + 1, false)
    assert float(levels.true) == pytest.approx(0.99 * 1.5 + 0.01 * 2.5)


def test_the_likeliest_class_is_what_is_judged():
    objective = objective_of(start=0.0)
    state, _ = passed(batch=6)  # three classes of two examples
    logits = torch.tensor([[0.0, 9.0, 1.0], [3.0, 0.0, 0.0]])
    c = torch.tensor([[math.nan] * 3, [0.0, 0.0, 1.0]])  # the second one's label is known
    batch = Batch(state.batch.x[:2], torch.arange(2), c)
    classified = replace(state, batch=batch, q_y=Categorical(logits=logits))
    found = objective.added(classified)
    rows = -_d(objective, state)
    assert torch.allclose(found, rows[[1 * 2 + 0, 2 * 2 + 1]])
    assert objective.adversary.loss(classified)[0].shape == (2,)


def test_a_clip_is_judged_frame_by_frame():
    clip = (3, 4, 12, 12)
    objective, (state, h) = objective_of(event=clip, start=0.0), passed(event=clip)
    judged = objective.adversary(state.batch.x)
    alone = torch.cat([objective.adversary(state.batch.x[:, :, t]) for t in range(4)])
    assert judged.shape == alone.shape
    assert torch.allclose(judged, alone, atol=1e-5)
    (slope,) = torch.autograd.grad(objective(state, 1.0).adversarial.sum(), h)
    assert (slope.abs().amax(dim=(0, 2, 4, 5)) > 0).all()  # of every frame of every clip
    losses, right = objective.adversary.loss(state)
    assert losses.shape == right.shape == (3,)


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_the_least_image_has_one_patch_and_a_smaller_one_none(layers):
    least = least_side(layers)
    for side in (least, least + 1, 2 * least + 3):
        judged = patches((3, side, least), 4, layers)(torch.rand(1, 3, side, least))
        assert judged.shape[:2] == (1, 1) and judged.numel() >= 1 and torch.isfinite(judged).all()
    assert patches((3, least, least), 4, layers)(torch.rand(1, 3, least, least)).numel() == 1
    with pytest.raises(
        ConfigError, match=rf"layers={layers} needs images of at least {least} pixels .*have {least - 1}; use"
    ):
        patches((3, 99, least - 1), 4, layers)


def test_a_patch_is_seventy_pixels_wide_and_judged_alike_in_every_batch():
    torch.manual_seed(0)
    network = patches((1, 128, 128), 4, 3)
    x = torch.randn(3, 1, 128, 128, requires_grad=True)
    assert torch.allclose(network(x)[1:2], network(x[1:2]), atol=1e-5)
    bare = nn.Sequential(*(each for each in network if not isinstance(each, nn.GroupNorm)))
    (slope,) = torch.autograd.grad(bare(x)[0, 0, 6, 6], x)
    reached = slope[0, 0].abs().amax(dim=0).nonzero()
    assert int(reached.max() - reached.min()) + 1 == 70


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start": 1.0}, r"with objective\.start=1 the discriminator has no say; use objective\.name=elbo"),
        ({"weight": 0.0}, r"with objective\.weight=0 the discriminator has no say"),
        ({"start": 0.9, "ramp": 0.2}, r"0\.9 and 0\.2 of the run, .*use objective\.ramp=0\.1"),
        ({"start": -0.1}, r"'objective\.start' is a share of the run"),
        ({"ramp": 2.0}, r"'objective\.ramp' is a share of the run"),
        ({"layers": 0}, r"'objective\.layers' must be at least 1, not 0"),
        ({"lecam": -1.0}, r"'objective\.lecam' must not be negative"),
        ({"lr": 0.0}, r"'objective\.lr' must be positive, not 0"),
        ({"betas": (0.5,)}, r"'objective\.betas' are two numbers"),
        ({"layers": 3}, r"at least 24 pixels a side, and these have 12; use objective\.layers=2"),
        ({"event": (1, 5, 5)}, r"at least 6 pixels a side, and these have 5; use data\.size=6"),
        (
            {"event": (7,)},
            r"judges images and clips, .* of shape 7, is of kind 'vector'; use objective\.name=elbo",
        ),
        ({"event": Event("array", (2, 9, 32, 32))}, r"is of kind 'array'"),
        ({"base": FactorVAE((2,))}, r"'objective\.base' has an adversary of its own; use"),
    ],
)
def test_what_cannot_work_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        objective_of(**settings)
