import dataclasses

import numpy as np
import pytest
import torch

import latentia
from latentia.core.errors import LatentiaError
from latentia.core.types import Batch
from latentia.data.conditions import Factors, Labels, Vectors
from latentia.models import ConditionalVAE
from latentia.networks import MLP
from latentia.probability import ConditionalNormal


def small(condition=3, **arguments):
    torch.manual_seed(0)
    return ConditionalVAE((1, 4, 4), 2, 8, condition=condition, network=MLP((8,)), **arguments)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("conditional") / "run"
    settings = {"model": {"name": "conditional_vae", "latent_dim": 4}, "training": {"epochs": 30, "lr": 4e-3}}
    settings["network"] = {"name": "mlp", "hidden": [64]}
    return latentia.train("digits", out=out, **settings)


def test_samples_of_a_label_look_more_like_that_label_than_like_any_other(run):
    x = run.dataset.x[run.dataset.splits["train"]].astype(float)
    labels = run.dataset.labels[run.dataset.splits["train"]]
    means = np.stack([x[labels == digit].mean(axis=0).ravel() for digit in range(10)])
    made = np.stack([run.sample(40, condition=digit).mean(axis=0).ravel() for digit in range(10)])
    nearest = np.square(made[:, None] - means[None]).sum(axis=2).argmin(axis=1)
    assert nearest.tolist() == list(range(10))


def test_an_edit_keeps_the_latent_and_changes_the_condition(run):
    at = run.examples("test", 6)
    x, c = run.dataset.x[at], run.conditions_at(at)
    seven = run.conditions(7)
    assert np.allclose(run.reconstruct(x, c, edit=seven), run.decode(run.encode(x, c), seven))
    assert not np.allclose(run.reconstruct(x, c, edit=seven), run.reconstruct(x, c))


def test_a_model_that_never_did_without_a_condition_asks_for_one(run):
    with pytest.raises(LatentiaError, match=r"needs a condition.*model\.drop"):
        run.encode(run.dataset.x[:2])


def test_an_unknown_label_is_named_with_those_that_are_known(run):
    with pytest.raises(LatentiaError, match=r"no label '12'.*it knows 0, 1, 2"):
        run.conditions(12)
    with pytest.raises(LatentiaError, match="no label 'seven'"):
        run.conditions("seven")
    with pytest.raises(LatentiaError, match=r"no label '2\.5'"):
        run.conditions(2.5)


def test_a_condition_of_another_size_is_refused(run):
    with pytest.raises(LatentiaError, match="must have shape 2x10 or 1x10, not 2x4"):
        run.encode(run.dataset.x[:2], np.zeros((2, 4), np.float32))


def test_a_model_without_a_condition_takes_none(tmp_path):
    plain = latentia.train("digits", out=tmp_path / "vae", epochs=1, network={"name": "mlp", "hidden": [8]})
    with pytest.raises(LatentiaError, match="takes no condition"):
        plain.sample(2, condition=3)


def test_samples_without_a_condition_follow_the_labels_of_the_data(run):
    c = run.conditions_for(20_000, seed=1)
    share = np.bincount(run.dataset.labels[run.dataset.splits["train"]], minlength=10)
    assert np.allclose(c.mean(axis=0), share / share.sum(), atol=5 * np.sqrt(0.1 * 0.9 / 20_000))


def test_a_run_is_the_same_when_it_is_opened_again(run):
    again = latentia.open_run(run.folder.path)
    assert np.array_equal(again.sample(4, condition=[1, 2]), run.sample(4, condition=[1, 2]))


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("flow", {"steps": 5}),
        ("two_stage", {"steps": 5}),
        ("diffusion", {"fit_steps": 5, "denoiser": {"name": "denoiser_mlp", "width": 16, "blocks": 1}}),
    ],
)
def test_a_sampler_that_is_fitted_is_told_the_condition(run, name, settings):
    if name == "flow":
        pytest.importorskip("zuko")
    sampler = run.sampler(name, **settings)
    three, four = (run.conditions([digit] * 5) for digit in (3, 4))
    made = run.sample(5, condition=3, sampler=name, seed=1, **settings)
    z = run.draw(5, three, sampler, seed=1)
    np.testing.assert_array_equal(made, run.decode(z, 3))
    assert (z != run.draw(5, four, sampler, seed=1)).any()
    assert run.kept_sampler(name).sample(5, 1, torch.from_numpy(np.array(three))).tolist() == z.tolist()


def test_what_samplers_are_fitted_to_stands_beside_the_conditions_that_it_was_encoded_under(run):
    rows = run.dataset.splits["train"]
    assert np.array_equal(run.moments_c.argmax(axis=1), run.dataset.labels[rows])
    assert len(run.moments) == len(rows) and len(run.aggregate) == len(run.aggregate_c)
    mean = run.encode(run.dataset.part(rows), run.moments_c)
    np.testing.assert_allclose(run.moments[:, :4], mean, atol=1e-5)


