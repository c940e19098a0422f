"""Small trained runs and the reports on them, made once."""

import csv
import math

import numpy as np
import pytest

from latentia import api
from latentia.evaluation import Assessment, Finding
from latentia.metrics.figures import Figure
from latentia.report import Axis, build, inputs
from latentia.report.group import gather

TINY = {"network": {"name": "mlp", "hidden": [16]}, "training": {"epochs": 2, "validate_every": 1}}


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Train a run by name, source and model."""
    root = tmp_path_factory.mktemp("runs")

    def make(name, source, model, latent_dim, **settings):
        settings = {**TINY, "model": {"name": model, "latent_dim": latent_dim}, **settings}
        return api.train(source, out=root / name, **settings)

    return make


@pytest.fixture(scope="session")
def few_points():
    """Maps of few points: what they look like is not what these tests are about."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "MAPPED", 250)
        yield


@pytest.fixture(scope="session")
def autoencoder(trained):
    return trained("autoencoder", "digits", "autoencoder", 3)


@pytest.fixture(scope="session")
def vae(trained):
    return trained("vae", "digits", "vae", 3)


@pytest.fixture(scope="session")
def plane(trained):
    return trained("plane", "digits", "vae", 2)


@pytest.fixture(scope="session")
def table(trained, tmp_path_factory):
    """A table whose names would be read as markup or as mathematics if they were not escaped."""
    path = tmp_path_factory.mktemp("table") / "rows.csv"
    rng = np.random.default_rng(0)
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["<script>alert(1)</script>", "price $x_1$", "constant", "größe", "kind"])
        for index, row in enumerate(rng.normal(size=(60, 3))):
            writer.writerow([row[0], row[1], 1.0, row[2], ("a<b>", "c & d")[index % 2]])
    return trained("table", str(path), "vae", 2, data={"label": "kind"})


@pytest.fixture(scope="session")
def series(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("series") / "waves.npy"
    phase = np.random.default_rng(0).uniform(0, 6, (60, 2, 1))
    np.save(path, np.sin(phase + np.linspace(0, 6, 24)).astype(np.float32))
    return trained("series", str(path), "vae", 3)


@pytest.fixture(scope="session")
def report_of(few_points, tmp_path_factory):
    """Write a report into a folder of its own."""

    def make(*runs, **settings):
        return build(runs, tmp_path_factory.mktemp("report") / "report.html", **settings)

    return make


@pytest.fixture(scope="session")
def group_of(few_points):
    """Prepare runs as a report does, to ask for one section instead of a page."""

    def make(*runs, assessments=(), axis=None):
        return gather(runs, 0, assessments, axis)

    return make


@pytest.fixture(scope="session")
def vae_report(report_of, vae):
    return report_of(vae)


@pytest.fixture(scope="session")
def pair_report(report_of, autoencoder, vae):
    return report_of(autoencoder, vae)


@pytest.fixture(scope="session")
def coded(trained):
    return trained("coded", "digits", "vqvae", 4, network="conv")


@pytest.fixture(scope="session")
def told(trained):
    return trained("told", "digits", "conditional_vae", 3)


@pytest.fixture(scope="session")
def families_report(report_of, vae, coded, told):
    """Runs of which each has something that the others have not; figures of files are made up for all."""
    bits = ("the bound", "this run", "PNG"), (1.0, 1.02, 1.53)
    figure = Figure(bits[1], "bits", "test", "", None, 20, "lower", bits[0])
    runs = vae, coded, told
    return report_of(*runs, assessments=[assessed(run, file_bits_per_dim=figure) for run in runs])


@pytest.fixture(scope="session")
def plane_report(report_of, plane):
    return report_of(plane)


@pytest.fixture(scope="session")
def table_report(report_of, table):
    return report_of(table)


@pytest.fixture(scope="session")
def series_report(report_of, series):
    return report_of(series)


def assessed(run, **figures):
    """Make up an assessment: what the report does with it is what these tests are about."""
    about = {
        "run": run.name,
        "split": "test",
        "transform": run.spec["transform"]["name"],
        "likelihood": run.spec["likelihood"]["name"],
    }
    found = {
        "mse": Figure(0.05, "", "test", "squared error per value", 0.002, 180, "lower"),
        "mse_by_label": Figure(
            (0.04, 0.06, math.nan), "", "test", "the same by label", (0.001, 0.002, math.nan), 180, "lower",
            ("zero", "<one>", "two"),
        ),
        "latents": Figure(3.0, "", "", "latent dimensions"),
        **figures,
    }  # fmt: skip
    missing = {"ssim": "the images are too small"}
    if run.objective.bound:
        found["rate"] = Figure(2.5, "nats", "test", "KL(q(z|x) || p(z))", 0.1, 180)
        found["distortion"] = Figure(30.0, "nats", "test", "expected -log p(x|z)", 0.5, 180, "lower")
    else:
        missing["rate"] = missing["distortion"] = "an autoencoder has no rate & no bound"
    return Assessment(
        about,
        found,
        missing,
        (Finding("holes", "31 % of the prior's draws fall into <holes>", "raise objective.beta"),),
        ("fewer than 1,000 examples",),
    )


@pytest.fixture(scope="session")
def assessment_of():
    return assessed


@pytest.fixture(scope="session")
def assessed_report(report_of, vae):
    return report_of(vae, assessments=[assessed(vae)])


@pytest.fixture(scope="session")
def assessed_pair_report(report_of, autoencoder, vae):
    better = Figure(0.04, "", "test", "squared error per value", 0.002, 180, "lower")
    return report_of(autoencoder, vae, assessments=[assessed(autoencoder), assessed(vae, mse=better)])


BETAS = ("0.1", "1", "<b>&", "4", "1/2")


@pytest.fixture(scope="session")
def sweep_runs(trained):
    return [
        trained(f"beta {place}", "digits", "vae", 3, objective={"beta": beta})
        for place, beta in enumerate((0.1, 1.0, 2.0, 4.0, 8.0))
    ]


@pytest.fixture(scope="session")
def sweep_report(report_of, sweep_runs):
    return report_of(*sweep_runs, axis=Axis("objective.beta", BETAS))


@pytest.fixture(scope="session")
def odd_name(trained):
    """A run folder whose name would be read as markup if it were not escaped."""
    return trained("<b>&", "digits", "vae", 2)


@pytest.fixture(scope="session")
def planes_report(report_of, plane, odd_name):
    return report_of(plane, odd_name)
