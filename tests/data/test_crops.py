"""Crops of pictures of any sizes: the middle everywhere, but anywhere, and mirrored, in training."""

import io
import itertools

import numpy as np
import pytest
import torch
from PIL import Image

from latentia.core.errors import ConfigError
from latentia.data import load
from latentia.data.identity import rows_of, taken
from latentia.data.loader import loaders
from latentia.data.packing import images
from latentia.data.packing.pack import pack
from latentia.data.pictures import Crops
from latentia.data.shards import Shards
from latentia.data.transforms import Identity
from latentia.runs import session
from latentia.runs.run import Run

SIZES = [(9, 14), (8, 8), (21, 10), (12, 30), (10, 10), (16, 9), (8, 40), (11, 13), (9, 9), (13, 12)] * 3


def png(array, **settings):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG", **settings)
    return file.getvalue()


@pytest.fixture
def pictures(rng):
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in SIZES]


@pytest.fixture
def folder(pictures, packed):
    """Write them as files; `load` gives them in the order of their names."""
    return packed({f"{number:02}.png": png(picture) for number, picture in enumerate(pictures)})


def middle(picture, side=8):
    top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    return picture[top : top + side, left : left + side].transpose(2, 0, 1)


def places(picture, crop):
    """Say where in a picture a crop was cut, and whether it was mirrored."""
    whole, (_, height, width) = picture.transpose(2, 0, 1), crop.shape
    return [
        (top, left, mirrored)
        for top in range(whole.shape[1] - height + 1)
        for left in range(whole.shape[2] - width + 1)
        for mirrored in (False, True)
        if np.array_equal(
            whole[:, top : top + height, left : left + width], crop[:, :, ::-1] if mirrored else crop
        )
    ]


def epochs(loader, count, seed=3, size=7):
    """Give what training sees: for each epoch the crop of each position."""
    found = []
    for number in range(count):
        crops = {}
        for start in range(0, len(loader), size):
            index = loader.chosen(seed, number, start, start + size)
            batch = loader.batch(index, varied=True)
            crops |= dict(zip(batch.index.tolist(), batch.x.numpy().astype(np.uint8)))
        found.append(crops)
    return found


def test_examples_are_the_middles(folder, pictures):
    dataset = load(folder, crop=8)
    np.testing.assert_array_equal(dataset.x, [middle(picture) for picture in pictures])
    assert dataset.event == (3, 8, 8)
    assert "8x8 colour images cut from pictures of 8x8 to 21x40" in dataset.summary()
    again = load(folder, crop=8)  # from the cache
    np.testing.assert_array_equal(again.x, dataset.x)
    np.testing.assert_array_equal(again.pictures.sizes, dataset.pictures.sizes)
    assert load(folder, crop=(4, 6)).x.shape[1:] == (3, 4, 6)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
def test_training_cuts_anywhere_each_place_alike(folder, pictures, flip, streamed):
    dataset = load(folder, crop=8, flip=flip, test=0.0, validation=0.0)
    if streamed:
        dataset = Cut(dataset)
    loader = loaders(dataset, Identity())["train"]
    seen = epochs(loader, 40)
    found = {}
    for crops in seen:
        assert crops.keys() == set(range(len(pictures)))
        for position, crop in crops.items():
            (place,) = places(pictures[position], crop)
            found.setdefault(position, []).append(place)
    assert len(set(found[6])) > 20  # 33 places, times two
    assert all(place[0] == 0 for place in found[6])
    shares = [place[2] for each in found.values() for place in each]
    assert abs(np.mean(shares) - 0.5 * flip) < 0.05
    ends = [place[1] for place in found[6] + found[16] + found[26]]
    assert 10 < np.mean(ends) < 22  # of 0..32
    index = torch.arange(len(pictures))
    assert torch.equal(loader.batch(index).x, torch.from_numpy(dataset.x[:]).float())  # the middle


def Cut(dataset):
    """The same data, cut when they are read."""
    from dataclasses import replace

    return replace(dataset, x=Crops(dataset.pictures, (8, 8)), pictures=None)


@pytest.mark.parametrize("streamed", [False, True])
def test_crops_are_a_function_of_seed_epoch_and_position(folder, streamed):
    dataset = load(folder, crop=8, flip=True)
    dataset = Cut(dataset) if streamed else dataset
    loader = loaders(dataset, Identity())["train"]
    first, second = epochs(loader, 2)
    other = loaders(dataset, Identity())["train"]
    again = epochs(other, 2, size=4)
    for crops, same in ((first, again[0]), (second, again[1])):
        assert all(np.array_equal(crops[key], same[key]) for key in crops)
    assert not all(np.array_equal(first[key], second[key]) for key in first)
    (third,) = epochs(loader, 1, seed=4)
    assert not all(np.array_equal(first[key], third[key]) for key in first)


