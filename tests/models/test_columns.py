"""Typed tables: each column's distribution is one, and a model of them learns from holes and names."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import stats

import latentia
from latentia import assembly
from latentia.core import config, registry
from latentia.core.errors import ConfigError, DataError
from latentia.core.families import FAMILIES
from latentia.core.types import Batch
from latentia.data.dataset import Dataset
from latentia.data.loader import Loader, loaders
from latentia.data.schema import Column, Schema
from latentia.data.transforms import Standardise
from latentia.metrics import average_terms
from latentia.metrics.likelihood import scorer
from latentia.metrics.terms import stored_bits
from latentia.models import VAE
from latentia.networks import Columns as Shown
from latentia.probability import Columns, GaussianOptimal, entries
from latentia.probability.cells import cells_of
from latentia.runs import session
from latentia.training import Trainer, Training

MIXED = ("gaussian", "histogram", "categorical", "bernoulli", "histogram", "categorical", "student_t",
         "negative_binomial", "zero_inflated")  # fmt: skip
SIZES = (0, 0, 3, 0, 0, 100, 0, 0, 0)
STEPS = (0.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 1.0, 1.0)


def rows(count=300, seed=0, holes=0.0):
    """Rows for MIXED, in the model's units."""
    rng = np.random.default_rng(seed)
    spiky = np.where(rng.random(count) < 0.4, 0.0, rng.exponential(size=count))
    columns = [
        rng.normal(size=count), spiky, rng.integers(0, 3, count), rng.integers(0, 2, count),
        0.5 * rng.poisson(4, count), rng.integers(0, 100, count), rng.standard_t(4, count),
        rng.poisson(3, count), rng.poisson(3, count) * rng.integers(0, 2, count),
    ]  # fmt: skip
    x = np.stack(columns, axis=1).astype(np.float32)
    return torch.from_numpy(np.where(rng.random(x.shape) < holes, np.float32(np.nan), x))


def mixed(**settings):
    likelihood = Columns(MIXED, SIZES, STEPS, **settings)
    likelihood.begin(rows(2000))
    return likelihood


def one(family, x=None, size=0, step=0.0):
    """A likelihood of one column, begun with some values, and its distribution at where it begins."""
    likelihood = Columns((family,), (size,), (step,))
    if x is not None:
        likelihood.begin(torch.as_tensor(x, dtype=torch.float32)[:, None])
    h = likelihood.output_for(torch.zeros(1)) if x is not None else torch.randn(likelihood.features((1,)))
    return likelihood, likelihood(h.detach()[None], 1)


def log_p(p, x):
    return p.log_prob(torch.as_tensor(x, dtype=torch.float32)[:, None]).detach().double()


def test_log_p_is_the_sum_of_its_columns_and_a_hole_adds_nothing():
    likelihood, x = mixed(), rows(4, holes=0.3)
    h = torch.randn(2, 4, *likelihood.features((9,)), requires_grad=True)
    p = likelihood(h, 1)
    apart = entries(p, x)
    assert p.batch_shape == (2, 4) and p.event_shape == (9,) and apart.shape == (2, 4, 9)
    assert (apart[:, x.isnan()] == 0).all() and torch.isfinite(apart).all()
    assert torch.allclose(apart.sum(dim=-1), p.log_prob(x))
    p.log_prob(x).sum().backward()
    assert torch.isfinite(h.grad).all() and (h.grad != 0).any()
    for parameter in likelihood.parameters():
        assert torch.isfinite(parameter.grad).all()
    assert p.mean.shape == p.sample().shape == p.variance.shape == (2, 4, 9)
    assert p.sample((5,)).shape == (5, 2, 4, 9) and (p.variance >= 0).all()


def test_each_column_has_the_distribution_of_its_own_family_whatever_their_order():
    torch.manual_seed(0)
    likelihood, x = mixed(), rows(6)
    order = torch.randperm(9)
    other = Columns(*(tuple(values[place] for place in order) for values in (MIXED, SIZES, STEPS)))
    other.begin(rows(2000)[:, order])
    p, q = (each(each.output_for(x).expand(6, -1).detach(), 1) for each in (likelihood, other))
    assert torch.allclose(entries(p, x)[:, order], entries(q, x[:, order]), atol=1e-5)
    assert torch.allclose(p.mean[:, order], q.mean, atol=1e-5)


