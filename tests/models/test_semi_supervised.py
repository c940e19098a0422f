import dataclasses
import math

import numpy as np
import pytest
import torch

import latentia
from latentia.core.errors import LatentiaError
from latentia.core.types import Batch, Pass
from latentia.data import load
from latentia.data.conditions import Labels, SomeLabels
from latentia.data.loader import Loader, loaders
from latentia.data.transforms import Identity, dequantising
from latentia.metrics.annealing import annealed
from latentia.metrics.likelihood import importance_weighted
from latentia.metrics.terms import average_terms
from latentia.models import SemiSupervisedVAE
from latentia.networks import MLP
from latentia.objectives import ELBO, SemiSupervised
from latentia.probability import Gaussian

CLASSES = 3


def small(**arguments):
    torch.manual_seed(0)
    return SemiSupervisedVAE((1, 4, 4), 2, 8, condition=CLASSES, network=MLP((8,)), **arguments).eval()


def examples(count=5, labelled=0):
    generator = torch.Generator().manual_seed(1)
    x = (torch.rand(count, 1, 4, 4, generator=generator) > 0.5).float()
    c = torch.eye(CLASSES)[torch.arange(count) % CLASSES]
    c[labelled:] = math.nan
    return Batch(x, torch.arange(count), c)


def under(state, model, batch, label):
    """The pass of a conditional VAE with the same weights and noise, every example under one label."""
    count = len(batch.x)
    at = slice(label * count, (label + 1) * count)
    z = state.z[:, at]
    c = torch.eye(CLASSES)[[label] * count]
    return Pass(batch, model.encode(batch.x, c), z, model.prior(c), model.decode(z, c))


def test_with_all_labels_it_is_the_conditional_vae_and_a_classifier():
    model, batch = small(), examples(labelled=5)
    state = model(batch, 4)
    terms = SemiSupervised(alpha=7.0, samples=4)(state)
    label = batch.c.argmax(dim=1)
    elbo = torch.stack([ELBO()(under(state, model, batch, y)).elbo for y in range(CLASSES)])
    expected = elbo[label, torch.arange(5)] - math.log(CLASSES)
    assert torch.allclose(terms.elbo, expected, atol=1e-5)
    cross_entropy = torch.nn.functional.cross_entropy(model.classifier(batch.x), label, reduction="none")
    assert torch.allclose(terms.penalty, 7.0 * cross_entropy, atol=1e-5)


def test_without_labels_it_is_the_sum_over_all_of_them():
    model, batch = small(), examples()
    state = model(batch, 4)
    terms = SemiSupervised(samples=4)(state)
    q = model.classifier(batch.x).softmax(dim=1)
    total = torch.zeros(5)
    for y in range(CLASSES):
        joint = ELBO()(under(state, model, batch, y)).elbo - math.log(CLASSES)  # bounds log p(x, y)
        total += q[:, y] * (joint - q[:, y].log())
    assert torch.allclose(terms.elbo, total, atol=1e-5)
    assert (terms.penalty == 0).all()


def test_the_bound_is_below_that_of_the_best_classifier_which_reaches_it():
    model, batch = small(), examples()
    state = model(batch, 2)
    joint = torch.stack([ELBO()(under(state, model, batch, y)).elbo for y in range(CLASSES)], dim=1)
    best = (joint - math.log(CLASSES)).logsumexp(dim=1)  # max over q of sum_y q (joint - log q)
    assert (SemiSupervised()(state).elbo <= best + 1e-5).all()
    exact = dataclasses.replace(state, q_y=torch.distributions.Categorical(logits=joint))
    assert torch.allclose(SemiSupervised()(exact).elbo, best, atol=1e-5)


def test_the_bound_is_below_the_likelihood_found_by_integration():
    """One latent: log p(x) = log mean_y integral p(z) p(x|y,z) dz on a fine grid."""
    torch.manual_seed(2)
    model = SemiSupervisedVAE((1, 2, 2), 1, 4, condition=CLASSES, network=MLP((4,))).eval()
    x = torch.tensor([[0.0, 1, 1, 0], [1, 1, 1, 1]]).view(2, 1, 2, 2)
    z = torch.linspace(-8, 8, 2001).view(-1, 1, 1).expand(-1, 2, 1)
    masses = []
    for y in range(CLASSES):
        c = torch.eye(CLASSES)[[y, y]]
        masses.append((model.prior(c).log_prob(z) + model.decode(z, c).log_prob(x)).exp())
    exact = torch.trapezoid(torch.stack(masses).mean(0), dx=16 / 2000, dim=0).log()
    bound = SemiSupervised(samples=4000)(model(Batch(x, torch.arange(2)), 4000)).elbo
    assert (bound < exact).all()


