"""What a notebook shows of a run and of an assessment, and what scripts are spared."""

import html
import io
import json

import pytest
from PIL import Image

import latentia
from latentia.core import progress
from tests.test_examples import code_cells, run_notebook

SHOWN = ("losses", "reconstructions", "samples", "interpolations", "map", "dimensions", "traversals")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("notebook") / "run"
    return latentia.train("digits", out=out, network="mlp", hidden=[16], latent_dim=2, epochs=2)


@pytest.mark.parametrize("what", SHOWN)
def test_each_section_is_a_picture(run, what, tmp_path):
    shown = getattr(run, f"show_{what}")()
    png, size = shown._repr_png_()
    assert Image.open(io.BytesIO(png)).size == shown.image.size
    assert 0 < size["width"] <= shown.image.width
    shown.save(tmp_path / "shown.png")
    assert Image.open(tmp_path / "shown.png").size == shown.image.size
    assert repr(shown).startswith(shown.title)


def test_what_a_model_has_not_is_said(tmp_path):
    planar = latentia.train("digits", out=tmp_path / "run", network="grid", latent_dim=2, epochs=1)
    with pytest.raises(latentia.LatentiaError, match="nothing to draw"):
        planar.show_traversals()


def test_a_run_is_a_line_and_a_page(run):
    line, page = repr(run), run._repr_html_()
    assert line.startswith(f"Run('{run.folder.path}'): vae with 2 latents on digits, 24 steps; -ELBO ")
    assert page.count("<img ") == 3
    assert run.report().read_text().startswith("<!doctype html>")


def test_a_run_without_its_data_is_still_described(run, monkeypatch):
    def gone(self):
        raise latentia.LatentiaError("the data are gone <for good>")

    monkeypatch.setattr(type(run), "_group", property(gone))
    assert "the data are gone &lt;for good&gt;" in run._repr_html_()


def test_an_assessment_is_a_table(run):
    found = latentia.evaluate(run, only=("reconstruction",))
    assert "  mse " in repr(found)
    page = found._repr_html_()
    assert page.count("<tr ") == len(found.figures)
    assert f'title="{html.escape(found.figures["mse"].protocol)}"' in page
    assert all(f"<b>{finding.name}</b>" in page for finding in found.diagnosis)


def test_scripts_are_spared_bars_and_lines(capfd, tmp_path):
    assert not progress.interactive()
    latentia.train("digits", out=tmp_path / "run", network="mlp", hidden=[8], latent_dim=2, epochs=1)
    assert capfd.readouterr().out == ""


def _notebook(*cells):
    empty = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    code = [{**empty, "id": f"c{at}", "source": cell} for at, cell in enumerate(cells)]
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return {"cells": code, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}


@pytest.mark.slow
def test_a_notebook_has_bars_lines_and_pictures(tmp_path):
    tiny = "network='mlp', hidden=[16], latent_dim=2, epochs=1"
    done = code_cells(
        run_notebook(
            _notebook(
                f"import latentia\nrun = latentia.train('digits', out='run', {tiny})\nrun",
                f"try:\n    latentia.train('digits', out='run', {tiny})\n"
                "except latentia.LatentiaError as error:\n    print(error)",
                "run.show_reconstructions()",
            ),
            tmp_path,
        )
    )
    first, again, shown = (json.dumps(cell["outputs"]) for cell in done)
    assert "application/vnd.jupyter.widget-view+json" in first
    assert "test, 180 examples: -ELBO" in first
    assert "data:image/png;base64," in first
    assert "overwrite=True, or go on with: latentia.resume('run')" in again
    assert '"image/png"' in shown
