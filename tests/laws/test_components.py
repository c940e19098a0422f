"""Laws that every registered component obeys. A new component needs no new test here, only its name."""

import math
from dataclasses import replace

import pytest
import torch
from torch.distributions import Independent, Normal

from latentia import assembly
from latentia.assembly.building import latent_of
from latentia.core import config, needs, registry, storage
from latentia.core.errors import ConfigError
from latentia.core.types import Batch, Pass
from latentia.data.corruptions import Corruption
from latentia.metrics.likelihood import scorer
from latentia.objectives import Objective
from latentia.probability.normal import PlainNormal
from latentia.training.checkpoint import Checkpointed
from latentia.training.optimiser import Adam

LATENT = (3,)
EVENTS = [(1, 8, 8), (1, 28, 28), (1, 28, 20), (3, 64, 64), (2, 5, 7), (7,), (2, 6)]


def as_function(state):
    """A user's objective: -log p(x|z)."""
    return -state.p_x.log_prob(state.batch.x).mean(dim=0)


FROM_DATA = {
    "function": {"of": f"{__name__}:as_function"},
    "adversarial": {"layers": 1, "channels": 4},
    "ms_ssim": {"data_range": 1.0, "scales": 1},
    "perceptual": {"features": "conv"},
}
"""Arguments of objectives that a run fills in from its data."""
COLUMNS = {
    "name": "columns",
    "families": [
        "gaussian",
        "histogram",
        "student_t",
        "categorical",
        "bernoulli",
        "negative_binomial",
        "histogram",
    ],
    "sizes": [0, 0, 0, 2, 0, 0, 0],
    "steps": [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0],
}
"""A likelihood of rows, which is for no images; laws of one distribution for all entries pass it by."""
LIKELIHOODS = [name for name in registry.names("likelihood") if name != "columns"]
CONDITION = 4
FITTING = {
    "network": {"mlp": "mlp", "conv": "conv", "resnet": "resnet"},
    "ladder": {"mlp": "ladder_mlp", "conv": "ladder_conv", "resnet": "ladder_conv"},
}
"""The networks that models are put to the test with, by the kind that a model asks for."""
SQUARE = (2, 3, 2)
"""A latent with height and width."""


class Bright(Corruption):
    """Hides what is bright: a draw would differ between the batches."""

    def __call__(self, x):
        return x.masked_fill(x > 0.5, 0.0), x > 0.5


def make(kind, name, **context):
    table = config.check_component(kind, name, kind)
    return config.build(kind, table, **context)


def prior_of(name, latent):
    """A prior, with an encoder that stands for its model's."""
    codes = make("posterior", "ema_codebook", latent=latent)
    prior = make("prior", name, latent=latent, event=(5,), condition=CONDITION, posterior=codes)
    means = torch.nn.Linear(5, math.prod(latent))

    def encode(x):
        return Independent(Normal(means(x).unflatten(1, latent), 0.5), len(latent))

    prior.attach(encode)
    prior.begin(torch.rand(20, 5))
    return prior


SEEN = {"temporal": (1, 3, 8, 8)}
"""What objectives are tested on that are for no images."""


def make_objective(name, model="vae"):
    table = {"name": name, **FROM_DATA.get(name, {})}
    if "base" in config.parameters(registry.lookup("objective", name)):
        table["base"] = registry.lookup("model", model).defaults["objective"]
    return make("objective", table, latent=LATENT, event=seen_by(name))


def seen_by(objective):
    return SEEN.get(objective, (1, 8, 8))


def data_for(likelihood, shape, seed=0):
    x = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    if likelihood.nominal is not None:
        return (3 * x).floor()
    if likelihood.binary:
        return (x > 0.5).float()
    return (x * (likelihood.levels - 1)).round() / (likelihood.levels - 1) if likelihood.discrete else x


def model_of(name, event, **parts):
    """A model with the parts that its signature asks for; each kind of network has its own."""
    owner = registry.lookup("model", name)
    kinds = config.component_kinds(owner)
    sized = {"latent_dim": 3} if "latent_dim" in config.parameters(owner) else {"levels": [1, 2]}
    settings = config.check_component("model", {"name": name, **sized}, "model")
    chosen = {
        "posterior": owner.defaults.get("posterior"),
        "prior": owner.defaults.get("prior"),
        "likelihood": "gaussian",
        **parts,
        "network": "identity" if owner.copies else FITTING[kinds["network"]][parts.get("network", "mlp")],
    }
    built = {"network": make(kinds["network"], chosen["network"])}
    told = {"latent": latent_of(built["network"], event, settings), "event": event}
    if "condition" in config.parameters(owner):
        told["condition"] = CONDITION
    for part in [part for part in assembly.PARTS if part in kinds and part not in built]:
        built[part] = make(kinds[part], chosen[part], **told, **built)
    return config.build("model", settings, event=event, condition=CONDITION, **built)


