"""Files of a run beside those of others: without loss, and of pictures with it."""

import shutil
from typing import Any

import numpy as np
import pytest

import latentia
from latentia.coding import rates
from latentia.core.errors import DataError, MissingExtra
from latentia.evaluation.records import Settings
from latentia.evaluation.subject import Subject
from latentia.evaluation.topics import files, picture_files
from latentia.metrics.figures import Figure
from latentia.report.facets import files as shown
from latentia.report.facets import picture_files as pictures_shown
from latentia.report.group import gather
from latentia.report.words import title
from latentia.runs import compression, picture_peers
from tests.coding.test_golden import GOLDEN
from tests.coding.test_pictures import GOLDEN as PICTURES
from tests.report.conftest import assessed


def opened(folder, tmp_path):
    return latentia.open_run(shutil.copytree(folder, tmp_path / folder.name), device="cpu")


def ledger(facet, run, **settings):
    subject = Subject(run, Settings(**settings), True)
    facet.measure(subject)
    return subject.ledger


@pytest.mark.parametrize("name", ["levels", "two-values"])
def test_a_file_without_loss_stands_beside_the_bound_and_others(name, tmp_path):
    run = opened(GOLDEN / name, tmp_path)
    assert files.has(run) and not picture_files.has(run)
    source = GOLDEN / name / "examples.npy"
    found = ledger(files, run, data=str(source))
    x = np.load(source).reshape(-1, 1, 8, 8)
    written = compression.in_memory(run.compressor, x)[1]
    bits: Any = found.figures["file_bits_per_dim"]
    assert bits.parts[:2] == ("the bound", "this run") and {"gzip -9", "PNG", "WebP"} < set(bits.parts)
    assert bits.value[0] == pytest.approx(written.bound / x.size) and bits.examples == len(x)
    assert bits.value[1] == pytest.approx(8 * written.size / x.size)
    assert bits.value[2] == pytest.approx(8 * compression.others(run, x)["gzip -9"] / x.size)
    over = found.figures["file_overhead"].value
    assert over == pytest.approx(100 * (8 * written.size / written.bound - 1))
    seconds: Any = found.figures["file_seconds"]
    assert all(second > 0 for second in seconds.value) and not found.missing
    assert ("nearer of two" in bits.protocol) == (name == "two-values")


def test_files_are_a_topic_of_their_own(tmp_path):
    run, source = opened(GOLDEN / "levels", tmp_path), str(GOLDEN / "levels" / "examples.npy")
    figures = latentia.evaluate(run, data=source, only=["likelihood", "reconstruction"], samples=2).figures
    assert "elbo" in figures and not set(files.NAMES) & set(figures)
    assert set(latentia.evaluate(run, data=source, only=["files"]).figures) == set(files.NAMES)


def test_rows_of_a_table_stand_beside_their_csv(tmp_path):
    pytest.importorskip("pandas")
    run = opened(GOLDEN / "table", tmp_path)
    rows = np.load(GOLDEN / "table" / "examples.npy")
    assert files.has(run) and set(compression.others(run, rows)) == {
        "gzip -9",
        "bz2 -9",
        "xz -9e",
        "zstd -22",
    }


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (DataError("example 0 holds 0.5"), "no file without loss can be made: example 0 holds 0.5"),
        (MissingExtra("constriction", "compression", "it"), "pip install 'latentia[compression]'"),
    ],
)
def test_why_there_is_no_file_is_told(error, told, tmp_path, monkeypatch):
    def fails(*_):
        raise error

    monkeypatch.setattr(files, "in_memory", fails)
    source = str(GOLDEN / "levels" / "examples.npy")
    found = ledger(files, opened(GOLDEN / "levels", tmp_path), data=source)
    assert set(found.missing) == {"file_bits_per_dim", "file_overhead", "file_seconds"} and not found.figures
    assert all(told in why for why in found.missing.values())


@pytest.fixture(scope="module")
def grey(tmp_path_factory):
    return opened(PICTURES, tmp_path_factory.mktemp("grey"))


