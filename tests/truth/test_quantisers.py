"""Quantisers against brute force, hand-computed updates and enumeration over all codes."""

import itertools
import math

import pytest
import torch
from torch.distributions import kl_divergence
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from latentia.core import storage
from latentia.core.errors import ConfigError
from latentia.core.types import Batch
from latentia.models import VQVAE
from latentia.networks import MLP
from latentia.networks.transformer import CausalTransformer
from latentia.objectives import VQ
from latentia.probability import (
    Bernoulli,
    CodeChoice,
    EMACodebook,
    FiniteScalar,
    GumbelCodebook,
    ResidualCodebook,
    UniformCodes,
    codes_drawn,
)
from latentia.probability.codes import nearest
from latentia.probability.quantisers import Codebook
from latentia.sampling import AutoregressiveSampler, sample_prior

GRID = (3, 2, 4)


def quantiser(name, latent=GRID):
    made = {
        "ema": lambda: EMACodebook(latent, 16),
        "residual": lambda: ResidualCodebook(latent, 8, 3),
        "scalar": lambda: FiniteScalar(latent, (4, 5, 3)),
        "gumbel": lambda: GumbelCodebook(latent, 16),
    }
    return made[name]().eval()


@pytest.mark.parametrize("name", ["ema", "residual"])
def test_a_perfect_quantiser_is_the_identity(name):
    codebook = quantiser(name)
    for book in codebook._books[1:]:
        book.table[0] = 0  # nothing is left for the later levels: then they have nothing to add
    codes = torch.randint(16 if name == "ema" else 8, (5, 2, 4))
    if name == "residual":
        codes = torch.stack([codes, *[torch.zeros_like(codes)] * 2], dim=-1)
        codebook._books[0].table *= 100
    features = codebook.vectors(codes)
    q = codebook(features)
    assert torch.equal(q.mean, features)
    assert torch.equal(q.codes, codes)
    assert torch.equal(q.commitment, torch.zeros(5))


def test_finite_scalars_are_moved_by_nothing_where_they_are_on_the_grid():
    scalar = quantiser("scalar")
    codes = torch.randint(scalar.size, (5, 2, 4))
    points = scalar.vectors(codes)
    q = scalar(torch.atanh(points))
    assert torch.equal(q.codes, codes)
    assert torch.equal(q.mean, points)


def test_the_nearest_of_many_are_found_a_few_at_a_time(monkeypatch):
    points, table = torch.randn(3, 7, 5, 4), torch.randn(50, 4)
    want = torch.cdist(points.flatten(0, 2).double(), table.double()).argmin(dim=1).view(3, 7, 5)
    assert (nearest(points, table) == want).all()
    monkeypatch.setattr("latentia.probability.codes.DISTANCES", 500)
    assert (nearest(points, table) == want).all()
    assert nearest(points[:0], table).shape == (0, 7, 5)


def test_the_chosen_code_is_the_nearest_of_all():
    codebook = quantiser("ema")
    features = torch.randn(5, *GRID)
    q = codebook(features)
    for b, i, j in itertools.product(range(5), range(2), range(4)):
        distances = [float((features[b, :, i, j] - e).norm()) for e in codebook.tables[0]]
        assert int(q.codes[b, i, j]) == min(range(16), key=distances.__getitem__)
        assert torch.equal(q.mean[b, :, i, j], codebook.tables[0][q.codes[b, i, j]])


@pytest.mark.parametrize("name", ["ema", "residual"])
def test_gradients_pass_straight_through(name):
    features = torch.randn(2, *GRID, requires_grad=True)
    weights = torch.randn(2, *GRID)
    (quantiser(name)(features).rsample() * weights).sum().backward()
    assert torch.equal(features.grad, weights)