def test_the_report_shows_samples_by_condition(run):
    from latentia.report import build

    page = build([run], run.folder.path / "report.html").read_text()
    assert "Samples by condition" in page and "Edited by condition" in page
    assert "encoded under its own condition, which alone may tell its class" in page


def test_the_evaluation_says_how_many_samples_are_recognised(run):
    figures = latentia.evaluate(run, only=("generation",), samplers=("prior", "mixture")).figures
    found = figures["condition_accuracy"]
    assert 0.3 < found.value <= 1 and found.error and found.examples == 10_000
    each = [figures[f"condition_accuracy_{kind}"] for kind in ("prior", "mixture", "posterior")]
    assert all(0.3 < one.value <= 1 and one.examples == figures["frechet_prior"].examples for one in each)
    assert "condition_accuracy_midpoint" not in figures


def test_a_hidden_condition_gives_what_no_condition_gives():
    model = small(drop=0.5).eval()
    x = torch.rand(4, 1, 4, 4)
    hidden = model.encode(x, torch.full((4, 3), torch.nan))
    assert torch.equal(hidden.mean, model.encode(x).mean)
    assert not torch.allclose(model.encode(x, torch.eye(3)[[0, 1, 2, 0]]).mean, hidden.mean)


def test_dropping_hides_the_stated_share_in_training_alone():
    model = small(drop=0.25)
    c = torch.zeros(20_000, 3)
    torch.manual_seed(0)
    share = float(model.told(c).isnan().all(dim=1).float().mean())
    assert share == pytest.approx(0.25, abs=5 * (0.25 * 0.75 / 20_000) ** 0.5)
    assert model.eval().told(c) is c


def test_the_conditional_prior_starts_as_the_standard_normal_and_follows_the_condition():
    prior = ConditionalNormal((2,), condition=3)
    c = torch.eye(3)
    assert torch.equal(prior(c).mean, torch.zeros(3, 2)) and torch.equal(prior(c).variance, torch.ones(3, 2))
    with torch.no_grad():
        prior.parameters_of.weight[0, 1] = 2.0
        prior.parameters_of.bias[2] = 0.5
    p = prior(c)
    assert p.mean[:, 0].tolist() == [0, 2, 0]
    assert torch.allclose(p.variance[:, 0], torch.full((3,), torch.tensor(1.0).exp().item()))
    hidden = prior(torch.full((1, 3), torch.nan))
    assert hidden.mean.tolist() == [[0, 0]] and hidden.variance.tolist() == [[1, 1]]


def test_the_rate_under_a_conditional_prior_is_zero_where_posterior_and_prior_agree():
    from latentia.objectives import ELBO

    model = small(prior=ConditionalNormal((2,), condition=3))
    state = model(Batch(torch.rand(5, 1, 4, 4), torch.arange(5), torch.eye(3)[[0, 1, 2, 0, 1]]), 2)
    same = dataclasses.replace(state, q=state.p_z)
    assert torch.allclose(ELBO()(same).rate, torch.zeros(5))


def test_labels_become_rows_and_missing_ones_are_not_known(digits_like):
    condition = Labels(**Labels.settings(digits_like, {}))
    rows = condition.of(digits_like)
    assert rows.shape == (12, 3) and np.isnan(rows[0]).all()
    assert rows[1:].argmax(axis=1).tolist() == digits_like.labels[1:].tolist()


def test_numbers_are_standardised_over_the_training_split(digits_like, tmp_path):
    values = np.random.default_rng(0).normal(3, 5, (12, 4)).astype(np.float32)
    np.save(tmp_path / "v.npy", values)
    condition = Vectors(**Vectors.settings(digits_like, {"path": str(tmp_path / "v.npy")}))
    train = condition.of(digits_like)[digits_like.splits["train"]]
    assert np.allclose(train.mean(axis=0), 0, atol=1e-5) and np.allclose(train.std(axis=0), 1, atol=1e-5)
    assert np.allclose(condition.rows(values[5]), condition.of(digits_like)[5])


def test_a_file_with_another_number_of_rows_is_refused(digits_like, tmp_path):
    np.save(tmp_path / "v.npy", np.zeros((5, 4), np.float32))
    with pytest.raises(LatentiaError, match=r"has 5 rows, and .* has 12 examples"):
        Vectors.settings(digits_like, {"path": str(tmp_path / "v.npy")})


def test_data_without_labels_or_factors_say_what_else_there_is(digits_like):
    bare = dataclasses.replace(digits_like, labels=None)
    with pytest.raises(LatentiaError, match=r"no labels to condition on.*vectors"):
        Labels.settings(bare, {})
    with pytest.raises(LatentiaError, match="no known factors"):
        Factors.settings(bare, {})