def batch_of(model, x, seed=0):
    """Some examples; a conditional model is told of all but the first one, one that classifies the label."""
    c = None
    if model.condition:
        c = torch.randn(len(x), model.condition, generator=torch.Generator().manual_seed(seed))
        if model.classifies:
            c = torch.eye(model.condition)[c.argmax(dim=1)]
        c[0] = math.nan
    return Batch(x, torch.arange(len(x)), c)


def objective_of(name):
    return make_objective(registry.lookup("model", name).defaults["objective"])


def fits(model, objective):
    """Whether the model with its usual parts gives what the objective needs, and the other way round."""
    component = registry.lookup("model", model)
    parts = [(kind, component.defaults.get(kind)) for kind in ("posterior", "corruption")]
    given = component.gives.union(*(registry.lookup(kind, name).gives for kind, name in parts if name))
    scored = make_objective(objective, model=model)
    given |= {needs.ADVERSARY, needs.COMPLETE, needs.CONDITION, needs.LABELS} | scored.gives
    return scored.needs <= given and component.needs <= given


PAIRS = [
    (model, objective)
    for model in registry.names("model")
    for objective in registry.names("objective")
    if fits(model, objective) and (objective != "function" or model == "vae")
]


@pytest.mark.parametrize("event", EVENTS, ids=str)
@pytest.mark.parametrize("name", sorted(set(registry.names("network")) - {"identity", "modules"}))
def test_a_network_maps_any_event_to_its_latent_and_back_or_says_why_not(name, event):
    network = make("network", name)
    if name == "causal3d":
        with pytest.raises(ConfigError, match=r"needs clips, and the data have shape"):
            network.latent(event, 3)
        event = (event[0], 9, 32, 64)
    elif len(event) != 3 and "mlp" not in name and name not in ("lecture-256-64", "lecture-tanh"):
        with pytest.raises(ConfigError, match=r"needs images.*network\.name=mlp"):
            network.encoder(event, LATENT)
        return
    stride = {"grid": 4, "kl_codec": 8, "deep_codec": 8, "hyper_codec": 32}.get(name, 1)
    if name != "causal3d" and any(side % stride for side in event[1:]):
        with pytest.raises(
            ConfigError, match=r"downsample=4 does not divide|halves \d times, and .* does not"
        ):
            network.latent(event, 3)
        return
    latent = network.latent(event, 3)
    for batch in (1, 4):
        x = torch.randn(batch, *event)
        h = network.encoder(event, (2 * latent[0], *latent[1:]))(x)
        assert h.shape == (batch, 2 * latent[0], *latent[1:])
        for numbers in (1, 5):  # a likelihood may need several for each entry
            features = (numbers * event[0], *event[1:])
            back = network.decoder(latent, features)(h[:, : latent[0]])
            assert back.shape == (batch, *features)
            assert torch.isfinite(back).all()


@pytest.mark.parametrize("event", [*EVENTS, (2, 3, 4, 4)], ids=str)
def test_the_network_that_is_none_gives_the_example_back(event):
    network, x = make("network", "identity"), torch.randn(4, *event)
    assert network.latent(event, 3) == event
    assert network.decoder(event, event)(network.encoder(event, event)(x)) is x
    with pytest.raises(ConfigError, match=r"gives the example itself; use posterior\.name=delta"):
        network.encoder(event, (2 * event[0], *event[1:]))
    moments, both = make("network", {"name": "identity", "moments": True}), (2 * event[0], *event[1:])
    assert moments.latent(both, 3) == event
    mean, variance = moments.decoder(event, both)(x).chunk(2, dim=1)
    assert torch.equal(mean, x) and (variance.exp() < 1e-8).all()
    if both != (2,) and event[0] % 2:
        with pytest.raises(ConfigError, match=r"means and variances, and these examples have \d+ channels"):
            moments.latent(event, 3)