def test_the_commitment_is_half_the_squared_distance():
    features = torch.randn(2, *GRID, requires_grad=True)
    q = quantiser("ema")(features)
    expected = 0.5 * (features - q.mean.detach()).square().flatten(1).sum(dim=1)
    assert torch.allclose(q.commitment, expected)
    q.commitment.sum().backward()
    assert torch.allclose(features.grad, features.detach() - q.mean.detach())


def test_the_moving_average_is_the_one_computed_by_hand():
    book = Codebook(2, 1, decay=0.5, revive=0.0)
    book.table.copy_(torch.tensor([[0.0], [10.0]]))
    book.counts.copy_(torch.tensor([2.0, 1.0]))
    book.sums.copy_(torch.tensor([[0.0], [10.0]]))
    book.observe(torch.tensor([[1.0], [3.0], [8.0]]), torch.tensor([0, 0, 1]))
    # N = (2 + 2) / 2 and (1 + 1) / 2, S = (0 + 4) / 2 and (10 + 8) / 2
    assert torch.equal(book.counts, torch.tensor([2.0, 1.0]))
    assert torch.allclose(book.table, torch.tensor([[1.0], [9.0]]))


def test_a_batch_in_parts_moves_the_codes_as_the_whole_batch_does():
    torch.manual_seed(0)
    points = torch.randn(12, 2)
    codes = torch.tensor([0, 1, 2]).repeat(4)
    whole, parted = Codebook(3, 2, 0.9, 0.0), Codebook(3, 2, 0.9, 0.0)
    whole.observe(points, codes)
    seen = []
    for part in (slice(0, 6), slice(6, 12)):
        parted.observe(points[part], codes[part])
        seen.append(parted.seen)
        parted.counts.zero_()
        parted.sums.zero_()
    parted.move(*parted.merge(*map(torch.stack, zip(*seen))))
    assert torch.allclose(parted.table, whole.table, atol=1e-6)
    # What dead codes may become is a point of one of the parts, each in its turn.
    fresh = parted.merge(*map(torch.stack, zip(*seen)))[2]
    assert all(any(torch.equal(point, other) for other in points) for point in fresh)


def test_dead_codes_start_anew_at_features_of_the_batch():
    torch.manual_seed(0)
    codebook = EMACodebook((2,), 4, decay=0.5).train()
    features = torch.tensor([[5.0, 5.0], [-5.0, 5.0], [5.0, -5.0], [-5.0, -5.0]]).repeat(8, 1)
    for _ in range(60):
        codebook(features)
    rows = {tuple(row) for row in codebook.tables[0].round().tolist()}
    assert rows == {tuple(row) for row in features.tolist()}
    alone = Codebook(3, 1, decay=0.5, revive=0.2)
    alone.table.copy_(torch.tensor([[0.0], [100.0], [200.0]]))
    alone.observe(torch.tensor([[1.0], [3.0]]), torch.tensor([0, 0]))
    assert alone.table[0] == 2.0
    assert all(float(value) in (1.0, 3.0) for value in alone.table[1:])


def test_no_code_stays_dead():
    torch.manual_seed(0)
    codebook = EMACodebook((2,), 16, decay=0.9, revive=0.2).train()
    centres = 10 * torch.randn(16, 2)
    for _ in range(400):
        codebook(centres[torch.randint(16, (64,))] + 0.01 * torch.randn(64, 2))
    q = codebook.eval()(centres.repeat(100, 1) + 0.01 * torch.randn(1600, 2))
    assert len(set(q.codes.tolist())) == 16


def test_every_level_leaves_a_smaller_error():
    torch.manual_seed(0)
    features = torch.randn(256, 4)
    errors = []
    for levels in (1, 2, 4):
        codebook = ResidualCodebook((4,), 16, levels, decay=0.8).train()
        for _ in range(60):
            codebook(features)
        errors.append(float((codebook.eval()(features).mean - features).square().mean()))
    assert errors[0] > 1.5 * errors[1] > 1.5 * 1.5 * errors[2]


