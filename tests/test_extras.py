"""Optional packages: missed in one line that names an extra which there is, and which brings them."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

import latentia
from latentia.core.errors import MissingExtra
from latentia.core.extras import installed, optional

ROOT = Path(latentia.__file__).parent


def test_what_is_installed_is_given_and_what_is_not_is_one_line(monkeypatch):
    import numpy.linalg

    assert optional("numpy.linalg", "images", "it") is numpy.linalg
    for module in ("zuko", "zuko.flows"):  # another test may have imported them
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra) as caught:
        optional("zuko.flows", "flows", "a flow")
    assert str(caught.value) == "a flow needs the package zuko: pip install 'latentia[flows]'"


def test_a_folder_of_the_name_is_no_package(tmp_path, monkeypatch):
    (tmp_path / "somewhere").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert not installed("somewhere")
    assert not installed("nowhere")
    assert installed("numpy")


def test_the_extras_that_messages_name_bring_the_packages():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
    extras = {
        name: {re.split(r"[<>=\[]", each)[0].lower().replace("-", "_") for each in needed}
        for name, needed in project["optional-dependencies"].items()
    }
    calls = re.compile(r"""\boptional\(\s*"([\w.]+)",\s*"(\w+)",""")
    texts = [path.read_text("utf-8") for path in ROOT.rglob("*.py")]
    named = {(module.partition(".")[0], extra) for text in texts for module, extra in calls.findall(text)}
    assert len(named) > 10
    assert {(package, extra) for package, extra in named if package not in extras[extra]} == set()