@pytest.fixture
def digits_like():
    from latentia.data import load

    labels = np.array([0, 1, 2] * 4)
    made = load((np.random.default_rng(0).random((12, 1, 4, 4), np.float32), labels))
    return dataclasses.replace(made, labels=np.where(np.arange(12) == 0, -1, labels))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "vae", "condition": "labels"}, "takes no condition"),
        ({"prior": "conditional_normal"}, "needs a condition.*conditional_vae"),
        ({"model": {"name": "conditional_vae", "drop": 1.5}}, "share of the examples"),
        ({"model": "conditional_vae", "condition": "lables"}, "did you mean 'labels'"),
        (
            {"model": "conditional_vae", "condition": {"name": "labels", "clases": 3}},
            "did you mean 'classes'",
        ),
        ({"model": "conditional_vae", "condition": "vectors"}, "'condition.path' is missing"),
    ],
)
def test_what_does_not_fit_is_caught_before_anything_is_written(tmp_path, settings, message):
    with pytest.raises(LatentiaError, match=message):
        latentia.train("digits", out=tmp_path / "run", epochs=1, **settings)
    assert not (tmp_path / "run").exists()


def test_an_example_of_the_test_split_is_an_array_and_has_a_row(run):
    assert np.array_equal(run.example(3), run.dataset.x[run.test_row(3)])
    with pytest.raises(LatentiaError, match="no test example 100000"):
        run.example(100_000)


VALUE = -0.07
"""A value of a numeric condition in the user's units; training examples have 0.5 +- 0.01 of them."""


@pytest.fixture(scope="module")
def numeric(tmp_path_factory):
    place = tmp_path_factory.mktemp("numeric")
    x = latentia.data.load("digits").x
    np.save(place / "v.npy", np.random.default_rng(0).normal(0.5, 0.01, (len(x), 1)))
    condition = {"name": "vectors", "path": str(place / "v.npy")}
    settings = {"network": {"name": "mlp", "hidden": [16]}, "latent_dim": 2, "epochs": 1}
    return latentia.train(
        "digits", out=place / "run", model="conditional_vae", condition=condition, **settings
    )


def told_of(numeric, value=VALUE):
    return (value - numeric.condition.mean[0]) / numeric.condition.std[0]


def test_a_number_is_standardised_once_whatever_way_it_goes(numeric, tmp_path):
    from latentia.cli import main
    from latentia.serving.server import create_app
    from latentia.serving.service import Service
    from tests.serving.asking import asked_at

    z = numeric.sample_latents(3, c=numeric.conditions(VALUE), seed=5)
    row = torch.full((3, 1), told_of(numeric), dtype=torch.float32)
    with torch.no_grad():
        right = numeric.transform.invert(numeric.model.decode(torch.from_numpy(z), row).mean).numpy()
    out = tmp_path / "made.npy"
    call = ["sample", str(numeric.folder.path), "-n", "3", "--seed", "5", "-o", str(out)]
    with pytest.raises(SystemExit) as ended:
        main([*call, "--condition", str(VALUE)])
    assert ended.value.code == 0
    np.testing.assert_allclose(np.load(out), right, rtol=1e-5)
    np.testing.assert_allclose(numeric.sample(3, condition=VALUE, seed=5), right, rtol=1e-5)
    np.testing.assert_allclose(
        numeric.sample(3, condition=numeric.conditions(VALUE), seed=5), right, rtol=1e-5
    )
    np.testing.assert_allclose(numeric.decode(z, np.array([[VALUE]])), right, rtol=1e-5)
    with asked_at(create_app(Service(numeric))) as client:
        asked = {"n": 3, "seed": 5, "condition": VALUE}
        np.testing.assert_allclose(client.post("/sample", json=asked).json()["x"], right, rtol=1e-5)
        asked = {"z": z.tolist(), "condition": [[VALUE]]}
        np.testing.assert_allclose(client.post("/decode", json=asked).json()["x"], right, rtol=1e-5)


def test_rows_stay_rows_through_parts_joins_and_reopening(numeric):
    at = numeric.examples("test", 4)
    rows = numeric.conditions_at(at)
    values = numeric.condition._read(numeric.condition.path, numeric.dataset)[at]
    np.testing.assert_allclose(rows, (values - numeric.condition.mean) / numeric.condition.std, rtol=1e-4)
    for same in (rows, np.concatenate([rows[:2], rows[2:]]), rows[np.arange(4)], np.repeat(rows, 1, axis=0)):
        np.testing.assert_array_equal(numeric.conditions(same, 4), np.asarray(rows))
    x = numeric.dataset.x[at]
    np.testing.assert_allclose(numeric.encode(x, values), numeric.encode(x, rows), atol=1e-4)
    path = numeric.interpolate(x[0], x[1], rows[:2], steps=3)
    np.testing.assert_allclose(path[0], numeric.reconstruct(x[:1], rows[:1])[0], rtol=1e-4)


def test_several_numbers_are_one_for_each_sample(numeric):
    several = numeric.sample(2, condition=[0.49, 0.51], seed=1)
    assert several.shape[0] == 2
    np.testing.assert_allclose(
        numeric.conditions([0.49, 0.51]).ravel(), [told_of(numeric, 0.49), told_of(numeric, 0.51)], rtol=1e-5
    )
