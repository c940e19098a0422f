"""A condition may be said in many forms, and one row comes of it whoever is told."""

import numpy as np
import pytest

import latentia
from latentia.cli import main
from latentia.core.errors import ConfigError
from latentia.data.conditions import Factors, Labels
from latentia.serving.service import Service

TINY = {"network": {"name": "mlp", "hidden": [16]}, "latent_dim": 2, "epochs": 1}
NAMES = ("size", "sky")


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """A model told labels that have names."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("named")
    np.savez(folder / "d.npz", x=rng.random((60, 8)), y=np.array(["ant", "bee", "cat"] * 20))
    return latentia.train(folder / "d.npz", model="conditional_vae", out=folder / "run", **TINY)


@pytest.fixture(scope="module")
def factors(tmp_path_factory):
    """A model told known factors, which are numbers with names."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("factors")
    table = np.stack([np.arange(60) % 3, np.arange(60) % 4], axis=1)
    np.savez(folder / "d.npz", x=rng.random((60, 8)), factors=table, factor_names=np.array(NAMES))
    return latentia.train(
        folder / "d.npz", model="conditional_vae", condition="factors", out=folder / "run", **TINY
    )


def forms_of_a_label():
    import pandas as pd
    import torch

    one = ["bee", 1, "1", np.int64(1), ["bee"], np.array(["bee"]), np.array([1]), torch.tensor([1])]
    return [*one, pd.Series(["bee"]), np.eye(3)[1], np.eye(3)[[1]], np.eye(3, dtype=np.float32)[1]]


@pytest.mark.parametrize("form", forms_of_a_label(), ids=repr)
def test_a_label_is_the_same_in_every_form(named, form):
    x = named.dataset.x[:2]
    rows = named.conditions(form)
    np.testing.assert_array_equal(rows, [[0, 1, 0]])
    right = named.model.encode(next(named.prepare(x)), named.tensor(np.repeat(rows, 2, axis=0))).mean.numpy()
    np.testing.assert_array_equal(named.encode(x, form), right)
    np.testing.assert_array_equal(named.sample(3, condition=form), named.sample(3, condition="bee"))
    changed = named.reconstruct(x, "ant", edit=form)
    np.testing.assert_array_equal(changed, named.decode(named.encode(x, "ant"), "bee"))


def test_several_labels_are_one_for_each_example(named):
    right = np.eye(3)[[2, 0]]
    for form in (["cat", "ant"], [2, 0], "cat,ant", "2,0", np.array([2, 0]), right):
        np.testing.assert_array_equal(named.conditions(form, 2), right)
    np.testing.assert_array_equal(named.conditions("all"), np.eye(3))
    assert named.classes_of(named.conditions("cat"), 2) == ["cat", "cat"]


def test_values_by_name_are_a_vector_and_the_others_are_at_their_means(factors):
    mean = np.array(factors.condition.mean)
    assert factors.condition.names == NAMES
    by_name = ({"sky": 3, "size": 1}, [{"size": 1, "sky": 3}], "sky=3, size=1")
    for form in (*by_name, "1,3", [1, 3], np.array([1, 3])):
        np.testing.assert_array_equal(factors.conditions(form), factors.condition.rows([1.0, 3.0]))
    np.testing.assert_array_equal(factors.conditions("sky=3"), factors.condition.rows([mean[0], 3.0]))
    again = latentia.open_run(factors.folder.path)
    np.testing.assert_array_equal(again.conditions({"sky": 3}), factors.conditions("sky=3"))


def test_the_command_line_and_the_service_read_the_same_forms(factors, tmp_path):
    right = factors.sample(3, condition={"sky": 3}, seed=1)
    out = tmp_path / "o.npy"
    with pytest.raises(SystemExit) as ended:
        main(["sample", str(factors.folder.path), "-n3", "--seed=1", "--condition=sky=3", "-o", str(out)])
    assert ended.value.code == 0
    np.testing.assert_allclose(np.load(out), right, rtol=1e-5)
    service = Service(factors)
    for form in ({"sky": 3}, "sky=3", [factors.condition.mean[0], 3]):
        np.testing.assert_allclose(service.sample(3, condition=form, seed=1), right, rtol=1e-5)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("skye=3", r"no 'skye'; did you mean 'sky'"),
        ({"size": "large"}, "must be 2 numbers"),
        ("sky", "must be 2 numbers, not 'sky'"),
        ([1, 2, 3], r"must be 2 numbers, not of shape \(1, 3\)"),
        ([1, float("inf")], "finite numbers"),
        ([1, float("nan")], "finite numbers"),
        ([10**400, 1], "must be 2 numbers"),
        ("all", "'all' needs labels"),
        ([], "must be 2 numbers"),
        ([[1, 2]] * 3, "must have shape 2x2 or 1x2, not 3x2"),
    ],
)
def test_what_is_no_condition_is_refused_in_one_line(factors, form, message):
    with pytest.raises(ConfigError, match=message) as refused:
        factors.encode(factors.dataset.x[:2], form)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("dog", "no label 'dog'; it knows ant, bee, cat"),
        ([], "the condition is empty"),
        ({"label": "bee"}, "no label"),
        (float("inf"), "no label 'inf'"),
        (["ant", "bee", "cat"], "must have shape 2x3 or 1x3, not 3x3"),
    ],
)
def test_what_is_no_label_is_refused_in_one_line(named, form, message):
    with pytest.raises(ConfigError, match=message):
        named.encode(named.dataset.x[:2], form)


def test_factors_recorded_without_names_take_numbers():
    bare = Factors((0.0, 1.0), (1.0, 1.0))
    with pytest.raises(ConfigError, match="have no names; give 2 numbers"):
        bare.rows({"sky": 3})
    np.testing.assert_array_equal(Labels(2).rows([]), np.zeros((0, 2)))


def test_rows_come_back_from_a_page_as_they_went(named, factors):
    rows = factors.conditions("sky=3")
    np.testing.assert_array_equal(factors.condition_rows(rows.tolist()), rows)
    np.testing.assert_array_equal(factors.conditions(factors.condition_rows(rows.tolist()[0])), rows)
    for wrong in ([1, 2], "seven", [[1, 2, 3], [1, 2]]):
        with pytest.raises(ConfigError, match="condition"):
            named.condition_rows(wrong)
