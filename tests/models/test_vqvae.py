"""The VQ-VAE from the data to the report, and what does not go together."""

import json
import math

import numpy as np
import pytest
import torch

import latentia
from latentia import api
from latentia.cli import main
from latentia.core import storage
from latentia.core.errors import ConfigError, DataError
from latentia.core.noise import seeded
from latentia.data.loader import loaders
from latentia.metrics.diagnosis import diagnose
from latentia.metrics.figures import Figure
from latentia.metrics.likelihood import importance_weighted
from latentia.metrics.terms import blocks
from latentia.report import build
from latentia.runs import session
from latentia.training.folder import RunFolder

SMALL = {
    "model": {"name": "vqvae", "latent_dim": 3, "downsample": 4},
    "network": {"name": "grid", "channels": 8, "blocks": 1},
    "posterior": {"name": "ema_codebook", "size": 12},
    "likelihood": {"name": "mse"},
    "training": {"epochs": 2, "batch_size": 64},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "vq"
    session.start("digits", SMALL, out=path, quiet=True)
    return api.open_run(path)


def refused(**changes):
    with pytest.raises(ConfigError) as caught:
        session.start("digits", {**SMALL, **changes}, out="never-made", quiet=True)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_codes_are_latents_by_another_name(run):
    x, _ = run.take(None, "test", 20)
    codes = run.codes(x)
    assert codes.shape == (20, 2, 2) and codes.dtype == np.int64
    assert (run.vectors(codes) == run.encode(x)).all()
    assert np.allclose(run.decode(codes), run.reconstruct(x), atol=1e-4)
    assert np.allclose(run.decode(run.encode(x).reshape(20, -1)), run.reconstruct(x), atol=1e-4)
    with pytest.raises(DataError, match="run from 0 to 11"):
        run.vectors(codes + 12)
    with pytest.raises(DataError, match="shape 2x2, and these have 3"):
        run.vectors(np.zeros((4, 3), dtype=int))


def test_the_log_holds_the_rate_and_the_use_of_the_codes(run):
    rows = run.metrics("validation")
    assert all(row["rate"] == pytest.approx(4 * math.log(12)) for row in rows)
    health = run.metrics("health")[-1]
    assert 0 < health["codebook_use"] <= 1
    assert 1 <= health["perplexity"] <= 12


def test_an_evaluation_measures_codes_and_says_why_it_leaves_the_rest_out(run):
    found = latentia.evaluate(run, only=["likelihood", "health", "reconstruction"])
    assert found.figures["code_bits"].value == pytest.approx(4 * math.log2(12))
    assert 1 <= found.figures["perplexity"].value <= 12
    assert "codes" in found.missing["active_units"]
    assert "autoregressive" in found.missing["elbo_autoregressive"]
    assert "counted in bits" in found.missing["mse_pca"]
    assert "PCA" not in str(found.diagnosis)
    for figure in found.figures.values():
        assert np.isfinite(figure.value).all() and figure.protocol


def test_a_fitted_sampler_serves_samples_evaluation_and_report(run, tmp_path):
    settings = {"steps": 30, "width": 8, "layers": 1}
    made = run.sample(6, sampler="autoregressive", seed=1, **settings)
    assert made.shape == (6, 1, 8, 8)
    assert (run.sample(6, sampler="autoregressive", seed=1, **settings) == made).all()
    assert run.kept_sampler("autoregressive") is not None
    found = latentia.evaluate(run, only=["likelihood"])
    rate = found.figures["rate_autoregressive"].value
    assert rate < 4 * math.log(12) + 1
    bound = found.figures["elbo_autoregressive"].value
    assert bound == pytest.approx(-(found.figures["distortion"].value + rate))
    page = build([run], tmp_path / "report.html", quiet=True).read_text(encoding="utf-8")
    assert "Use of the codes" in page and "From the autoregressive" in page
    assert "Frequency of each code" in page


def test_the_command_line_gives_codes_and_takes_them_back(run, tmp_path):
    folder = str(run.folder.path)
    for words in (
        ["encode", folder, "--codes", "-n", "5", "-o", "k.csv"],
        ["decode", folder, "k.csv", "-o", "x.npy"],
    ):
        with pytest.raises(SystemExit) as ended:
            main([str(tmp_path / word) if word.endswith((".csv", ".npy")) else word for word in words])
        assert ended.value.code == 0
    assert np.load(tmp_path / "x.npy").shape == (5, 1, 8, 8)


def test_a_model_without_codes_says_so(tmp_path):
    session.start(
        "digits", {"model": {"name": "vae", "latent_dim": 2}, "training": {"epochs": 1}},
        out=tmp_path / "vae", quiet=True,
    )  # fmt: skip
    plain = api.open_run(tmp_path / "vae")
    with pytest.raises(ConfigError, match=r"'vae' has no codes.*--model vqvae"):
        plain.codes(plain.dataset.x[:2])
    with pytest.raises(ConfigError, match=r"'autoregressive' draws codes, and this model has none.*flow"):
        plain.sample(2, sampler="autoregressive")


def test_what_would_leave_the_codes_is_refused(run):
    with pytest.raises(ConfigError, match=r"without truncation or temperature.*--sampler autoregressive"):
        run.sample(2, temperature=0.5)
    with pytest.raises(ConfigError, match="without truncation or temperature"):
        run.sample(2, truncation=1.0)
    with pytest.raises(ConfigError, match=r"a flat latent, and this one has shape .*x2x2; use sample"):
        run.traversal_values()


@pytest.mark.parametrize("quantiser", ["residual_codebook", "gumbel_codebook", "finite_scalar"])
def test_every_quantiser_trains_and_decodes_its_codes(quantiser, tmp_path):
    levels = {"residual_codebook": {"size": 4, "levels": 2}, "finite_scalar": {"levels": 3}}
    posterior = {"name": quantiser, **levels.get(quantiser, {"size": 6})}
    training = {"epochs": 1, "batch_size": 128}
    session.start(
        "digits", {**SMALL, "posterior": posterior, "training": training}, out=tmp_path / "run", quiet=True
    )
    run = api.open_run(tmp_path / "run")
    codes = run.codes(run.take(None, "test", 3)[0])
    assert codes.shape == ((3, 2, 2, 2) if quantiser == "residual_codebook" else (3, 2, 2))
    assert run.decode(codes).shape == run.sample(3).shape == (3, 1, 8, 8)
    assert np.isfinite(run.metrics("test")[-1]["bits_per_dim"])


def test_codes_chosen_by_chance_have_a_likelihood_and_it_is_the_sum_over_all_codes(tmp_path):
    settings = {
        **SMALL,
        "posterior": {"name": "gumbel_codebook", "size": 5},
        "likelihood": {"name": "bernoulli"},
        "transform": {"name": "binarise"},
        "training": {"epochs": 3, "batch_size": 128},
    }
    session.start("digits", settings, out=tmp_path / "run", quiet=True)
    run = api.open_run(tmp_path / "run")
    found = latentia.evaluate(run, only=["likelihood"], samples=2000, limit=20, ais=4)
    loader = loaders(run.dataset, run.transform)["test"].shuffled(0)
    estimates = importance_weighted(run.model, loader, 2000, limit=20)
    noise, rows = next(blocks(loader, 0, 20))
    with seeded(noise):
        x = loader.batch(rows).x[:20]
    every = torch.cartesian_prod(*[torch.arange(5)] * 4).view(-1, 2, 2)
    with torch.no_grad():
        z = run.model.coder.vectors(every)
        exact = run.model.decode(z.unsqueeze(1)).log_prob(x).logsumexp(dim=0) - 4 * math.log(5)
    assert len(every) == 625
    assert found.figures["log_likelihood"].value == pytest.approx(estimates.log_likelihood.mean(), rel=1e-6)
    gap = estimates.log_likelihood - exact.double().numpy()
    assert abs(gap.mean()) < 4 * estimates.sampling_error + 1e-3
    assert found.figures["likelihood_gap"].value > 0
    assert found.missing["ais_gap"] == "between codes no chain can move by degrees"


def test_codes_that_are_certain_have_none(run):
    found = latentia.evaluate(run, only=["likelihood"], samples=20, limit=5)
    assert "is certain" in found.missing["log_likelihood"] and "elbo" in found.figures


def test_a_table_gets_one_code_for_each_level(tmp_path):
    rows = np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32)
    settings = {
        "model": {"name": "vqvae", "latent_dim": 3},
        "posterior": {"name": "residual_codebook", "size": 4, "levels": 3},
        "training": {"epochs": 2},
    }
    session.start(rows, settings, out=tmp_path / "run", quiet=True)
    run = api.open_run(tmp_path / "run")
    run.dataset = latentia.load(rows)
    assert run.spec["network"]["name"] == "mlp"
    assert run.codes(rows[:7]).shape == (7, 3)
    assert run.sample(4).shape == (4, 5)


