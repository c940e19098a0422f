"""The page of a sweep: rate and distortion along an axis, then the same inputs along it."""

import numpy as np
import pytest
from PIL import Image

from latentia.core.errors import RunError
from latentia.metrics.figures import Figure
from latentia.metrics.verdict import Verdict
from latentia.plots.charts import Curve, run_colours
from latentia.plots.exhibits import Words
from latentia.plots.joint_charts import Spot, overlaid, seesaw
from latentia.report import Axis, build
from latentia.report.page import _title
from latentia.report.sections import rate
from latentia.report.verdicts import _of_many
from latentia.report.words import number
from tests.report.conftest import BETAS
from tests.report.reading import Page


def rate_section(group):
    section = rate.section(group)
    assert section is not None
    return section


WORDS = Words("chart", "A chart", "What it is.", "A chart of nothing")


def page(path):
    return Page(path.read_text(encoding="utf-8"))


def images(read):
    return [values for tag, values in read.tags if tag == "img"]


def words(read):
    return " ".join(read.text.replace("\u00a0", " ").split())


def test_rate_and_distortion_come_first(sweep_report):
    read = page(sweep_report)
    sections = [values["id"] for tag, values in read.tags if tag == "section"]
    assert sections[:2] == ["rate", "reconstructions"]
    assert {"samples", "map", "codes", "comparison", "data", "repeat"} <= set(sections)
    assert "latentia sweep" in read.text
    assert "β = 0.1, 1, <b>&, 4, 1/2" in read.text


def test_the_table_has_the_logged_figures_of_each_value(sweep_report, sweep_runs):
    read = page(sweep_report)
    for value, run in zip(BETAS, sweep_runs, strict=True):
        logged = run.metrics("test")[-1]
        carried, distortion, bound, _, active = read.row(value)
        assert carried == number(logged["rate"])
        assert distortion == number(logged["distortion"])
        assert bound == number(logged["rate"] + logged["distortion"])
        assert active == str(sum(kl > 0.01 for kl in logged["kl"]))
    assert "Figures that training logged at its end, test split." in words(read)


def test_figures_of_the_evaluation_take_the_place_of_the_logged_ones(group_of, sweep_runs, assessment_of):
    axis = Axis("objective.beta", BETAS)
    count, mse = Figure(2.0, "", "test", "a count"), Figure(0.25, "", "test", "an error")
    assessments = [assessment_of(run, active_units=count, mse=mse) for run in sweep_runs]
    section = rate_section(group_of(*sweep_runs, axis=axis, assessments=assessments))
    label, cells = section.facts[2].label, section.facts[2].cells
    assert label == "<b>&"
    assert [str(cell).replace("\u00a0", " ") for cell in cells] == [
        "2.50 ± 0.10", "30.00 ± 0.50", "32.50", "0.2500", "2",
    ]  # fmt: skip
    captions = [exhibit.words.caption for exhibit in section.panels[0].exhibits]
    assert all(
        "Figures of the evaluation, test split; bars are standard errors." in each for each in captions
    )
    assert "varies by more than 0.01" in captions[1]


def test_one_run_without_an_evaluated_rate_makes_all_logged(group_of, sweep_runs, assessment_of):
    axis = Axis("objective.beta", BETAS)
    assessments = [assessment_of(run) for run in sweep_runs]
    del assessments[3].figures["rate"]
    section = rate_section(group_of(*sweep_runs, axis=axis, assessments=assessments))
    assert section.facts[0].cells[0] == number(sweep_runs[0].metrics("test")[-1]["rate"])


def test_rows_are_named_by_their_values(sweep_report, sweep_runs):
    read = page(sweep_report)
    alts = [values["alt"] for values in images(read) if "originals and their" in values["alt"]]
    assert [alt.rsplit(": ", 1)[1] for alt in alts] == ["originals", *(f"β = {beta}" for beta in BETAS)] * 2
    with Image.open(sweep_report.parent / "figures" / "reconstructions.png") as picture:
        rows = np.asarray(picture)
    assert rows.shape[0] == 2 * (6 * 60 + 5 * 2) + 14


