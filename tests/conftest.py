"""What all tests share: the real data, where there are any, and a cache of their own."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real data sets: `$LATENTIA_DATA`, or `../shared/data` beside the checkout."""
    folder = Path(os.environ.get("LATENTIA_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; point LATENTIA_DATA at a folder that has them")
    return folder


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(session_cache, monkeypatch):
    """Keep decoded images out of the user's cache; processes that a test starts inherit it."""
    monkeypatch.setenv("LATENTIA_CACHE", str(session_cache))