def test_a_run_that_was_stopped_ends_as_one_that_was_not(tmp_path):
    def settings(**training):
        return {**SMALL, "training": {"epochs": 4, "batch_size": 128, **training}}

    session.start("digits", settings(), out=tmp_path / "whole", quiet=True)
    session.start("digits", settings(max_minutes=1e-6), out=tmp_path / "parts", quiet=True)
    session.resume(tmp_path / "parts", {"max_minutes": None}, quiet=True)
    ends = [
        storage.load_tensors(sorted(RunFolder(tmp_path / name).checkpoints.glob("*"))[-1])[0]
        for name in ("whole", "parts")
    ]
    assert any("books.0.table" in key for key in ends[0])
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])


def test_parts_that_do_not_fit_are_refused_before_anything_is_built():
    assert "use objective.name=vq" in refused(objective="elbo")
    assert "posterior.name=ema_codebook" in refused(posterior="diagonal_gaussian")
    assert "prior.name=uniform_codes" in refused(prior="standard_normal")
    assert "--model vqvae, or leave 'objective' out" in refused(
        model={"name": "vae"}, posterior={}, objective="vq"
    )
    assert "use posterior.name=diagonal_gaussian, or --model vqvae" in refused(
        model={"name": "vae"}, posterior="ema_codebook", objective="elbo"
    )
    assert "at least 2, not 0" in refused(posterior={"name": "ema_codebook", "size": 0})
    assert "'posterior.levels' must be at least 1, not 0" in refused(
        posterior={"name": "residual_codebook", "levels": 0}
    )
    assert "at least 2, not 1" in refused(posterior={"name": "finite_scalar", "levels": 1})
    assert "model.latent_dim=2" in refused(posterior={"name": "finite_scalar", "levels": [4, 4]})
    assert "'posterior.temperature' must be positive" in refused(
        posterior={"name": "gumbel_codebook", "temperature": 0}
    )
    assert "model.downsample=2, or data.size=9" in refused(model={"name": "vqvae", "downsample": 3})
    assert "size" in refused(posterior={"name": "ema_codebook", "size": "many"})


def test_the_records_hold_plain_numbers(run):
    recorded = json.loads((run.folder.path / "model.json").read_text(encoding="utf-8"))
    assert recorded["posterior"] == {"name": "ema_codebook", "size": 12, "decay": 0.99, "revive": 0.05}


def test_a_codebook_that_nobody_uses_is_a_finding():
    def used(share):
        return diagnose({"codebook_use": Figure(share, "share", "test", "")})

    assert [finding.name for finding in used(0.2)] == ["idle codes"]
    assert used(0.9) == ()
