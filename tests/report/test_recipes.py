"""Runs that differ in nothing but a seed stand as one."""

import copy
import types

import numpy as np
import pytest

import latentia
from latentia.core.errors import RunError
from latentia.report import check_comparable
from latentia.report.marks import Column, paired
from latentia.report.recipes import called, recipes
from latentia.report.sections import evaluation

SPEC = {"model": {"name": "vae"}, "training": {"seed": 0, "lr": 1e-3, "device": "cpu"}, "data": {"seed": 0}}


def study(title, **changes):
    spec = copy.deepcopy(SPEC)
    for path, value in changes.items():
        section, name = path.split("_", 1)
        spec.setdefault(section, {})[name] = value
    return types.SimpleNamespace(title=title, run=types.SimpleNamespace(spec=spec))


def test_a_seed_or_a_device_makes_no_other_recipe():
    alike = [study("a-0"), study("a-1", training_seed=1), study("a-2", data_seed=7, training_device="cuda")]
    (found,) = recipes(alike)
    assert found.studies == tuple(alike) and found.title == "a, 3 seeds"


def test_a_setting_does():
    runs = [study("a"), study("b", training_lr=1e-4), study("c", training_seed=1)]
    assert [[each.title for each in recipe.studies] for recipe in recipes(runs)] == [["a", "c"], ["b"]]


@pytest.mark.parametrize(
    ("titles", "title"),
    [
        (["vae"], "vae"),
        (["vae-10", "vae-11"], "vae, 2 seeds"),
        (["beta-4", "beta-4-2"], "beta-4, 2 seeds"),
        (["0.5, 1", "0.5, 2", "0.5, 3"], "0.5, 3 seeds"),
        (["vae_seed=1", "vae_seed=2"], "vae, 2 seeds"),
        (["one", "two"], "one, 2 seeds"),
    ],
)
def test_runs_of_a_recipe_have_what_their_names_begin_with(titles, title):
    assert called(titles) == title


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    root = tmp_path_factory.mktemp("family")
    return [
        latentia.train(
            "digits", out=root / f"{name}-{seed}", epochs=40, network={"name": "mlp", "hidden": [16]},
            latent_dim=latents, training={"seed": seed},
        )
        for name, latents in (("small", 1), ("large", 8))
        for seed in (0, 1, 2)
    ]  # fmt: skip


def test_the_table_has_a_column_for_each_recipe_and_differences_that_are_paired(family, group_of):
    asked = {"only": ("likelihood", "reconstruction"), "samples": 20, "limit": 50}
    assessments = [latentia.evaluate(run, **asked) for run in family]
    section = evaluation.section(group_of(*family, assessments=assessments))
    assert section.columns == ("small, 3 seeds", "large, 3 seeds")
    small, large = next(row.cells for row in section.facts if row.label == "MSE")
    values = np.array([each.figures["mse"].value for each in assessments]).reshape(2, 3)
    spread = values.std(axis=1, ddof=1)
    assert float(large.text.split("\u00a0±\u00a0")[0]) == pytest.approx(values[1].mean(), rel=1e-2)
    assert float(large.text.split("\u00a0±\u00a0")[1]) == pytest.approx(spread[1], rel=0.05)
    each = np.stack([found.figures["mse"].values for found in assessments]).reshape(2, 3, -1)
    apart = each.mean(axis=1)[0] - each.mean(axis=1)[1]
    error = np.hypot(apart.std(ddof=1) / len(apart) ** 0.5, np.hypot(*spread) / 3**0.5)
    assert large.best and not small.best and large.note == ""
    delta, of = small.note.removeprefix("Δ\u00a0").split("\u00a0±\u00a0")
    assert float(delta) == pytest.approx(apart.mean(), rel=1e-2) and float(of) == pytest.approx(
        error, rel=0.05
    )
    assert "the mean over seeds ± the standard deviation" in section.lead


def test_values_of_examples_are_kept_and_belong_to_their_figures(family):
    run = family[0]
    asked = {"only": ("likelihood", "reconstruction"), "samples": 20, "limit": 50}
    first, again = latentia.evaluate(run, **asked), latentia.evaluate(run, **asked)
    for name in ("elbo", "distortion", "rate", "bits_per_dim", "mse", "psnr"):
        fresh, read = first.figures[name], again.figures[name]
        np.testing.assert_array_equal(fresh.values, read.values)
        np.testing.assert_array_equal(fresh.rows, read.rows)
        assert read.values.mean(dtype=float) == pytest.approx(read.value, rel=1e-5)
        assert sorted(read.rows.tolist()) == sorted(run.dataset.splits["test"].tolist())
    of_elbo, of_mse = again.figures["elbo"], again.figures["mse"]
    assert of_elbo.rows.tolist() != of_mse.rows.tolist()  # the bound is measured in another order
    np.testing.assert_allclose(
        of_elbo.values, -(again.figures["distortion"].values + again.figures["rate"].values), rtol=1e-5
    )
    run.folder.examples_file.write_bytes(b"damaged")
    without = latentia.evaluate(run, **asked)
    assert without.figures["elbo"] == of_elbo and without.figures["elbo"].values is None


def test_runs_of_other_data_seeds_stand_on_one_page_where_the_test_split_is_given(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "given.npz", x_train=rng.random((80, 5)), x_test=rng.random((20, 5)))
    np.save(tmp_path / "drawn.npy", rng.random((100, 5)))
    small = {"epochs": 1, "latent_dim": 2, "network": {"name": "mlp", "hidden": [4]}}

    def runs(name):
        return [
            latentia.train(
                str(tmp_path / name), out=tmp_path / f"{name}-{seed}", data={"seed": seed}, **small
            )
            for seed in (0, 1)
        ]

    given = runs("given.npz")
    check_comparable(given)
    first, second = (latentia.evaluate(run, only=("reconstruction",)) for run in given)
    columns = [
        Column("", (each.figures["mse"],), (each.about,)) for each in (first, second)
    ]  # fmt: skip
    assert len(paired(*columns)) == 20
    with pytest.raises(RunError, match="other data or another split"):
        check_comparable(runs("drawn.npy"))
