import io
import sys

import numpy as np
import pytest
from PIL import Image

from latentia.core.errors import ConfigError, MissingExtra
from latentia.data import load


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    module = pytest.importorskip("datasets", reason="needs datasets: pip install 'latentia[datasets]'")
    monkeypatch.setattr(module.config, "HF_DATASETS_CACHE", tmp_path / "hf-cache")
    module.disable_progress_bars()
    return module


@pytest.fixture
def local(datasets, tmp_path):
    """Write splits of columns as a folder of Parquet files."""

    def write(features, **splits):
        folder = tmp_path / "owner" / "things"
        (folder / "data").mkdir(parents=True)
        for split, columns in splits.items():
            rows = datasets.Dataset.from_dict(columns, features=datasets.Features(features))
            rows.to_parquet(str(folder / "data" / f"{split}-00000-of-00001.parquet"))
        return folder

    return write


def picture(rng, mode="RGB"):
    shape = (6, 7, 3) if mode == "RGB" else (6, 7)
    return Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))


def test_images_with_class_labels(datasets, local, rng):
    features = {"img": datasets.Image(), "label": datasets.ClassLabel(names=["zebra", "ant", "unseen"])}
    pictures = {"train": [picture(rng) for _ in range(20)], "test": [picture(rng) for _ in range(5)]}
    folder = local(
        features,
        **{
            part: {"img": images, "label": [i % 2 for i in range(len(images))]}
            for part, images in pictures.items()
        },
    )
    data = load(f"hf:{folder}")
    assert data.x.shape == (25, 3, 6, 7)
    assert data.given_test
    assert data.label_names == ("zebra", "ant", "unseen")
    assert data.labels[data.splits["test"]].tolist() == [0, 1, 0, 1, 0]
    assert data.name == "things"
    assert data.source == f"hf:{folder}"
    for at, image in zip(data.splits["test"], pictures["test"]):
        np.testing.assert_array_equal(data.x[at], np.asarray(image).transpose(2, 0, 1))
    assert load(f"hf:{folder}", size=4).event == (3, 4, 4)


def test_a_corrupt_image_of_a_column(datasets, local, rng, refused):
    file = io.BytesIO()
    picture(rng, "L").save(file, "PNG")
    good = {"bytes": file.getvalue(), "path": None}
    rows = {"image": [good, {"bytes": b"broken", "path": None}, good], "kind": ["b", "a", "c"]}
    folder = local({"image": datasets.Image(), "kind": datasets.Value("string")}, train=rows)
    refused(f"hf:{folder}", "train[1]", "--skip-bad")
    data = load(f"hf:{folder}", skip_bad=True, label="kind")
    assert data.event == (1, 6, 7)
    assert data.labels.tolist() == [1, 2]
    assert data.label_names == ("a", "b", "c")
    refused(f"hf:{folder}", "no column 'kid'", "'kind'", skip_bad=True, label="kid")
    refused(f"hf:{folder}", "no column of images 'img'", "'image'", key="img")


def test_numeric_columns(datasets, local, rng, refused):
    features = {
        "a": datasets.Value("float64"),
        "b": datasets.Value("int32"),
        "kind": datasets.ClassLabel(names=["no", "yes"]),
    }
    values = rng.normal(size=30)
    columns = {"a": values.tolist(), "b": list(range(30)), "kind": [1] * 30}
    folder = local(features, train=columns, validation={name: cells[:4] for name, cells in columns.items()})
    data = load(f"hf:{folder}")
    assert data.columns == ("a", "b")
    np.testing.assert_array_equal(data.x[:30, 0], values.astype(np.float32))
    assert data.given_validation
    assert data.label_names == ("no", "yes")
    assert set(data.labels) == {1}
    refused(f"hf:{folder}", "data.size", "images", size=8, error=ConfigError)


def test_words_in_a_column(datasets, local, refused):
    folder = local({"a": datasets.Value("string")}, train={"a": ["1", "two", "3"]})
    refused(f"hf:{folder}", "no column that a model could learn from (a of keys)")
    refused(f"hf:{folder}", "row 2", "column 'a'", "'two'", types="a:real")


def test_a_folder_saved_to_disk(datasets, tmp_path):
    datasets.Dataset.from_dict({"a": [1.0, 2.0, 3.0], "y": [0, 1, 0]}).save_to_disk(str(tmp_path / "saved"))
    data = load(f"hf:{tmp_path / 'saved'}")
    assert data.x.tolist() == [[1], [2], [3]]
    assert data.labels.tolist() == [0, 1, 0]


def test_names_that_are_none(datasets, tmp_path, refused):
    refused("hf:", "owner/name")
    refused(f"hf:{tmp_path}/gone", "no such folder")
    (tmp_path / "empty").mkdir()
    refused(f"hf:{tmp_path}/empty", "cannot be loaded")


def test_missing_datasets_names_the_extra(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    refused("hf:ylecun/mnist", "hf:ylecun/mnist", "latentia[datasets]", error=MissingExtra)
