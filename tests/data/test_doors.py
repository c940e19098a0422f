"""Kinds of files beside pictures, arrays and plain tables, each written by the library that does."""

import sys

import numpy as np
import pytest

from latentia.core.errors import ConfigError, MissingExtra
from latentia.data import load
from latentia.data.readers.sound import spectrogram

pd = pytest.importorskip("pandas", reason="needs pandas: pip install 'latentia[tables]'")


def without(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)


def test_feather(tmp_path, rng, refused):
    frame = pd.DataFrame({"a": rng.normal(size=30), "label": ["u", "v", "NA"] * 10})
    frame.to_feather(tmp_path / "t.feather")
    data = load(tmp_path / "t.feather")
    np.testing.assert_array_equal(data.x[:, 0], frame.a)
    assert data.label_names == ("NA", "u", "v")
    (tmp_path / "t.feather").write_bytes(b"ARROW1 no")
    refused(tmp_path / "t.feather", "is not a Feather table")


def test_excel(tmp_path, rng, refused, monkeypatch):
    pytest.importorskip("openpyxl", reason="needs openpyxl: pip install 'latentia[excel]'")
    frame = pd.DataFrame(
        {"a": rng.normal(size=30), "n": np.arange(30) % 7, "label": ["NA", "u", "none"] * 10}
    )
    years = pd.DataFrame(rng.random((30, 6)), columns=range(1990, 1996))
    path = tmp_path / "t.xlsx"
    with pd.ExcelWriter(path) as book:
        frame.to_excel(book, sheet_name="first", index=False)
        years.to_excel(book, sheet_name="years", index=False)
    data = load(path)
    np.testing.assert_allclose(data.x, frame[["a", "n"]].to_numpy(), rtol=1e-14)
    assert (data.columns, data.layout.types) == (("a", "n"), ("float64", "int64"))
    assert data.label_names == ("NA", "none", "u")
    assert "the first of 2 sheets (another: data.key=NAME)" in data.summary()
    other = load(path, key="years")
    assert (len(other), other.columns[0]) == (30, "1990")
    refused(path, "has no sheet 'year'; did you mean 'years'?", key="year")
    (tmp_path / "bad.xlsx").write_bytes(path.read_bytes()[:1000])
    refused(tmp_path / "bad.xlsx", "is not an Excel file")
    without(monkeypatch, "openpyxl")
    refused(path, "openpyxl", "latentia[excel]", error=MissingExtra)


@pytest.mark.parametrize("kind", ["parquet", "feather"])
@pytest.mark.parametrize("nested", [True, False])
def test_columns_of_pictures(tmp_path, encoded, refused, kind, nested):
    pictures = [encoded(6, 5) for _ in range(12)]
    cells = [{"bytes": data, "path": None} for data in pictures] if nested else pictures
    frame = pd.DataFrame({"id": range(12), "image": cells, "label": [2, 0, 1] * 4})
    path = tmp_path / f"t.{kind}"
    getattr(frame, f"to_{kind}")(path)
    data = load(path)
    assert (data.x.shape, data.x.dtype) == ((12, 3, 6, 5), np.uint8)
    assert (data.label, data.labels.tolist()) == ("label", [2, 0, 1] * 4)
    assert "left out: 1 other column (id)" in data.summary()
    assert load(path, size=4, key="image", label="none").labels is None
    refused(path, "no column of pictures 'id'", key="id")
    frame.at[3, "image"] = {"bytes": b"no", "path": None} if nested else b"no"
    getattr(frame, f"to_{kind}")(path)
    refused(path, "'image[3]'", "cannot be decoded")
    assert len(load(path, skip_bad=True)) == 11
    frame[["id", "label"]].to_parquet(tmp_path / "plain.parquet")
    refused(tmp_path / "plain.parquet", "data.key=id does not apply", error=ConfigError, key="id")


def test_pictures_as_datasets_writes_them(tmp_path, rng):
    datasets = pytest.importorskip("datasets", reason="needs datasets: pip install 'latentia[datasets]'")
    from PIL import Image

    images = [Image.fromarray(rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)) for _ in range(12)]
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    made = datasets.Dataset.from_dict({"image": images, "label": [0, 1] * 6}, features=features)
    for part in ("train", "test"):
        made.to_parquet(tmp_path / f"{part}-00000-of-00001.parquet")
    data = load(tmp_path)
    np.testing.assert_array_equal(data.x[3].transpose(1, 2, 0), np.asarray(images[3]))
    assert data.label_names == ("cat", "dog")
    assert data.splits["test"].tolist() == list(range(12, 24))


