"""Objectives whose weights are found in training: the papers' updates, and where they lead."""

import math

import pytest
import torch
from torch.distributions import Independent, Normal

import latentia
from latentia.core import storage
from latentia.core.errors import ConfigError
from latentia.core.noise import seeded
from latentia.core.types import Batch, Pass
from latentia.objectives import ELBO, GECO, ControlVAE
from latentia.training.folder import RunFolder


def a_pass(guess):
    x = torch.zeros(len(guess), 4)
    q = Independent(Normal(torch.full((len(guess), 2), 0.5), 1.0), 1)
    p_x = Independent(Normal(guess.unsqueeze(0), 1.0), 1)
    return Pass(
        Batch(x, torch.arange(len(guess))),
        q,
        q.rsample((1,)),
        Independent(Normal(torch.zeros(2), 1.0), 1),
        p_x,
    )


def test_the_multiplier_follows_the_moving_average_of_the_constraint():
    objective = GECO(tolerance=2.0, decay=0.9, rate=0.1)
    average, multiplier = None, 1.0
    for size in (2.5, 1.0, 0.0, 3.0):
        state = a_pass(torch.full((3, 4), size))
        terms, plain = objective(state), ELBO()(state)
        assert torch.equal(terms.elbo, plain.elbo)
        # KL + lambda * sum_d ((x_d - mean_d)^2 - tolerance^2)
        expected = plain.rate + multiplier * 4 * (size**2 - 2.0**2)
        assert torch.allclose(terms.loss, expected, atol=1e-4)
        objective.observe(terms)
        constraint = min(1.0, size**2 / 4 - 1)
        average = constraint if average is None else 0.9 * average + 0.1 * constraint
        multiplier *= math.exp(0.1 * average)
        assert float(objective.multiplier.multiplier) == pytest.approx(multiplier, rel=1e-5)


def test_the_controller_is_that_of_the_paper_within_its_limits():
    objective = ControlVAE(rate=0.1, proportional=0.3, integral=0.5, least=0.2, most=0.9)
    beta, integral = 0.2, 0.0
    for size in (1.0, 2.0, 0.5):
        state = a_pass(torch.full((3, 4), size))
        terms = objective(state)
        assert torch.allclose(terms.loss, terms.distortion + beta * terms.rate)
        objective.observe(terms)
        error = 0.1 - float(terms.rate.mean())
        integral -= 0.5 * error
        beta = min(0.9, 0.3 / (1 + math.exp(error)) + integral + 0.2)
        assert float(objective.controller.beta) == pytest.approx(beta, rel=1e-5)


def test_the_sum_of_a_controller_does_not_run_away_while_the_rate_is_out_of_reach():
    controller = ControlVAE(rate=10.0, proportional=0.01, integral=0.01).controller
    for _ in range(100):
        controller.see(torch.tensor(0.0))
    assert float(controller.beta) == 0 and float(controller.integral) == 0
    controller.see(torch.tensor(12.0))
    assert float(controller.beta) > 0.02


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: GECO(tolerance=0.0), r"'objective\.tolerance' must be positive, not 0"),
        (lambda: GECO(decay=1.0), r"'objective\.decay' must be at least 0 and below 1, not 1"),
        (lambda: ControlVAE(rate=-1.0), r"'objective\.rate' must not be negative"),
        (lambda: ControlVAE(most=0.0), r"'objective\.most' must be above 'objective\.least' \(0\.0\)"),
    ],
)
def test_settings_out_of_their_range_are_refused(build, message):
    with pytest.raises(ConfigError, match=message):
        build()


SMALL = {
    "network": {"name": "mlp", "hidden": [64]}, "latent_dim": 8, "epochs": 60,
    "training": {"lr": 3e-3, "accumulate": 2},
}  # fmt: skip


def test_a_run_meets_its_tolerance_and_no_more(tmp_path):
    run = latentia.train(
        "digits",
        objective={"name": "geco", "tolerance": 0.2, "rate": 0.03, "decay": 0.9},
        out=tmp_path / "run",
        **SMALL,
    )
    x = run.transform(torch.from_numpy(run.dataset.x[run.dataset.splits["train"]]))
    with torch.no_grad(), seeded(0):
        constraint = run.objective(run.model(Batch(x, torch.arange(len(x))))).diagnostics["constraint"]
    assert float(constraint.mean()) == pytest.approx(0.0, abs=0.1)
    _, header = storage.load_tensors(RunFolder(tmp_path / "run").weights_file)
    assert header["step"] == run.metrics("train")[-1]["step"]


def test_a_run_keeps_its_rate(tmp_path):
    objective = {"name": "control_vae", "rate": 6.0, "integral": 5e-3, "most": 10.0}
    run = latentia.train("digits", objective=objective, out=tmp_path / "run", **SMALL)
    rows = run.metrics("train")[-5:]
    assert sum(row["rate"] for row in rows) / len(rows) == pytest.approx(6.0, rel=0.15)
