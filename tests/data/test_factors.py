import itertools

import numpy as np
import pytest

from latentia.data import load

SIZES = (2, 3, 4)
GRID = np.indices(SIZES).reshape(3, -1).T
NAMES = ("shape", "size", "place")


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (len(GRID), 8, 8), dtype=np.uint8)


@pytest.fixture
def saved(tmp_path, images):
    """Write images and the arrays beside them; give the path."""

    def write(**arrays):
        with (tmp_path / "a.npz").open("wb") as file:
            np.savez(file, allow_pickle=True, **({"imgs": images} | arrays))
        return tmp_path / "a.npz"

    return write


@pytest.mark.parametrize(
    ("word", "named"), [("latents_classes", "latents_names"), ("factors", "factor_names")]
)
@pytest.mark.parametrize("dtype", ["int64", "uint8", "float64"])
@pytest.mark.parametrize("kind", ["U", "S"])
def test_factors_and_their_names_are_read(saved, word, named, dtype, kind):
    data = load(saved(**{word: GRID.astype(dtype), named: np.array(NAMES, dtype=kind)}))
    assert data.factors.dtype == np.int64
    np.testing.assert_array_equal(data.factors, GRID)
    assert data.factor_names == NAMES
    assert data.labels is None
    assert ", no labels, 3 known factors, " in data.summary()


def test_factors_without_names_are_numbered(saved):
    data = load(saved(factors=GRID))
    assert data.factor_names == ("factor 0", "factor 1", "factor 2")
    assert ", 1 known factor, " in load(saved(factors=GRID[:, :1])).summary()


def test_most_sources_have_no_known_factors(saved):
    data = load(saved())
    assert data.factors is None
    assert data.factor_names == ()
    assert "factor" not in data.summary()


def test_other_values_are_coded_in_sorted_order(saved):
    values = np.stack([GRID[:, 0] * 2 - 1, 10 - 5 * GRID[:, 1], GRID[:, 2]], axis=1)
    path = saved(factors=values, factor_names=np.array(NAMES))
    expected = np.stack([GRID[:, 0], 2 - GRID[:, 1], GRID[:, 2]], axis=1)
    np.testing.assert_array_equal(load(path).factors, expected)
    for number, names in enumerate([("-1", "1"), ("0", "5", "10"), ()]):
        data = load(path, label=NAMES[number])
        assert data.labels.tolist() == expected[:, number].tolist()
        assert data.label_names == names


def test_the_pickled_metadata_of_dsprites_are_not_read(saved):
    path = saved(
        metadata=np.array({"latents_names": NAMES}, dtype=object),
        latents_names=np.array(NAMES, dtype=object),
        latents_classes=GRID,
        latents_values=GRID / 3,
    )
    data = load(path)
    np.testing.assert_array_equal(data.factors, GRID)
    assert data.factor_names == ("factor 0", "factor 1", "factor 2")
    assert load(saved(latents_classes=GRID.astype(object))).factors is None


def test_arrays_of_factors_are_not_mistaken_for_data(tmp_path, images):
    np.savez(tmp_path / "a.npz", things=images, latents_classes=GRID, latents_values=GRID / 3)
    data = load(tmp_path / "a.npz")
    assert data.event == (1, 8, 8)
    assert data.factor_names == ("factor 0", "factor 1", "factor 2")
    np.savez(tmp_path / "a.npz", factors=GRID / 3)
    alone = load(tmp_path / "a.npz")
    assert alone.event == (3,)
    assert alone.factors is None


def test_a_factor_becomes_the_labels(saved):
    arrays = {"latents_classes": GRID, "latents_names": np.array(NAMES)}
    labelled = load(saved(**arrays, labels=np.arange(len(GRID)) % 5))
    assert labelled.classes == 5
    data = load(saved(**arrays, labels=np.arange(len(GRID)) % 5), label="size")
    assert data.labels.tolist() == GRID[:, 1].tolist()
    assert (data.classes, data.label_names) == (3, ())
    np.testing.assert_array_equal(data.factors, GRID)


def test_an_array_comes_before_a_factor_of_the_same_name(saved):
    own = np.arange(len(GRID)) % 6
    data = load(saved(latents_classes=GRID, latents_names=np.array(NAMES), size=own), label="size")
    assert data.labels.tolist() == own.tolist()


