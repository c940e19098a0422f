"""What folders mean: a held-out picture is never trained on, and what is left out is named."""

import numpy as np
import pytest

from latentia.data import load
from latentia.data.packing.pack import pack
from latentia.data.raw import split_of
from latentia.data.readers.arrangement import arrange
from latentia.data.readers.formats import _LABELS as LABELS


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch):
    monkeypatch.setenv("LATENTIA_CACHE", "off")


def listed(**folders):
    """Give names of files: `train__good=3` stands for train/good/0.png and two more."""
    return [f"{place.replace('__', '/')}/{i}.png" for place, count in folders.items() for i in range(count)]


def sizes(arrangement):
    return {name: len(at) for name, at in arrangement.parts.items()}


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("Training_Set", "train"),
        ("train2017", "train"),
        ("seg_train", "train"),
        ("trainval", "train"),
        ("test_set", "test"),
        ("test1", "test"),
        ("hold-out", None),
        ("hold_out", "test"),
        ("holdout", "test"),
        ("valid_set", "validation"),
        ("val images", "validation"),
        ("dev", "validation"),
        ("eval", "validation"),
        ("predict", None),
        ("training_rooms", None),
        ("train_test", None),
        ("contest", None),
    ],
)
def test_words_of_splits(name, split):
    assert split_of(name) == split


def test_mvtec():
    names = listed(train__good=30, test__good=5, test__scratch=5, ground_truth__scratch=5)
    for root in ("", "bottle/"):
        found = arrange([root + name for name in names])
        assert sizes(found) == {"train": 30, "test": 10}
        assert found.label_names == ("good", "scratch")
        assert found.labels[found.parts["train"]].tolist() == [0] * 30
        assert found.left_out == {"pictures in ground_truth/": 5}
        assert not any("ground_truth" in names[at] for at in found.order)


def test_all_of_mvtec_is_split_within_its_categories():
    part = listed(train__good=4, test__good=2, test__crack=2, ground_truth__crack=2)
    found = arrange([f"mvtec/{kind}/{name}" for kind in ("bottle", "cable") for name in part])
    assert sizes(found) == {"train": 8, "test": 8}
    assert found.label_names == ("bottle", "cable")
    assert found.left_out == {"pictures in ground_truth/": 4}


def test_a_stray_picture_and_a_third_folder():
    found = arrange([*listed(train__a=3, test__a=2, predict=4), "preview.png"])
    assert sizes(found) == {"train": 3, "test": 2}
    assert found.left_out == {"pictures in predict/": 4, "picture beside the folders of splits": 1}
    alone = arrange(listed(train__a=3, train__b=2, predict=4))
    assert sizes(alone) == {"train": 5}
    assert alone.left_out == {"pictures in predict/": 4}


def test_names_of_kaggle():
    found = arrange(listed(training_set__training_set__cats=3, test_set__test_set__cats=2))
    assert sizes(found) == {"train": 3, "test": 2}
    assert found.label_names == ("cats",)
    intel = arrange(listed(seg_train__seg_train__sea=3, seg_test__seg_test__sea=2, seg_pred__seg_pred=4))
    assert sizes(intel) == {"train": 3, "test": 2}
    assert intel.left_out == {"pictures in seg_pred/": 4}


def test_imagenet():
    deep = listed(train__n01=3, train__n02=3) + [f"val/{i}.JPEG" for i in range(4)] + ["test/9.JPEG"]
    found = arrange([f"ILSVRC/Data/CLS-LOC/{name}" for name in deep])
    assert sizes(found) == {"train": 6, "validation": 4, "test": 1}
    assert found.labels.tolist() == [0] * 3 + [1] * 3 + [-1] * 5
    tiny = arrange(listed(train__n01__images=3, train__n02__images=3, val__images=4, test__images=2))
    assert tiny.label_names == ("n01", "n02")
    assert tiny.labels[tiny.parts["validation"]].tolist() == [-1] * 4


def test_masks_beside_images():
    assert arrange(listed(images=3, masks=3)).left_out == {"pictures in masks/": 3}
    assert arrange(listed(images__a=3, images__b=1, masks__a=3)).label_names == ("a", "b")
    faces = arrange(listed(mask=3, no_mask=3))  # classes
    assert faces.label_names == ("mask", "no_mask")
    assert not faces.left_out


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_a_test_folder_without_a_train_folder_is_asked_about(encoded, packed, refused, kind, tmp_path):
    source = packed(
        {f"{part}/{i}.png": encoded() for part in ("cats", "dogs", "test") for i in range(5)}, kind
    )
    refused(source, "'test' beside 'cats', 'dogs'", "a folder 'train'")
    with pytest.raises(Exception, match="'test' beside"):
        pack(source, tmp_path / "out")


@pytest.mark.parametrize("kind", ["folder", "zip", "tar.gz"])
def test_load_and_pack_agree_on_what_is_left_out(encoded, packed, tmp_path, kind):
    files = {
        name: encoded() for name in listed(train__good=12, test__good=3, test__bad=4, ground_truth__bad=4)
    }
    source = packed(
        files | {"preview.png": encoded(20, 30), "labels.csv": b"file,label\n", "x.mp4": b"no"}, kind
    )
    data = load(source, validation=0)
    assert {name: len(at) for name, at in data.splits.items()} == {"train": 12, "validation": 0, "test": 7}
    assert data.left_out == {
        "pictures in ground_truth/": 4,
        "picture beside the folders of splits": 1,
        f".csv file{LABELS}": 1,
        ".mp4 file": 1,
    }
    assert "2 labels of folders" in data.summary()
    assert "left out: 4 pictures in ground_truth/, 1 picture beside" in data.summary()
    pack(source, tmp_path / "out", validation=0)
    again = load(tmp_path / "out")
    assert (again.left_out, again.label, again.label_names) == (data.left_out, data.label, data.label_names)
    for split, rows in data.splits.items():
        np.testing.assert_array_equal(again.x[again.splits[split]], data.x[rows])
        np.testing.assert_array_equal(again.labels[again.splits[split]], data.labels[rows])


def test_classes_called_by_numbers_stand_in_their_order():
    found = arrange([f"{name}/{i}.png" for name in ("10", "9", "007", "1990") for i in range(2)])
    assert found.label_names == ("007", "9", "10", "1990")
    assert found.labels.tolist() == [0, 0, 2, 2, 3, 3, 1, 1]