def test_finite_scalars_have_the_product_of_their_levels_as_codes():
    scalar = quantiser("scalar")
    assert scalar.size == 4 * 5 * 3
    axes = [torch.linspace(-0.999, 0.999, 40) for _ in range(3)]
    points = torch.cartesian_prod(*axes)
    assert len(set(scalar.codes_of(points).tolist())) == 60
    assert len(torch.unique(scalar.tables[0], dim=0)) == 60
    assert torch.equal(scalar.codes_of(scalar.tables[0]), torch.arange(60))


def test_a_gumbel_choice_tends_to_one_code_as_the_temperature_falls():
    torch.manual_seed(0)
    logits, table = torch.randn(4, 2, 2, 5), torch.randn(5, 3)
    largest = [
        float(CodeChoice(logits, table, temperature).relaxed((200,)).max(dim=-1).values.mean())
        for temperature in (10.0, 1.0, 0.1, 0.001)
    ]
    assert largest == sorted(largest)
    assert largest[0] < 0.4 and largest[-1] > 0.999


def test_draws_of_a_gumbel_choice_follow_its_odds():
    torch.manual_seed(0)
    choice = CodeChoice(torch.randn(1, 5), torch.randn(5, 3), 1.0)
    z = choice.rsample((20_000,))
    for code in range(5):
        share = float((z - choice.table[code]).abs().amax(dim=-1).lt(1e-4).double().mean())
        assert share == pytest.approx(float(choice.log_odds[0, code].exp()), abs=0.02)
    codes = choice.log_prob(choice.table.unsqueeze(1)).squeeze(1)
    assert torch.allclose(codes, choice.log_odds[0])


def test_the_kl_of_a_gumbel_choice_is_that_of_all_its_code_pairs():
    torch.manual_seed(0)
    posterior = GumbelCodebook((2, 1, 2), 3)
    q, p = posterior(torch.randn(4, 3, 1, 2)), UniformCodes((2, 1, 2), posterior)()
    total = torch.zeros(4)
    for pair in itertools.product(range(3), repeat=2):
        log_q = q.log_odds[:, 0, 0, pair[0]] + q.log_odds[:, 0, 1, pair[1]]
        total += log_q.exp() * (log_q + 2 * math.log(3))
    assert torch.allclose(kl_divergence(q, p), total, atol=1e-5)


@pytest.mark.parametrize("name", ["ema", "residual", "scalar", "gumbel"])
def test_the_uniform_prior_has_the_moments_of_all_its_codes(name):
    made = quantiser(name, (3,))
    shape = made.code_shape
    every = torch.tensor(list(itertools.product(range(made.size), repeat=math.prod(shape)))).view(-1, *shape)
    z, p = made.vectors(every), UniformCodes((3,), made)()
    assert torch.allclose(p.mean, z.mean(dim=0), atol=1e-5)
    assert torch.allclose(p.variance, z.var(dim=0, correction=0), atol=1e-4)
    assert p.log_prob(z).exp().sum() == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("name", ["ema", "residual", "scalar", "gumbel"])
def test_the_bound_is_under_the_likelihood_summed_over_all_codes(name):
    torch.manual_seed(0)
    made = {
        "ema": EMACodebook((2, 1, 2), 3), "residual": ResidualCodebook((2, 1, 2), 3, 2),
        "scalar": FiniteScalar((2, 1, 2), (2, 2)), "gumbel": GumbelCodebook((2, 1, 2), 3),
    }[name]  # fmt: skip
    model = VQVAE(
        (1, 2, 4), 2, 2, network=MLP((8,)), posterior=made,
        prior=UniformCodes(made.latent, made), likelihood=Bernoulli(),
    ).eval()  # fmt: skip
    count = math.prod(made.code_shape)
    x = (torch.rand(6, 1, 2, 4) > 0.5).float()
    every = torch.tensor(list(itertools.product(range(made.size), repeat=count))).view(-1, *made.code_shape)
    p_x = model.decode(made.vectors(every).unsqueeze(1).expand(-1, 6, *made.latent))
    exact = (p_x.log_prob(x) - count * math.log(made.size)).logsumexp(dim=0)
    terms = VQ()(model(Batch(x, torch.arange(6)), 200))
    if name != "gumbel":
        assert torch.allclose(terms.rate, torch.full((6,), count * math.log(made.size)))
    assert (terms.elbo <= exact + (0.05 if name == "gumbel" else 1e-5)).all()