@pytest.mark.parametrize("shape", [(7,), (1, 8, 8), (4, 7, 7), (3, 5, 6), (2, 3, 4, 4)], ids=str)
@pytest.mark.parametrize("name", registry.names("denoiser"))
def test_a_denoiser_begins_by_giving_zeros_and_hears_what_it_is_told_or_says_why_not(name, shape):
    recipe = make("denoiser", name)
    if recipe.extra:
        pytest.importorskip(recipe.extra[0])
    refused = {
        "diffusers_unet": {(4, 7, 7): "fewer levels", (3, 5, 6): r"or use denoiser\.name=denoiser_unet"},
        "diffusers_dit": {(3, 5, 6): r"takes square latents, not 5x6; use denoiser\.name=denoiser_dit"},
    }.get(name, {})
    if len(shape) != 3 and name not in ("denoiser_mlp", "denoiser_dit"):
        refused = {shape: "needs images"}
    if shape in refused:
        with pytest.raises(ConfigError, match=refused[shape]):
            recipe.build(shape, 0)
        return
    z, t = torch.randn(3, *shape), torch.rand(3)
    assert torch.equal(recipe.build(shape, 0)(z, t, None), torch.zeros_like(z))
    net = recipe.build(shape, 2)
    for parameter in net.parameters():
        parameter.data.normal_(std=0.1)
    told = torch.tensor([[1.0, 0.0], [0.0, 1.0], [math.nan, math.nan]])
    out = net(z, t, told)
    assert out.shape == z.shape and torch.isfinite(out).all()
    assert not torch.allclose(out[0], net(z, t, told.flip(0))[0])
    assert not torch.allclose(out, net(z, 1 - t, told))
    assert torch.allclose(out[2], net(z, t, None)[2], atol=1e-5)  # not known is not said
    assert torch.allclose(out[:1], net(z[:1], t[:1], told[:1]), atol=1e-4)  # and nobody's neighbours matter


@pytest.mark.parametrize("event", [(1, 8, 8), (3, 9, 6), (7,)], ids=str)
@pytest.mark.parametrize("name", registry.names("corruption"))
def test_a_corruption_keeps_the_shape_and_shows_nothing_of_what_it_hides(name, event):
    if name == "patches" and len(event) != 3:
        with pytest.raises(ConfigError, match=r"'patches' needs images.*corruption\.name=dropout"):
            config.build("corruption", {"name": name}, event=event)
        return
    table = config.check_component("corruption", name, "corruption")
    corruption = config.build("corruption", table, event=event)
    x = torch.rand(5, *event) + 1
    seen, hidden = corruption(x)
    assert seen.shape == hidden.shape == x.shape and hidden.dtype == torch.bool
    assert bool(hidden.any()) == (needs.HIDDEN in corruption.gives)
    assert (seen[hidden] == 0).all()
    if needs.HIDDEN in corruption.gives:
        assert torch.equal(seen[~hidden], x[~hidden])


@pytest.mark.parametrize("event", [(1, 8, 8), (3, 9, 6), (7,), (2, 6)], ids=str)
@pytest.mark.parametrize("name", registry.names("inputs"))
def test_inputs_show_no_hole_and_what_features_say(name, event):
    if name == "columns" and event != (7,):
        with pytest.raises(ConfigError, match=r"rows of 7 columns, and an example has shape"):
            make("inputs", {key: COLUMNS[key] for key in ("name", "families", "sizes")}).features(event)
        return
    shown = {key: COLUMNS[key] for key in ("families", "sizes")} if name == "columns" else {}
    inputs = make("inputs", {"name": name, **shown, "missing": True})
    x = torch.rand(5, *event).round()
    x[torch.rand(5, *event) < 0.3] = math.nan
    seen = inputs(x)
    assert inputs.holes and seen.shape == (5, *inputs.features(event)) and torch.isfinite(seen).all()
    assert not torch.equal(inputs(x.nan_to_num(0.0)), seen)  # a zero is no hole


@pytest.mark.parametrize("event", EVENTS, ids=str)
@pytest.mark.parametrize("levels", [(3,), (1, 2), (2, 3, 1, 2)], ids=str)
@pytest.mark.parametrize("name", registry.names("ladder"))
def test_a_ladder_leads_from_any_event_to_its_levels_and_back_or_says_why_not(name, levels, event):
    ladder = make("ladder", name)
    if len(event) != 3 and "mlp" not in name:
        with pytest.raises(ConfigError, match=r"needs images.*network\.name=ladder_mlp"):
            ladder.shapes(event, levels)
        return
    up, down = ladder.bottom_up(event, levels), ladder.top_down(event, levels)
    shapes, features = ladder.shapes(event, levels), up(torch.randn(4, *event))
    state = down.start.expand(4, *down.start.shape[1:])
    for stage, size, shape, d in zip(down.stages, levels, shapes, features, strict=True):
        h = stage.arrive(state)
        assert h.shape == d.shape and shape[0] == size
        for numbers in (stage.prior(h), stage.posterior(torch.cat([h, d], dim=1))):
            assert numbers.shape == (4, 2 * size, *shape[1:])
        state = h + stage.merge(torch.randn(4, *shape))
    assert down.finish(state).shape == (4, *event)