def test_matlab(tmp_path, rng, refused):
    from scipy.io import savemat

    x, y = rng.normal(size=(30, 4)), rng.integers(1, 4, (30, 1))
    savemat(tmp_path / "t.mat", {"X": x, "y": y, "about": "words", "cells": np.array([1, "a"], dtype=object)})
    data = load(tmp_path / "t.mat")
    np.testing.assert_array_equal(data.x, x)
    assert [data.label_names[code] for code in data.labels] == [str(value) for value in y[:, 0]]
    pictures = rng.integers(0, 256, (8, 6, 3, 30), dtype=np.uint8)  # as street view house numbers come
    savemat(tmp_path / "t.mat", {"X": pictures, "y": y})
    data = load(tmp_path / "t.mat")
    np.testing.assert_array_equal(data.x, pictures.transpose(3, 2, 0, 1))
    savemat(tmp_path / "t.mat", {"p": x, "q": x})
    refused(tmp_path / "t.mat", "which array holds the data?", "data.key=NAME")
    assert load(tmp_path / "t.mat", key="q").event == (4,)
    assert "along the first axis" not in load(tmp_path / "t.mat", key="q").summary()
    savemat(tmp_path / "t.mat", {"faces": x.T})
    assert "4 examples along the first axis (transpose the array" in load(tmp_path / "t.mat").summary()
    (tmp_path / "t.mat").write_bytes((tmp_path / "t.mat").read_bytes()[:300])
    refused(tmp_path / "t.mat", "is not a MATLAB file")


def test_hdf5(tmp_path, rng, refused, monkeypatch):
    h5py = pytest.importorskip("h5py", reason="needs h5py: pip install 'latentia[hdf5]'")
    x = rng.integers(0, 256, (30, 6, 5, 3), dtype=np.uint8)
    path = tmp_path / "t.h5"
    with h5py.File(path, "w") as file:
        file["images"] = x
        file["labels"] = ["NA", "u", "v"] * 10
        file["more/other"] = rng.normal(size=(7, 2))
    data = load(path)
    np.testing.assert_array_equal(data.x, x.transpose(0, 3, 1, 2))
    assert (data.label, data.label_names) == ("labels", ("NA", "u", "v"))
    assert load(path, key="more/other").event == (2,)
    refused(path, "no array 'other'", key="other")
    with h5py.File(tmp_path / "new.mat", "w", userblock_size=512) as file:  # as MATLAB 7.3 writes
        file["X"] = x.T
        file["y"] = np.arange(30.0)[None] % 3
    content = (tmp_path / "new.mat").read_bytes()
    (tmp_path / "new.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + content[512:])
    data = load(tmp_path / "new.mat")
    np.testing.assert_array_equal(data.x, x.transpose(0, 3, 1, 2))
    assert data.labels.tolist() == [0, 1, 2] * 10
    path.write_bytes(path.read_bytes()[:700])
    refused(path, "is not an HDF5 file")
    without(monkeypatch, "h5py")
    refused(path, "h5py", "latentia[hdf5]", error=MissingExtra)
    refused(tmp_path / "new.mat", "h5py", "latentia[hdf5]", error=MissingExtra)


def tone(hertz, seconds=1.0, rate=16_000, size=1.0):
    return size * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)


def test_a_spectrogram_is_loudest_where_its_tone_is():
    loud = spectrogram(tone(1000), 64)
    assert loud.shape == (256, 64)
    assert np.argmax(loud[:, 10]) == 1000 * 512 // 16_000
    assert loud.max() == pytest.approx(0.0, abs=0.01)  # a sine of full amplitude
    assert spectrogram(tone(1000, size=0.1), 64).max() == pytest.approx(-20.0, abs=0.01)
    assert (spectrogram(np.zeros(100), 8) == -80).all()