def test_the_probabilities_of_all_sequences_sum_to_one():
    torch.manual_seed(0)
    network = CausalTransformer(3, 4, width=8, layers=2, heads=2)
    every = torch.tensor(list(itertools.product(range(3), repeat=4)))
    log_p = network(every).log_softmax(dim=-1).gather(2, every.unsqueeze(2)).sum(dim=(1, 2))
    assert float(log_p.exp().sum().detach()) == pytest.approx(1.0, abs=1e-5)


def test_drawing_step_by_step_follows_the_probabilities_of_whole_sequences():
    torch.manual_seed(0)
    network = CausalTransformer(2, 3, width=8, layers=2, heads=2).requires_grad_(False)
    network.odds[1].weight.normal_()  # far from uniform
    every = torch.tensor(list(itertools.product(range(2), repeat=3)))
    p = network(every).log_softmax(dim=-1).gather(2, every.unsqueeze(2)).sum(dim=(1, 2)).exp()
    drawn = network.draw(20_000)
    found = torch.bincount(drawn @ torch.tensor([4, 2, 1]), minlength=8) / 20_000
    assert torch.allclose(found, p, atol=0.015)


class _Chain:
    """A source whose codes are a Markov chain that stays where it is nine times in ten."""

    def __init__(self, model):
        self.model = model
        generator = torch.Generator().manual_seed(0)
        codes = [torch.randint(2, (2000,), generator=generator)]
        for _ in range(3):
            flips = (torch.rand(2000, generator=generator) < 0.1).long()
            codes.append(codes[-1] ^ flips)
        self.known_codes = torch.stack(codes, dim=1).view(-1, 2, 2).numpy()
        self.known_codes_c = None