@pytest.fixture(scope="module")
def curves(grey):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(picture_peers, "absent", lambda kind: kind == "AVIF")
        return ledger(picture_files, grey)


def test_pictures_at_several_steps_stand_beside_other_formats(grey, curves):
    assert picture_files.has(grey) and not files.has(grey)
    bits, psnr = (curves.figures[name] for name in picture_files.TABLE)
    assert bits.parts == psnr.parts and bits.examples == psnr.examples == 8
    own = [part for part in bits.parts if part.startswith("step ")]
    assert len(own) == 5 and own[0] == "step 0.2" and own[-1] == "step 1"
    others = [f"{kind} {quality}" for kind in ("JPEG", "WebP") for quality in rates.QUALITIES[kind]]
    assert list(bits.parts) == own + others
    test = grey.dataset.splits["test"]
    rows = test[np.linspace(0, len(test) - 1, 8).round().astype(int)]
    assert psnr.value[0] > psnr.value[4] and bits.value[0] > bits.value[4]
    some = [np.asarray(grey.dataset.x[row]) for row in rows]
    point = rates.measured(some, 0.2, picture_peers.through_file(grey, 0.2), 16)
    assert bits.value[0] == pytest.approx(point.bits, rel=0.2)
    assert curves.missing["bd_rate_avif"] == "AVIF: this Pillow was built without it"
    for kind in ("jpeg", "webp"):
        name = f"bd_rate_{kind}"
        if name in curves.figures:
            assert curves.figures[name].doubt == f"{title(name)[16:]} was given values up to 16 of 255"
        else:
            assert "share no 0.5 dB" in curves.missing[name]


def test_large_pictures_are_cut_and_few_are_read():
    read = []

    class Many(list):
        def __getitem__(self, at):
            read.append(at)
            return np.zeros((3, 900, 2000), np.uint8)

    found = picture_files._pictures(Many(range(100)))
    assert [each.shape for each in found] == [(3, 512, 512)] * 2 and len(read) == 2


def test_a_device_is_given_back():
    class Moved:
        device, been = "cuda:1", ()

        def to(self, device):
            self.been += (device,)

    run: Any = Moved()
    with pytest.raises(DataError), files.on_cpu(run):
        raise DataError("damaged")
    assert run.been == ("cpu", "cuda:1")


def test_the_report_draws_the_curves_and_has_a_row_for_each_code(grey, curves):
    rate = Figure(6.8, "%", "test", "", better="lower", doubt="JPEG was given values up to 16 of 255")
    figures = {**{name: curves.figures[name] for name in picture_files.TABLE}, "bd_rate_jpeg": rate}
    group = gather([grey], 0, [assessed(grey, **figures)])
    (panel,) = pictures_shown.section(group).panels
    assert [row.label for row in panel.facts[:2]] == ["step 0.2", "step 0.299"]
    jpeg, webp = panel.facts[5:]
    assert jpeg.label == "JPEG" and jpeg.cells[2] == "+6.8 %" and jpeg.note.startswith("JPEG was given")
    assert webp.label == "WebP" and webp.cells[2] == "–" and not webp.note
    (chart,) = panel.exhibits
    assert chart.svg and "bits per pixel" in chart.words.caption
    assert pictures_shown.section(gather([grey], 0, [assessed(grey)])) is None

    bits = Figure((1.0, 1.02, 1.53), "bits", "test", "", None, 20, "lower", ("the bound", "this run", "PNG"))
    times = Figure((0.5, 0.25), "s", "test", "", None, 20, "lower", ("to write", "to read"))
    over = Figure(2.0, "%", "test", "", None, 20, "lower")
    found = assessed(grey, file_bits_per_dim=bits, file_seconds=times, file_overhead=over)
    group = gather([grey], 0, [found])
    (panel,) = shown.section(group).panels
    assert [row.cells[1] for row in panel.facts] == ["\u22122.0 %", "–", "+50.0 %"]
    assert "20 test images as a file without loss, value by value: 1.020 bits per dimension" in panel.note
    assert "2.00 % above the bound; 0.5 s to write, 0.2 s to read" in panel.note
    assert shown.section(gather([grey], 0)) is None
