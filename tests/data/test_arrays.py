import numpy as np
import pytest
import torch

from latentia.core.errors import ConfigError
from latentia.data import load


@pytest.mark.parametrize(
    ("shape", "event", "kind"),
    [
        ((20, 5), (5,), "vector"),
        ((20, 6, 5), (1, 6, 5), "image"),
        ((20, 6, 5, 1), (1, 6, 5), "image"),
        ((20, 6, 5, 3), (3, 6, 5), "image"),
        ((20, 6, 5, 4), (4, 6, 5), "image"),
        ((20, 3, 6, 5), (3, 6, 5), "image"),
        ((20, 1, 6, 3), (1, 6, 3), "array"),
        ((20, 13, 6, 6), (13, 6, 6), "array"),
        ((20, 6, 6, 13), (13, 6, 6), "array"),
        ((20, 12, 10, 5), (5, 12, 10), "array"),
        ((20, 5, 10, 12), (5, 10, 12), "array"),
        ((20, 8, 6, 2), (2, 8, 6), "array"),
        ((20, 4, 4, 3), (3, 4, 4), "image"),
        ((20, 2, 6, 5, 3), (3, 2, 6, 5), "video"),
        ((20, 3, 4, 6, 5), (3, 4, 6, 5), "video"),
    ],
)
def test_layouts(tmp_path, rng, shape, event, kind):
    array = rng.integers(0, 256, shape, dtype=np.uint8)
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", array)
    for source in (tmp_path / "a.npy", tmp_path / "a.npz", array, torch.from_numpy(array)):
        data = load(source)
        assert data.event == event
        assert data.event.kind == kind
        assert data.x.dtype == np.uint8
        assert data.x.flags.c_contiguous
        last = len(shape) > 3 and shape[-1] == event[0]
        moved = np.moveaxis(array, -1, 1) if last else array
        np.testing.assert_array_equal(data.x.reshape(-1), moved.reshape(-1))
        assert data.layout.shape(data.event) == shape[1:]
        assert data.layout.types == ("uint8",)
        np.testing.assert_array_equal(data.layout.restore(data.x), array)


def test_channels_first_or_last_are_asked_for_where_sizes_do_not_tell(tmp_path, rng, refused):
    array = rng.integers(0, 256, (20, 8, 6, 5), dtype=np.uint8)
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", x=array)
    for source in (array, tmp_path / "a.npy", tmp_path / "a.npz"):
        refused(source, "8x6x5", "data.channels=first", "data.channels=last")
        assert load(source, channels="first").event == (8, 6, 5)
        last = load(source, channels="last")
        np.testing.assert_array_equal(last.x, array.transpose(0, 3, 1, 2))
        assert "8x6 images of 5 channels (which come last)" in last.summary()
    streamed = rng.integers(0, 256, (3000, 12, 12, 13), dtype=np.uint8)
    np.save(tmp_path / "b.npy", streamed)
    data = load(tmp_path / "b.npy", buffer=1)
    assert data.event == (13, 12, 12)
    np.testing.assert_array_equal(data.x[5], streamed[5].transpose(2, 0, 1))
    assert load(streamed[:, :, :3], channels="first").event == (12, 3, 13)
    refused(array, "data.channels is 'middle'", "auto, first, last", channels="middle", error=ConfigError)
    refused(np.zeros((20, 4)), "no channels", channels="last", error=ConfigError)


def test_masked_values_are_missing_and_not_what_lies_under_the_mask():
    values = np.arange(40.0).reshape(20, 2)
    data = load(np.ma.masked_less(values, 3))
    np.testing.assert_array_equal(data.x, np.where(values < 3, np.nan, values))
    assert "3 missing values in 2 of its columns (7.5 %)" in data.summary()
    np.testing.assert_array_equal(load(np.ma.masked_less(values, -1)).x, values)
    pictures = np.ma.masked_equal(np.arange(20 * 16, dtype=np.uint8).reshape(20, 4, 4) % 250, 7)
    data = load(pictures)
    assert (data.x.dtype, int(np.isnan(data.x).sum())) == (np.float32, 2)
    assert "2 missing values (0.62 %)" in data.summary()


