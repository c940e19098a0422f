"""Other data than those of the training: matched, converted with a word, or refused."""

import numpy as np
import pytest
from PIL import Image

import latentia
from latentia.cli import main
from latentia.core.errors import DataError, LatentiaError, Note


def csv(path, columns):
    names, cells = list(columns), [list(map(str, column)) for column in columns.values()]
    path.write_text("\n".join([",".join(names), *map(",".join, zip(*cells))]) + "\n", encoding="utf-8")
    return path


def train(source, out, **settings):
    return latentia.train(source, out=out, **{"epochs": 1, "latent_dim": 2, "hidden": [8], **settings})


def latentia_main(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


@pytest.fixture
def people(tmp_path):
    rng = np.random.default_rng(0)
    columns = {
        "height": rng.normal(170, 10, 60),
        "weight": rng.normal(70, 8, 60),
        "age": rng.integers(18, 80, 60),
    }
    run = train(csv(tmp_path / "people.csv", columns), tmp_path / "run")
    return tmp_path, run, columns


def test_columns_are_matched_by_name(people):
    folder, run, columns = people
    turned = csv(folder / "turned.csv", {name: columns[name] for name in ("age", "height", "weight")})
    assert np.array_equal(run.encode(turned), run.encode(folder / "people.csv"))
    nameless = folder / "nameless.csv"
    nameless.write_text(
        (folder / "people.csv").read_text(encoding="utf-8").split("\n", 1)[1], encoding="utf-8"
    )
    with pytest.warns(Note, match="columns without names are taken in their order"):
        assert np.array_equal(run.encode(nameless), run.encode(folder / "people.csv"))


def test_columns_that_are_missing_are_refused_by_name_and_others_ignored(people):
    folder, run, columns = people
    renamed = {("shoe" if name == "age" else name): column for name, column in columns.items()}
    with pytest.raises(DataError, match=r"has no column 'age' \(it has 'shoe'\); the run was trained on 3"):
        run.encode(csv(folder / "renamed.csv", renamed))
    close = {("heigth" if name == "height" else name): column for name, column in columns.items()}
    with pytest.raises(DataError, match=r"has no column 'height'; did you mean 'heigth'; the"):
        run.encode(csv(folder / "close.csv", close))
    with pytest.warns(Note, match=r"more.csv: column 'extra' ignored, which the run does not know"):
        z = run.encode(csv(folder / "more.csv", {**columns, "extra": columns["age"]}))
    assert np.array_equal(z, run.encode(folder / "people.csv"))


def test_a_column_in_other_units_is_named(people):
    folder, run, columns = people
    with pytest.warns(Note, match=r"column 'height' lies far outside of the training's .*: in other units\?"):
        run.other(csv(folder / "metres.csv", {**columns, "height": columns["height"] / 100}))


def test_all_rows_are_taken_and_one_is_enough(people):
    folder, run, columns = people
    for count in (1, 8, 50):
        some = csv(folder / f"{count}.csv", {name: column[:count] for name, column in columns.items()})
        assert run.encode(some).shape == (count, 2)
        assert latentia_main("encode", folder / "run", some, "-o", folder / "z.npy") == 0
        assert np.load(folder / "z.npy").shape == (count, 2)
        assert latentia_main("encode", folder / "run", some, "--split", "test", "-o", folder / "no.npy") == 2
    assert not (folder / "no.npy").exists()


def test_frames_tuples_and_lists_are_taken_as_training_took_them(people):
    pandas = pytest.importorskip("pandas")
    folder, run, columns = people
    frame = pandas.DataFrame(columns)
    want = run.encode(folder / "people.csv")
    assert np.array_equal(run.encode(frame[["age", "weight", "height"]]), want)
    assert np.array_equal(run.encode((frame, ["u", "v"] * 30)), want)
    assert np.array_equal(run.encode(frame.to_numpy()), want)
    assert np.array_equal(run.encode(frame.to_numpy().tolist()), want)
    assert latentia.evaluate(run, data=frame, only=["reconstruction"]).figures["mse"].examples == 60


def test_label_and_key_are_inherited(tmp_path):
    rng = np.random.default_rng(0)
    columns = {name: rng.normal(size=40) for name in "abc"}
    labelled = csv(tmp_path / "l.csv", {**columns, "outcome": rng.integers(0, 2, 40)})
    run = train(labelled, tmp_path / "l", data={"label": "outcome"})
    assert run.record.columns == ("a", "b", "c")
    assert run.encode(labelled).shape == (40, 2)
    assert run.encode(csv(tmp_path / "bare.csv", columns)).shape == (40, 2)  # without its labels
    np.savez(tmp_path / "k.npz", foo=rng.normal(size=(60, 4)), bar=rng.normal(size=(60, 4)))
    run = train(tmp_path / "k.npz", tmp_path / "k", data={"key": "foo"})
    foo = np.load(tmp_path / "k.npz")["foo"]
    assert np.allclose(run.encode(tmp_path / "k.npz"), run.encode(foo), atol=1e-6)
    np.save(tmp_path / "plain.npy", foo)
    assert np.allclose(run.encode(tmp_path / "plain.npy"), run.encode(foo), atol=1e-6)


def folders(root, classes, count):
    rng = np.random.default_rng(0)
    for name, colour in classes.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            pixels = np.full((8, 8, 3), colour, np.uint8)
            pixels[2:6, 2:6] = rng.integers(0, 255, 3)
            Image.fromarray(pixels).save(root / name / f"{number:03}.png")
    return root


def test_classes_are_matched_by_name_and_unknown_ones_are_refused(tmp_path):
    known = {"cat": (255, 0, 0), "dog": (0, 255, 0), "fox": (0, 0, 255)}
    run = train(folders(tmp_path / "pets", known, 12), tmp_path / "run", model="conditional_vae")
    two = run.other(folders(tmp_path / "two", {name: known[name] for name in ("dog", "fox")}, 3))
    assert run.classes_of(run.conditions_at(slice(None), two)) == ["dog"] * 3 + ["fox"] * 3
    zebra = folders(tmp_path / "more", {"dog": known["dog"], "zebra": (9, 9, 9)}, 3)
    with pytest.raises(DataError, match="the run knows no class 'zebra'; known: cat, dog, fox"):
        run.take(str(zebra))
    (tmp_path / "pets" / "cat").rename(tmp_path / "pets" / "zebra")
    with pytest.raises(DataError, match=r"have changed: .* lack 12 of the run's 36 examples"):
        latentia.open_run(tmp_path / "run").dataset  # noqa: B018


@pytest.fixture
def squares(tmp_path):
    rng = np.random.default_rng(5)
    x = rng.uniform(0, 0.05, (60, 12, 12))
    for image in x:
        row, column = rng.integers(1, 7, 2)
        image[row : row + 4, column : column + 4] += rng.uniform(0.3, 0.9)
    unit = (x * 255).astype(np.uint8)
    np.save(tmp_path / "bytes.npy", unit)
    np.save(tmp_path / "unit.npy", (unit / 255).astype(np.float32))
    (tmp_path / "png").mkdir()
    for number, image in enumerate(unit):
        Image.fromarray(image).save(tmp_path / "png" / f"{number:03}.png")
    return tmp_path


def test_bytes_and_values_from_0_to_1_are_converted_with_a_word(squares):
    of_bytes, of_units = (train(squares / f"{name}.npy", squares / name) for name in ("bytes", "unit"))
    with pytest.warns(Note, match=r"unit.npy: values 0..1 were brought to the run's 0..255"):
        other = of_bytes.other(squares / "unit.npy")
    assert other.x.dtype == np.uint8 and np.array_equal(other.x, of_bytes.dataset.x)
    with pytest.warns(Note, match=r"values 0..255 were brought to the run's 0..1"):
        other = of_units.other(squares / "png")
    assert np.allclose(other.x, of_units.dataset.x, atol=1e-6)
    with pytest.warns(Note, match="values 0..1"):
        z = of_bytes.encode(np.load(squares / "unit.npy"))
    assert np.array_equal(z, of_bytes.encode(np.load(squares / "bytes.npy")))
    want = latentia.evaluate(of_bytes, split="all", only=["reconstruction"])
    with pytest.warns(Note, match="values 0..1"):
        got = latentia.evaluate(of_bytes, data=str(squares / "unit.npy"), only=["reconstruction"])
    assert got.figures["mse"].value == pytest.approx(want.figures["mse"].value, rel=1e-6)
    assert "unit.npy" in got.about["other"]


def test_other_units_are_refused(squares):
    run = train(squares / "bytes.npy", squares / "run")
    x = np.load(squares / "bytes.npy").astype(np.float32)
    for wrong in (x * 257, x / 127.5 - 1, (x - x.mean()) / x.std()):
        np.save(squares / "wrong.npy", wrong)
        with pytest.raises(DataError, match=r"the run was trained on 0..255; bring them to the run's units"):
            run.other(squares / "wrong.npy")


def test_grey_becomes_colour_and_colour_grey_with_a_word(tmp_path):
    rng = np.random.default_rng(0)
    for name, mode in (("colour", "RGB"), ("grey", "L")):
        (tmp_path / name).mkdir()
        for number in range(12):
            pixels = rng.integers(0, 255, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).convert(mode).save(tmp_path / name / f"{number}.png")
    colour, grey = (train(tmp_path / name, tmp_path / f"r{name}") for name in ("colour", "grey"))
    with pytest.warns(Note, match="grey pictures, given to a run of colour ones"):
        other = colour.other(tmp_path / "grey")
    assert np.array_equal(other.x, np.repeat(grey.dataset.x, 3, axis=1))
    with pytest.warns(Note, match="colour pictures, made grey"):
        other = grey.other(tmp_path / "colour")
    first = Image.open(tmp_path / "colour" / "0.png").convert("L")
    assert np.array_equal(other.x[0, 0], np.asarray(first))


def test_skip_bad_is_inherited_and_can_be_asked_for(tmp_path):
    (tmp_path / "some").mkdir()
    for number in range(12):
        pixels = np.random.default_rng(number).integers(0, 255, (8, 8), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "some" / f"{number}.png")
    strict = train(tmp_path / "some", tmp_path / "strict")
    lenient = train(tmp_path / "some", tmp_path / "lenient", data={"skip_bad": True})
    (tmp_path / "some" / "bad.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"bad\.png"):
        strict.other(tmp_path / "some")
    assert len(lenient.other(tmp_path / "some")) == len(strict.other(tmp_path / "some", skip_bad=True)) == 12
    out = tmp_path / "z.npy"
    assert latentia_main("encode", tmp_path / "strict", tmp_path / "some", "-o", out) == 2
    assert latentia_main("encode", tmp_path / "strict", tmp_path / "some", "--skip-bad", "-o", out) == 0
    assert len(np.load(out)) == 12


def test_infinity_is_refused_at_every_door_and_nan_is_missing(people):
    _folder, run, _columns = people
    x = np.array([[0, 0, 0], [np.inf, 0, 0]], np.float32)
    with pytest.warns(Note, match="values are missing, and the model was trained on examples without any"):
        assert np.isfinite(run.encode(np.where(np.isinf(x), np.nan, x))).all()
    doors = [run.encode, run.reconstruct, run.posterior, run.inference.encode, lambda x: run.traverse(x[1])]
    for door in doors:
        with pytest.raises(LatentiaError, match=r"is infinity; correct or remove it") as caught:
            door(x)
        assert "\n" not in str(caught.value)
    many = np.zeros((1000, 3))
    many[700, 1] = np.inf
    with pytest.raises(DataError, match=r"row 701, column 2 .* is infinity"):
        run.inference.encode(many)