def test_names_and_values_are_text_and_files_are_safe(sweep_report):
    read = page(sweep_report)
    assert not any(tag in ("b", "i") for tag, _ in read.tags)
    for value in BETAS:
        assert value in read.text
    assert all(path.parent == sweep_report.parent / "figures" for path in sweep_report.parent.rglob("*.png"))


def test_values_are_never_read_as_mathematics_and_never_left_out_of_legends():
    curves = [Curve(np.arange(3), np.arange(3.0), label) for label in ("_hidden", "$x$", "<b>&")]
    svg = overlaid(WORDS, curves, ("x", "y")).svg
    assert "_hidden</text>" in svg
    assert "$x$</text>" in svg
    assert "&lt;b&gt;&amp;</text>" in svg


def test_runs_without_a_rate_are_left_out_of_the_first_chart(group_of, autoencoder, vae, plane):
    axis = Axis("model", ("autoencoder", "vae", "two latents"))
    section = rate_section(group_of(autoencoder, vae, plane, axis=axis))
    note = section.panels[0].note
    assert note == "An autoencoder has no rate, and no place in the first chart: autoencoder."
    first, along = section.panels[0].exhibits
    assert ">vae</text>" in first.svg and ">autoencoder</text>" not in first.svg
    assert "autoencoder</text>" in along.svg
    carried, distortion, bound, mse, active = section.facts[0].cells
    assert (carried, bound, active) == ("–", "–", "–")
    assert mse != "–" and distortion != "–"


def test_autoencoders_alone_have_no_first_chart(group_of, autoencoder):
    axis = Axis("training.seed", ("0", "0"))
    section = rate_section(group_of(autoencoder, autoencoder, axis=axis))
    assert [exhibit.words.name for exhibit in section.panels[0].exhibits] == ["along"]
    *own, together = section.facts
    assert [row.label for row in own] == ["seed 0", "seed 0-2"]  # equal values are told apart
    assert together.label == "mean ± deviation of 2 seeds"
    assert str(together.cells[3]).replace("\u00a0", " ").endswith("± 0")  # of one run twice


def test_what_differs_is_called_as_a_person_calls_it():
    names = Axis("likelihood.name, training.seed", ("mse, 0", "bce, 1"))
    assert (names.spoken, names.short) == ("likelihood, seed", "likelihood, seed")
    assert names.titles == ("likelihood = mse, seed 0", "likelihood = bce, seed 1")
    assert Axis("objective.name", ("elbo", "iwae")).spoken == "objective"


def test_runs_of_other_likelihoods_are_not_joined(group_of, trained, vae):
    other = trained("laplace", "digits", "vae", 3, likelihood="laplace")
    axis = Axis("likelihood", ("gaussian_optimal", "laplace"))
    note = rate_section(group_of(vae, other, axis=axis)).panels[0].note
    assert "The runs differ in likelihood" in note and "not joined" in note


def test_an_axis_needs_a_value_for_each_of_several_runs(vae, plane, tmp_path):
    with pytest.raises(RunError, match="beta has 1 values for 2 runs"):
        build([vae, plane], tmp_path / "report.html", axis=Axis("beta", ("1",)))
    assert not list(tmp_path.iterdir())


def test_a_sweep_of_one_run_is_a_report_on_it(vae, vae_report, few_points, tmp_path):
    again = build([vae], tmp_path / "report.html", axis=Axis("beta", ("1",)))
    assert again.read_bytes() == vae_report.read_bytes()


def test_points_too_near_for_two_labels_share_one():
    near = [Spot("2", 5.0, 1.0), Spot("4", 0.0, 9.0), Spot("8", 0.01, 9.0), Spot("16", 0.0, 9.01)]
    svg = seesaw(WORDS, near, joined=True).svg
    assert ">2</text>" in svg
    assert ">4, 8, 16</text>" in svg