@pytest.mark.parametrize("buffer", [1024, 1])
def test_images_of_one_size_are_cut_and_mirrored_as_well(rng, tmp_path, buffer):
    x = rng.integers(0, 256, (600, 50, 50, 3), dtype=np.uint8)
    np.save(tmp_path / "a.npy", x)
    dataset = load(tmp_path / "a.npy", crop=45, flip=True, buffer=buffer)
    assert isinstance(dataset.x, Crops) == (buffer == 1)
    np.testing.assert_array_equal(dataset.x[:], [middle(each, 45) for each in x])
    (crops,) = epochs(loaders(dataset, Identity())["train"], 1, size=100)
    found = [place for at in list(crops)[:40] for place in places(x[at], crops[at])]
    assert len(found) == 40
    assert len(set(found)) > 15
    flipped = load(tmp_path / "a.npy", flip=True, buffer=buffer)
    (crops,) = epochs(loaders(flipped, Identity())["train"], 1, size=100)
    sides = [places(x[at], crops[at])[0][2] for at in list(crops)[:60]]
    assert 10 < sum(sides) < 50


@pytest.mark.parametrize("buffer", [1024, 1])
def test_images_are_moved_everywhere_alike_and_in_training_alone(rng, tmp_path, buffer):
    x = rng.integers(0, 256, (900, 40, 44, 1), dtype=np.uint8)
    np.save(tmp_path / "a.npy", x)
    dataset = load(tmp_path / "a.npy", shift=2, buffer=buffer)
    assert isinstance(dataset.x, Shards) == (buffer == 1)
    np.testing.assert_array_equal(dataset.x[:], x.transpose(0, 3, 1, 2))
    loader = loaders(dataset, Identity())["train"]
    first, again = epochs(loader, 1, size=100)[0], epochs(loader, 1, size=7)[0]
    found = []
    for at, image in first.items():
        np.testing.assert_array_equal(image, again[at])
        wide = np.pad(x[at, :, :, 0], 2, mode="edge")
        moves = itertools.product(range(5), repeat=2)
        (move,) = [(y, z) for y, z in moves if np.array_equal(wide[y : y + 40, z : z + 44], image[0])]
        found.append(move)
    counts = np.bincount([5 * y + z for y, z in found], minlength=25)
    assert counts.min() > 0.3 * len(found) / 25 and counts.max() < 2 * len(found) / 25
    index = torch.arange(5)
    np.testing.assert_array_equal(
        loaders(dataset, Identity())["test"].batch(index).x, x[:5].transpose(0, 3, 1, 2)
    )


def test_grey_files_become_colour_beside_colour(rng, packed):
    grey = [rng.integers(0, 256, (8, 8 + number), dtype=np.uint8) for number in range(11)]
    files = {f"{number:02}.png": png(each) for number, each in enumerate(grey)}
    assert load(packed(files, name="grey"), crop=8).event == (1, 8, 8)
    files["05.png"] = png(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    dataset = load(packed(files, name="mixed"), crop=8)
    assert dataset.event == (3, 8, 8)
    for number in (0, 4, 6, 10):
        np.testing.assert_array_equal(dataset.x[number], [middle(grey[number][:, :, None])[0]] * 3)


def test_a_side_that_is_too_short_is_enlarged_in_proportion(rng, packed, refused):
    small = {"0.png": png(np.full((1, 1, 3), 9, np.uint8)), "1.png": png(np.full((4, 20, 3), 7, np.uint8))}
    large = {f"2{number}.png": png(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)) for number in range(9)}
    dataset = load(packed({**small, **large}), crop=8)
    assert dataset.pictures.sizes[:2].tolist() == [[8, 8], [8, 40]]
    assert (dataset.x[0] == 9).all()
    assert (dataset.x[1] == 7).all()
    assert "2 pictures with a side shorter than data.crop were enlarged to it" in dataset.summary()
    narrow = packed({"0.png": png(np.zeros((1, 20000, 3), np.uint8)), **large}, name="narrow")
    refused(narrow, "'0.png'", "it is 1x20000, and enlarged in proportion it would be 400x", crop=400)
    np.testing.assert_array_equal(load(np.ones((12, 5, 6, 1), np.uint8), crop=8).x, np.ones((12, 1, 8, 8)))


