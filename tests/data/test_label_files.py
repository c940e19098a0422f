"""Labels of pictures from a table: matched by name, what does not match named and counted."""

import numpy as np
import pytest
from PIL import Image

import latentia
from latentia.core.errors import ConfigError, DataError
from latentia.data import load
from latentia.data.packing.pack import pack
from latentia.data.sources import load_other

SPECIES = {"a/00": "cat", "a/01": "dog", "b/02": "none", "b/03": "dog"}


@pytest.fixture
def pictures(tmp_path):
    """Four pictures, each of one grey, in two folders that say nothing."""
    for number, name in enumerate(SPECIES):
        path = tmp_path / "pics" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 60 * number, np.uint8)).save(path)
    return tmp_path / "pics"


@pytest.fixture
def table(tmp_path):
    def write(text, name="species.csv"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return str(tmp_path / name)

    return write


def labels_of(data):
    """Give the label of each picture by its grey."""
    shades = data.x[:, 0, 0, 0] // 60
    words = [data.label_names[at] if at >= 0 else None for at in data.labels]
    return dict(zip(shades.tolist(), words, strict=True))


WHOLE = {0: "cat", 1: "dog", 2: "none", 3: "dog"}


@pytest.mark.parametrize(
    "call",
    [
        lambda name: name,
        lambda name: f"{name}.png",
        lambda name: f"./{name}.png",
        lambda name: name.replace("/", "\\"),
        lambda name: name.partition("/")[2],
        lambda name: name.partition("/")[2] + ".png",
    ],
    ids=["path", "ending", "from here", "windows", "name", "name and ending"],
)
@pytest.mark.parametrize("head", ["", "file,species\n"])
def test_names_match_with_and_without_folder_and_ending(pictures, table, call, head):
    rows = [f"{call(name)},{species}" for name, species in reversed(SPECIES.items())]
    data = load(pictures, labels=table(head + "\n".join(rows) + "\n"))
    assert labels_of(data) == WHOLE
    assert data.label == f"{'species' if head else '1'} in species.csv"
    assert not data.left_out and not data.notes


def test_the_column_is_chosen_by_its_name_or_the_user(pictures, table):
    rows = "".join(f"{name}.png;{at};{word}\n" for at, (name, word) in enumerate(SPECIES.items()))
    assert labels_of(load(pictures, labels=table("id;weight;Label\n" + rows))) == WHOLE
    other = table("id;weight;kind\n" + rows)
    with pytest.raises(DataError, match=r"2 columns beside the names.*data\.label=weight \(weight, kind\)"):
        load(pictures, labels=other)
    assert labels_of(load(pictures, labels=other, label="kind")) == WHOLE
    with pytest.raises(DataError, match="no column 'kid' of labels; did you mean 'kind'"):
        load(pictures, labels=other, label="kid")


def test_what_does_not_match_is_named_and_counted(pictures, table):
    data = load(pictures, labels=table("file,label\n00,cat\n01,\nghost.png,dog\n77,cat\n03,dog\n"))
    assert labels_of(data) == {0: "cat", 1: None, 2: None, 3: "dog"}
    line = data.summary()
    assert "2 labels of label in species.csv (2 without)" in line
    assert "left out: 2 rows of species.csv without a picture (the first 'ghost.png')" in line
    assert "the first picture without a label is a/01.png" in line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\nx,cat\ny,dog\n", r"no cell of .*species.csv names a picture of .*, such as 'a/00.png'"),
        ("00,cat\n00.png,dog\n", "calls '00.png' both 'cat' and 'dog'"),
        ("00,cat,1\n01,dog\n", r"row 2 has 2 cells"),
        ("", "it is empty"),
        ("00\n01\n", "row 1 has 1 cells"),
        ("00,0.5\n01,0.7\n", "column '1' .* holds numbers that are no classes"),
        ("00,\n01,\n", "holds no label of any picture"),
    ],
)
def test_a_table_that_says_nothing_is_refused(pictures, table, text, message):
    with pytest.raises(DataError, match=message):
        load(pictures, labels=table(text))