@pytest.mark.parametrize("event", EVENTS, ids=str)
@pytest.mark.parametrize("name", registry.names("features"))
def test_features_are_fixed_maps_that_a_gradient_passes_or_say_why_not(name, event, tmp_path):
    given = {"name": name}
    if name == "vgg":
        given["weights"] = str(tmp_path / "vgg.safetensors")
        layer = {"weight": torch.randn(4, 3, 3, 3), "bias": torch.randn(4)}
        storage.save_tensors(given["weights"], {f"features.0.{part}": value for part, value in layer.items()})
    recipe = config.build("features", config.check_component("features", given, "features"))
    colours = name == "conv" or event[0] in (1, 3, 4)
    if len(event) != 3 or not colours:
        with pytest.raises(ConfigError, match=r"need images.*, and an example has shape .*; use objective"):
            recipe.network(event)
        return
    network, again = recipe.network(event), recipe.network(event)
    for batch in (1, 4):
        x = torch.rand(batch, *event, requires_grad=True)
        maps = network(x)
        assert all(found.shape[0] == batch and torch.isfinite(found).all() for found in maps)
        assert all(torch.equal(one, other) for one, other in zip(maps, again(x)))
        sum(found.sum() for found in maps).backward()
        assert (x.grad != 0).any()
    assert not any(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("event", [(1, 8, 8), (3, 28, 20), (2, 4, 12)], ids=str)
def test_a_grid_maps_images_to_places_and_back(event, factor):
    network, grid = make("network", "grid"), (event[1] // factor, event[2] // factor)
    for batch in (1, 4):
        x = torch.randn(batch, *event)
        h = network.encoder(event, (6, *grid))(x)
        assert h.shape == (batch, 6, *grid)
        assert network.decoder((3, *grid), event)(h[:, :3]).shape == x.shape


@pytest.mark.parametrize("name", registry.names("posterior"))
def test_a_posterior_gives_a_distribution_over_the_latent(name):
    posterior = make("posterior", name, latent=LATENT)
    for batch in (1, 5):
        features = torch.randn(batch, *posterior.features, requires_grad=True)
        q = posterior(features)
        assert q.batch_shape == (batch,)
        assert q.event_shape == LATENT
        z = q.rsample((4,))
        assert z.shape == (4, batch, *LATENT)
        assert q.log_prob(z).shape == (4, batch)
        assert q.mean.shape == q.variance.shape == (batch, *LATENT)
        z.sum().backward()
        assert features.grad is not None


@pytest.mark.parametrize("name", sorted(set(registry.names("posterior")) - {"full_gaussian"}))
def test_a_posterior_takes_a_latent_with_height_and_width(name):
    posterior = make("posterior", name, latent=SQUARE)
    q = posterior(torch.randn(2, *posterior.features))
    z = q.rsample((4,))
    assert z.shape == (4, 2, *SQUARE)
    assert q.log_prob(z).shape == (4, 2)
    assert q.mean.shape == (2, *SQUARE)


def test_a_full_covariance_of_a_latent_with_height_and_width_is_refused():
    with pytest.raises(ConfigError, match=r"'full_gaussian' needs a flat latent.*diagonal_gaussian"):
        make("posterior", "full_gaussian", latent=SQUARE)


@pytest.mark.parametrize("name", sorted(set(registry.names("posterior")) - {"delta"}))
def test_the_density_of_a_draw_is_that_of_the_same_value_given_again(name):
    torch.manual_seed(0)
    posterior = make("posterior", name, latent=LATENT)
    for parameter in posterior.parameters():
        parameter.data *= 20  # far from the identity
    q = posterior(torch.randn(3, *posterior.features))
    z = q.rsample((4,))
    assert torch.allclose(q.log_prob(z), q.log_prob(z.clone()), rtol=1e-3, atol=1e-3)
    assert torch.equal(q.mean, q.mean)


@pytest.mark.parametrize("name", registry.names("posterior"))
def test_a_posterior_survives_extreme_features(name):
    posterior = make("posterior", name, latent=LATENT)
    for value in (-1e4, 1e4):
        q = posterior(torch.full((2, *posterior.features), value))
        assert torch.isfinite(q.rsample()).all()


@pytest.mark.parametrize("latent", [LATENT, (1,), (4,), SQUARE], ids=str)
@pytest.mark.parametrize("name", registry.names("prior"))
def test_a_prior_gives_a_distribution_over_the_latent(name, latent):
    prior = prior_of(name, latent)
    p = prior(None)
    assert p.batch_shape == ()
    assert p.event_shape == latent
    for shape in ((7,), (2, 3)):
        z = p.sample(shape)
        assert z.shape == (*shape, *latent)
        assert p.log_prob(z).shape == shape
        assert torch.isfinite(p.log_prob(z)).all()
    assert p.mean.shape == p.variance.shape == p.stddev.shape == latent
    assert (p.variance > 0).all()
    told = prior(torch.randn(5, CONDITION))
    assert told.batch_shape == ((5,) if needs.CONDITION in prior.needs or name == "diffusion" else ())
    assert told.log_prob(torch.randn(7, 5, *latent)).shape == (7, 5)


@pytest.mark.parametrize("name", registry.names("prior"))
def test_the_moments_of_a_prior_are_those_of_its_draws_and_the_same_at_every_call(name):
    torch.manual_seed(0)
    p = prior_of(name, LATENT)()
    z = p.sample((4000,)).detach()
    assert torch.equal(p.mean, p.mean)
    assert torch.allclose(p.mean, z.mean(dim=0), atol=0.2)
    assert torch.allclose(p.stddev, z.std(dim=0), atol=0.2)


@pytest.mark.parametrize("name", registry.names("prior"))
def test_a_prior_is_saved_and_read_again_with_the_same_density(name):
    torch.manual_seed(0)
    first, second = prior_of(name, LATENT), prior_of(name, LATENT)
    assert not any("encode" in key for key in first.state_dict())
    second.load_state_dict(first.state_dict())
    second.attach(getattr(first, "_encode", None))
    z = first().sample((5,))
    torch.manual_seed(1)  # what is an estimate has noise of its own
    density = first().log_prob(z.clone())
    torch.manual_seed(1)
    assert torch.equal(density, second().log_prob(z))


@pytest.mark.parametrize(
    ("name", "event"),
    [(name, event) for name in LIKELIHOODS for event in [(1, 4, 4), (6,), (3, 2, 4, 4)]] + [(COLUMNS, (7,))],
    ids=str,
)
def test_a_likelihood_is_a_distribution_over_the_data(name, event):
    likelihood = make("likelihood", name)
    h = torch.randn(2, 3, *likelihood.features(event), requires_grad=True)
    p = likelihood(h, len(event))
    assert p.batch_shape == (2, 3)
    assert p.event_shape == event
    x = data_for(likelihood, (3, *event))
    log_p = p.log_prob(x)
    assert log_p.shape == (2, 3)
    assert torch.isfinite(log_p).all()
    log_p.sum().backward()
    assert h.grad is not None and torch.isfinite(h.grad).all() and (h.grad != 0).any()
    assert p.mean.shape == p.sample().shape == (2, 3, *event)
    low, high = likelihood.support
    assert float(p.sample().min()) >= low and float(p.sample().max()) <= high


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_a_likelihood_integrates_to_one(name):
    likelihood = make("likelihood", name)
    low, high = likelihood.support
    if likelihood.discrete:
        count, ends = 2 if likelihood.binary else likelihood.levels, (0.0, 1.0)
    else:
        count, ends = 400_001, (max(low, -60.0), min(high, 60.0))
    x = torch.linspace(*ends, count, dtype=torch.float64)
    h = torch.full(likelihood.features((1,)), 0.7, dtype=torch.float64)
    density = likelihood(h.expand(count, -1), 1).log_prob(x[:, None]).exp()
    total = density.sum() if likelihood.discrete else torch.trapezoid(density, x)
    assert float(total.detach()) == pytest.approx(1.0, abs=1e-4)


SCORED = [("vae", name) for name in LIKELIHOODS]
SCORED += [(name, "bernoulli") for name in registry.names("model") if name != "vae"]


@pytest.mark.parametrize(("name", "likelihood"), SCORED)
def test_what_scores_latents_can_be_compiled_as_a_whole(name, likelihood):
    torch.manual_seed(0)
    model = model_of(name, (1, 8, 8), likelihood=likelihood).eval().requires_grad_(False)
    x = data_for(model.likelihood, (1, 1, 8, 8))
    c = model.complete(x, batch_of(model, x).c)
    score, z = scorer(model), torch.randn(6, *model.latent)
    torch._dynamo.reset()
    traced = torch.compile(score, fullgraph=True, dynamic=False, backend="eager")
    assert torch.allclose(traced(z, x[0], c), score(z, x[0], c))


@pytest.mark.parametrize("name", registry.names("schedule"))
def test_a_schedule_stays_between_zero_and_one_and_keeps_its_word(name):
    schedule = make("schedule", name)
    points = [i / 200 for i in range(201)]
    values = [schedule(t) for t in points]
    assert all(0 <= value <= 1 for value in values)
    settled = [t for t in points if schedule.settled(t)]
    assert all(schedule(t) == 1 for t in settled)
    assert all(schedule.settled(t) for t in points if settled and t >= settled[0])


@pytest.mark.parametrize("name", registry.names("transform"))
def test_a_transform_keeps_the_shape_and_its_mean_and_inverts(name):
    arguments = {"standardise": {"mean": [3.0], "std": [2.0]}}.get(name, {})
    transform = make("transform", {"name": name, **arguments})
    raw = torch.randint(0, 256, (64, 1, 4, 4), dtype=torch.uint8)
    x = transform(raw)
    assert x.shape == raw.shape and x.dtype == torch.float32
    low, high = transform.range(0.0, 255.0)
    assert float(x.min()) >= low and float(x.max()) <= high
    torch.manual_seed(0)
    mean = torch.stack([transform(raw) for _ in range(2000 if transform.random else 1)]).mean(0)
    spread = 0.5 if transform.random else 1e-6
    assert float((mean - transform.expected(raw)).abs().max()) <= 6 * spread / math.sqrt(2000) + 1e-6
    offset = 0.5 if name == "dequantise" else 0.0
    assert torch.allclose(transform.invert(transform.expected(raw)), raw.float() + offset, atol=1e-3)


COPIES = [name for name in registry.names("model") if registry.lookup("model", name).copies]
"""Models that are a prior alone: without a network, and without a likelihood that asks for more."""
WIRED = [
    (name, network, likelihood, (1, 8, 8))
    for name in registry.names("model")
    for network in ("mlp", "conv", "resnet")
    for likelihood in LIKELIHOODS
    if name not in COPIES
]
WIRED += [(name, "mlp", COLUMNS, (7,)) for name in registry.names("model") if name not in COPIES]
WIRED += [(name, "identity", "mse", event) for name in COPIES for event in [(1, 8, 8), (7,), (2, 3, 4, 4)]]


@pytest.mark.parametrize(("name", "network", "likelihood", "event"), WIRED, ids=str)
def test_gradients_reach_every_parameter_of_a_model(name, network, likelihood, event):
    torch.manual_seed(0)
    model = model_of(name, event, network=network, likelihood=likelihood)
    objective = objective_of(name)
    for batch, samples in ((1, 1), (3, 4)):
        model.zero_grad()
        x = data_for(model.likelihood, (batch, *event))
        state = model(batch_of(model, x), samples)
        rows = batch if state.q_y is None else batch * model.condition
        assert state.z.shape == (samples, rows, *model.latent)
        assert state.p_x.batch_shape == (samples, rows)
        terms = objective(state, 1.0)
        for part in (terms.distortion, terms.rate, terms.penalty, terms.loss):
            assert part.shape == (batch,)
        terms.loss.mean().backward()
        for key, parameter in model.named_parameters():
            assert parameter.grad is not None, key
            assert torch.isfinite(parameter.grad).all(), key


CODED = [
    name for name in registry.names("posterior") if needs.CODES in registry.lookup("posterior", name).gives
]
OTHER = ("conditional_normal", "uniform_codes")
PARTS = [("diagonal_gaussian", prior) for prior in registry.names("prior") if prior not in OTHER]
PARTS += [(q, "standard_normal") for q in registry.names("posterior") if q != "delta" and q not in CODED]
PARTS += [(q, "uniform_codes") for q in CODED]
PARTS += [("full_gaussian", "vamp"), ("iaf", "vamp"), ("iaf", "maf"), ("full_gaussian", "mixture")]


@pytest.mark.parametrize(("posterior", "prior"), PARTS)
def test_gradients_reach_every_parameter_of_a_posterior_and_a_prior(posterior, prior):
    torch.manual_seed(0)
    model = model_of("vae", (1, 8, 8), posterior=posterior, prior=prior)
    model.begin(torch.rand(4, 1, 8, 8))
    objective = objective_of("vqvae" if prior == "uniform_codes" else "vae")
    # A denoiser begins by giving zeros: the first step reaches its last layer alone.
    silent = ("prior.process.denoiser",) if prior == "diffusion" else ()
    for batch, samples in ((1, 1), (3, 4)):
        model.zero_grad()
        state = model(Batch(torch.rand(batch, 1, 8, 8), torch.arange(batch)), samples)
        terms = objective(state, 1.0)
        assert terms.rate.shape == (batch,)
        terms.loss.mean().backward()
        for key, parameter in model.named_parameters():
            assert parameter.grad is not None, key
            assert torch.isfinite(parameter.grad).all(), key
            if batch > 1 and key.startswith(("prior", "posterior")) and not key.startswith(silent):
                assert (parameter.grad != 0).any(), key


@pytest.mark.parametrize(("posterior", "prior"), PARTS)
def test_the_density_of_an_example_does_not_depend_on_its_batch(posterior, prior):
    torch.manual_seed(0)
    model = model_of("vae", (1, 8, 8), posterior=posterior, prior=prior).eval()
    x = torch.rand(6, 1, 8, 8)
    z = model.encode(x).rsample()
    whole, p = model.encode(x), model.prior()
    for i in range(6):
        alone = model.encode(x[i : i + 1])
        assert torch.allclose(alone.mean[0], whole.mean[i], atol=1e-5)
        assert torch.allclose(alone.log_prob(z[i : i + 1])[0], whole.log_prob(z)[i], rtol=1e-4, atol=1e-4)
        assert torch.allclose(p.log_prob(z[i]), p.log_prob(z)[i], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "objective"), PAIRS)
def test_an_objective_scores_each_example_and_reaches_every_parameter(name, objective):
    torch.manual_seed(0)
    model = model_of(name, seen_by(objective))
    scored = make_objective(objective, model=name)
    for batch, samples in ((1, 1), (1, 3), (4, 1), (4, 3)):
        for progress in (0.0, 0.5, 1.0):
            model.zero_grad()
            x = torch.rand(batch, *seen_by(objective))
            terms = scored(model(batch_of(model, x), samples), progress)
            for part in (terms.distortion, terms.rate, terms.penalty, terms.loss):
                assert part.shape == (batch,)
                assert torch.isfinite(part).all()
            assert all(len(value) == batch for value in terms.diagnostics.values())
            terms.loss.mean().backward()
            for key, parameter in model.named_parameters():
                assert parameter.grad is not None, key
                assert torch.isfinite(parameter.grad).all(), key


@pytest.mark.parametrize(("name", "objective"), PAIRS)
def test_the_terms_of_an_example_do_not_depend_on_its_batch(name, objective, monkeypatch):
    torch.manual_seed(0)
    model = model_of(name, seen_by(objective), likelihood="gaussian_optimal").eval()
    scored = make_objective(objective, model=name)
    x = torch.rand(6, *seen_by(objective))
    noise = torch.randn(2, 6, *model.latent)

    batch = batch_of(model, x)

    def passed(part):
        c = None if batch.c is None else batch.c[part]
        own = Batch(x[part], batch.index[part], c)
        if model.classifies or hasattr(model, "corruption"):  # what they read is made in a pass alone
            return model(own, 2)
        q = model.encode(own.x, c)
        z = q.mean + q.variance.sqrt() * noise[:, part]
        return Pass(own, q, z, model.prior(c), model.decode(z, c))

    def terms_of(part):
        # The same noise for each example: drawn noise would differ between the batches.
        def same(normal, _):
            return normal.loc + noise[:, part].repeat(1, len(normal.loc) // len(x[part]), 1) * normal.scale

        if model.classifies:
            monkeypatch.setattr(PlainNormal, "rsample", same)
        if hasattr(model, "corruption"):
            model.corruption = Bright()
        return scored(passed(part))

    whole, singles = terms_of(slice(0, 6)), [terms_of(slice(i, i + 1)) for i in range(6)]
    # What looks at the batch may do so in the penalty alone.
    names = ("distortion", "rate") if scored.batchwise else ("distortion", "rate", "penalty", "loss")
    for part in names:
        single = torch.cat([getattr(terms, part) for terms in singles])
        assert torch.allclose(getattr(whole, part), single, rtol=1e-5, atol=1e-4), part


@pytest.mark.parametrize("name", registry.names("objective"))
def test_an_objective_declares_an_adversary_where_it_has_one(name):
    scored = make_objective(name)
    assert (needs.ADVERSARY in scored.needs) == (scored.adversary is not None)
    if scored.adversary is None:
        return
    torch.manual_seed(0)
    model = model_of("vae", (1, 8, 8))
    for batch in (1, 4):
        state = model(Batch(torch.rand(batch, 1, 8, 8), torch.arange(batch)), 2)
        scored(state).loss.mean().backward(retain_graph=True)
        assert all(parameter.grad is None for parameter in scored.adversary.parameters())
        model.zero_grad()
        losses, right = scored.adversary.loss(state)
        assert losses.shape == right.shape == (batch,)
        assert ((right >= 0) & (right <= 1)).all()
        losses.mean().backward()
        assert all(parameter.grad is not None for parameter in scored.adversary.parameters())
        assert all(parameter.grad is None for parameter in model.parameters())
        scored.adversary.zero_grad()


@pytest.mark.parametrize("name", registry.names("objective"))
def test_what_moves_in_an_objective_moves_with_training_alone_and_is_kept_in_checkpoints(name):
    torch.manual_seed(0)
    scored, again = make_objective(name), make_objective(name)
    names = [f"objective.{part}.{key}" for part, m in scored.moving().items() for key in m.state_dict()]
    if not names:
        return
    model = model_of("vae", (1, 8, 8))
    optimiser = Adam(list(model.parameters()), 0.0)
    live, other = (Checkpointed(model, optimiser, [], None, each) for each in (scored, again))
    before = {key: value.clone() for key, value in live.tensors().items()}
    terms = scored(model(Batch(torch.rand(4, 1, 8, 8), torch.arange(4)), 1))
    assert all(torch.equal(before[key], live.tensors()[key]) for key in names)
    scored.observe(replace(terms, rate=terms.rate + 100))
    assert any(not torch.equal(before[key], live.tensors()[key]) for key in names)
    for key in names:
        other.tensors()[key].copy_(live.tensors()[key])
    state = model(Batch(torch.rand(4, 1, 8, 8), torch.arange(4)), 1)
    assert torch.equal(scored(state).loss, again(state).loss)


@pytest.mark.parametrize("name", registry.names("model"))
def test_equal_seeds_give_equal_models_and_equal_passes(name):
    def once():
        torch.manual_seed(3)
        model = model_of(name, (1, 8, 8))
        state = model(batch_of(model, torch.linspace(0, 1, 128).reshape(2, 1, 8, 8)), 2)
        return state.z, state.p_x.mean

    for first, second in zip(once(), once()):
        assert torch.equal(first, second)


@pytest.mark.parametrize("name", registry.names("model"))
def test_a_model_is_saved_and_read_again_the_same(name, tmp_path):
    torch.manual_seed(0)
    model = model_of(name, (1, 8, 8))
    batch = batch_of(model, torch.rand(4, 1, 8, 8))
    model(batch)  # in training mode, so that what is not learned by gradient has moved, too
    storage.save_tensors(tmp_path / "model.safetensors", model.eval().state_dict())
    again = model_of(name, (1, 8, 8)).eval()
    again.load_state_dict(storage.load_tensors(tmp_path / "model.safetensors")[0])
    c = model.complete(batch.x, batch.c)
    q, other = model.encode(batch.x, c), again.encode(batch.x, c)
    assert torch.equal(q.mean, other.mean)
    assert torch.equal(model.decode(q.mean, c).mean, again.decode(other.mean, c).mean)


@pytest.mark.parametrize("name", registry.names("objective"))
def test_an_objective_is_configured_by_its_signature_alone(name):
    objective = make_objective(name)
    assert isinstance(objective, Objective)
    with pytest.raises(ConfigError, match=r"unknown key 'objective\.nonsense'"):
        config.check_component("objective", {"name": name, "nonsense": 1}, "objective")


@pytest.mark.parametrize("name", registry.names("sampler"))
def test_a_sampler_starts_with_its_defaults_and_has_a_file_for_all_that_it_learns(name):
    sampler = config.build(
        "sampler",
        config.check_component(
            "sampler", {"name": name, **({"path": "x"} if name == "run" else {})}, "sampler"
        ),
        latent=(2,),
        coder=make("posterior", "ema_codebook", latent=(2,)),
    )
    assert sampler.latent == (2,)
    assert sampler.kept == bool(sampler.state_dict())