@pytest.mark.parametrize("family", ["gaussian", "student_t"])
def test_densities_integrate_to_one(family):
    x = torch.linspace(-400, 400, 400_001, dtype=torch.float64)
    _, p = one(family)
    assert float(torch.trapezoid(log_p(p, x).exp(), x)) == pytest.approx(1.0, abs=1e-3)


def test_a_histogram_of_numbers_with_spikes_integrates_to_one():
    rng = np.random.default_rng(0)
    values = np.concatenate([np.zeros(300), np.full(200, 1.5), rng.exponential(size=1500)])
    _, p = one("histogram", values)
    spikes = log_p(p, [0.0, 1.5]).exp()
    assert spikes.tolist() == pytest.approx([0.15, 0.1], abs=0.003)  # probabilities
    x = torch.linspace(-20, 30, 2_000_001, dtype=torch.float64) + 1e-5
    found = log_p(p, x)
    around = torch.stack([(x - spike).abs() > 1e-4 for spike in (0.0, 1.5)]).all(dim=0)
    mass = float(torch.trapezoid(found.exp().where(around, torch.zeros(())), x))
    assert mass + float(spikes.sum()) == pytest.approx(1.0, abs=2e-3)
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("step", [1.0, 0.013])
@pytest.mark.parametrize("spread", [3, 400])
def test_a_histogram_of_whole_numbers_sums_to_one(step, spread):
    rng = np.random.default_rng(0)
    values = step * (rng.integers(0, spread, 2000) * rng.integers(0, 2, 2000) + 17)
    likelihood, p = one("histogram", values, step=step)
    grid = step * np.arange(-60_000, 60_000)
    total = torch.cat([log_p(p, part).exp() for part in np.array_split(grid, 100)])
    assert float(total.sum()) == pytest.approx(1.0, abs=1e-3)
    share = np.mean(np.isclose(values, 17 * step))
    assert float(log_p(p, [17 * step]).exp()) == pytest.approx(share, abs=0.01)
    drawn = p.sample((2000,)).numpy().ravel()
    assert np.allclose(drawn / step, np.rint(drawn / step), atol=0.05)
    assert float(likelihood.densities) == 0


def test_draws_of_a_histogram_follow_the_values_that_made_it():
    torch.manual_seed(0)
    values = np.random.default_rng(0).gamma(2.0, size=20_000)
    _, p = one("histogram", values)
    assert stats.kstest(p.sample((4000,)).numpy().ravel(), values).pvalue > 0.01
    assert float(p.mean) == pytest.approx(values.mean(), abs=0.05)
    assert float(p.variance) == pytest.approx(values.var(), rel=0.1)


def test_cells_have_no_gaps_and_frequent_values_have_their_own():
    rng = np.random.default_rng(1)
    for step in (0.0, 1.0):
        values = np.concatenate([np.full(500, 3.0), np.full(500, 9.0), np.rint(rng.normal(50, 20, 1000))])
        cells = cells_of(values, step, 40)
        assert len(cells) <= 40 and sum(cell.mass for cell in cells) == 2000
        assert all(cell.high == pytest.approx(after.low) for cell, after in pairwise(cells))
        assert [cell.value for cell in cells if cell.mass >= 500] == [3.0, 9.0]


@pytest.mark.parametrize("values", [[2.0], [2.0] * 50, [1.0, 2.0], [0.0] * 9 + [1e30], [-1e-30, 1e-30] * 20])
@pytest.mark.parametrize("step", [0.0, 1.0])
def test_hostile_columns_have_a_finite_density_everywhere(values, step):
    _, p = one("histogram", values, step=step)
    found = log_p(p, [*values, 0.0, 1.0, -5.0])
    assert torch.isfinite(found).all() or max(map(abs, values)) > 1e6
    assert not found.isnan().any() and not p.sample((50,)).isnan().any()


def test_categories_sum_to_one_and_one_that_was_never_seen_is_possible_but_not_drawn():
    torch.manual_seed(0)
    codes = np.random.default_rng(0).choice(3, p=[0.5, 0.4, 0.1], size=1000)
    _, p = one("categorical", codes, size=3)
    found = log_p(p, [0, 1, 2, 3]).exp()
    assert float(found.sum()) == pytest.approx(1.0, abs=1e-5)
    assert found[:3].tolist() == pytest.approx(np.bincount(codes) / 1000, abs=0.003) and 0 < found[3] < 1e-3
    assert log_p(p, [77.0]) == log_p(p, [3.0])
    drawn = p.sample((20_000,)).numpy().ravel().astype(int)
    assert drawn.max() == 2 and float(p.mean) == np.bincount(codes).argmax()
    assert (
        stats.chisquare(np.bincount(drawn), 20_000 * found[:3].numpy() / float(found[:3].sum())).pvalue > 1e-3
    )
    _, p = one("categorical", [0, 1, 2, 3, 3, 3], size=3)
    assert 3 in p.sample((100,))


