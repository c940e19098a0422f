"""Tiny runs behind servers in this process."""

import pytest

import latentia
from latentia.serving.server import create_app
from latentia.serving.service import Service
from tests.serving.asking import asked_at

TINY = {"network": {"name": "mlp", "hidden": (16,)}, "latent_dim": 2, "epochs": 1}


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    return latentia.train("digits", out=tmp_path_factory.mktemp("alice secret") / "my run", **TINY)


@pytest.fixture(scope="session")
def labelled(tmp_path_factory):
    out = tmp_path_factory.mktemp("labelled") / "run"
    return latentia.train("digits", model="conditional_vae", out=out, **TINY)


@pytest.fixture(scope="session")
def service(run):
    return Service(run)


@pytest.fixture(scope="session")
def client(service):
    with asked_at(create_app(service)) as found:
        yield found
