"""A run assessed: what is measured, what is missing and why, what is kept."""

import dataclasses
import json

import numpy as np
import pytest
import torch

import latentia
from latentia.core import compiling, storage
from latentia.core.errors import ConfigError, DataError, RunError
from latentia.data.loader import loaders
from latentia.data.shards import Shards
from latentia.evaluation import TOPICS, Assessment
from latentia.evaluation.text import lines, value_and_error
from latentia.evaluation.topics import likelihood
from latentia.metrics import average_terms
from latentia.metrics.figures import Figure
from latentia.objectives import ELBO, IWAE, DReG, StickingTheLanding
from latentia.report.marks import Column, judge
from latentia.runs import session

QUICK = {"samples": 20, "limit": 30}
LIKELIHOOD = {"elbo", "distortion", "rate", "kl_per_dimension", "bits_per_dim", "log_likelihood"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("assessed")
    settings = {"latent_dim": 3, "network": {"name": "mlp", "hidden": [32]}, "epochs": 30}
    return {
        name: latentia.train("digits", model=name, out=root / name, **settings)
        for name in ("vae", "autoencoder")
    }


@pytest.fixture(scope="module")
def whole(runs):
    return latentia.evaluate(runs["vae"], **QUICK)


def test_every_figure_has_its_value_error_unit_split_and_protocol(whole):
    for name, figure in whole.figures.items():
        assert figure.protocol and figure.split in ("test", "all"), name
        values = figure.value if isinstance(figure.value, tuple) else (figure.value,)
        assert np.isfinite(values).all(), name
        assert figure.examples > 0, name
    assert set(whole.figures) >= LIKELIHOOD | {"mse", "psnr", "mse_pca", "active_units", "mutual_information"}
    assert {"linear_probe_accuracy", "knn_accuracy_pixels", "kmeans_nmi_pca"} <= set(whole.figures)
    assert {"frechet_prior", "frechet_mixture", "frechet_real", "precision_prior"} <= set(whole.figures)
    assert whole.missing["mig"] == "the data have no known factors"
    assert not set(whole.missing) & set(whole.figures)


def test_data_that_stay_in_their_files_have_a_likelihood(tmp_path):
    np.save(
        tmp_path / "big.npy", np.random.default_rng(0).integers(0, 256, (1200, 1, 32, 32), dtype=np.uint8)
    )
    settings = {"network": {"name": "mlp", "hidden": [8]}, "training": {"epochs": 1}, "data": {"buffer": 1}}
    session.start(str(tmp_path / "big.npy"), settings, out=tmp_path / "run", quiet=True)
    run = latentia.open_run(tmp_path / "run")
    assert isinstance(run.dataset.x, Shards)
    found = latentia.evaluate(run, only=["likelihood"], **QUICK).figures
    assert found["log_likelihood"].value > found["elbo"].value - 3 * found["elbo"].error


def test_the_figures_hang_together(whole, runs):
    value = {name: figure.value for name, figure in whole.figures.items()}
    assert value["elbo"] == pytest.approx(-(value["distortion"] + value["rate"]), rel=1e-6)
    assert sum(value["kl_per_dimension"]) == pytest.approx(value["rate"], rel=1e-5)
    dims = 64
    unit = runs["vae"].transform.log2_unit
    assert value["bits_per_dim"] == pytest.approx(-value["elbo"] / (dims * np.log(2)) + unit, rel=1e-6)
    divided = value["mutual_information"] + value["total_correlation"] + value["dimension_wise_kl"]
    assert divided == pytest.approx(value["rate"], rel=0.1)
    assert value["aggregate_kl"] == pytest.approx(
        value["total_correlation"] + value["dimension_wise_kl"], rel=1e-6
    )
    assert value["psnr"] > 5 and 0 < value["linear_probe_accuracy"] <= 1
    assert value["mse"] < np.mean(np.var(runs["vae"].dataset.x / 16, axis=0))


def test_the_elbo_of_the_same_weights_is_the_same_whatever_they_were_trained_on(tmp_path):
    settings = {"latent_dim": 2, "network": {"name": "mlp", "hidden": [8]}, "epochs": 2}
    run = latentia.train(
        "digits", likelihood="bernoulli", transform="binarise", out=tmp_path / "run", **settings
    )
    found = {}
    for objective in (ELBO(), ELBO(samples=3), IWAE(20), DReG(20), StickingTheLanding(20)):
        run.objective = objective
        run.folder.evaluation_file.unlink(missing_ok=True)
        found[objective] = latentia.evaluate(run, only=["likelihood"], **QUICK).figures
    first, thrice, *weighted = found.values()
    for name in ("elbo", "distortion", "rate", "bits_per_dim"):
        assert all(figures[name] == first[name] for figures in (thrice, *weighted)), name
    assert "iwae_bound" not in first and "iwae_bound" not in thrice
    for figures in weighted:
        bound = figures["iwae_bound"]
        assert first["elbo"].value < bound.value < 0 and bound.better == "" and "k = 20" in bound.protocol
        scores = average_terms(run.model, IWAE(20), run_loader(run))
    assert scores.iwae_bound == pytest.approx(bound.value, abs=4 * bound.error)
    assert -scores.loss == pytest.approx(scores.iwae_bound, rel=1e-6)
    assert -scores.negative_elbo == pytest.approx(first["elbo"].value, abs=4 * first["elbo"].error)
    assert scores.bits_per_dim == pytest.approx(scores.negative_elbo / (64 * np.log(2)), rel=1e-6)
    assert scores.row()["iwae_bound"] == scores.iwae_bound
    assert "iwae_bound" not in average_terms(run.model, ELBO(), run_loader(run)).row()


def run_loader(run):
    return loaders(run.dataset, run.transform)["test"]


def test_grey_levels_are_dequantised_and_it_says_so(whole):
    assert "dequantised" in whole.figures["elbo"].protocol


def test_the_same_seed_gives_the_same_figures(runs, whole):
    runs["vae"].folder.evaluation_file.unlink()
    again = latentia.evaluate(runs["vae"], only=["likelihood", "health"], **QUICK)
    for name, figure in again.figures.items():
        assert figure == whole.figures[name], name
    other = latentia.evaluate(runs["vae"], only=["likelihood"], seed=1, **QUICK)
    assert other.figures["elbo"] != again.figures["elbo"]


def test_an_autoencoder_has_no_bound_and_the_rest(runs):
    found = latentia.evaluate(runs["autoencoder"], only=["likelihood", "health", "reconstruction"], **QUICK)
    assert not LIKELIHOOD & set(found.figures)
    assert "no bound on log p(x)" in found.missing["elbo"]
    assert "is a point" in found.missing["mutual_information"]
    assert {"mse", "latent_std", "aggregate_mmd", "decoder_use"} <= set(found.figures)


def test_what_is_measured_is_kept_and_not_measured_again(runs, monkeypatch):
    from latentia.evaluation.topics import topics

    first = latentia.evaluate(runs["vae"], only=["reconstruction"], **QUICK)
    calls = []
    monkeypatch.setitem(topics.MEASURES, "reconstruction", calls.append)
    assert latentia.evaluate(runs["vae"], only=["reconstruction"], **QUICK) == first
    assert calls == []
    latentia.evaluate(runs["vae"], only=["reconstruction"], samples=21)
    assert calls == []  # the likelihood's samples are nothing to reconstructions
    latentia.evaluate(runs["vae"], only=["reconstruction"], seed=5)
    assert len(calls) == 1


def test_a_figure_that_lacked_a_package_is_measured_when_it_is_there(runs):
    first = latentia.evaluate(runs["vae"], only=["reconstruction"], **QUICK)
    path = runs["vae"].folder.evaluation_file
    kept = storage.read_json(path)
    del kept["figures"]["psnr"]
    kept["missing"]["psnr"] = "psnr needs the package x: pip install 'latentia[metrics]'"
    storage.write_json(path, kept)
    assert latentia.evaluate(runs["vae"], only=["reconstruction"], **QUICK) == first


def test_a_diagnosis_takes_all_that_is_known(runs):
    whole = latentia.evaluate(runs["vae"], only=["likelihood", "health"], **QUICK)
    assert latentia.evaluate(runs["vae"], only=["health"], **QUICK).diagnosis == whole.diagnosis


def test_latents_off_the_priors_centre_are_off_its_scale(tmp_path):
    run = latentia.train("digits", model="autoencoder", latent_dim=2, out=tmp_path / "run", epochs=2)
    with torch.no_grad():
        run.model.encoder[-1].bias += 5.0
    found = latentia.evaluate(run, only=["health"])
    assert found.figures["latent_spread"].value > 4
    assert "latent scale off" in [finding.name for finding in found.diagnosis]


@pytest.mark.parametrize("damage", ['{"about": {"key": 1}, "figures": []}', "[]", "3", '"x"', "{}"])
def test_whatever_stands_in_the_file_the_figures_are_measured(runs, damage):
    runs["vae"].folder.evaluation_file.write_text(damage)
    assert "mse" in latentia.evaluate(runs["vae"], only=["reconstruction"], **QUICK).figures


def test_a_damaged_file_is_measured_anew(runs):
    path = runs["vae"].folder.evaluation_file
    first = latentia.evaluate(runs["vae"], only=["reconstruction"], **QUICK)
    path.write_text(path.read_text()[:100])
    assert latentia.evaluate(runs["vae"], only=["reconstruction"], **QUICK) == first
    assert Assessment.from_json(storage.read_json(path)).figures["mse"] == first.figures["mse"]


def test_json_is_one_object_of_plain_values(whole):
    text = json.dumps(whole.as_json(), allow_nan=False)
    assert Assessment.from_json(json.loads(text)).as_json() == whole.as_json()
    entry = json.loads(text)["figures"]["elbo"]
    plain = {"value", "error", "unit", "split", "protocol", "examples", "better", "parts", "basis", "doubt"}
    assert set(entry) == plain
    assert entry["unit"] == "nats" and entry["error"] > 0


def test_factors_bring_the_disentanglement_metrics(tmp_path):
    sizes = [np.arange(count) for count in (5, 5, 10)]
    factors = np.stack(np.meshgrid(*sizes, indexing="ij"), -1).reshape(-1, 3)
    x = np.zeros((len(factors), 10, 10), np.uint8)
    for row, (i, j, k) in enumerate(factors):
        x[row, i * 2, j * 2] = 100 + 15 * k
    path = tmp_path / "dots.npz"
    factors = np.column_stack([factors, np.zeros(len(factors), int)])
    names = np.array(["row", "column", "light", "colour"])
    np.savez(path, imgs=x, latents_classes=factors, latents_names=names)
    run = latentia.train(str(path), out=tmp_path / "run", latent_dim=3, epochs=3)
    found = latentia.evaluate(run, only=["disentanglement", "representation", "generation"])
    assert {"mig", "sap", "modularity", "factorvae_score"} <= set(found.figures) | set(found.missing)
    assert 0 <= found.figures["modularity"].value <= 1
    assert found.figures["modularity"].split == "all"
    assert any("one value are left out of these metrics: colour" in line for line in found.warnings)
    assert found.missing["linear_probe_accuracy"] == "the data have no labels"


def test_sorted_data_are_judged_by_parts_that_stand_for_the_whole(tmp_path):
    """The source lists one kind after the other; no part of it may be taken from the first kind alone."""
    rng = np.random.default_rng(0)
    x = np.repeat(np.array([20, 220], np.uint8), 900)[:, None, None] + rng.integers(
        0, 30, (1800, 8, 8)
    ).astype(np.uint8)
    np.savez(tmp_path / "sorted.npz", x=x, y=np.repeat([0, 1], 900))
    run = latentia.train(str(tmp_path / "sorted.npz"), out=tmp_path / "run", latent_dim=2, epochs=10)
    found = latentia.evaluate(run, only=["generation", "likelihood"], samples=50, limit=20)
    assert found.figures["frechet_real"].value < 0.2 * found.figures["frechet_midpoint"].value
    whole = latentia.evaluate(run, only=["likelihood"], samples=50)
    gap = found.figures["log_likelihood"].value - whole.figures["log_likelihood"].value
    assert abs(gap) < 4 * found.figures["log_likelihood"].error


def test_a_cross_entropy_of_grey_values_is_no_likelihood(tmp_path):
    run = latentia.train("digits", out=tmp_path / "run", likelihood="bce", transform="scale", epochs=2)
    found = latentia.evaluate(run, only=["likelihood", "files"], **QUICK)
    assert {"distortion", "rate", "kl_per_dimension"} == set(found.figures)
    for name in ("log_likelihood", "file_overhead"):
        assert "is no likelihood: train with transform=binarise" in found.missing[name]


def test_what_is_not_finite_is_missing():
    from latentia.metrics.figures import Ledger

    ledger = Ledger({"a": Figure(float("nan"), "", "", ""), "b": Figure(1.0, "", "", "")}, {})
    ledger.drop_what_is_not_finite()
    assert set(ledger.figures) == {"b"} and "not a finite number" in ledger.missing["a"]


def test_a_table_is_assessed_too(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 5)).astype(np.float32)
    np.savez(tmp_path / "t.npz", x=x, y=(x[:, 0] > 0).astype(int))
    run = latentia.train(str(tmp_path / "t.npz"), out=tmp_path / "run", latent_dim=2, epochs=5)
    found = latentia.evaluate(run, **QUICK)
    assert found.missing["psnr"] == "the data are no images"
    assert {"log_likelihood", "mse", "linear_probe_accuracy"} <= set(found.figures)
    assert "as stored" in found.figures["elbo"].protocol