def test_a_name_that_is_neither_array_nor_factor_suggests_the_nearest(saved, refused):
    path = saved(latents_classes=GRID, latents_names=np.array(NAMES), kinds=GRID[:, 0])
    refused(path, path, "no array or factor 'shap'", "did you mean 'shape'?", label="shap")
    refused(path, "did you mean 'kinds'?", label="kind")
    refused(path, "known: imgs, kinds, latents_classes, latents_names, place, shape, size", label="zzz")
    path = saved(kinds=GRID[:, 0])
    refused(path, "no array 'kind' for the labels", "did you mean 'kinds'?", label="kind")


@pytest.mark.parametrize("word", ["latents_classes", "factors"])
@pytest.mark.parametrize(
    ("array", "part"),
    [
        (GRID[:-1], "(23, 3)"),
        (GRID[:, 0], "(24,)"),
        (GRID[:, :0], "(24, 0)"),
        (GRID[:, :, None], "(24, 3, 1)"),
        (GRID + 0.5, "float64 values that are not all whole numbers"),
        (np.where(GRID, GRID, np.nan), "not all whole numbers"),
        (np.where(GRID, GRID, np.inf), "not all whole numbers"),
        (GRID.astype(str), "not all whole numbers"),
        (GRID * 1j, "not all whole numbers"),
    ],
)
def test_arrays_that_are_no_factors_are_refused_in_one_line(saved, refused, word, array, part):
    path = saved(**{word: array})
    refused(path, path, f"array '{word}'", part)


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (["a", "b"], ("array 'factors'", "3 factors", "(a, b)")),
        (["a", "b", "a"], ("array 'factors'", "(a, b, a)", "different")),
        (["a", "", "b"], ("array 'factors'", "(a, , b)")),
        ([1, 2, 3], ("array 'factor_names'", "int64", "one string")),
        ("a", ("array 'factor_names'", "()", "one string")),
    ],
)
def test_names_that_do_not_fit_are_refused_in_one_line(saved, refused, names, parts):
    path = saved(factors=GRID, factor_names=np.array(names))
    refused(path, path, *parts)


def test_factors_stay_with_resized_images(saved):
    data = load(saved(factors=GRID, factor_names=np.array(NAMES)), size=4)
    assert data.event == (1, 4, 4)
    np.testing.assert_array_equal(data.factors, GRID)
    assert data.factor_names == NAMES


def test_files_with_given_splits_have_no_factors(tmp_path, images, refused):
    np.savez(tmp_path / "a.npz", x_train=images, x_test=images, factors=GRID)
    data = load(tmp_path / "a.npz")
    assert data.given_test
    assert data.factors is None
    refused(tmp_path / "a.npz", "no array 'factor 0'", label="factor 0")


def test_lpc_sprites_are_every_combination_once(shared_data):
    data = load(shared_data / "lpc_sprites" / "lpc_sprites_64x64.npz", label="action")
    sizes = (6, 6, 6, 6, 3, 3)
    assert data.x.shape == (11_664, 3, 64, 64)
    assert data.factors.shape == (11_664, 6)
    assert data.factor_names == ("body", "bottomwear", "topwear", "hair", "action", "direction")
    assert set(map(tuple, data.factors.tolist())) == set(itertools.product(*map(range, sizes)))
    assert data.classes == 3
    assert data.labels.tolist() == data.factors[:, 4].tolist()
    assert ", 3 labels of action, 6 known factors, " in data.summary()


def test_lpc_clips_have_the_same_factors(shared_data):
    data = load(shared_data / "lpc_sprites" / "lpc_sprites_clips_8x64x64.npz")
    assert data.event == (3, 8, 64, 64)
    assert data.factors.shape == (600, 6)
    assert (data.factors.max(axis=0) + 1).tolist() == [6, 6, 6, 6, 3, 3]


def test_coil20_has_two_factors_and_either_may_be_the_labels(shared_data):
    data = load(shared_data / "coil20", label="object")
    assert data.x.shape == (1440, 1, 64, 64)
    assert data.factor_names == ("object", "azimuth_5deg")
    assert set(map(tuple, data.factors.tolist())) == set(itertools.product(range(20), range(72)))
    assert data.classes == 20
    assert np.bincount(data.labels).tolist() == [72] * 20
    assert load(shared_data / "coil20").labels is None
    assert load(shared_data / "coil20", label="azimuth_5deg").classes == 72