def test_the_autoregressive_sampler_learns_a_markov_chain_and_repeats_itself(tmp_path):
    torch.manual_seed(0)
    coder = EMACodebook((3, 2, 2), 2)
    source = _Chain(VQVAE((1, 4, 4), 3, 2, network=MLP((8,)), posterior=coder))
    sampler = AutoregressiveSampler((3, 2, 2), steps=120, width=16, layers=1, coder=coder)
    sampler.fit(source)
    entropy = math.log(2) - 3 * (0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    nats = -sampler.log_prob(torch.from_numpy(source.known_codes)).detach().mean()
    assert float(nats) == pytest.approx(entropy, abs=0.06)
    first, again, other = sampler.sample(50, 1), sampler.sample(50, 1), sampler.sample(50, 2)
    assert first.shape == (50, 3, 2, 2)
    assert (first == again).all() and (first != other).any()
    storage.save_tensors(tmp_path / "fit.safetensors", sampler.state_dict())
    read = AutoregressiveSampler((3, 2, 2), steps=120, width=16, layers=1, coder=coder)
    read.load_state_dict(storage.load_tensors(tmp_path / "fit.safetensors")[0])
    assert (read.sample(50, 1) == first).all()


def test_the_autoregressive_sampler_of_a_run_with_a_condition_draws_under_it():
    """Codes that are 1 in 90 of 100 examples with the first label, and in 20 with the second."""
    torch.manual_seed(0)
    coder = EMACodebook((3, 2, 2), 2)
    label = torch.arange(4000) % 2
    share = torch.tensor([0.9, 0.2])

    class Source:
        known_codes = (torch.rand(4000, 2, 2) < share[label, None, None]).long().numpy()
        known_codes_c = torch.eye(2)[label].numpy()

    sampler = AutoregressiveSampler((3, 2, 2), steps=200, width=16, layers=1, coder=coder, told=2)
    sampler.fit(Source())
    codes, c = torch.ones(1, 2, 2).long(), torch.eye(2)
    with torch.no_grad():
        for row, p in zip(c, share):  # 4 codes, each independent of the others
            assert float(sampler.log_prob(codes, row[None])) == pytest.approx(4 * p.log(), abs=0.25)
        first = coder.vectors(codes)[0, :, 0, 0]
        drawn = sampler.draw(2000, c.repeat(1000, 1))
        ones = torch.isclose(drawn, first[:, None, None]).all(dim=1).float().mean(dim=(1, 2))
        # four standard errors of a share of 4,000, and as much as the fit may be away
        for number, p in enumerate(share):
            assert float(ones[number::2].mean()) == pytest.approx(float(p), abs=0.06)
        mean = float(sampler.draw(2000).isclose(first[:, None, None]).all(dim=1).float().mean())
    assert mean == pytest.approx(float(share.mean()), abs=0.15)


def test_a_codebook_that_revives_nothing_has_numbers_after_its_first_batch():
    codebook = EMACodebook((3,), 8, revive=0.0).train()
    codebook(torch.randn(5, 3))
    assert torch.isfinite(codebook.tables).all()


def test_one_code_for_each_example_has_probabilities_and_draws():
    torch.manual_seed(0)
    coder = EMACodebook((3,), 4).eval()
    sampler = AutoregressiveSampler((3,), steps=2, width=4, layers=1, coder=coder)

    class Source:
        known_codes = torch.randint(4, (20,)).numpy()
        known_codes_c = None

    sampler.fit(Source())
    with torch.no_grad():
        assert sampler.log_prob(torch.arange(4)).exp().sum() == pytest.approx(1, abs=1e-5)
        assert sampler.draw(5).shape == (5, 3)


def test_drawn_codes_are_those_of_the_latents_drawn():
    torch.manual_seed(0)
    for name in ("ema", "residual", "scalar", "gumbel"):
        codebook = quantiser(name)
        with torch.no_grad():
            q = codebook(torch.randn(6, *codebook.features))
            z = q.sample()
        assert torch.allclose(codebook.vectors(codes_drawn(q, z)), z, atol=1e-5)
        assert (q.log_prob(z) < 0).all() if name == "gumbel" else (q.log_prob(z) == 0).all()


def test_codes_have_no_temperature():
    coder = quantiser("ema")
    with pytest.raises(ConfigError, match="without truncation or temperature"):
        sample_prior(UniformCodes(GRID, coder)(), 3, temperature=0.5)


def test_codes_are_drawn_and_weighed_without_odds_for_every_draw():
    torch.manual_seed(0)
    choice = CodeChoice(torch.randn(2, 3, 64), torch.randn(64, 4), 1.0)
    draws, largest = 40_000, []

    class Watched(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            made = function(*args, **(kwargs or {}))
            largest.extend(
                part.untyped_storage().nbytes() for part in tree_leaves(made) if torch.is_tensor(part)
            )
            return made

    with Watched():
        z = choice.sample((draws,))
        log_prob = choice.log_prob(z)
    assert z.shape == (draws, 2, 4, 3)
    assert max(largest) <= 4 << 22 < 4 * draws * 2 * 3 * 64
    codes = nearest(z.movedim(-2, -1), choice.table)  # (draws, 2, 3)
    shares = functional.one_hot(codes, 64).double().mean(dim=0)
    odds = choice.log_odds.exp().double()
    assert ((shares - odds).abs() < 5 * (odds / draws).sqrt() + 1e-9).all()
    by_hand = choice.log_odds.expand(draws, -1, -1, -1).gather(-1, codes.unsqueeze(-1)).sum(dim=(2, 3))
    assert torch.allclose(log_prob, by_hand)