def test_sounds(tmp_path, refused):
    from scipy.io import wavfile

    folder = tmp_path / "spoken"
    for part in ("train", "test"):
        for word, hertz in (("low", 500), ("high", 2000)):
            for at in range(6):
                path = folder / part / word / f"{at}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                sound = tone(hertz, 1.0 - 0.1 * (at == 0))
                kinds = [(sound * 32_767).astype(np.int16), sound.astype(np.float32)]
                wavfile.write(path, 16_000, kinds[at % 2] if at < 5 else np.stack([kinds[0]] * 2, axis=1))
    data = load(folder)
    assert (data.x.shape, data.x.dtype, data.event.kind) == ((24, 1, 256, 64), np.float32, "image")
    assert data.label_names == ("high", "low")
    assert len(data.splits["test"]) == 12
    low = data.x[data.labels == 1][:, 0]
    assert (low[:, :, 10].argmax(axis=1) == 16).all()
    assert -80 <= data.observed[0] <= data.observed[1] < 0.1
    assert "16,000 samples a second" in data.summary()
    assert "4 shorter sounds followed by silence" in data.summary()
    wavfile.write(tmp_path / "long.wav", 8_000, (tone(440, 12.5, 8_000) * 32_767).astype(np.int16))
    assert load(tmp_path / "long.wav").x.shape == (12, 1, 256, 32)
    refused(folder.parent / "gone.wav", "no such file")
    wavfile.write(folder / "train" / "low" / "x.wav", 8_000, np.zeros(8_000, dtype=np.int16))
    refused(folder, "16,000 samples a second, 'train/low/x.wav' 8,000")
    (folder / "train" / "low" / "x.wav").write_bytes(b"RIFF no")
    refused(folder, "x.wav: cannot be read as sound", "--skip-bad")
    assert len(load(folder, skip_bad=True)) == 24


def test_nifti(tmp_path, rng, refused, monkeypatch):
    nibabel = pytest.importorskip("nibabel", reason="needs nibabel: pip install 'latentia[medical]'")
    volume = rng.normal(size=(6, 5, 12)).astype(np.float32) * 1000
    path = tmp_path / "t.nii.gz"
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), path)
    data = load(path)
    np.testing.assert_allclose(data.x[:, 0], np.moveaxis(volume, -1, 0), rtol=1e-6)
    told = "slices along the third axis of 1 volume, splits are drawn over them, not over files"
    assert told in data.summary()
    for name in ("ill/a.nii.gz", "well/b.nii"):
        (tmp_path / "many" / name).parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / "many" / name)
    many = load(tmp_path / "many")
    assert (many.label_names, many.labels.tolist()) == (("ill", "well"), [0] * 12 + [1] * 12)
    path.write_bytes(path.read_bytes()[:100])
    refused(path, "t.nii.gz: cannot be read")
    without(monkeypatch, "nibabel")
    refused(path, "nibabel", "latentia[medical]", error=MissingExtra)


def test_dicom(tmp_path, rng, refused, monkeypatch):
    pydicom = pytest.importorskip("pydicom", reason="needs pydicom: pip install 'latentia[medical]'")
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    def write(name, pixels, turned=False):
        about = pydicom.Dataset()
        about.file_meta = FileMetaDataset()
        about.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        about.file_meta.MediaStorageSOPClassUID = about.SOPClassUID = CTImageStorage
        about.file_meta.MediaStorageSOPInstanceUID = about.SOPInstanceUID = generate_uid()
        about.Rows, about.Columns = pixels.shape
        about.SamplesPerPixel, about.PixelRepresentation = 1, 0
        about.BitsAllocated = about.BitsStored = 16
        about.HighBit = 15
        about.PhotometricInterpretation = "MONOCHROME1" if turned else "MONOCHROME2"
        about.RescaleSlope, about.RescaleIntercept = 1, -1024
        about.PixelData = pixels.tobytes()
        path = tmp_path / "scans" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        about.save_as(path, enforce_file_format=True)

    pixels = rng.integers(0, 4096, (4, 6, 5)).astype(np.uint16)
    for at in range(4):
        write(f"{'ab'[at % 2]}/{at}.dcm", pixels[at])
    data = load(tmp_path / "scans")
    np.testing.assert_array_equal(data.x[:, 0], pixels[[0, 2, 1, 3]].astype(np.float32) - 1024)
    assert data.labels.tolist() == [0, 0, 1, 1]
    write("a/0.dcm", pixels[0], turned=True)
    turned = load(tmp_path / "scans").x[0, 0]
    np.testing.assert_array_equal(turned, pixels[0].max() - 1024.0 + pixels[0].min() - pixels[0])
    write("a/0.dcm", pixels[0][:4])
    refused(tmp_path / "scans", "pictures differ in size", "'a/0.dcm' has 4x5, 'a/2.dcm' 6x5")
    (tmp_path / "scans" / "a" / "0.dcm").write_bytes(b"no")
    refused(tmp_path / "scans", "0.dcm: cannot be read", "--skip-bad")
    assert len(load(tmp_path / "scans", skip_bad=True)) == 3
    without(monkeypatch, "pydicom")
    refused(tmp_path / "scans", "pydicom", "latentia[medical]", error=MissingExtra)
