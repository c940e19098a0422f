"""Quantisers as published: the paper's code for FSQ, matrices for the rotation, enumeration for the bits."""

import itertools
import math

import numpy as np
import pytest
import torch

import latentia
from latentia import assembly
from latentia.core.errors import ConfigError
from latentia.core.types import Batch
from latentia.metrics.codes import code_counts
from latentia.models import VAE
from latentia.objectives import VQ, CodeEntropy
from latentia.probability import FSQ, EMACodebook, GumbelCodebook, LookupFree, RotationCodebook, UniformCodes
from latentia.training import Training

GRID = (3, 2, 4)


def test_fsq_is_the_code_of_its_paper():
    """Appendix A.1, in numpy; the gradient is that of the bounded value over L // 2."""
    torch.manual_seed(0)  # of 4,000 draws from anywhere some miss one of the 80 codes
    levels = np.array([8, 5, 2])
    half_l = (levels - 1) * (1 - 1e-3) / 2
    offset = np.where(levels % 2 == 1, 0.0, 0.5)
    features = (3 * torch.randn(4000, 3, dtype=torch.float64)).requires_grad_()
    bound = np.tanh(features.detach().numpy() + np.tan(offset / half_l)) * half_l - offset
    quantised = np.round(bound)
    q = FSQ((3,), (8, 5, 2))(features)
    assert np.allclose(q.mean.detach(), quantised / (levels // 2))
    basis = np.concatenate([[1], np.cumprod(levels[:-1])])
    assert np.array_equal(q.codes.numpy().ravel(), ((quantised + levels // 2) * basis).sum(axis=1))
    assert len(np.unique(q.codes)) == 80  # every code can be reached
    q.mean.sum().backward()
    slope = (1 - np.tanh(features.detach().numpy() + np.tan(offset / half_l)) ** 2) * half_l / (levels // 2)
    assert np.allclose(features.grad, slope)


def test_the_points_of_fsq_are_known_again():
    quantiser = FSQ(GRID, (4, 5, 3))
    codes = torch.arange(60)
    assert torch.equal(quantiser.codes_of(quantiser.tables[0]), codes)
    drawn = torch.randint(60, (6, 2, 4))
    assert torch.equal(quantiser.codes_of(quantiser.vectors(drawn).movedim(1, -1)), drawn)


def test_the_rotation_takes_the_output_to_its_code_and_the_gradient_back():
    torch.manual_seed(0)
    quantiser = RotationCodebook(GRID, 16).eval()
    plain = EMACodebook(GRID, 16).eval()
    plain.load_state_dict(quantiser.state_dict())
    features = torch.randn(5, *GRID, requires_grad=True)
    weights = torch.randn(5, *GRID)
    q = quantiser(features)
    assert torch.equal(q.codes, plain(features).codes) and torch.equal(q.mean, plain(features).mean)
    (q.mean * weights).sum().backward()
    for b, i, j in itertools.product(range(5), range(2), range(4)):
        x, e = features[b, :, i, j].detach(), q.mean[b, :, i, j].detach()
        start, end = x / x.norm(), e / e.norm()
        middle = (start + end) / (start + end).norm()
        rotation = torch.eye(3) - 2 * torch.outer(middle, middle) + 2 * torch.outer(end, start)
        assert torch.allclose(rotation @ rotation.T, torch.eye(3), atol=1e-5)
        turned = e.norm() / x.norm() * rotation
        assert torch.allclose(turned @ x, e, atol=1e-5)
        gradient = features.grad[b, :, i, j]
        assert torch.allclose(gradient, turned.T @ weights[b, :, i, j], atol=1e-4)
        angles = [torch.cosine_similarity(a, c, dim=0) for a, c in ((weights[b, :, i, j], e), (gradient, x))]
        assert torch.allclose(*angles, atol=1e-4)


def test_an_output_of_zero_or_against_its_code_has_a_gradient():
    quantiser = RotationCodebook((2,), 2).eval()
    quantiser._books[0].table.copy_(torch.tensor([[1.0, 0.0], [-5.0, 0.0]]))
    features = torch.tensor([[0.0, 0.0], [-1e-3, 0.0]], requires_grad=True)
    q = quantiser(features)
    assert q.codes.tolist() == [0, 0]
    q.mean.sum().backward()
    assert torch.isfinite(features.grad).all()


def soft(points, temperature):
    """Give p(c|x) of all codes by enumeration, shape (M, 2^D)."""
    codes = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=points.shape[1])))
    return (-((points[:, None] - codes) ** 2).sum(dim=2) / temperature).softmax(dim=1)


def test_bits_are_signs_and_codes_lead_back_to_them():
    quantiser = LookupFree(GRID)
    features = torch.randn(5, *GRID, requires_grad=True)
    q = quantiser(features)
    assert torch.equal(q.mean, features.sign())
    bits = (features > 0).long()
    assert torch.equal(q.codes, bits[:, 0] + 2 * bits[:, 1] + 4 * bits[:, 2])
    assert torch.equal(quantiser.vectors(q.codes), q.mean)
    assert torch.equal(quantiser.tables[0][q.codes].movedim(-1, 1), q.mean)
    assert torch.allclose(q.commitment, 0.5 * (features - features.sign()).square().flatten(1).sum(1))
    weights = torch.randn_like(features)
    (q.mean * weights).sum().backward()
    assert torch.equal(features.grad, weights)
    mean, variance = quantiser.moments()
    assert torch.equal(mean, quantiser.tables[0].mean(0).view(3, 1, 1).expand(GRID))
    assert torch.equal(variance, quantiser.tables[0].var(0, correction=0).view(3, 1, 1).expand(GRID))


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_the_entropies_of_bits_are_those_of_all_codes(temperature):
    features = torch.randn(5, *GRID)
    own, whole = LookupFree(GRID, temperature)(features).entropies()
    p = soft(features.movedim(1, -1).reshape(-1, 3), temperature)
    assert torch.allclose(own, torch.special.entr(p).sum(dim=1).view(5, 8).mean(dim=1), atol=1e-5)
    assert torch.allclose(whole, torch.special.entr(p.mean(dim=0)).sum(), atol=1e-5)


def test_the_entropy_of_many_bits_is_at_most_that_of_their_groups():
    features = torch.randn(4, 10)
    own, whole = LookupFree((10,))(features).entropies()
    p = soft(features, 1.0)
    exact = torch.special.entr(p.mean(dim=0)).sum()
    assert torch.allclose(own, torch.special.entr(p).sum(dim=1), atol=1e-4)
    assert exact <= whole <= 10 * math.log(2)


@pytest.mark.parametrize("posterior", [LookupFree, GumbelCodebook])
def test_the_penalty_is_the_sure_choice_against_the_diverse_ones(posterior):
    torch.manual_seed(0)
    quantiser = posterior((3,)) if posterior is LookupFree else posterior((3,), 8)
    model = VAE((7,), 3, posterior=quantiser, prior=UniformCodes((3,), quantiser))
    objective = CodeEntropy(VQ(), weight=0.5, diversity=2.0)
    state = model(Batch((torch.rand(6, 7) > 0.5).float(), torch.arange(6)))
    own, whole = state.q.entropies()
    terms, plain = objective(state), VQ()(state)
    assert torch.allclose(terms.penalty - plain.penalty, 0.5 * (own - 2 * whole), atol=1e-6)
    assert torch.equal(terms.elbo, plain.elbo) and objective.batchwise and objective.bound


def test_the_penalty_keeps_codes_in_use(tmp_path):
    used = []
    for objective in ("vq", {"name": "code_entropy", "weight": 1.0}):
        run = latentia.train(
            "digits", model="vqvae", posterior="lookup_free", latent_dim=6, objective=objective, epochs=6,
            out=tmp_path / f"run{len(used)}", training={"lr": 3e-3},
        )  # fmt: skip
        codes = torch.from_numpy(run.codes(run.dataset.x[:300]))
        used.append(int((code_counts(codes, run.model.coder) > 0).sum()))
    assert run.spec["objective"]["base"]["name"] == "vq"
    assert used[1] > used[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"model": "vqvae", "objective": "code_entropy"},
            r"'code_entropy' needs the entropy of a soft choice of codes, and posterior 'ema_codebook' has "
            r"none; use posterior\.name=lookup_free, or objective\.name=vq",
        ),
        (
            {"objective": {"name": "code_entropy", "base": "elbo"}},
            r"posterior 'diagonal_gaussian' has none; use posterior\.name=lookup_free",
        ),
    ],
)
def test_a_penalty_without_a_soft_choice_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        assembly.complete(settings, latentia.load("digits"), Training)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: LookupFree((19,)),
            r"a bit for each channel, 18 at the most, and the latent has 19; use model",
        ),
        (lambda: LookupFree((2,), 0.0), r"'posterior\.temperature' must be positive, not 0"),
        (lambda: FSQ((2,), (4, 5, 3)), r"posterior 'fsq' has 3 levels and the latent 2 channels"),
    ],
)
def test_settings_out_of_their_range_are_refused(build, message):
    with pytest.raises(ConfigError, match=message):
        build()