def test_the_rate_of_a_label_is_the_divergence_of_the_classifier_from_the_prior():
    model, batch = small(), examples()
    state = model(batch)
    certain = dataclasses.replace(state, q_y=torch.distributions.Categorical(logits=torch.zeros(5, CLASSES)))
    given = ELBO()(dataclasses.replace(state, batch=Batch(batch.x.repeat(3, 1, 1, 1), batch.index)))
    mean = given.rate.view(CLASSES, 5).mean(dim=0)
    assert torch.allclose(SemiSupervised()(certain).rate, mean, atol=1e-5)  # KL(uniform || uniform) = 0
    uniform = torch.distributions.Categorical(logits=torch.zeros(5, CLASSES))
    apart = torch.distributions.kl_divergence(state.q_y, uniform)
    assert torch.allclose(apart, math.log(CLASSES) - state.q_y.entropy(), atol=1e-5)
    weighed = (state.q_y.probs.T * given.rate.view(CLASSES, 5)).sum(dim=0)
    assert torch.allclose(SemiSupervised()(state).rate, weighed + apart, atol=1e-5)


@pytest.mark.parametrize("labelled", [0, 2, 5])
def test_gradients_reach_every_parameter_whatever_share_is_labelled(labelled):
    model = small().train()
    SemiSupervised()(model(examples(labelled=labelled))).loss.mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert (parameter.grad != 0).any(), name


def test_an_unknown_label_is_the_most_probable_class_and_a_known_one_stays():
    model, batch = small(), examples(labelled=2)
    filled = model.complete(batch.x, batch.c)
    assert torch.equal(filled[:2], batch.c[:2])
    assert torch.equal(filled[2:].argmax(1), model.classify(batch.x[2:]).probs.argmax(1))
    assert torch.equal(model.encode(batch.x, batch.c).mean, model.encode(batch.x, filled).mean)


@pytest.fixture(scope="module")
def many():
    generator = np.random.default_rng(0)
    return load((generator.random((200, 1, 4, 4), np.float32), generator.integers(0, 4, 200)))


def test_as_many_labels_of_each_class_are_shown_and_all_of_them_in_training(many):
    condition = SomeLabels(**SomeLabels.settings(many, {"count": 12}))
    shown = condition.shown(many)
    assert np.bincount(many.labels[shown]).tolist() == [3, 3, 3, 3]
    assert np.isin(shown, many.splits["train"]).all()
    rows = condition.of(many)
    assert np.flatnonzero(~np.isnan(rows).any(axis=1)).tolist() == shown.tolist()
    assert (rows[shown] == Labels(4).of(many)[shown]).all()


def test_equal_draws_show_equal_labels_and_other_draws_others(many):
    first, again, other = (SomeLabels(4, 8, draw).shown(many).tolist() for draw in (0, 0, 1))
    assert first == again != other


def test_a_count_that_is_no_multiple_of_the_classes_differs_by_one_at_the_most(many):
    counts = np.bincount(many.labels[SomeLabels(4, 10).shown(many)])
    assert counts.sum() == 10 and counts.max() - counts.min() == 1


def test_labelled_examples_are_repeated_until_they_are_the_stated_share(many):
    condition = SomeLabels(4, 8, share=0.25)
    rows, shown = condition.training_rows(many), condition.shown(many)
    assert np.isin(rows, shown).mean() == pytest.approx(0.25, abs=0.02)
    assert sorted(set(rows.tolist())) == many.splits["train"].tolist()
    unrepeated = SomeLabels(4, 8, share=0.0).training_rows(many)
    assert unrepeated.tolist() == many.splits["train"].tolist()


def test_data_without_labels_have_none_to_show(many):
    bare = dataclasses.replace(many, labels=None)
    assert np.isnan(SomeLabels(4, 8).of(bare)).all()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("semi") / "run"
    model = {"name": "semi_supervised_vae", "latent_dim": 4, "width": 64}
    return latentia.train(
        "digits", out=out, model=model, network={"name": "mlp", "hidden": [64]},
        likelihood="gaussian_optimal", condition={"count": 100}, epochs=12, lr=4e-3, batch_size=64,
    )  # fmt: skip


def test_the_evaluation_holds_the_classifier_against_the_labels_that_it_was_not_told(run):
    figure = latentia.evaluate(run, only=("representation",)).figures["classification_error"]
    test = run.dataset.splits["test"]
    wrong = run.classify(run.dataset.x[test]).argmax(axis=1) != run.dataset.labels[test]
    assert figure.value == pytest.approx(wrong.mean()) and figure.examples == len(test)
    assert "100 labels" in figure.protocol
    assert figure.value < 0.4