@pytest.mark.parametrize("count", [1, 2, 3, 4, 10, 20, 25])
@pytest.mark.parametrize("ordered", [True, False])
def test_every_run_has_a_colour(count, ordered):
    colours = run_colours(count, ordered=ordered)
    assert len(colours) == count
    assert len(set(colours)) == min(count, 20) or ordered
    if ordered:
        assert len(set(colours)) == count


def test_the_colours_of_an_order_are_seen_on_both_grounds():
    """Graphics need a contrast of 3 (WCAG 2.2); the scale is as light in the middle as at its ends."""
    from latentia.plots.theme import DARK, LIGHT

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for colour in run_colours(20, ordered=True):
        for ground in (LIGHT["panel"], DARK["panel"]):
            bright, dark = sorted((luminance(colour), luminance(ground)), reverse=True)
            assert (bright + 0.05) / (dark + 0.05) >= 3


def test_seeds_along_an_axis_are_one_place_with_their_spread(trained, group_of):
    runs = [
        trained(f"seeds-{beta}-{seed}", "digits", "vae", 2, objective={"beta": beta},
                training={"epochs": 2, "seed": seed})
        for beta in (1.0, 4.0) for seed in (0, 1, 2)
    ]  # fmt: skip
    axis = Axis("objective.beta, training.seed", tuple(f"{b}, {s}" for b in (1, 4) for s in (0, 1, 2)))
    section = rate_section(group_of(*runs, axis=axis))
    assert [row.label for row in section.facts] == ["1", "4"] and section.rows == "β"
    rates = np.array([run.metrics("test")[-1]["rate"] for run in runs]).reshape(2, 3)
    for row, own in zip(section.facts, rates, strict=True):
        value, spread = str(row.cells[0]).split("\u00a0±\u00a0")
        assert float(value) == pytest.approx(own.mean(), abs=own.std(ddof=1) / 5)
        assert float(spread) == pytest.approx(own.std(ddof=1), rel=0.06)
    assert "standard deviations between seeds" in section.panels[0].exhibits[0].words.caption
    group = group_of(*runs, axis=axis)
    assert group.titles[:2] == ("β = 1, seed 0", "β = 1, seed 1")
    assert group.first_seeds.titles == ("β = 1, seed 0", "β = 4, seed 0")  # the others would repeat them
    assert _title(group) == "β = 1, 4, 3 seeds each"


def test_a_sweep_over_seeds_alone_shows_each(group_of, trained):
    runs = [
        trained(f"only-{seed}", "digits", "vae", 2, training={"epochs": 1, "seed": seed}) for seed in (0, 1)
    ]
    axis = Axis("training.seed", ("0", "1"))
    section = rate_section(group_of(*runs, axis=axis))
    assert [row.label for row in section.facts] == ["0", "1", "mean ± deviation of 2 seeds"]
    assert "joined" not in section.panels[0].exhibits[0].words.caption  # no seed follows another


@pytest.mark.parametrize(
    ("name", "values", "ordered"),
    [
        ("objective.beta", ("1", "4.5"), True),
        ("training.seed", ("0", "1"), False),
        ("network", ("mlp", "conv"), False),
        ("objective.beta, training.seed", ("1, 0", "1, 1", "4, 0"), True),
        ("network, training.seed", ("mlp, 0", "conv, 0"), False),
    ],
)
def test_numbers_follow_each_other_and_names_do_not(name, values, ordered):
    assert Axis(name, values).ordered is ordered


def test_a_finding_of_many_runs_keeps_its_words():
    """An abbreviation at its beginning stays one."""
    found = Verdict("worse than the mean", "MSE 0.1, where the mean has 0.07", "train longer")
    spoken = _of_many("β = 1", found, ["β = 1", "β = 4"], True)
    assert (spoken.runs, spoken.text) == ("All runs", "β = 1: MSE 0.1, where the mean has 0.07.")