@pytest.mark.parametrize(
    ("settings", "error", "match"),
    [
        ({"seed": -1}, ConfigError, "'seed' must be from 0 to 4294967295, not -1"),
        ({"inception": "nosuch.safetensors"}, ConfigError, "no such file: nosuch.safetensors"),
        ({"samples": 0}, ConfigError, "'samples' must be at least 1, not 0"),
        ({"split": "tset"}, DataError, "unknown split 'tset'; did you mean 'test'"),
        ({"only": ["helth"]}, ConfigError, "unknown topic 'helth'; did you mean 'health'"),
        ({"nonsense": 1}, ConfigError, r"unknown key 'evaluate\.nonsense'"),
        ({"limit": 0}, ConfigError, "'limit' must be at least 1"),
    ],
)
def test_bad_settings_are_one_line(runs, settings, error, match):
    with pytest.raises(error, match=match):
        latentia.evaluate(runs["vae"], **settings)


def test_data_of_another_shape_are_refused(runs, tmp_path):
    np.save(tmp_path / "wide.npy", np.zeros((30, 9, 9), np.uint8))
    with pytest.raises(DataError, match="trained on examples of shape 1x8x8, and wide has 1x9x9"):
        latentia.evaluate(runs["vae"], data=str(tmp_path / "wide.npy"))