def test_the_shorter_side_comes_to_a_size(folder):
    dataset = load(folder, size=10, fit="short", crop=8)
    assert dataset.pictures.sizes[:4].tolist() == [[10, 16], [10, 10], [21, 10], [10, 25]]
    assert load(np.zeros((12, 20, 30, 3), np.uint8), size=10, fit="short").event == (3, 10, 15)


def test_levels_of_more_than_8_bits(rng, packed):
    deep = [rng.integers(0, 5000, (8 + number, 9), dtype=np.uint16) for number in range(12)]
    deep[0][0, 0] = 9999  # not in the middle, and training sees it
    dataset = load(packed({f"{number:02}.png": png(each) for number, each in enumerate(deep)}), crop=8)
    assert dataset.x.dtype == np.float32
    np.testing.assert_array_equal(dataset.x[3], deep[3][None, 1:9, :8])
    assert dataset.observed[1] == 9999


def test_what_does_not_go_together_is_refused(folder, refused):
    refused(folder, "data.crop=8x8 does not fit into data.size=6x6", crop=8, size=6, error=ConfigError)
    refused(folder, "data.size is 8x9; with data.fit=short", size=(8, 9), fit="short", error=ConfigError)
    refused(folder, "data.crop is -1; one positive number", crop=-1, error=ConfigError)
    refused(folder, "data.flip is 1; true or false", flip=1, crop=8, error=ConfigError)
    refused(
        folder, "data.channels is 1; one of auto, first, last", "pictures have", channels=1, error=ConfigError
    )
    refused(folder, "data.shift is -1; a whole number", shift=-1, crop=8, error=ConfigError)
    refused(folder, "crops come from random places", shift=1, crop=8, error=ConfigError)
    small = np.zeros((20, 1, 5, 6), np.float32)
    refused(small, "data.shift=5 moves images of 5x6 out of sight", shift=5, error=ConfigError)
    table = np.zeros((20, 5), np.float32)
    refused(table, "data.shift applies to images", shift=1, error=ConfigError)
    refused(table, "data.crop applies to images", crop=4, error=ConfigError)
    refused(table, "data.flip applies to images", flip=True, error=ConfigError)
    refused(folder, "images differ in size", "data.crop")


def test_a_run_takes_its_examples_out_of_more(folder):
    dataset = load(folder, crop=8)
    at = np.arange(0, len(dataset), 2)
    known = rows_of(dataset)
    some = taken(type(known)(known.checksums[at], known.splits[at], known.dtype), at, dataset)
    (crops,) = epochs(loaders(some, Identity())["train"], 1)
    for position, crop in crops.items():
        assert places(some.pictures.whole(position).transpose(1, 2, 0), crop)


def test_a_run_on_crops_and_other_pictures(folder, rng, packed, tmp_path):
    settings = {
        "data": {"crop": 8, "flip": True}, "network": {"name": "grid", "channels": 8, "blocks": 1},
        "training": {"epochs": 2, "batch_size": 8}, "model": {"latent_dim": 2},
    }  # fmt: skip
    session.start(str(folder), settings, out=tmp_path / "run", quiet=True)
    run = Run.open(tmp_path / "run")
    assert run.event == (3, 8, 8)
    np.testing.assert_array_equal(run.dataset.x, load(folder, crop=8).x)
    other = [rng.integers(0, 256, (20, 12 + number), dtype=np.uint8) for number in range(3)]
    source = packed({f"{number}.png": png(each) for number, each in enumerate(other)}, name="others")
    x, _ = run.take(str(source))
    np.testing.assert_array_equal(x[2], [middle(other[2][:, :, None])[0]] * 3)
    assert run.reconstruct(x).shape == (3, 3, 8, 8)
    array = rng.integers(0, 256, (5, 12, 10, 3), dtype=np.uint8)
    np.testing.assert_array_equal(run.take(array)[0], [middle(each) for each in array])


def alike(one, other):
    np.testing.assert_array_equal(one.x[:], other.x[:])
    np.testing.assert_array_equal(one.labels, other.labels)
    assert one.event == other.event
    assert all(np.array_equal(one.splits[name], other.splits[name]) for name in one.splits)


def mixed(rng):
    """Grey files first, a colour one among the last, in two classes."""
    made = {}
    for number, size in enumerate(SIZES):
        shape = (*size, 3) if number == 26 else size
        made[f"{'ab'[number % 2]}/{number:02}.png"] = png(rng.integers(0, 256, shape, dtype=np.uint8))
    return made