@pytest.mark.parametrize(
    ("values", "dtype", "stored", "high"),
    [
        ([0, 1], "bool", np.uint8, 1),
        ([0, 1], "uint8", np.uint8, 1),
        ([0, 255], "uint8", np.uint8, 255),
        ([0, 255], "int64", np.uint8, 255),
        ([0, 256], "int64", np.float32, 1),
        ([-1, 1], "int16", np.float32, 1),
        ([0.5, 2], "float64", np.float64, 1),
        ([0, 1 << 25], "int64", np.float64, 1),
        ([0.5, 2], "float16", np.float32, 1),
        ([0, 60000], ">u2", np.float32, 1),
    ],
)
def test_types(tmp_path, values, dtype, stored, high):
    array = np.array(values * 10, dtype=dtype).reshape(5, 4)
    np.save(tmp_path / "a.npy", array)
    for data in (load(tmp_path / "a.npy"), load(array)):
        assert data.x.dtype == stored
        assert data.high == high
        assert data.observed == (min(values), max(values))
        np.testing.assert_array_equal(data.x, array.astype(np.float32))


def test_order_of_memory_does_not_matter(tmp_path, rng):
    array = np.asfortranarray(rng.normal(size=(20, 3, 4)))
    np.save(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(load(tmp_path / "a.npy").x[:, 0], array.astype(np.float32))


def test_the_file_of_an_npy_may_change_afterwards(tmp_path):
    np.save(tmp_path / "a.npy", np.full((20, 3), 7, dtype=np.uint8))
    data = load(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.zeros((20, 3), dtype=np.uint8))
    assert (data.x == 7).all()


def test_memory_is_shared_where_nothing_changes():
    array = np.zeros((20, 3), dtype=np.float32)
    assert np.shares_memory(load(array).x, array)


def test_tensors_and_labels(rng):
    x = torch.rand(20, 1, 4, 4, requires_grad=True)
    labels = torch.arange(20) % 4
    data = load((x, labels))
    np.testing.assert_array_equal(data.x, x.detach().numpy())
    assert data.labels.tolist() == labels.tolist()
    assert data.source == "memory"
    words = load((np.zeros((4, 2)), ["b", "a", "b", "c"]))
    assert words.labels.tolist() == [1, 0, 1, 2]
    assert words.label_names == ("a", "b", "c")


def test_labels_that_do_not_fit(refused):
    refused((np.zeros((4, 2)), [1, 2, 3]), "(3,)", "4 examples")
    refused((np.zeros((4, 2)), [0.5, 1, 2, 3]), "4 examples")


def test_nan_is_a_missing_value(tmp_path, refused):
    table = np.arange(120.0).reshape(30, 4)
    table[17, 2] = np.nan
    np.save(tmp_path / "a.npy", table)
    np.savez(tmp_path / "a.npz", x=table)
    for source in (tmp_path / "a.npy", tmp_path / "a.npz", table):
        data = load(source)
        np.testing.assert_array_equal(data.x, table)
        assert "float64 0..119, 1 missing values in 1 of its columns (0.83 %)" in data.summary()
    table[:, 3] = np.nan
    refused(table, "column 4 (index 3) holds no value")
    refused(np.full((9, 4, 4), np.nan), "holds no value at all")


@pytest.mark.parametrize("bad", [np.inf, -np.inf, 1e300])
def test_what_is_not_finite_is_named(tmp_path, refused, bad):
    table = np.zeros((30, 4))
    table[17, 2] = bad
    word = "infinity" if np.isinf(bad) else "1e+300, too large"
    np.save(tmp_path / "a.npy", table)
    np.savez(tmp_path / "a.npz", x=table)
    for source in (tmp_path / "a.npy", table):
        refused(source, "row 18, column 3", "[17, 2]", word)
    refused(tmp_path / "a.npz", "array 'x'", "row 18, column 3", word)
    images = np.zeros((30, 4, 5, 3))
    images[9, 1, 2, 0] = bad
    refused(images, "index [9, 1, 2, 0]", word)


@pytest.mark.parametrize(
    ("array", "word"),
    [
        (np.array([[1, None], [2, 3]], dtype=object), "Python objects"),
        (np.array([["a", "b"]] * 3), "strings"),
        (np.zeros((3, 2), dtype=complex), "complex"),
        (np.zeros((3, 2), dtype="datetime64[s]"), "datetime64"),
    ],
)
def test_no_objects_strings_or_complex_numbers(tmp_path, refused, array, word):
    refused(array, word)
    for name in ("a.npy", "a.npz"):
        with (tmp_path / name).open("wb") as file:
            (np.savez if name == "a.npz" else np.save)(file, array, allow_pickle=True)
        refused(tmp_path / name, tmp_path / name, word)


@pytest.mark.parametrize("shape", [(5,), (), (0, 3), (1, 3), (3, 0)])
def test_shapes_that_are_no_data(tmp_path, refused, shape):
    np.save(tmp_path / "a.npy", np.zeros(shape))
    refused(tmp_path / "a.npy", tmp_path / "a.npy")
    np.savez(tmp_path / "a.npz", x=np.zeros(shape))
    refused(tmp_path / "a.npz", tmp_path / "a.npz")
    refused(np.zeros(shape), "the array" if shape not in ((0, 3), (1, 3)) else "at least 2")


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
@pytest.mark.parametrize("content", [b"", b"hello", None])
def test_damaged_files(tmp_path, refused, name, content):
    path = tmp_path / name
    with path.open("wb") as file:
        (np.savez if name == "a.npz" else np.save)(file, np.zeros((50, 50)))
    path.write_bytes(path.read_bytes()[:-3000] if content is None else content)
    refused(path, path, "cannot be read")


@pytest.mark.parametrize("key", ["x", "X", "data", "images", "imgs", "anything"])
@pytest.mark.parametrize("label", ["y", "labels", "target", "Targets", "class"])
def test_npz_finds_data_and_labels(tmp_path, key, label):
    np.savez(tmp_path / "a.npz", **{key: np.ones((12, 3)), label: np.arange(12) % 3, "other": np.arange(5)})
    data = load(tmp_path / "a.npz")
    assert data.x.shape == (12, 3)
    assert data.labels.tolist() == [0, 1, 2] * 4


@pytest.mark.parametrize("pattern", ["{0}_{1}", "{1}_{0}"])
@pytest.mark.parametrize(("x", "y"), [("x", "y"), ("X", "y"), ("images", "labels")])
@pytest.mark.parametrize("validation", ["val", "valid", "validation", None])
def test_npz_families_are_given_splits(tmp_path, rng, pattern, x, y, validation):
    counts = {"test": 7, "train": 20} | ({validation: 5} if validation else {})
    arrays = {pattern.format(x, part): rng.normal(size=(n, 4)) for part, n in counts.items()}
    labels = {pattern.format(y, part): np.full((n, 1), len(part) % 2) for part, n in counts.items()}
    np.savez(tmp_path / "a.npz", **arrays, **labels)
    data = load(tmp_path / "a.npz")
    assert data.given_test
    assert data.given_validation == bool(validation)
    for part, name in [("test", "test"), ("train", "train")] + (
        [(validation, "validation")] * bool(validation)
    ):
        at = data.splits[name]
        if part != "train" or validation:
            np.testing.assert_array_equal(data.x[at], arrays[pattern.format(x, part)])
        assert set(data.labels[at]) == {len(part) % 2}


def test_npz_labels_of_one_part_only(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=np.ones((20, 2)), x_test=np.ones((5, 2)), y_train=np.arange(20) % 2)
    data = load(tmp_path / "a.npz")
    assert data.labels[data.splits["test"]].tolist() == [-1] * 5
    assert data.classes == 2


def test_npz_with_a_choice_of_arrays(tmp_path, refused):
    path = tmp_path / "a.npz"
    np.savez(path, first=np.zeros((12, 2)), second=np.ones((12, 3)), kinds=np.arange(12) % 2)
    refused(path, path, "first (12, 2)", "second (12, 3)", "data.key=NAME")
    data = load(path, key="second", label="kinds")
    assert data.event == (3,)
    assert data.classes == 2
    refused(path, "'secnd'", "did you mean 'second'?", key="secnd")
    refused(path, "'kind'", "did you mean 'kinds'?", key="second", label="kind")
    refused(path, "'first' cannot be labels", key="second", label="first")


def test_npz_ignores_labels_that_do_not_fit_and_objects(tmp_path):
    np.savez(
        tmp_path / "a.npz",
        imgs=np.zeros((12, 4, 4), dtype=np.uint8),
        labels=np.zeros((12, 2)),
        names=np.array(["a", None], dtype=object),
    )
    data = load(tmp_path / "a.npz")
    assert data.labels is None
    assert data.event == (1, 4, 4)


def test_npz_parts_of_different_shapes(tmp_path, refused):
    np.savez(tmp_path / "a.npz", x_train=np.zeros((12, 3)), x_test=np.zeros((12, 4)))
    refused(tmp_path / "a.npz", "test", "(4,)", "(3,)")


@pytest.mark.parametrize("shape", [(12, 5, 6), (12, 2, 5, 6)])
def test_npz_with_a_palette_becomes_colour(tmp_path, rng, refused, shape):
    palette = rng.integers(0, 256, (9, 3), dtype=np.uint8)
    indexed = rng.integers(0, 9, shape, dtype=np.uint8)
    np.savez(tmp_path / "a.npz", things_indexed=indexed, palette=palette)
    data = load(tmp_path / "a.npz")
    np.testing.assert_array_equal(np.moveaxis(data.x, 1, -1), palette[indexed])
    np.savez(tmp_path / "a.npz", things_indexed=indexed, palette=palette[:3])
    refused(tmp_path / "a.npz", "3 colours")


def test_size_brings_images_to_a_size(rng):
    ramp = np.broadcast_to(np.linspace(0, 1, 32, dtype=np.float32), (4, 32, 32))
    small = load(ramp, size=8)
    assert small.event == (1, 8, 8)
    np.testing.assert_allclose(small.x[0, 0, 0], ramp[0, 0].reshape(8, 4).mean(1), atol=0.02)
    edges = (rng.random((4, 3, 30, 30)) > 0.5).astype(np.uint8) * 16
    assert load(edges, size=(20, 15)).event == (3, 20, 15)
    assert load(edges, size=45).observed == (0, 16)
    array = np.zeros((4, 1, 9, 9), dtype=np.uint8)
    assert np.shares_memory(load(array, size=9).x, array)


def test_settings_that_do_not_apply(refused, tmp_path):
    refused(np.zeros((4, 2)), "data.size", "images", size=8, error=ConfigError)
    refused(np.zeros((4, 2)), "data.label=y", label="y", error=ConfigError)
    np.save(tmp_path / "a.npy", np.zeros((4, 2)))
    refused(tmp_path / "a.npy", "data.key=x", key="x", error=ConfigError)
    refused("digits", "data.label=y", "digits", label="y", error=ConfigError)
    for size in (0, -1, (1, 2, 3), (0, 4), 2.5, "64"):
        refused("digits", "data.size", size=size, error=ConfigError)
    refused("digits", "data.validation", "[0, 1)", validation=1, error=ConfigError)
    refused("digits", "data.test", test=-0.1, error=ConfigError)


def test_parts_on_different_scales_are_refused(tmp_path, rng, refused):
    small = rng.random((12, 4, 4), dtype=np.float32)
    large = rng.integers(0, 256, (12, 4, 4), dtype=np.uint8)
    large[0, 0, 0] = 255
    for one, other in ((small, large), (large, small), (small, small * 255), (small > 0.5, large)):
        np.savez(tmp_path / "a.npz", x_train=one, x_test=other)
        refused(tmp_path / "a.npz", "'x_train' holds", "'x_test' holds", "one scale")


def test_whole_numbers_of_two_widths_are_on_one_scale(tmp_path):
    train, test = np.arange(48).reshape(12, 2, 2) * 10, np.arange(20, dtype=np.uint8).reshape(5, 2, 2)
    np.savez(tmp_path / "a.npz", x_train=train, x_test=test)
    data = load(tmp_path / "a.npz", validation=0)
    np.testing.assert_array_equal(data.x[:, 0], np.concatenate([train, test]))
    assert data.high == 1
    assert data.layout.types == ("int64",)


def test_other_arrays_of_examples_are_counted(tmp_path):
    x = np.zeros((12, 4, 4), np.uint8)
    np.savez(tmp_path / "a.npz", x_train=x, x_test=x, x_unlabelled=x[:3], y_train=np.arange(12) % 3)
    data = load(tmp_path / "a.npz")
    assert data.left_out == {"examples of 'x_unlabelled'": 3}
    assert data.label == "y_train"
    assert "left out: 3 examples of 'x_unlabelled'" in data.summary()


def test_fit_says_what_is_cut_and_keeps_all_where_asked(refused):
    x = np.zeros((12, 1, 40, 120), np.uint8)
    x[..., :30] = 200
    cut = load(x, size=20)
    assert cut.x.max() == 0  # what is at the left is gone
    assert "12 pictures' sides (fit=pad or stretch keeps them)" in cut.summary()
    padded = load(x, size=20, fit="pad")
    assert padded.event == (1, 20, 20)
    assert not padded.left_out
    assert (padded.x[:, :, :6].max(), padded.x[:, :, 14:].max()) == (0, 0)
    assert (padded.x[0, 0, 8:12, :4] == 200).all()
    stretched = load(x, size=20, fit="stretch")
    assert (stretched.x[0, 0, :, :4] == 200).all()
    assert (stretched.x[0, 0, :, 7:] == 0).all()
    signed = load(x.astype(np.float32) - 1000, size=20, fit="pad")
    assert (signed.x[:, :, :6] == -1000).all()
    refused(x, "data.fit=pad", "data.size", fit="pad", error=ConfigError)
    refused(x, "'squash'", "crop, pad, stretch", size=20, fit="squash", error=ConfigError)
