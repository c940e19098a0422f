"""Several runs on one page: the same inputs, the same noise, one row for each."""

import numpy as np
import pytest
from PIL import Image

from latentia.plots import projection as maps
from latentia.plots.images import grid
from latentia.plots.joint_charts import latent_reach
from latentia.report import Axis, build
from latentia.report.columns import Columns
from latentia.report.facets import conditions
from latentia.report.group import _stem, _told_apart
from latentia.report.inputs import choose
from latentia.report.sections import interpolations, reconstructions, samples
from latentia.report.sections.samples import shared_noise
from latentia.report.series import Series
from latentia.runs.run import Run
from tests.report.reading import Page

ROW = 7 * 8 + 2 * 2
"""Height of a row of digits: eight pixels, seven times enlarged, and a margin above and below."""
BETWEEN = 2


def figure(report, name):
    with Image.open(report.parent / "figures" / f"{name}.png") as picture:
        return np.asarray(picture)


def row(picture, index, block=0, rows=3):
    """Cut one row out of a figure of blocks."""
    top = block * (rows * (ROW + BETWEEN) - BETWEEN + 14) + index * (ROW + BETWEEN)
    return picture[top : top + ROW]


def drawn(x):
    return np.asarray(grid(x, 16.0, len(x), background=None))


def images(read):
    return [values for tag, values in read.tags if tag == "img"]


def text_of(report):
    return " ".join(Page(report.read_text(encoding="utf-8")).text.split())


def test_the_first_row_is_the_data_and_the_others_are_each_runs_reconstructions(
    pair_report, autoencoder, vae
):
    picture = figure(pair_report, "reconstructions")
    x = autoencoder.dataset.x[choose(autoencoder.dataset, 0).shown]
    assert len(x) == 20
    for block in (0, 1):
        part = x[10 * block : 10 * block + 10]
        rows = [part, autoencoder.reconstruct(part), vae.reconstruct(part)]
        for index, expected in enumerate(rows):
            assert (row(picture, index, block) == drawn(expected)).all(), (block, index)


def test_samples_of_all_runs_are_decoded_from_the_same_latents(pair_report, autoencoder, vae):
    picture = figure(pair_report, "samples-prior")
    z = vae.sample_latents(20, seed=0)
    assert (autoencoder.sample_latents(20, seed=0) == z).all()
    for index, run in enumerate((autoencoder, vae)):
        assert (row(picture, index, rows=2) == drawn(run.decode(z[:10]))).all()
        assert (row(picture, index, 1, rows=2) == drawn(run.decode(z[10:]))).all()
    assert "All runs decode the same latents" in text_of(pair_report)


def test_runs_of_other_latent_sizes_say_that_they_share_no_noise(group_of, vae, autoencoder, plane):
    text = shared_noise(group_of(vae, autoencoder, plane))
    assert "The runs differ in the size of their latents (vae and autoencoder: 3; plane: 2)" in text
    assert "Only runs of equal size decode the same latents" in text
    assert "No two decode the same latents" in shared_noise(group_of(vae, plane))


def test_each_pair_is_a_block_with_the_originals_at_the_ends_of_each_row(pair_report, autoencoder, vae):
    picture = figure(pair_report, "interpolation-linear")
    dataset = autoencoder.dataset
    pairs = choose(dataset, 0).pairs
    assert len(pairs) == 4
    side = 7 * 8
    for block, (first, last) in enumerate(pairs):
        a, b = dataset.x[first], dataset.x[last]
        for index, run in enumerate((autoencoder, vae)):
            cut = row(picture, index, block, rows=2)
            walk = drawn(run.interpolate(a, b, steps=8))
            assert (cut[:, : side + 4] == drawn(a[None])).all()
            assert (cut[:, -side - 4 :] == drawn(b[None])).all()
            assert (cut[:, side + 4 + 6 : -side - 4 - 6] == walk).all()
    read = Page(pair_report.read_text(encoding="utf-8"))
    alts = [values["alt"] for values in images(read) if "linear interpolations" in values["alt"]]
    assert len(alts) == 2 * len(pairs)
    assert alts[0].endswith(": autoencoder") and "→" in alts[0]


def test_every_row_is_named_and_described(pair_report):
    read = Page(pair_report.read_text(encoding="utf-8"))
    alts = [
        values["alt"] for values in images(read) if "originals and their reconstructions" in values["alt"]
    ]
    assert [alt.rsplit(": ", 1)[1] for alt in alts] == ["originals", "autoencoder", "vae"] * 2


def test_maps_and_histograms_show_every_run(pair_report, autoencoder, vae):
    figures = pair_report.parent / "figures"
    assert {"map-pca.png", "codes.png"} <= {path.name for path in figures.iterdir()}
    text = text_of(pair_report)
    assert "the same for each run" in text
    assert "N(0, 1)" in text
    assert not (figures / "plane-plane.png").exists()


def test_runs_of_two_latents_show_them_and_decode_their_planes(planes_report):
    names = {path.name for path in (planes_report.parent / "figures").iterdir()}
    assert {"map-itself.png", "plane-plane.png", "_b__-plane.png"} <= names
    assert not {"map-pca.png", "map-tsne.png", "map-umap.png"} & names
    assert "plane: The plane, decoded" in text_of(planes_report)