def test_what_is_asked_without_a_label_is_inferred_first(run):
    x = run.dataset.x[run.examples("test", 5)]
    c = run.complete(x)
    assert c.argmax(axis=1).tolist() == run.classify(x).argmax(axis=1).tolist()
    assert np.allclose(run.reconstruct(x), run.decode(run.encode(x, c), c))
    assert run.sample(4, condition=3).shape == (4, 1, 8, 8)
    with pytest.raises(latentia.LatentiaError, match=r"--condition, such as a label\)$"):
        run.decode(run.encode(x))


def test_its_latents_go_back_into_training_with_labels_and_splits(run, tmp_path):
    from latentia.cli import main

    path = tmp_path / "z.npz"
    with pytest.raises(SystemExit, match="0"):
        main(["encode", str(run.folder.path), "--split", "each", "-o", str(path)])
    codes = load(path)
    for split, rows in run.dataset.splits.items():
        assert len(codes.splits[split]) == len(rows)
        assert codes.labels[codes.splits[split]].tolist() == run.dataset.labels[rows].tolist()
        assert np.allclose(codes.x[codes.splits[split]], run.encode_examples(rows), atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"condition": {"count": 5}}, "10 classes; give one label for each"),
        ({"condition": {"count": 10**6}}, r"labelled training examples, and condition\.count asks for 1,0"),
        ({"condition": {"share": 1.0}}, "'condition.share' is a share"),
        ({"objective": "elbo"}, r"model 'semi_supervised_vae'.*objective 'elbo'.*=semi_supervised"),
        (
            {"model": "vae", "objective": "semi_supervised"},
            r"'semi_supervised'.*model 'vae'.*_supervised_vae",
        ),
        ({"condition": {"name": "vectors", "path": "v.npy"}}, "infers labels, and condition 'vectors'"),
    ],
)
def test_what_does_not_fit_is_caught_before_anything_is_written(tmp_path, monkeypatch, settings, message):
    monkeypatch.chdir(tmp_path)
    np.save("v.npy", np.zeros((1797, 2), np.float32))
    with pytest.raises(LatentiaError, match=message):
        latentia.train("digits", out="run", epochs=1, **{"model": "semi_supervised_vae", **settings})
    assert not (tmp_path / "run").exists()


def linear(labels):
    """p(x|y, z) = N(x; B_y z + b_y, s^2 I) with p(x) in closed form, and data of which some have labels."""
    model = SemiSupervisedVAE(
        (3,), 1, 8, condition=CLASSES, network=MLP((8,)), likelihood=Gaussian(sigma=0.7)
    ).eval()  # fmt: skip
    generator = torch.Generator().manual_seed(3)
    slope, shift = torch.randn(2, CLASSES, 3, generator=generator)
    model.outputs = lambda z, c: z * (c @ slope) + c @ shift
    x = torch.randn(4, 3, generator=generator)
    covariance = slope[:, :, None] * slope[:, None] + 0.49 * torch.eye(3)
    joint = torch.distributions.MultivariateNormal(shift, covariance).log_prob(x[:, None]) - math.log(CLASSES)
    c = torch.full((4, CLASSES), math.nan)
    c[:labels] = torch.eye(CLASSES)[:labels]
    exact = joint.logsumexp(dim=1)
    exact[:labels] = joint[range(labels), range(labels)]
    return model, Loader(x, torch.arange(4), Identity(), c), exact


@pytest.mark.parametrize("labels", [0, 2])
def test_importance_sampling_and_annealing_sum_out_labels_that_are_not_known(labels):
    torch.manual_seed(0)
    model, loader, exact = linear(labels)
    found = importance_weighted(model, loader, 20_000)
    assert found.log_likelihood == pytest.approx(exact.numpy(), abs=0.1)
    steps = annealed(model, loader, 64, 20)
    assert steps.log_likelihood == pytest.approx(exact.numpy(), abs=0.3)


def test_the_bound_that_is_evaluated_is_that_of_examples_without_labels(run):
    found = latentia.evaluate(run, only=("likelihood",), samples=20).figures
    transform = dequantising(run.transform, run.dataset.high, run.model.support)
    loader = loaders(run.dataset, transform, c=run.condition.of(run.dataset))["test"].shuffled(0)
    terms = average_terms(run.model, run.objective, loader)
    assert found["elbo"].value == pytest.approx(-terms.negative_elbo, abs=1e-3)
    assert found["rate"].value == pytest.approx(terms.rate, abs=1e-3)
    assert "summed over 10 classes" in found["log_likelihood"].protocol