@pytest.mark.parametrize("grey", [False, True])
def test_packed_pictures_keep_their_sizes(rng, packed, tmp_path, monkeypatch, grey):
    monkeypatch.setattr(images, "_TASK", 500)
    files = mixed(rng)
    if grey:
        files = {name: content for name, content in files.items() if "26" not in name}
    source = packed(files)
    pack(source, tmp_path / "shards", crop=8, test=0.0, validation=0.0)
    dataset, direct = load(tmp_path / "shards", crop=8), load(source, crop=8, test=0.0, validation=0.0)
    alike(dataset, direct)
    assert dataset.event == (1 if grey else 3, 8, 8)
    assert sorted(path.name for path in (tmp_path / "shards").iterdir())[-3:] == [
        "train-00000.labels.npy", "train-00000.npy", "train-00000.sizes.npy",
    ]  # fmt: skip
    before = (tmp_path / "shards" / "index.json").stat().st_mtime_ns
    pack(source, tmp_path / "shards", crop=8, test=0.0, validation=0.0)  # nothing to do
    assert (tmp_path / "shards" / "index.json").stat().st_mtime_ns == before


def test_packed_pictures_are_decoded_by_many_processes_and_stream(rng, packed, tmp_path, monkeypatch):
    from latentia.data.packing import pack as module

    monkeypatch.setattr(module, "FEW", 5)
    sizes = [(90 + number % 7, 80 + number % 11) for number in range(80)]
    source = packed(
        {f"{n:02}.png": png(rng.integers(0, 256, (*s, 3), np.uint8)) for n, s in enumerate(sizes)}
    )
    pack(source, tmp_path / "shards", crop=64, workers=2, shard_mb=1)
    streamed, direct = load(tmp_path / "shards", crop=64, buffer=1), load(source, crop=64)
    assert isinstance(streamed.x, Crops)
    assert len(streamed.x.pictures.values.parts) > 2
    order = np.concatenate([direct.splits[name] for name in ("train", "validation", "test")])
    np.testing.assert_array_equal(streamed.x[:], direct.x[order])
    (crops,) = epochs(loaders(streamed, Identity())["train"], 1)
    for position in list(crops)[:5]:
        whole = streamed.x.pictures.whole(position).transpose(1, 2, 0)
        assert places(whole, crops[position])
    settings = {
        "data": {"crop": 64, "flip": True, "buffer": 1}, "network": {"name": "mlp", "hidden": [4]},
        "training": {"epochs": 2, "batch_size": 16, "log_every": 2},
    }  # fmt: skip
    session.start(str(tmp_path / "shards"), settings, out=tmp_path / "whole", quiet=True)
    broken = {**settings, "training": {**settings["training"], "max_minutes": 1e-9}}
    session.start(str(tmp_path / "shards"), broken, out=tmp_path / "broken", quiet=True)  # one step
    assert not session.resume(tmp_path / "broken", quiet=True).finished
    session.resume(tmp_path / "broken", {"max_minutes": 5.0}, quiet=True)
    one, other = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "broken"))
    assert one == other


def test_what_packed_pictures_cannot_give_is_refused(folder, packed, encoded, tmp_path, refused):
    shards = pack(folder, tmp_path / "shards", size=10, fit="short")
    refused(shards, "pictures of different sizes; give the size of crops, at most data.crop=10")
    refused(shards, "sides of 10x10, smaller than data.crop=12x12", "--crop 12", crop=12)
    refused(shards, "data.size no longer changes it", crop=8, size=10, error=ConfigError)
    assert load(shards, crop=10).event == (3, 10, 10)
    with pytest.raises(ConfigError, match="is packed whole: leave it out here"):
        pack(np.zeros((12, 9, 9), np.uint8), tmp_path / "other", crop=8)
    path = next(shards.glob("train-*.sizes.npy"))
    path.write_bytes(path.read_bytes()[:-1])
    refused(shards, path.name, "latentia pack", crop=8)
    pack(folder, shards, size=10, fit="short")
    assert load(shards, crop=10).event == (3, 10, 10)
    bad = packed(
        {"a/0.png": b"nothing", **{f"a/{n}.png": encoded(9, 9 + n) for n in range(1, 12)}}, name="bad"
    )
    pack(bad, tmp_path / "rest", crop=8, skip_bad=True)
    assert len(load(tmp_path / "rest", crop=8)) == 11
