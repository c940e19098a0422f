"""What the examples in docstrings find: a folder of their own with a trained run, and the package."""

import os

import pytest


@pytest.fixture(scope="session")
def _folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    before = os.getcwd()
    os.chdir(folder)
    try:
        import latentia

        latentia.train("digits", latent_dim=2, epochs=1, out="runs/digits-vae")
    finally:
        os.chdir(before)
    return folder


@pytest.fixture(autouse=True)
def _there(request, monkeypatch, doctest_namespace):
    if request.node.name.startswith(("latentia.api", "latentia.runs", "latentia.showing", "latentia.sweeps")):
        import latentia

        doctest_namespace["latentia"] = latentia
        monkeypatch.chdir(request.getfixturevalue("_folder"))