def test_other_data_of_the_same_shape_are_assessed(runs, tmp_path):
    x = np.random.default_rng(0).integers(0, 17, (300, 8, 8)).astype(np.uint8)
    np.save(tmp_path / "noise.npy", x)
    found = latentia.evaluate(runs["vae"], data=str(tmp_path / "noise.npy"), only=["reconstruction"])
    own = latentia.evaluate(runs["vae"], only=["reconstruction"])
    assert found.about["data"] == "noise"
    assert found.figures["mse"].value > 0.95 * np.var(x / 16)  # noise cannot be told in three numbers
    assert own.figures["mse"].value < found.figures["mse"].value
    kept = storage.read_json(runs["vae"].folder.evaluation_file)
    assert kept["about"]["data"] == "digits"  # what is kept is about the run's own data


def test_a_run_without_weights_is_refused(tmp_path):
    session.start(
        "digits", {"training": {"max_minutes": 1e-6}, "model": "vae"}, out=tmp_path / "run", quiet=True
    )
    (tmp_path / "run/model.safetensors").unlink()
    with pytest.raises(RunError, match=r"no weights yet; train it with: latentia train --resume"):
        latentia.evaluate(tmp_path / "run")


def test_the_gap_is_of_the_same_images_whatever_the_bound_was_measured_on(runs):
    found = latentia.evaluate(runs["vae"], only=["likelihood"], samples=100, limit=10, seed=2).figures
    gap, ours = found["likelihood_gap"], found["log_likelihood"]
    assert gap.examples == ours.examples == 10 < found["elbo"].examples
    assert gap.value > 0 and gap.error < ours.error
    assert "same 10 examples" in gap.protocol
    lower = float(gap.protocol.split(" is ")[1].split(" nats")[0])
    assert lower == pytest.approx(ours.value - gap.value, abs=0.01)
    assert 0 <= found["heavy_tails"].value <= 1 and np.isfinite(found["pareto_k"].value)


