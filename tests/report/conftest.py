"""Small trained runs and the reports on them, made once."""

import csv

import numpy as np
import pytest

from latentia import api
from latentia.report import build, inputs

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

    def make(*runs):
        return build(runs, tmp_path_factory.mktemp("report") / "report.html")

    return make


@pytest.fixture(scope="session")
def vae_report(report_of, vae):
    return report_of(vae)


@pytest.fixture(scope="session")
def pair_report(report_of, autoencoder, vae):
    return report_of(autoencoder, vae)


@pytest.fixture(scope="session")
def plane_report(report_of, plane):
    return report_of(plane)


@pytest.fixture(scope="session")
def table_report(report_of, table):
    return report_of(table)


@pytest.fixture(scope="session")
def series_report(report_of, series):
    return report_of(series)
