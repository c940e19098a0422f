"""The written report: whole, self-contained, and true."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from latentia import api
from latentia.core import storage
from latentia.core.errors import LatentiaError, RunError
from latentia.report import build
from latentia.report.sections import sizes
from latentia.report.words import number
from tests.report.reading import Page

SECTIONS = ["reconstructions", "samples", "map", "dimensions", "traversals", "interpolations", "codes"]
SECTIONS += [
    "figures",
    "comparison",
    "curves",
    "evaluation",
    "unusual",
    "data",
    "sizes",
    "repeat",
    "glossary",
]
JOINT = {"codes", "comparison"}
"""Sections of pages on several runs alone."""
REPORTS = ["vae_report", "pair_report", "plane_report", "table_report", "series_report"]
REPORTS += ["planes_report", "assessed_report", "assessed_pair_report", "sweep_report"]


@pytest.fixture(params=REPORTS)
def report(request):
    return request.getfixturevalue(request.param)


def page(path):
    return Page(path.read_text(encoding="utf-8"))


def test_every_section_is_there_and_linked(report):
    read = page(report)
    sections = [values["id"] for tag, values in read.tags if tag == "section"]
    several = any(values.get("class") == "several" for _, values in read.tags)
    absent = (set() if several else JOINT) | ({"evaluation"} - set(sections))
    if "rate" not in sections:
        assert sections == [key for key in SECTIONS if key not in absent]
    terms = [values["href"] for tag, values in read.tags if tag == "a" and values.get("class") == "term"]
    assert terms and len(terms) == len(set(terms))  # the first mention of each
    assert {term[1:] for term in terms} <= set(read.ids)
    verdicts = [values for _, values in read.tags if "verdict" in values.get("class", "").split()]
    assert verdicts  # before the first section
    order = [values.get("class") or values.get("id") for _, values in read.tags]
    assert order.index("verdicts") < order.index(sections[0])
    assert {f"#{section}" for section in sections} <= set(read.links)
    assert len(read.ids) == len(set(read.ids))


def test_it_tells_nothing_of_the_disk_that_it_was_written_on(table_report, table):
    """A page is passed on: files are named, their places are not."""
    text = table_report.read_text(encoding="utf-8")
    place = str(table.folder.path.parents[1])
    assert place not in text and "rows.csv" in text


def test_what_compresses_nothing_is_not_called_compressed(group_of, trained, tmp_path):
    np.save(tmp_path / "narrow.npy", np.random.default_rng(0).random((60, 3)).astype(np.float32))
    run = trained("narrow", tmp_path / "narrow.npy", "vae", 4)
    rows = {row.label: row for row in sizes.section(group_of(run)).facts}
    assert rows["Compression ratio"].cells == ("none",)
    assert "4 latent values for 3 values in" in rows["Compression ratio"].note


def test_it_loads_nothing_from_elsewhere(report):
    text = report.read_text(encoding="utf-8")
    read = Page(text)
    assert all(link.startswith(("#", "data:")) for link in read.links)
    assert not any(tag in ("link", "iframe", "object", "embed") for tag, _ in read.tags)
    assert not any(tag == "script" and "src" in values for tag, values in read.tags)
    assert "url(http" not in text
    assert "@import" not in text


def test_every_picture_decodes_and_is_described(report):
    read = page(report)
    images = [values for tag, values in read.tags if tag == "img"]
    assert all(values["alt"] for values in images)
    for values in images:
        found = re.fullmatch(r"data:image/(\w+);base64,(.+)", values["src"])
        assert found is not None
        kind, data = found.groups()
        picture = Image.open(io.BytesIO(base64.b64decode(data)))
        picture.load()
        assert str(picture.format).lower() == kind
        assert picture.size == (int(values["width"]), int(values["height"]))
    charts = [values for tag, values in read.tags if values.get("role") == "img"]
    assert charts
    assert all(values["aria-label"] for values in charts)


def test_figures_lie_beside_it(report):
    files = sorted((report.parent / "figures").iterdir())
    figures = [values for tag, values in page(report).tags if tag == "figure"]
    assert len(files) == len(figures) > 8
    for path in files:
        assert path.suffix == ".png"
        with Image.open(path) as picture:
            picture.load()
            assert min(picture.size) > 50
    assert not list(report.parent.rglob("*.part"))


def test_the_table_is_right(vae_report, vae):
    read = page(vae_report)
    parameters = {
        part: sum(p.numel() for p in getattr(vae.model, part).parameters()) for part in ("encoder", "decoder")
    }
    total = sum(p.numel() for p in vae.model.parameters())
    # one hidden layer of 16; the encoder gives a mean and a scale for each of 3 latents
    assert parameters == {"encoder": 64 * 16 + 16 + 16 * 6 + 6, "decoder": 3 * 16 + 16 + 16 * 64 + 64}
    assert read.row("Encoder parameters") == [f"{parameters['encoder']:,}"]
    assert read.row("Decoder parameters") == [f"{parameters['decoder']:,}"]
    assert read.row("Total trainable parameters") == [f"{total:,}"]
    assert read.row("Model size") == [f"{total * 4 / 1024 / 1024:.2f} MB"]
    assert read.row("Input dimensions") == ["(1, 8, 8) = 64 values"]
    assert read.row("Latent dimensions") == ["3"]
    assert read.row("Compression ratio") == ["21.33x"]
    assert read.row("Compression percentage") == ["95.31 %"]
    assert read.row("Share of numbers kept") == ["4.69 %"]
    codes = vae.encode(vae.dataset.x[vae.dataset.splits["test"]])
    for label, value in (
        ("Latent mean", codes.mean()),
        ("Latent standard deviation", codes.std()),
        ("Latent minimum", codes.min()),
        ("Latent maximum", codes.max()),
    ):
        assert float(read.row(label)[0].replace("−", "-")) == pytest.approx(value, abs=6e-5)
    assert "180 encoded test images" in read.text


def test_the_lecture_autoencoder(tmp_path, few_points):
    np.save(tmp_path / "grey.npy", np.random.default_rng(0).integers(0, 256, (40, 28, 28), dtype=np.uint8))
    run = api.train(
        tmp_path / "grey.npy",
        out=tmp_path / "run",
        model={"name": "autoencoder", "latent_dim": 16},
        network="lecture-256-64",
        training={"epochs": 1},
    )
    read = page(build([run]))
    assert read.row("Total trainable parameters") == ["437,664"]
    assert read.row("Model size") == ["1.67 MB"]
    assert read.row("Input dimensions") == ["(1, 28, 28) = 784 values"]
    assert read.row("Compression ratio") == ["49.00x"]
    assert read.row("Compression percentage") == ["97.96 %"]
    assert read.row("Share of numbers kept") == ["2.04 %"]
    assert "Spread per latent dimension" in read.text
    assert (tmp_path / "run" / "report.html").is_file()
    assert (tmp_path / "run" / "figures" / "map.png").is_file()


def test_key_figures_are_the_logged_ones(vae_report, vae):
    text = page(vae_report).text
    row = vae.metrics("test")[-1]
    for value in (
        row["mse"],
        row["distortion"] + row["rate"],
        row["distortion"],
        row["rate"],
        row["bits_per_dim"],
    ):
        assert number(value) in text
    active = sum(kl > 0.01 for kl in row["kl"])
    assert f"{active} of 3 dimensions are active: a mean KL above 0.01 nats" in text


def test_error_and_explained_variance(pair_report, autoencoder):
    read = page(pair_report)
    x = autoencoder.dataset.x[autoencoder.dataset.splits["test"]]
    error = (autoencoder.reconstruct(x) - x) / 16
    assert read.row("MSE")[0] == number(float((error**2).mean()))
    explained = 1 - (error**2).mean() / (x / 16).reshape(len(x), -1).var(axis=0).mean()
    assert read.row("Variance explained")[0] == f"{100 * explained:.1f} %".replace("-", "−")
    assert read.row("−ELBO, nats")[0] == "–"


def test_runs_stand_side_by_side_on_the_same_inputs(pair_report):
    read = page(pair_report)
    assert read.row("Model") == ["autoencoder", "vae"]
    assert len(read.row("Compression ratio")) == 2
    names = {path.name for path in (pair_report.parent / "figures").iterdir()}
    assert {"reconstructions.png", "samples-prior.png", "interpolation-linear.png"} <= names
    assert {"vae-curve-rate.png", "vae-traversals.png", "data.png"} <= names
    assert "autoencoder-curve-rate.png" not in names
    assert "The prior took no part in training autoencoder" in " ".join(read.text.split())


def test_two_latents_show_their_plane(plane_report):
    read = page(plane_report)
    assert "The two axes are the two latent dimensions." in read.text
    assert "latent 0 from −3.0 to 3.0 and latent 1 from −3.0 to 3.0" in " ".join(read.text.split())
    assert (plane_report.parent / "figures" / "plane.png").is_file()


def test_names_from_the_data_are_text_and_nothing_else(table_report):
    text = table_report.read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "a<b>" not in text
    read = Page(text)
    assert "price $x_1$" in read.text
    assert "größe" in read.text
    assert "3 columns that vary" not in read.text  # all of them are shown
    assert read.row("Input dimensions") == ["(3,) = 3 values"]  # the constant one is left out


def test_a_run_file_and_commands_repeat_it(vae_report, vae):
    text = " ".join(page(vae_report).text.split())
    assert "latentia train --config vae/run.toml --out vae-again" in text
    assert "latentia sample vae -n 64 --sampler mixture -o samples.png" in text
    assert 'name = "standard_normal"' in text


def test_it_writes_the_same_bytes_again(plane, plane_report, few_points, tmp_path):
    again = build([plane], tmp_path / "again.html")
    assert again.read_bytes() == plane_report.read_bytes()


def test_other_seeds_draw_other_samples(plane, plane_report, few_points, tmp_path):
    build([plane], tmp_path / "again.html", seed=1)
    first, other = (folder / "figures" / "samples-prior.png" for folder in (plane_report.parent, tmp_path))
    assert first.read_bytes() != other.read_bytes()


def test_it_leaves_torch_as_it_was(plane, few_points, tmp_path):
    import torch

    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    build([plane], tmp_path / "report.html")
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_a_run_without_test_and_validation(trained, few_points, tmp_path):
    np.save(tmp_path / "few.npy", np.random.default_rng(0).random((6, 16, 16)).astype(np.float32))
    run = trained("few", tmp_path / "few.npy", "vae", 3)
    read = page(build([run], tmp_path / "report.html"))
    assert "This run has no figures for a test split" in read.text
    assert "6 encoded training images" in read.text


def test_a_run_that_was_stopped_early(trained, few_points, tmp_path):
    run = trained("stopped", "digits", "vae", 2)
    kept = [row for row in run.folder.metrics() if row["split"] == "train"]
    storage.write_text(run.folder.metrics_file, "")
    assert "This run has logged no training." in page(build([run], tmp_path / "a.html")).text
    for row in kept[:1]:
        run.folder.log(row)
    read = page(build([run], tmp_path / "b.html"))
    assert "This run has logged no KL for each dimension." in read.text
    assert f"{kept[0]['epoch']:g} of 2 epochs" in read.text


def test_equal_names_are_told_apart(plane, few_points, tmp_path):
    from latentia.runs.run import Run

    read = page(build([plane, Run.open(plane.folder.path)], tmp_path / "report.html"))
    assert "plane and plane-2" in read.text


def test_what_cannot_be_compared_is_refused(vae, table, trained, tmp_path):
    with pytest.raises(RunError, match="at least one run"):
        build([])
    other = trained("other split", "digits", "vae", 3, data={"seed": 1})
    for run in (table, other):
        with pytest.raises(RunError, match="trained on other data or another split"):
            build([vae, run], tmp_path / "report.html")
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written(plane, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LatentiaError, match="cannot write"):
        build([plane], tmp_path / "file" / "report.html")


def test_a_wide_table_shows_columns_that_vary(trained, few_points, tmp_path):
    x = np.random.default_rng(0).normal(size=(50, 400)).astype(np.float32)
    x[:, :10] = 1.0
    np.save(tmp_path / "wide.npy", x)
    path = build([trained("wide", tmp_path / "wide.npy", "autoencoder", 3)], tmp_path / "report.html")
    read = page(path)
    assert "first 12 of the table's 400 columns that vary" in read.text
    assert "column 10" in read.text
    assert "column 9" not in read.text
    assert path.stat().st_size < 1_500_000


def test_large_images_are_shrunk(trained, few_points, tmp_path):
    coarse = np.random.default_rng(0).integers(0, 256, (12, 3, 4, 3), dtype=np.uint8)
    np.save(tmp_path / "large.npy", coarse.repeat(40, axis=2).repeat(40, axis=3))
    path = build([trained("large", tmp_path / "large.npy", "vae", 2)], tmp_path / "report.html")
    assert "Images are shown at 128 pixels on the longer side." in page(path).text
    with Image.open(tmp_path / "figures" / "samples-prior.png") as picture:
        assert picture.height == 8 * (128 + 2) + 2
    assert path.stat().st_size < 3_000_000
