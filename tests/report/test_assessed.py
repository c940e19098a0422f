"""The evaluation on the page: values with errors, marks, diagnosis, and what is missing."""

import dataclasses
import math

import pytest

import latentia
from latentia.core import storage
from latentia.core.errors import RunError
from latentia.evaluation import latest
from latentia.metrics.figures import Figure
from latentia.plots.exhibits import Cell
from latentia.report import build
from latentia.report.sections import evaluation
from latentia.report.words import title, uncertain
from tests.report.reading import Page


def page(path):
    return Page(path.read_text(encoding="utf-8"))


def words(read):
    return " ".join(read.text.replace("\u00a0", " ").split())


def row(section, label):
    """Give the cells beside a label, and the note under it."""
    found = next(row for row in section.facts if row.label == label)
    return list(found.cells), found.note


def texts(cells):
    return [(cell.text if isinstance(cell, Cell) else cell).replace("\u00a0", " ") for cell in cells]


@pytest.fixture
def section_of(group_of, vae, plane, assessment_of):
    """Write the section on two runs, with other figures for the second."""

    def make(about=None, **figures):
        second = assessment_of(plane, **figures)
        second = dataclasses.replace(second, about={**second.about, **(about or {})})
        section = evaluation.section(group_of(vae, plane, assessments=[assessment_of(vae), second]))
        return section

    return make


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("mse", "MSE"),
        ("mse_by_label", "MSE by label"),
        ("elbo", "ELBO"),
        ("frechet_prior", "Fréchet distance, samples of the prior"),
        ("knn_accuracy_pixels", "k-NN accuracy, of the data themselves"),
        ("label_efficiency_1000_pca", "Accuracy with 1,000 labels, of PCA"),
        ("mse_pca", "MSE of PCA"),
        ("bits_per_dim", "Bits per dimension"),
        ("active_units", "Active units"),
        ("ms_ssim", "MS-SSIM"),
        ("prior_holes", "Prior holes"),
    ],
)
def test_figures_have_titles(name, called):
    assert title(name) == called


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (162.786, 0.213, "162.79 ± 0.21"),
        (0.0123456, 0.00012, "0.01235 ± 0.00012"),
        (-15.3, 1.24, "−15.3 ± 1.2"),
        (12345.6, 234.0, "12,346 ± 234"),
        (8.0, None, "8"),
        (8.0, math.nan, "8"),
        (0.5, 0.0, "0.5000 ± 0"),
        (math.nan, 0.1, "–"),
        (None, None, "–"),
        (1.0, 1e-12, "1 ± 1.0e−12"),
    ],
)
def test_a_value_has_the_digits_that_its_error_leaves_standing(value, error, text):
    assert uncertain(value, error).replace("\u00a0", " ") == text


def test_one_run_has_its_figures_in_a_table(assessed_report):
    read = page(assessed_report)
    assert [cell.replace("\u00a0", " ") for cell in read.row("Rate")] == [
        "2.50 ± 0.10", "nats", "test, 180 examples",
    ]  # fmt: skip
    assert read.row("Latents") == ["3", "", ""]
    text = words(read)
    assert "squared error per value" in text  # the protocol
    assert "KL(q(z|x) || p(z))" in text
    assert "Holes. 31 % of the prior's draws fall into <holes>." in text
    assert "Raise objective.beta." in text
    assert "Not to be trusted. Fewer than 1,000 examples." in text
    assert "Figures that could not be measured: 1" in text
    assert "the images are too small" in text
    assert "What the figures are about" in text


def test_parts_are_bars_and_a_list(assessed_report):
    read = page(assessed_report)
    text = words(read)
    assert "0.0400 to 0.0600" in text
    for part in ("zero0.0400 ± 0.0010", "<one>0.0600 ± 0.0020", "two–"):
        assert part in text
    bars = [values for tag, values in read.tags if tag == "rect" and values.get("width") == "3"][-3:]
    heights = [float(values["height"]) for values in bars]
    assert heights[0] / heights[1] == pytest.approx(0.04 / 0.06, abs=0.01)
    assert heights[2] < 1
    assert float(bars[1]["y"]) == 0  # the largest reaches the top


def test_bars_of_a_row_have_one_scale_and_start_at_zero(section_of):
    signed = Figure((-0.06, 0.03), "", "test", "the same by label", None, 9, "lower", ("a", "b"))
    cells, _ = row(section_of(mse_by_label=signed), "MSE by label")
    assert [bar.low for bar in cells[0].bars] == pytest.approx([0.5, 0.5, 0.5])  # from -0.06 to 0.06
    assert [bar.high for bar in cells[0].bars] == pytest.approx([0.5 + 0.04 / 0.12, 1.0, 0.5])
    assert (cells[1].bars[0].low, cells[1].bars[0].high) == pytest.approx((0.0, 0.5))
    assert (cells[1].bars[1].low, cells[1].bars[1].high) == pytest.approx((0.5, 0.75))


