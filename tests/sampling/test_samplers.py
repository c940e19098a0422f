"""Samplers: fitted to latents whose distribution is known, kept, and used again."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from latentia import sampling
from latentia.core import registry
from latentia.core.errors import ConfigError, MissingExtra
from latentia.data.conditions import Labels
from latentia.models import VAE
from latentia.networks import MLP
from latentia.probability import MixturePrior
from latentia.sampling import MixtureSampler, kept, sample_prior

CODED = {"autoregressive"}  # of models with codes: tests/truth/test_quantisers.py
FITTED = sorted(set(registry.names("sampler")) - {"prior", "run"} - CODED)
QUICK = {
    "flow": {"steps": 150, "hidden": [32, 32], "transforms": 2},
    "two_stage": {"steps": 500},
    "diffusion": {"fit_steps": 600, "denoiser": {"name": "denoiser_mlp", "width": 64, "blocks": 2}},
}
LENGTH = {"flow": "steps", "two_stage": "steps", "diffusion": "fit_steps"}
"""What the steps of a fit are called."""
SHARE, APART = 0.3, 4.0


def modes(count, seed=0):
    """Two Gaussians: 30 % at (-4, 10), the rest at (4, 10), with deviations 1 and 0.5."""
    rng = np.random.default_rng(seed)
    side = np.where(rng.random(count) < SHARE, -APART, APART)
    return np.stack([side + rng.normal(size=count), 10 + 0.5 * rng.normal(size=count)], 1).astype(np.float32)


def source(codes=None, c=None):
    torch.manual_seed(0)
    model = VAE((6,), 2, network=MLP(hidden=(4,))).eval()
    model.condition = 0 if c is None else c.shape[1]
    codes = modes(4000) if codes is None else codes
    return SimpleNamespace(
        model=model,
        condition=None if c is None else Labels(c.shape[1]),
        device=torch.device("cpu"),
        aggregate=codes,
        aggregate_c=c,
        moments=np.concatenate([codes, np.full_like(codes, -20)], axis=1),
        moments_c=c,
        data_key="4000x2-abc",
    )


def fit(name, path, given=None, **settings):
    table = sampling.checked(name, {**QUICK.get(name, {}), **settings})
    return sampling.fitted(given or source(), table, path)


@pytest.mark.parametrize("name", FITTED)
def test_a_sampler_recovers_two_gaussians_and_comes_back_from_its_file_the_same(name, tmp_path):
    path = tmp_path / "sampler.safetensors"
    made = fit(name, path)
    drawn = made.sample(4000, seed=1)
    assert drawn.shape == (4000, 2) and drawn.dtype == np.float32
    assert drawn.mean(axis=0) == pytest.approx([(1 - 2 * SHARE) * APART, 10], abs=0.5)
    assert drawn[:, 1].std() == pytest.approx(0.5, rel=0.2)
    if name != "two_stage":  # a Gaussian decoder of a Gaussian latent draws a bridge between the two
        left = drawn[:, 0] < 0
        # three standard errors of a share of 4,000, and as much again for a fit to 4,000
        assert left.mean() == pytest.approx(SHARE, abs=0.045)
        for side, centre in ((left, -APART), (~left, APART)):
            assert drawn[side].mean(axis=0) == pytest.approx([centre, 10], abs=0.3)
    before = path.stat().st_mtime_ns
    again = fit(name, path)
    assert path.stat().st_mtime_ns == before
    assert (again.sample(50, seed=1) == made.sample(50, seed=1)).all()
    assert (again.sample(50, seed=1) != again.sample(50, seed=2)).any()


@pytest.mark.parametrize("name", FITTED)
def test_latents_of_a_label_are_where_those_of_the_label_are(name, tmp_path):
    codes = modes(4000)
    left = codes[:, 0] < 0  # which of the two it is, for all but 3 in 100,000
    path, given = tmp_path / "s", source(codes, np.eye(2, dtype=np.float32)[left.astype(int)])
    made = fit(name, path, given)
    unknown = made.sample(4000, seed=1)
    assert (unknown == made.sample(4000, seed=1, c=torch.full((4000, 2), torch.nan))).all()
    # As above; and a share of one in ten is all that is seen of p(z).
    assert (unknown[:, 0] < 0).mean() == pytest.approx(SHARE, abs=0.15)
    told = torch.eye(2)[torch.arange(4000) % 2]
    drawn = made.sample(4000, seed=1, c=told)
    for label, centre in ((0, APART), (1, -APART)):
        own = drawn[label::2]
        assert own.mean(axis=0) == pytest.approx([centre, 10], abs=0.8 if name == "two_stage" else 0.3)
        assert ((own[:, 0] < 0) == label).mean() > (0.9 if name == "two_stage" else 0.98)
    before = path.read_bytes()
    assert (fit(name, path, given).sample(50, 1, told[:50]) == made.sample(50, 1, told[:50])).all()
    assert path.read_bytes() == before


def test_guidance_leads_further_to_the_label_and_needs_no_other_fit(tmp_path):
    """Of N(m_c, 1) in equal parts guidance w draws from about N(m_c, 1) p(c|z)^(w - 1): further out."""
    codes = np.random.default_rng(0).normal(size=(4000, 2)).astype(np.float32)
    codes[::2, 0] += 1
    path, given = tmp_path / "s", source(codes, np.eye(2, dtype=np.float32)[np.arange(4000) % 2])
    told = torch.eye(2)[[0] * 2000]
    plain = fit("diffusion", path, given, fit_steps=300)
    before = path.stat().st_mtime_ns
    means = [
        fit("diffusion", path, given, fit_steps=300, guidance=guidance).sample(2000, 1, told)[:, 0].mean()
        for guidance in (0.0, 1.0, 3.0)
    ]
    assert path.stat().st_mtime_ns == before
    assert means[0] == pytest.approx(0.5, abs=0.15) and means[1] == pytest.approx(1.0, abs=0.15)
    assert means[2] > 1.3
    assert (
        plain.guides and plain.sample(9, 1, told[:9]).tolist() == plain.denoising(9, 1, told[:9])[-1].tolist()
    )
    with pytest.raises(ConfigError, match="none is given"):
        fit("diffusion", path, given, fit_steps=300, guidance=3.0).sample(2)
    alone = fit("diffusion", tmp_path / "t", fit_steps=5, guidance=2.0)
    with pytest.raises(ConfigError, match=r"is told none; leave guidance out, or train .* conditional_vae"):
        alone.sample(2)


@pytest.mark.parametrize("name", FITTED)
def test_a_fit_is_repeated_bit_for_bit_and_disturbs_no_generator(name, tmp_path):
    settings = {} if name == "mixture" else {LENGTH[name]: 5}
    given = source()
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = fit(name, tmp_path / "a", given, **settings)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    second = fit(name, tmp_path / "b", given, **settings)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (first.sample(9) == second.sample(9)).all()


@pytest.mark.parametrize("name", ["prior", *FITTED])
def test_a_sampler_gives_latents_of_any_shape_and_number(name, tmp_path):
    torch.manual_seed(0)
    codes = np.random.default_rng(0).normal(size=(60, 2, 1, 2)).astype(np.float32)
    given = source(codes)
    given.model = SimpleNamespace(
        latent=(2, 1, 2),
        condition=0,
        coder=None,
        prior=MixturePrior((2, 1, 2), 3),
        state_dict=given.model.state_dict,
    )
    other = {"denoiser": "denoiser_dit"} if name == "diffusion" else {}
    made = fit(name, tmp_path / "s", given, **({LENGTH[name]: 3, **other} if name in QUICK else {}))
    for count in (1, 7):
        assert made.sample(count).shape == (count, 2, 1, 2)
    assert np.isfinite(made.sample(7)).all()
    for count in (0, -1):
        with pytest.raises(ConfigError, match="'n' must be positive"):
            made.sample(count)


def test_a_fit_is_made_anew_for_other_weights_other_settings_and_a_damaged_file(tmp_path):
    path, given = tmp_path / "s", source()
    fit("mixture", path, given)
    content = path.read_bytes()
    fit("mixture", path, given, components=3)
    assert path.read_bytes() != content
    with torch.no_grad():
        next(given.model.parameters()).add_(1)
    fit("mixture", path, given)
    assert path.read_bytes() != content
    path.write_bytes(content[:100])
    assert fit("mixture", path, given).sample(3).shape == (3, 2)
    assert len(path.read_bytes()) > 100


def test_a_fit_of_other_settings_stays_beside_the_new_one(tmp_path, monkeypatch):
    path, given = tmp_path / "s.safetensors", source()
    one, two = (fit("mixture", path, given, components=count).means for count in (3, 2))
    assert len(list(tmp_path.iterdir())) == 2
    monkeypatch.setattr(MixtureSampler, "fit", None)  # nothing is fitted again
    assert torch.equal(fit("mixture", path, given, components=3).means, one)
    assert torch.equal(fit("mixture", path, given, components=2).means, two)
    last = kept(given, path)
    assert last is not None and torch.equal(last.means, two)


def test_a_mixture_of_more_components_than_latents_leaves_some_without_weight(tmp_path):
    made = fit("mixture", tmp_path / "s", source(modes(9)), components=10)
    assert isinstance(made, MixtureSampler)
    assert int((made.weights > 0).sum()) == 4
    assert float(made.weights.sum()) == pytest.approx(1)


def test_a_mixture_has_the_moments_of_its_latents(tmp_path):
    codes = modes(4000)
    drawn = fit("mixture", tmp_path / "s").sample(100_000)
    assert drawn.mean(axis=0) == pytest.approx(codes.mean(axis=0), abs=0.06)
    assert np.cov(drawn.T) == pytest.approx(np.cov(codes.T), rel=0.05, abs=0.05)


def test_a_folder_that_cannot_be_written_can_be_sampled_from(tmp_path):
    (tmp_path / "samplers").write_text("in the way")
    assert fit("mixture", tmp_path / "samplers" / "s").sample(3).shape == (3, 2)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("mixure", {}, "unknown sampler 'mixure'; did you mean 'mixture'"),
        ("mixture", {"components": 0}, "'components' must be at least 1, not 0"),
        ("mixture", {"truncation": 1.0}, "'truncation' belongs to the sampler 'prior', not to 'mixture'"),
        (
            "mixture",
            {"steps": 3},
            "'steps' belongs to the sampler 'autoregressive', 'diffusion', 'flow', ",
        ),
        ("diffusion", {"steps": 0}, "'steps' must be at least 1, not 0"),
        ("diffusion", {"solver": "euler"}, "'sampler.solver' must be one of 'ddim', 'heun'"),
        ("diffusion", {"fit_steps": 0}, r"'sampler\.fit_steps' must be at least 1, not 0"),
        ("run", {}, r"'sampler\.path' is missing"),
        ("flow", {"nonsense": 1}, r"unknown key 'sampler\.nonsense'"),
        ("flow", {"steps": 0}, r"'sampler\.steps' must be at least 1, not 0"),
        ("flow", {"transforms": 0}, r"'sampler\.transforms' must be at least 1, not 0"),
        ("two_stage", {"hidden": [0]}, r"'sampler\.hidden' must be positive widths"),
    ],
)
def test_bad_settings_get_one_line(tmp_path, name, settings, message):
    with pytest.raises(ConfigError, match=message):
        sampling.fitted(source(), sampling.checked(name, settings), tmp_path / "s")


def test_the_flow_without_zuko_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zuko", None)
    monkeypatch.setitem(sys.modules, "zuko.flows", None)
    with pytest.raises(MissingExtra, match=r"a flow as sampler needs the package zuko.*latentia\[flows\]"):
        fit("flow", tmp_path / "s")


def test_a_prior_that_is_not_normal_cannot_be_truncated_but_tempered():
    torch.manual_seed(0)
    p = MixturePrior((2,), 3)()
    with pytest.raises(ConfigError, match="truncation needs a normal prior"):
        sample_prior(p, 5, truncation=1.0)
    assert torch.allclose(sample_prior(p, 5, temperature=1e-9), p.mean.expand(5, 2), atol=1e-6)


def test_the_density_of_a_mixture_is_that_of_its_gaussians():
    from scipy.stats import multivariate_normal

    made = MixtureSampler((2,), 4)
    made.fit_latents(modes(2000))
    z = torch.from_numpy(modes(60, seed=1)).reshape(3, 20, 2)
    expected = sum(
        float(weight) * multivariate_normal(mean, factor @ factor.T).pdf(z.numpy())
        for weight, mean, factor in zip(made.weights, made.means.numpy(), made.factors.numpy())
    )
    assert np.allclose(made.log_prob(z), np.log(expected), atol=1e-4)


def test_components_of_large_latents_have_diagonal_covariances():
    sampler = MixtureSampler((3, 14, 14), components=2)
    generator = np.random.default_rng(0)
    z = generator.normal(3.0, 0.5, (40, 3, 14, 14))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sampler.fit_latents(z)
        drawn = sampler.draw(200)
    assert sampler.factors.shape == (2, 588)
    parts = torch.distributions.Normal(sampler.means, sampler.factors)
    given = torch.from_numpy(z)
    each = parts.log_prob(given.flatten(1).unsqueeze(1)).sum(dim=2) + sampler.weights.log()
    assert torch.allclose(sampler.log_prob(given), each.logsumexp(dim=1))
    assert drawn.shape == (200, 3, 14, 14)
    assert abs(float(drawn.mean()) - 3.0) < 0.05 and abs(float(drawn.std()) - 0.5) < 0.05