def test_a_doubtful_estimate_says_so_in_its_figures_and_in_a_warning(runs):
    found = latentia.evaluate(runs["vae"], only=["likelihood"], samples=4, limit=10)
    for name in ("log_likelihood", "bits_per_dim_iw", "likelihood_gap"):
        assert "for 100% of the examples it rests on fewer than 10 effective samples of 4" in (
            found.figures[name].doubt
        )
    assert found.figures["elbo"].doubt == ""
    assert any(line.startswith("log_likelihood: for 100%") for line in found.warnings)
    assert found.missing["pareto_k"] == "a tail needs 25 importance weights"


def test_annealing_is_reported_beside_the_estimate(runs):
    found = latentia.evaluate(runs["vae"], only=["likelihood"], ais=4, samples=200, limit=8)
    assert found.figures["log_likelihood_ais"].examples == 4
    assert abs(found.figures["ais_gap"].value) < 5


def test_it_says_whether_it_compiles_and_that_changes_no_figure(runs, monkeypatch):
    said: list[str] = []
    ask = {"only": ["likelihood"], "samples": 50, "limit": 4, "say": said.append}
    first = latentia.evaluate(runs["vae"], **ask)
    assert any(line.startswith("log p(x) not compiled: about 0 s of work do not pay") for line in said)
    said.clear()
    assert latentia.evaluate(runs["vae"], compile="never", **ask).figures == first.figures
    assert not said  # nothing is measured again
    monkeypatch.setattr(compiling, "unavailable", lambda device: "no compiler")
    again = latentia.evaluate(runs["vae"], compile="always", **{**ask, "limit": 5})
    assert "log p(x) not compiled: no compiler" in said
    assert again.figures["log_likelihood"].examples == 5