def test_columns_of_all_numbers_of_categories_side_by_side_are_each_a_softmax_of_its_own():
    torch.manual_seed(0)
    sizes = (1, 3, 15, 16, 17, 31, 32, 63, 64, 100)
    likelihood = Columns(("categorical",) * len(sizes), sizes, (0.0,) * len(sizes))
    h = 3 * torch.randn(2, 5, *likelihood.features((len(sizes),)))
    x = torch.stack([torch.randint(size + 1, (5,)) for size in sizes], dim=1).float()
    found = entries(likelihood(h, 1), x)
    for column, (size, own) in enumerate(zip(sizes, h.split([size + 1 for size in sizes], dim=-1))):
        p = own.double().softmax(dim=-1)[:, torch.arange(5), x[:, column].long()]
        want = (0.9999 * p + 1e-4 / (size + 1)).log()
        assert torch.allclose(found[..., column].double(), want, atol=1e-5)


def test_a_count_is_a_negative_binomial_with_more_zeros_where_they_are_asked_for():
    likelihood, _ = one("negative_binomial")
    likelihood.groups[0].log_dispersion.data.fill_(math.log(2.5))
    p, k = likelihood(torch.tensor([[math.log(4.0)]]), 1), np.arange(60)
    truth = stats.nbinom(2.5, 2.5 / (2.5 + 4.0))
    assert log_p(p, k).numpy() == pytest.approx(truth.logpmf(k), abs=1e-4)
    assert (float(p.mean.detach()), float(p.variance.detach())) == pytest.approx((truth.mean(), truth.var()))
    assert log_p(p, [-1.0, 1.5]).tolist() == [-math.inf, -math.inf]
    torch.manual_seed(0)
    drawn = p.sample((20_000,)).numpy()
    assert drawn.mean() == pytest.approx(4.0, abs=0.1) and drawn.var() == pytest.approx(truth.var(), rel=0.1)
    likelihood, _ = one("zero_inflated")
    p = likelihood(torch.tensor([[1.0, 0.3]]), 1)
    assert float(log_p(p, np.arange(400)).exp().sum()) == pytest.approx(1.0, abs=1e-3)
    assert p.sample((20_000,)).mean() == pytest.approx(float(p.mean.detach()), rel=0.05)


def test_a_gaussian_keeps_a_floor_under_its_sigma():
    likelihood, _ = one("gaussian")
    likelihood.groups[0].log_sigma.data.fill_(-100.0)
    p = likelihood(torch.zeros(1, 1), 1)
    assert float(log_p(p, [0.0])) == pytest.approx(-math.log(1e-3 * math.sqrt(2 * math.pi)), rel=1e-4)


def test_one_setting_decides_the_family_of_all_numbers():
    likelihood = mixed(numbers="gaussian")
    kinds = sorted(type(group).__name__ for group in likelihood.groups)
    assert not any("Histogram" in kind or "Student" in kind for kind in kinds)
    assert likelihood.densities.tolist() == [1, 1, 0, 0, 1, 0, 1, 0, 0]
    assert likelihood.nominal.tolist() == [size > 0 for size in SIZES]


def test_two_thousand_columns_take_as_many_operations_as_ten():
    def counted(times):
        kinds = ("gaussian", "histogram", "categorical", "bernoulli", "histogram")
        likelihood = Columns(
            kinds * times, (0, 0, 4, 0, 0) * times, (0.0, 0.0, 0.0, 0.0, 1.0) * times, bins=8
        )
        h, x = torch.randn(2, *likelihood.features((5 * times,))), torch.zeros(2, 5 * times)
        with torch.profiler.profile() as profile, torch.no_grad():
            likelihood(h, 1).log_prob(x)
        return sum(event.count for event in profile.key_averages())

    assert counted(400) < 1.1 * counted(2)