def test_a_run_of_two_latents_beside_others_is_not_mapped_by_pca(report_of, vae, plane, monkeypatch):
    """Without t-SNE, which is missing here, the page says what brings it."""
    monkeypatch.setattr(maps, "installed", lambda package: False)
    report = report_of(vae, plane)
    names = {path.name for path in (report.parent / "figures").iterdir()}
    assert {"map-itself.png", "map-pca.png"} <= names
    assert not {"map-tsne.png", "plane-plane.png"} & names  # not every run has two latents
    read = Page(report.read_text(encoding="utf-8"))
    labels = [values["aria-label"] for _, values in read.tags if values.get("role") == "img"]
    assert "The latents themselves: plane" in labels
    assert "PCA of the latents: vae" in labels
    assert "pip install 'latentia[maps]'" in read.text


def test_names_of_folders_are_text_and_nothing_else(planes_report):
    page = planes_report.read_text(encoding="utf-8")
    assert "<b>&" not in page
    read = Page(page)
    assert "<b>&" in read.text
    assert not any(tag == "b" for tag, _ in read.tags)


def test_names_of_files_are_safe_and_told_apart():
    assert _stem("beta-1/2") == "beta-1_2"
    assert _stem("größe 1e-3") == "größe_1e-3"
    assert _told_apart(["a", "b", "a", "a-2", "a"]) == ["a", "b", "a-2", "a-2-2", "a-3"]


def test_what_only_some_runs_have_is_shown_of_these_in_panels_of_their_own(families_report):
    read = Page(families_report.read_text(encoding="utf-8"))
    sections = [values["id"] for tag, values in read.tags if tag == "section"]
    assert sections[3:8] == ["codec", "shapes", "files", "conditions", "codebook"]
    names = {path.name for path in (families_report.parent / "figures").iterdir()}
    assert {"coded-codes.png", "told-by-condition.png", "told-edited.png"} <= names
    assert not {"vae-codes.png", "vae-by-condition.png", "coded-by-condition.png"} & names
    for run in ("vae", "coded", "told"):
        assert [run, "1.020", "–"] in read.rows
    assert read.rows.count(["PNG", "1.530", "+50.0 %"]) == 3


def test_seeds_of_a_sweep_are_shown_once_with_what_only_they_have(trained, group_of):
    places = [(latents, seed) for latents in (2, 3) for seed in (0, 1)]
    runs = [
        trained(
            f"{latents}-{seed}", "digits", "conditional_vae", latents, training={"epochs": 1, "seed": seed}
        )
        for latents, seed in places
    ]
    values = tuple(f"{latents}, {seed}" for latents, seed in places)
    group = group_of(*runs, axis=Axis("model.latent_dim, training.seed", values))
    panels = conditions.section(group.first_seeds).panels
    assert [panel.title for panel in panels] == ["latents = 2, seed 0", "latents = 3, seed 0"]


def test_more_than_a_few_runs_share_charts_and_have_no_panels_of_their_own(sweep_report):
    names = {path.name for path in (sweep_report.parent / "figures").iterdir()}
    assert {"curves-distortion.png", "curves-rate.png", "dimensions-kl.png"} <= names
    assert not any("traversals" in name or "spherical" in name for name in names)


def test_tables_have_joint_forms(group_of, table):
    """One chart of agreement for each run; the samples of all in one, over the data."""
    group = group_of(table, Run.open(table.folder.path))
    assert type(group.view) is Columns
    agreed = reconstructions.section(group).panels[0].exhibits
    assert [exhibit.words.title for exhibit in agreed] == ["table", "table-2"]
    assert not any(exhibit.wide for exhibit in agreed)
    drawn_samples = samples.section(group).panels[0].exhibits
    assert len(drawn_samples) == 2
    assert all("table-2</text>" in exhibit.svg for exhibit in drawn_samples)
    assert "All runs decode the same latents." in drawn_samples[0].words.caption
    walked = interpolations.section(group).panels[0].exhibits
    assert len({exhibit.words.name for exhibit in walked}) == len(walked) == 2 * len(group.inputs.pairs)


def test_series_have_joint_forms(group_of, series):
    """All reconstructions over their original; one row of samples for each run."""
    group = group_of(series, Run.open(series.folder.path))
    assert type(group.view) is Series
    (compared,) = reconstructions.section(group).panels[0].exhibits
    for name in ("original", "series", "series-2"):
        assert f">{name}</text>" in compared.svg
    for exhibit in samples.section(group).panels[0].exhibits:
        assert ">series</text>" in exhibit.svg and ">series-2</text>" in exhibit.svg


def test_a_comparison_writes_the_same_bytes_again(pair_report, autoencoder, vae, few_points, tmp_path):
    again = build([autoencoder, vae], tmp_path / "report.html")
    assert again.read_bytes() == pair_report.read_bytes()


def test_one_error_ends_the_page_without_waiting_for_maps(
    vae, autoencoder, few_points, tmp_path, monkeypatch
):
    import torch

    from latentia.report import page

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(page, "sections", fail)
    threads = torch.get_num_threads()
    with pytest.raises(KeyboardInterrupt):
        build([vae, autoencoder], tmp_path / "report.html")
    assert torch.get_num_threads() == threads
    assert not (tmp_path / "report.html").exists()


def test_the_axis_of_latents_reaches_nearly_all_of_them_within_limits():
    rng = np.random.default_rng(0)
    assert latent_reach([np.zeros(100)]) == 4.0
    assert latent_reach([rng.uniform(-6, 6, 10_000), np.zeros(10)]) == pytest.approx(1.05 * 5.97, abs=0.05)
    assert latent_reach([rng.normal(size=1000) * 100]) == 12.0