def test_the_text_has_a_line_for_every_figure(whole):
    text = list(lines(whole))
    for name in whole.figures:
        assert sum(line.split()[:1] == [name] for line in text) == 1
    assert any(line.startswith("missing mig, ") for line in text)


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (Figure(-89.0912, "nats", "test", "", 0.1234), "-89.09 ± 0.12 nats"),
        (Figure(1234.567, "", "test", "", 12.3), "1,235 ± 12"),
        (Figure(16.0, "latents", "test", ""), "16 latents"),
        (Figure(7.061333, "nats", "test", "", 2.6e-17), "7.061 nats"),
        (Figure(0.0123456, "", "test", ""), "0.01235"),
        (Figure((1.0, 0.5), "nats", "test", "", None, 5, "", ("z0", "z1")), "z0 1, z1 0.5 nats"),
        (Figure(float("nan"), "", "test", ""), "nan"),
    ],
)
def test_values_are_written_with_the_digits_that_they_have(figure, text):
    assert value_and_error(figure) == text


def test_topics_have_a_measure_each():
    from latentia.evaluation.topics.topics import MEASURES

    assert tuple(MEASURES) == TOPICS


def test_other_settings_of_one_topic_leave_the_others_as_they_are(runs):
    said: list[str] = []
    for samples in (21, 31):
        latentia.evaluate(
            runs["vae"], only=["likelihood", "health"], samples=samples, limit=5, seed=9, say=said.append
        )
    measured = [line for line in said if line.endswith("...")]
    assert measured == ["likelihood ...", "health ...", "likelihood ..."]