def test_what_scores_columns_can_be_compiled_as_a_whole():
    torch.manual_seed(0)
    data = table(60)
    model = model_for(data)[0].model.eval().requires_grad_(False)
    score, z = scorer(model), torch.randn(6, *model.latent)
    x = torch.full(data.event, torch.nan)
    x[1:3] = 1.0
    torch._dynamo.reset()
    traced = torch.compile(score, fullgraph=True, dynamic=False, backend="eager")
    assert torch.allclose(traced(z, x, None), score(z, x, None))


SCHEMA = Schema((
    Column("height"),
    Column("gain"),
    Column("city", "category", categories=("Oslo", "Rome", "Lima")),
    Column("member", "boolean", categories=(False, True)),
    Column("age", "integer"),
    Column("street", "category", categories=tuple(map(str, range(100)))),
    Column("grade", "ordered", categories=("low", "mid", "high")),
    Column("since", "time", unit="day", origin="2020-01-01"),
))  # fmt: skip


def table(count=400, seed=0, holes=0.2, **facts):
    """A mixed table, of which two hidden kinds of customers make the columns depend on each other."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 2, count)
    x = np.stack([
        170 + 10 * kind + 3 * rng.normal(size=count),
        np.where(rng.random(count) < 0.6, 0.0, 1000 * rng.exponential(size=count) * (1 + kind)),
        np.where(rng.random(count) < 0.9, kind, 2),
        rng.random(count) < 0.2 + 0.6 * kind,
        rng.poisson(20 + 30 * kind),
        rng.integers(0, 50, count) + 50 * kind,
        rng.integers(0, 2, count) + kind,
        rng.integers(0, 2000, count),
    ], axis=1)  # fmt: skip
    x[rng.random(x.shape) < holes] = np.nan
    at = np.arange(count)
    splits = {
        "train": at[count // 5 :],
        "validation": at[: count // 10],
        "test": at[count // 10 : count // 5],
    }
    return Dataset("customers", "memory", x, splits, columns=SCHEMA.names, schema=SCHEMA, **facts)


def model_for(data, **settings):
    spec = assembly.complete({"data": {}, **settings}, data, Training)
    parts = assembly.fresh(spec, data.event, 0)
    assembly.begin(parts, data, 0)
    return parts, spec


def test_a_table_chooses_what_suits_its_columns():
    data = table()
    _, spec = model_for(data)
    chosen, std = spec["likelihood"], np.nanstd(data.x[data.splits["train"]], axis=0)
    assert chosen["name"] == spec["inputs"]["name"] == "columns"
    assert chosen["families"] == ["gaussian", "histogram", "categorical", "bernoulli", "histogram",
                                  "categorical", "categorical", "gaussian"]  # fmt: skip
    assert chosen["sizes"] == [0, 0, 3, 0, 0, 100, 3, 0]
    assert chosen["steps"] == pytest.approx([0, 0, 0, 0, 1 / std[4], 0, 0, 1 / std[7]])
    assert spec["inputs"] == {**{key: chosen[key] for key in ("name", "families", "sizes")},
                              "missing": True, "embedding": 16}  # fmt: skip
    assert [spec["transform"]["std"][place] for place in (2, 3, 5, 6)] == [1] * 4
    assert [spec["transform"]["mean"][place] for place in (2, 3, 5, 6)] == [0] * 4
    again = assembly.complete(spec, data, Training)
    assert again == spec
    whole = assembly.complete({"data": {}}, table(holes=0.0), Training)
    assert not whole["inputs"]["missing"]
    gaussian = assembly.complete({"data": {}, "likelihood": {"numbers": "gaussian"}}, data, Training)
    assert "histogram" not in gaussian["likelihood"]["families"]


def test_a_fresh_model_of_a_table_gives_each_column_its_own_shape():
    data = table(2000, holes=0.1)
    parts, _ = model_for(data)
    p = parts.model.decode(torch.zeros(1, *parts.model.latent))
    names = torch.stack([entries(p, torch.full((1, 8), float(code)))[0, 2] for code in range(3)]).exp()
    train = data.x[data.splits["train"]][:, 2]
    shares = np.bincount(train[~np.isnan(train)].astype(int)) / np.isfinite(train).sum()
    assert names.detach().numpy() == pytest.approx(shares, abs=0.15)


@pytest.mark.parametrize(
    "name", [name for name in registry.names("model") if not registry.lookup("model", name).copies]
)
def test_every_family_learns_from_a_typed_table_with_holes(name):
    data = table(200, labels=np.arange(200) % 3, label_names=("a", "b", "c"))
    parts, spec = model_for(data, model={"name": name})
    assert spec["likelihood"]["name"] == spec["inputs"]["name"] == "columns"
    c = torch.from_numpy(parts.condition.of(data)) if parts.condition else None
    batch = Batch(parts.transform(torch.from_numpy(data.x)), torch.arange(200), c)
    loss = parts.objective(parts.model(batch)).loss
    assert loss.shape == (200,) and torch.isfinite(loss).all()
    loss.mean().backward()
    for key, parameter in parts.model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), key


def test_training_on_a_mixed_table_finds_what_its_columns_share(tmp_path):
    data = table(1500)
    parts, spec = model_for(data, model={"name": "vae", "latent_dim": 2}, network={"hidden": [64]})
    splits = loaders(data, parts.transform)
    before = average_terms(parts.model, parts.objective, splits["test"])
    settings = config.construct(Training, {**spec["training"], "epochs": 60})
    Trainer(parts.model, parts.objective, splits, settings, None, quiet=True).fit()
    after = average_terms(parts.model, parts.objective, splits["test"])
    assert after.negative_elbo < before.negative_elbo - 1.0 and after.rate > 0.3
    x = parts.transform(torch.from_numpy(data.x))
    with torch.no_grad():
        decoded = parts.model.decode(parts.model.encode(x).mean)
    city, seen = data.x[:, 2], ~np.isnan(data.x[:, 2])
    right = np.mean(decoded.mean[:, 2].numpy()[seen] == city[seen])
    assert right > np.bincount(city[seen].astype(int)).max() / seen.sum() + 0.15
    drawn = parts.transform.invert(decoded.sample()).numpy()
    assert set(np.unique(drawn[:, 2])) <= {0.0, 1.0, 2.0} and set(np.unique(drawn[:, 3])) == {0.0, 1.0}
    assert np.allclose(drawn[:, 4], np.rint(drawn[:, 4]), atol=1e-3) and drawn[:, 1].min() > -1


def test_a_file_of_mixed_columns_is_trained_resumed_evaluated_and_read_back(tmp_path):
    rng = np.random.default_rng(0)
    lines = ["height,city,age,member"]
    for _ in range(300):
        kind = int(rng.integers(0, 2))
        city = "" if rng.random() < 0.2 else ("Oslo", "Rome")[kind]
        age = "" if rng.random() < 0.1 else str(rng.poisson(20 + 20 * kind))
        lines.append(f"{170 + 10 * kind + rng.normal():.2f},{city},{age},{('no', 'yes')[kind]}")
    source = tmp_path / "people.csv"
    source.write_text("\n".join(lines))
    latentia.train(source, out=tmp_path / "run", epochs=2, latent_dim=2, hidden=(16,), quiet=True)
    session.resume(tmp_path / "run", {"epochs": 4}, quiet=True)
    run = latentia.open_run(tmp_path / "run")
    assert run.spec["inputs"]["missing"] and run.spec["likelihood"]["name"] == "columns"
    x = run.dataset.x
    z = run.inference.encode(x)
    assert np.isfinite(z).all() and np.isfinite(run.inference.decode(z)).all()
    found = latentia.evaluate(run, only=["likelihood", "reconstruction"], quiet=True)
    assert math.isfinite(found.figures["elbo"].value) and "categories" in found.missing["mse_pca"]


def test_bits_of_the_data_are_per_observed_value_and_of_densities_alone_in_its_units():
    x = torch.tensor([[1.0, 7.0, torch.nan], [2.0, torch.nan, 1.0]], dtype=torch.float64)
    transform = Standardise([0.0, 0.0, 0.0], [4.0, 8.0, 1.0])
    loader = Loader(x, torch.arange(2), transform)
    model = VAE(
        (3,), 2, likelihood=Columns(("gaussian", "histogram", "categorical"), (0, 0, 2), (0.0, 0.125, 0.0))
    )
    # Two of three values are observed; the Gaussian, half of them, has a unit of log2 4 bits.
    assert stored_bits(5.0, model, loader) == pytest.approx(5.0 / (2 * math.log(2)) + 2 / 2)
    plain = VAE((3,), 2, likelihood=GaussianOptimal())
    assert stored_bits(5.0, plain, loader) == pytest.approx(5.0 / (2 * math.log(2)) + (2 + 1.5) / 2)


def test_encoders_are_shown_one_place_for_each_of_few_categories_and_a_vector_for_many():
    torch.manual_seed(0)
    shown = Shown(MIXED, SIZES, missing=True, embedding=5)
    x = rows(20, holes=0.3)
    assert shown.features((9,)) == (7 + 3 + 5 + 9,)
    h = shown(x)
    assert h.shape == (20, 24) and torch.isfinite(h).all()
    assert torch.equal(h[:, -9:], x.isnan().float())
    city = x[:, 2]
    for row in range(20):
        want = [0.0] * 3 if city[row].isnan() else [float(code == int(city[row])) for code in range(3)]
        assert h[row, 7:10].tolist() == want
    assert (h[:, 10:15][x[:, 5].isnan()] == 0).all() and (h[:, 10:15][~x[:, 5].isnan()] != 0).any()
    other = torch.full((1, 9), 1.0)
    other[0, 2], other[0, 5] = 3.0, 100.0  # another value
    assert (shown(other)[0, 7:15] == 0).all()
    assert h[:, 5].tolist() == pytest.approx(x[:, 7].nan_to_num(0).log1p().tolist())


@pytest.mark.parametrize("kind", ["real", "integer", "time"])
@pytest.mark.parametrize("count", [100, 1])
def test_hostile_tables_give_finite_losses(kind, count):
    spike, nothing = np.zeros(100), np.full(100, np.nan)
    spike[0] = 1e30
    x = np.stack([spike, np.full(100, 1e-30), 1e-30 * np.arange(100), nothing], axis=1)[:count]
    at, schema = np.arange(count), Schema(tuple(Column(name, kind) for name in "abcd"))
    data = Dataset("hostile", "memory", x, {"train": at, "validation": at[:0], "test": at[:0]}, schema=schema)
    parts, _ = model_for(data)
    batch = Batch(parts.transform(torch.from_numpy(data.x)), torch.arange(count))
    assert torch.isfinite(parts.objective(parts.model(batch)).loss).all()
    assert torch.isfinite(parts.model.decode(torch.zeros(1, 16)).sample((20,))).all()


def test_columns_that_do_not_fit_are_refused_in_one_line():
    data = table()
    with pytest.raises(ConfigError, match=r"column 'city' holds categories; leave 'likelihood' out"):
        assembly.complete({"data": {}, "likelihood": "gaussian_optimal"}, data, Training)
    with pytest.raises(ConfigError, match=r"no family 'gausian'.*gaussian"):
        Columns(("gausian",), (0,), (0.0,))
    with pytest.raises(
        ConfigError, match=r"'likelihood\.families' has 2 entries, and customers has 8 columns"
    ):
        assembly.complete({"data": {}, "likelihood": {"families": ["gaussian"] * 2}}, data, Training)
    families = ["negative_binomial", "histogram", "categorical", "bernoulli", *["categorical"] * 3,
                "gaussian"]  # fmt: skip
    with pytest.raises(DataError, match=r"whole numbers from 0 on, and column 'height' holds others"):
        assembly.complete({"data": {}, "likelihood": {"families": families}}, data, Training)
    with pytest.raises(ConfigError, match=r"rows of 1 columns, and an example has shape 1x8x8"):
        Columns(("gaussian",), (0,), (0.0,)).features((1, 8, 8))
    with pytest.raises(ConfigError, match=r"'likelihood\.steps' has 0 entries"):
        Columns(("gaussian",), (0,), ())
    with pytest.raises(ConfigError, match=r"'scale' would change the values of column 'city'"):
        assembly.complete({"data": {}, "transform": "scale"}, data, Training)
    assert len(FAMILIES) == 7


def test_a_table_of_numbers_takes_any_likelihood_of_numbers():
    rng = np.random.default_rng(0)
    x, at = rng.normal(size=(200, 3)), np.arange(200)
    splits = {"train": at[40:], "validation": at[:20], "test": at[20:40]}
    data = Dataset(
        "n", "memory", x, splits, schema=Schema((Column("a"), Column("b"), Column("c", "integer")))
    )
    spec = assembly.complete({"data": {}, "likelihood": "gaussian_optimal"}, data, Training)
    assert spec["likelihood"]["name"] == "gaussian_optimal" and "inputs" not in spec
    spec = assembly.complete({"data": {}}, data, Training)
    assert spec["likelihood"]["families"] == ["gaussian", "gaussian", "histogram"] and "inputs" not in spec