def test_without_assessments_there_is_no_section(vae_report, pair_report):
    for report in (vae_report, pair_report):
        assert "evaluation" not in page(report).ids


def test_the_best_is_marked_for_eyes_and_ears(assessed_pair_report):
    """0.04 and 0.05, each with an error of 0.002: the lead of 0.01 exceeds 2 sqrt(2) 0.002 = 0.0057."""
    read = page(assessed_pair_report)
    cells = [cell.replace("\u00a0", " ") for cell in read.row("MSE")]
    assert cells == ["0.0500 ± 0.0020", "0.0400 ± 0.0020★best"]
    marks = [values for tag, values in read.tags if tag == "td" and values.get("class") == "best"]
    assert len(marks) == 1
    html = assessed_pair_report.read_text(encoding="utf-8")
    assert '<strong>0.0400\u00a0±\u00a00.0020</strong> <span class="mark" aria-hidden="true">★</span>' in html


def test_a_figure_that_one_run_lacks_is_a_dash_with_the_reason(assessed_pair_report):
    read = page(assessed_pair_report)
    assert [cell.replace("\u00a0", " ") for cell in read.row("Rate")] == ["–", "2.50 ± 0.10"]
    assert "an autoencoder has no rate & no bound" in words(read)
    assert "Figures that could not be measured: 1" in words(read)  # what both lack


def test_logged_figures_give_way_to_those_of_the_evaluation(assessed_pair_report, pair_report):
    labels = [
        [cells[0] for cells in page(path).rows if cells] for path in (assessed_pair_report, pair_report)
    ]
    assert labels[0].count("MSE") == labels[1].count("MSE") == 1
    assert "−ELBO, nats" not in labels[0]
    assert "−ELBO, nats" in labels[1]


def test_nothing_is_marked_within_errors(section_of):
    near = Figure(0.045, "", "test", "squared error per value", 0.002, 180, "lower")
    cells, note = row(section_of(mse=near), "MSE")
    assert texts(cells) == ["0.0500 ± 0.0020", "0.0450 ± 0.0020"]
    assert not any(cell.best for cell in cells)
    assert "Not compared" not in note


def test_nats_of_other_likelihoods_are_shown_and_the_page_says_why_none_is_marked(section_of):
    lower = {"nll": Figure(3.0, "nats", "test", "-log p(x)", 0.5, 180, "lower")}
    first = {"likelihood": "laplace"}
    plain, _ = row(section_of(nll=lower["nll"]), "Nll")
    assert not any(cell.best for cell in plain)  # the other run has none
    cells, _ = row(section_of(), "Distortion")
    assert texts(cells) == ["30.00 ± 0.50", "30.00 ± 0.50"]
    _, note = row(section_of(about=first), "Distortion")
    assert "Not compared: the runs differ in likelihood." in note


def test_another_protocol_is_told_beside_its_value(section_of):
    other = Figure(0.01, "", "validation", "measured otherwise", 0.002, 81, "lower")
    cells, note = row(section_of(mse=other), "MSE")
    assert cells[0].note == ""
    assert cells[1].note == "validation, 81 examples; measured otherwise"
    assert "Not compared: the runs differ in the split or the unit." in note


def test_sound_runs_are_named_together(group_of, vae, plane, assessment_of):
    sound = [dataclasses.replace(assessment_of(run), diagnosis=(), warnings=()) for run in (vae, plane)]
    section = evaluation.section(group_of(vae, plane, assessments=sound))
    assert section is not None
    assert [panel.note for panel in section.panels] == ["By these figures nothing is wrong with vae, plane."]


def test_a_warning_names_its_figure(group_of, vae, assessment_of):
    given = dataclasses.replace(assessment_of(vae), warnings=("mse_by_label: few examples: trust none",))
    section = evaluation.section(group_of(vae, assessments=[given]))
    assert section is not None
    warning = section.panels[0].remarks[-1]
    assert warning.title == "MSE by label is not to be trusted"
    assert warning.text == "Few examples: trust none."


def test_there_must_be_one_assessment_for_each_run(vae, plane, assessment_of, tmp_path):
    with pytest.raises(RunError, match="1 assessments were given for 2 runs"):
        build([vae, plane], tmp_path / "report.html", assessments=[assessment_of(vae)])
    assert not list(tmp_path.iterdir())


def test_the_page_on_a_run_has_what_its_last_evaluation_found_unless_the_weights_changed(tmp_path):
    run = latentia.train("digits", out=tmp_path / "run", latent_dim=2, epochs=1, quiet=True)
    assert latest(run) is None
    without = words(page(build([run], tmp_path / "without.html", quiet=True)))
    figures = latentia.evaluate(run, only=["reconstruction"]).figures
    found = latest(run)
    assert found is not None and found.figures["mse"].value == figures["mse"].value
    assert len(words(page(build([run], tmp_path / "with.html", quiet=True)))) > len(without) + 200
    tensors = {name: value + 1e-3 for name, value in run.model.state_dict().items()}
    storage.save_tensors(run.folder.weights_file, tensors)
    assert latest(run) is None