def noise_with_labels(place, count=1500):
    """Write noise whose labels and factors say nothing of it."""
    rng = np.random.default_rng(0)
    factors = np.arange(count)[:, None] % 4
    x = rng.random((count, 1, 4, 4), np.float32)
    np.savez(place / "noise.npz", x=x, y=factors[:, 0], latents_classes=factors)
    return place / "noise.npz"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "mean of 4 conditions of training examples"),
        ({"model": {"name": "conditional_vae", "drop": 0.2}}, "the condition hidden"),
        ({"condition": "factors"}, "mean of 4 conditions of training examples"),
        ({"model": "semi_supervised_vae"}, "the label that the model infers"),
    ],
    ids=["labels", "dropped", "factors", "inferred"],
)
def test_no_label_that_the_model_was_told_is_read_off_its_latents(tmp_path, settings, told):
    settings = {
        "model": "conditional_vae",
        "epochs": 2,
        "network": {"name": "mlp", "hidden": [16]},
        **settings,
    }
    run = latentia.train(noise_with_labels(tmp_path), out=tmp_path / "run", **settings)
    found = latentia.evaluate(run, only=["representation", "disentanglement"]).figures
    for name in ("linear_probe_accuracy", "knn_accuracy", "dci_informativeness"):
        figure = found[name]
        assert abs(figure.value - 0.25) < 4.5 * (0.25 * 0.75 / 150) ** 0.5, (name, figure.value)
        assert told in figure.protocol
    assert found["kmeans_nmi"].value < 0.1
    assert told not in found["linear_probe_accuracy_pixels"].protocol


def test_an_estimate_that_annealing_exceeds_is_in_doubt(runs, monkeypatch):
    from latentia.evaluation.topics import likelihood

    def higher(model, loader, *arguments, limit, **settings):
        found = likelihood.importance_weighted(model, loader, 20, limit=limit, seed=settings["seed"])
        return dataclasses.replace(found, log_likelihood=found.log_likelihood + 1.0)

    monkeypatch.setattr(likelihood, "annealed", higher)
    found = latentia.evaluate(runs["vae"], only=["likelihood"], samples=20, limit=30, ais=10, seed=7).figures
    assert found["ais_gap"].value == pytest.approx(1.0, abs=1e-4)
    for name in ("log_likelihood", "bits_per_dim_iw"):
        assert "annealing is 1.00 nats nearer to the truth" in found[name].doubt
    assert not found["elbo"].doubt and not found["log_likelihood_ais"].doubt


def test_figures_say_what_they_must_have_in_common_to_be_compared(runs):
    few, more = (
        latentia.evaluate(runs["vae"], only=["likelihood"], samples=samples, limit=30, seed=9)
        for samples in (20, 40)
    )
    columns = [Column("", (each.figures["log_likelihood"],), (each.about,)) for each in (few, more)]
    assert [column.figures[0].basis for column in columns] == [
        {"number of importance samples": "20"},
        {"number of importance samples": "40"},
    ]
    plain = [
        dataclasses.replace(column, figures=(dataclasses.replace(column.figures[0], doubt=""),))
        for column in columns
    ]
    assert "differ in the number of importance samples (20, 40)" in judge(plain).note


def test_a_likelihood_that_nobody_would_wait_for_is_measured_where_it_is_asked_for(runs, monkeypatch):
    monkeypatch.setattr(likelihood, "WORK", 1.0)
    found = latentia.evaluate(runs["vae"], only=["likelihood"], samples=50)
    assert "elbo" in found.figures and "log_likelihood" not in found.figures
    assert "--samples 1 or --limit N takes it on" in found.missing["log_likelihood"]
    assert "log_likelihood" in latentia.evaluate(runs["vae"], only=["likelihood"], samples=5, limit=4).figures