def test_two_pictures_of_one_name_need_their_paths(pictures, table):
    Image.fromarray(np.full((8, 8), 240, np.uint8)).save(pictures / "b" / "00.png")
    with pytest.raises(DataError, match=r"'00' in .* may be a/00.png or b/00.png of .*; give the path"):
        load(pictures, labels=table("00,cat\n01,dog\n"))
    assert labels_of(load(pictures, labels=table("a/00,cat\nb/00,dog\n")))[4] == "dog"


def test_settings_that_do_not_apply_are_refused(pictures, tmp_path):
    with pytest.raises(ConfigError, match=r"data\.label=kind does not apply to .* without data\.labels=FILE"):
        load(pictures, label="kind")
    with pytest.raises(ConfigError, match=r"data\.labels=x\.csv does not apply to digits"):
        load("digits", labels="x.csv")
    with pytest.raises(DataError, match=r"nowhere\.csv does not exist; give a \.csv or \.tsv file"):
        load(pictures, labels=str(tmp_path / "nowhere.csv"))


def test_a_table_among_the_pictures_is_not_left_out_and_a_change_of_it_is_seen(pictures, table, monkeypatch):
    monkeypatch.setenv("LATENTIA_CACHE", str(pictures.parent / "cache"))
    inside = table("00,cat\n01,dog\n02,none\n03,dog\n", "pics/labels.csv")
    for _ in range(2):  # decoded, and from the cache
        assert (
            labels_of(load(pictures, labels=inside)) == WHOLE and not load(pictures, labels=inside).left_out
        )
    assert load(pictures).left_out == {".csv file (data.labels=FILE takes labels of pictures from one)": 1}
    table("00,dog\n01,dog\n", "pics/labels.csv")
    assert labels_of(load(pictures, labels=inside)) == {0: "dog", 1: "dog", 2: None, 3: None}


def test_packed_pictures_have_the_same_labels(pictures, table, tmp_path):
    names = table("00,cat\n01,dog\n02,none\n03,dog\nghost,dog\n")
    packed = load(pack(pictures, tmp_path / "packed", labels=names))
    assert labels_of(packed) == WHOLE
    assert packed.label == "1 in species.csv" and "ghost" in packed.summary()


def test_other_pictures_go_by_their_folders_where_the_table_does_not_know_them(pictures, table, tmp_path):
    names = table("00,cat\n01,dog\n02,none\n03,dog\n")
    for folder in ("dog", "fox"):
        (tmp_path / "other" / folder).mkdir(parents=True)
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "other" / folder / "new.png")
    assert load_other(tmp_path / "other", labels=names).label_names == ("dog", "fox")
    assert labels_of(load_other(pictures, labels=names)) == WHOLE


def test_pages_of_a_file_have_its_label(tmp_path, table):
    (tmp_path / "scans").mkdir()
    for name, shade in {"one": 0, "two": 60}.items():
        first, *others = [Image.fromarray(np.full((8, 8), shade, np.uint8)) for _ in range(3)]
        first.save(tmp_path / "scans" / f"{name}.tif", save_all=True, append_images=others)
    data = load(tmp_path / "scans", pages="examples", labels=table("one,cat\ntwo.tif,dog\n"))
    assert len(data) == 6 and labels_of(data) == {0: "cat", 1: "dog"} and (data.labels >= 0).all()


def test_a_run_remembers_where_its_labels_are(pictures, table, tmp_path, monkeypatch):
    table("00,cat\n01,dog\n02,none\n03,dog\n")
    monkeypatch.chdir(tmp_path)
    data = {"labels": "species.csv", "validation": 0.0, "test": 0.0}
    run = latentia.train(
        "pics", out=tmp_path / "run", model="conditional_vae", epochs=1, latent_dim=2, data=data,
        network={"name": "mlp", "hidden": [4]},
    )  # fmt: skip
    monkeypatch.chdir("/")
    opened = latentia.open_run(run.folder.path)
    assert opened.label_names == ("cat", "dog", "none") and len(opened.dataset) == 4
