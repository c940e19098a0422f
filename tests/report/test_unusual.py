"""The section on unusual examples: the strangest test examples of each run, with what makes them so."""

import io
import re

import numpy as np
from PIL import Image

from latentia import api
from latentia.explorer.view import View
from latentia.report import columns as report_columns
from latentia.report.sections import unusual
from latentia.runs import applied
from latentia.runs.judging import judge


def worst(run, count=unusual.WORST):
    """Give the positions of the strangest test examples by the run's own score."""
    rows = run.dataset.splits["test"]
    scores = run.score(run.dataset.x[rows], run.conditions_at(rows))
    order = np.argsort(-scores, kind="stable")[:count]
    return rows[order], scores[order]


def test_rows_come_with_score_p_and_the_columns_that_add_most(table, group_of):
    section = unusual.section(group_of(table))
    rows, scores = worst(table)
    (panel,) = section.panels
    assert [remark.title.split(" ")[1] for remark in panel.remarks] == [str(row) for row in rows]
    assert all(re.search(r" \((a<b>|c & d)\)$", remark.title) for remark in panel.remarks)
    explained = table.explain(table.dataset.x[rows])
    p = table.scorer().p_values(scores)
    for place, remark in enumerate(panel.remarks):
        score, share = (float(part) for part in re.findall(r"\d+(?:\.\d+)?", remark.text))
        assert np.isclose(score, scores[place], rtol=6e-3) and np.isclose(share, p[place], rtol=6e-2)
        at = int(explained.entries[place].argmax())
        first = remark.advice.split("; ")[0]
        if explained.entries[place, at] > explained.latent[place]:
            assert first.startswith(f"{table.record.columns[at]} ")
            told = re.search(r", expected (.+) \(\+(.+)\)$", first)
            assert np.isclose(float(told[2]), explained.entries[place, at], atol=6e-3)
            expected = explained.expected[place, at]
            assert np.isclose(float(told[1].replace("\u2212", "-")), expected, rtol=1e-3, atol=1e-4)


def test_images_stand_over_what_was_expected_and_where_they_differ(vae, autoencoder, group_of):
    section = unusual.section(group_of(vae, autoencoder))
    assert [panel.title for panel in section.panels] == ["vae", "autoencoder"]
    brightest = []
    for run, panel in zip((vae, autoencoder), section.panels):
        (exhibit,) = panel.exhibits
        rows, _ = worst(run)
        assert all(f"{row} (" in exhibit.words.caption for row in rows)
        (block,) = exhibit.blocks
        assert [strip.label for strip in block.strips] == ["original", "expected", "adds to the score"]
        whole = Image.open(io.BytesIO(exhibit.png)).convert("LA")
        last = np.asarray(whole)[-whole.height // 3 :]
        brightest.append(int(last[last[..., 1] > 0][:, 0].max()))
    assert max(brightest) == 255  # one scale for both: the strangest pixel of all is white


def test_arrays_are_drawn_with_what_was_expected(series, group_of):
    section = unusual.section(group_of(series))
    assert section.panels[0].exhibits[0].svg


def test_there_is_none_where_it_would_take_long(vae, group_of, monkeypatch):
    group = group_of(vae)
    assert vae.scorer() is not None
    monkeypatch.setattr(applied, "VALUES", 1)
    assert unusual.section(group) is not None  # what is kept costs nothing
    (vae.folder.path / "anomaly.safetensors").unlink()
    assert unusual.section(group) is None
    monkeypatch.undo()
    monkeypatch.setattr(applied, "DISTANCES", 1)
    assert unusual.section(group) is None
    monkeypatch.undo()
    monkeypatch.setattr(unusual, "MOST", len(group.inputs.held_out) - 1)
    assert unusual.section(group) is None


def test_many_runs_have_none(sweep_runs, group_of):
    assert unusual.section(group_of(*sweep_runs)) is None


def test_columns_without_names_are_called_alike_everywhere(tmp_path):
    """By their places from 0, as `--label 0` counts them: in scores, on the page and in the explorer."""
    x = np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32)
    settings = {"network": {"name": "mlp", "hidden": [8]}, "training": {"epochs": 1}}
    run = api.train(x, out=tmp_path / "run", model={"name": "vae", "latent_dim": 2}, **settings)
    names = ["column 0", "column 1", "column 2"]
    judged = judge(run, reasons=3).columns["reasons"]
    told = {name for row in judged for name in re.findall(r"column \d+", row)}
    assert told <= set(names) and "column 0" in told
    assert list(report_columns.Columns(run.dataset).names) == names
    assert [name for name, *_ in View(run, 0).columns if name.startswith("column")] == names
