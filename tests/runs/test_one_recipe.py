"""Samples come about in one way, whoever asks for them."""

import numpy as np
import pytest

import latentia
from latentia.evaluation.records import Settings
from latentia.evaluation.subject import Subject
from latentia.evaluation.topics.generation import _generated
from latentia.explorer import requests
from latentia.explorer.view import View
from latentia.report.group import gather
from latentia.report.study import SIDE
from latentia.serving.service import Service

TINY = {"network": {"name": "mlp", "hidden": [16]}, "latent_dim": 2, "epochs": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return latentia.train("digits", out=tmp_path_factory.mktemp("runs") / "vae", **TINY)


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    """A prior that depends on the condition, and a condition that must be told."""
    prior = {"name": "conditional_normal"}
    out = tmp_path_factory.mktemp("runs") / "conditional"
    return latentia.train("digits", model="conditional_vae", prior=prior, out=out, **TINY)


def test_who_asks_for_a_sampler_by_name_alone_gets_the_fit_that_is_there(run):
    fit = run.sampler("mixture", components=3)
    kept = run.folder.samplers / "mixture.safetensors"
    before = kept.read_bytes()
    right = run.made(5, sampler=fit, seed=2)
    explored, _ = requests.sample(View(run, 0), {"n": 5, "seed": 2, "sampler": "mixture"})
    served = Service(run).sample(5, sampler="mixture", seed=2)
    assert np.array_equal(explored["x"], right) and np.array_equal(served, right)
    assert kept.read_bytes() == before


def test_every_door_gives_the_same_samples(run, conditional):
    for opened in (run, conditional):
        right = opened.sample(6, seed=4)
        explored, _ = requests.sample(View(opened, 0), {"n": 6, "seed": 4})
        subject = Subject(opened, Settings(seed=4), quiet=True)
        (study,) = gather([opened], 4).studies
        for made in (
            explored["x"],
            Service(opened).sample(6, seed=4),
            _generated(subject, "prior", 6)[0],
            study.samples("prior", 6),
        ):
            assert np.array_equal(made, right)


def test_the_plane_of_a_conditional_prior_is_spaced_as_the_prior_it_is_decoded_under(conditional):
    (study,) = gather([conditional]).studies
    across, _, _ = study.sheet()
    prior = conditional.model.prior(conditional.condition_tensor(study.told, 1))
    assert across[SIDE // 2] == pytest.approx(float(prior.mean[0, 0]), abs=1e-6)
    assert across[-1] == pytest.approx(float(prior.mean[0, 0] + 3 * prior.stddev[0, 0]), rel=1e-4)


def test_codes_of_a_conditional_model_are_decoded_under_conditions(tmp_path):
    parts = {"posterior": {"name": "ema_codebook", "size": 8}, "prior": "uniform_codes", "objective": "vq"}
    run = latentia.train("digits", model="conditional_vae", out=tmp_path / "codes", **parts, **TINY)
    run.sampler("autoregressive", steps=2, width=4, layers=1)
    made = _generated(Subject(run, Settings(), quiet=True), "autoregressive", 4)[0]
    assert np.array_equal(made, run.made(4, run.conditions_for(4), run.kept_sampler("autoregressive")))
