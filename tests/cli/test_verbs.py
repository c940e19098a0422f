"""The command line, in process: what it makes and what it says."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from latentia.cli import VERBS, main
from latentia.core import config, registry, storage
from latentia.data import load

TINY = ["--network", "mlp", "--hidden", "16", "--latent-dim", "3", "--epochs", "2", "--quiet"]


def latentia(*arguments):
    """Run the command line and give its exit status."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("a folder with spaces") / "my run"
    assert latentia("train", "digits", *TINY, "--out", path) == 0
    return path


def test_help_lists_every_verb_and_imports_no_torch(capsys):
    code = """
import sys
from latentia.cli import main
try:
    main(['--help'])
finally:
    print('torch' in sys.modules)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for verb in VERBS:
        assert f"  {verb} " in out
    assert out.strip().endswith("False")


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, latentia; print({'torch', 'numpy', 'sklearn', 'matplotlib'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "set()"


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_has_help(verb, capsys):
    assert latentia(verb, "--help") == 0
    assert "Usage: latentia" in capsys.readouterr().out


def test_the_help_of_train_and_evaluate_names_every_model_network_and_sampler(capsys):
    latentia("train", "--help")
    train = capsys.readouterr().out
    latentia("evaluate", "--help")
    evaluate = capsys.readouterr().out
    networks = set(registry.names("network")) - {"identity", "modules"}  # which no one names in a shell
    networks = [name for name in networks if not name.startswith("lecture-")]
    for name in (*registry.names("model"), *networks, *registry.names("ladder")):
        assert name in train
    assert all(name in evaluate for name in registry.names("sampler"))


def test_train_says_what_it_does(tmp_path, capsys):
    arguments = [argument for argument in TINY if argument != "--quiet"]
    assert latentia("train", "digits", *arguments, "--out", tmp_path / "run") == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("digits: 8x8 grey images, uint8 0..16, 10 labels")
    assert "vae with 3 latents, network mlp" in out[1]
    assert out[2].startswith("test, 180 examples: -ELBO ")
    assert "(the mean example's: 0.0" in out[2]
    assert out[-1] == f"done; see it with: latentia report {tmp_path / 'run'}"


def test_flags_and_overrides_reach_the_run_file(tmp_path):
    out = tmp_path / "run"
    flags = ["--beta", "4", "--batch-size", "64", "--lr", "2e-3", "--seed", "5", "--likelihood", "l1"]
    overrides = ["objective.schedule=cyclical", "objective.schedule.cycles=3", "training.clip=1"]
    assert latentia("train", "digits", *TINY, *flags, "--out", out, *overrides) == 0
    spec = config.read_toml(out / "run.toml")
    assert spec["objective"]["beta"] == 4.0
    assert spec["objective"]["schedule"] == {"name": "cyclical", "cycles": 3, "rise": 0.5}
    assert spec["likelihood"] == {"name": "l1", "link": "sigmoid"}
    assert (spec["training"]["batch_size"], spec["training"]["lr"], spec["training"]["seed"]) == (64, 2e-3, 5)
    assert spec["training"]["clip"] == 1.0
    assert spec["data"]["source"] == "digits"


def test_labels_are_chosen_by_name_or_number(tmp_path, capsys):
    lines = [f"{'ab'[at % 2]},{at % 7},{at % 5}" for at in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    loud = [argument for argument in TINY if argument != "--quiet"]
    for number, choice in enumerate((["data.label=0"], ["--label", "0"])):
        out = tmp_path / f"run{number}"
        assert latentia("train", tmp_path / "t.csv", *choice, *loud, "--out", out) == 0
        assert "t: table of 2 columns" in (said := capsys.readouterr().out)
        assert "2 labels of 0" in said
        assert config.read_toml(out / "run.toml")["data"]["label"] == "0"


def test_a_run_file_repeats_the_run_and_flags_win_over_it(run, tmp_path):
    assert latentia("train", "--config", run / "run.toml", "--out", tmp_path / "again", "--quiet") == 0
    assert (tmp_path / "again/model.safetensors").read_bytes() == (run / "model.safetensors").read_bytes()
    assert (
        latentia("train", "--config", run / "run.toml", "--beta", "2", "--out", tmp_path / "b", "--quiet")
        == 0
    )
    assert config.read_toml(tmp_path / "b/run.toml")["objective"]["beta"] == 2.0


def test_runs_get_free_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert latentia("train", "digits", *TINY) == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["digits-vae", "digits-vae-2"]


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [
        (["sample", "-n", "5"], (5, 1, 8, 8)),
        (["sample", "-n", "5", "--sampler", "mixture", "--components", "3"], (5, 1, 8, 8)),
        (["sample", "-n", "5", "--truncation", "1", "--noise", "--temperature", "0.5"], (5, 1, 8, 8)),
        (["reconstruct", "-n", "7"], (7, 1, 8, 8)),
        (["interpolate", "--steps", "6"], (6, 1, 8, 8)),
        (["interpolate", "--path", "spherical", "--between", "3", "4"], (10, 1, 8, 8)),
        (["traverse", "--dims", "0,2", "--steps", "5"], (10, 1, 8, 8)),
        (["traverse", "--example", "3"], (27, 1, 8, 8)),
        (["encode"], (180, 3)),
        (["encode", "--split", "all", "-n", "11", "--sample"], (11, 3)),
    ],
)
def test_latent_work_as_arrays(run, tmp_path, arguments, shape):
    for ending in ("npy", "npz", "csv"):
        file = tmp_path / f"out.{ending}"
        verb, *rest = arguments
        assert latentia(verb, run, *rest, "-o", file) == 0
        if ending == "csv":
            loaded = np.loadtxt(file, delimiter=",", skiprows=1, ndmin=2)
            assert loaded.shape == (shape[0], int(np.prod(shape[1:])))
        else:
            loaded = np.load(file) if ending == "npy" else np.load(file)["x"]
            assert loaded.shape == shape
        assert np.isfinite(loaded).all()


def test_decode_undoes_what_encode_wrote(run, tmp_path):
    for ending in ("npy", "npz", "csv"):
        assert latentia("encode", run, "-n", "9", "-o", tmp_path / f"z.{ending}") == 0
        assert latentia("decode", run, tmp_path / f"z.{ending}", "-o", tmp_path / "x.npy") == 0
        assert latentia("reconstruct", run, "-n", "9", "-o", tmp_path / "r.npy") == 0
        assert np.allclose(np.load(tmp_path / "x.npy"), np.load(tmp_path / "r.npy"), atol=1e-3)


def test_an_array_of_reconstructions_holds_all_and_a_picture_sixteen(run, tmp_path, capsys):
    count = len(load("digits").splits["test"])
    assert latentia("reconstruct", run, "-o", tmp_path / "r.npy") == 0
    assert len(np.load(tmp_path / "r.npy")) == count > 16
    assert latentia("reconstruct", run, "-o", tmp_path / "r.png") == 0
    assert "32 images" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["sample", "reconstruct", "interpolate", "traverse"])
def test_latent_work_as_pictures(run, tmp_path, verb):
    assert latentia(verb, run, "-o", tmp_path / "picture.png") == 0
    with Image.open(tmp_path / "picture.png") as picture:
        assert min(picture.size) >= 56
        low, high = picture.convert("L").getextrema()
        assert low < high


def test_equal_seeds_give_equal_samples(run, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        assert latentia("sample", run, "-n", "4", "--seed", seed, "-o", tmp_path / f"{name}.npy") == 0
    a, b, c = (np.load(tmp_path / f"{name}.npy") for name in "abc")
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_other_data_of_the_same_shape_can_be_encoded(run, tmp_path):
    np.save(tmp_path / "other.npy", np.zeros((4, 8, 8), np.uint8))
    assert latentia("encode", run, tmp_path / "other.npy", "--split", "all", "-o", tmp_path / "z.npy") == 0
    assert np.load(tmp_path / "z.npy").shape == (4, 3)


def test_list_shows_the_runs(run, capsys):
    assert latentia("list", run.parent) == 0
    out = capsys.readouterr().out
    assert "my run" in out and "digits" in out and "-ELBO" in out


def test_a_table_goes_all_the_way(tmp_path, capsys):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(80, 3)) * [1, 10, 100] + [0, 5, 1000]
    file = tmp_path / "table.csv"
    np.savetxt(file, rows, delimiter=",", header="a,b,c", comments="")
    assert latentia("train", file, *TINY, "--epochs", "60", "--out", tmp_path / "run") == 0
    assert latentia("sample", tmp_path / "run", "-n", "200", "--noise", "-o", tmp_path / "s.csv") == 0
    text = (tmp_path / "s.csv").read_text()
    assert text.splitlines()[0] == "a,b,c"
    made = np.loadtxt(tmp_path / "s.csv", delimiter=",", skiprows=1)
    assert np.allclose(made.mean(axis=0), rows.mean(axis=0), atol=1.2 * rows.std(axis=0))


def failure(capsys, *arguments):
    """Run something that must fail in one line with status 2, and give that line."""
    assert latentia(*arguments) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("latentia: ")
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "unknown verb 'trian'; did you mean 'train'?"),
        (["train", "digits", "--modell", "vae"], "--modell"),
        (["train", "digits", "--model", "vea"], "unknown model 'vea'; did you mean 'vae'?"),
        (["train", "digits", "--network", "cov"], "unknown network 'cov'; did you mean 'conv'?"),
        (["train", "digits", "objectiv.beta=1"], "unknown section 'objectiv'; did you mean 'objective'?"),
        (["train", "digits", "objective.bta=1"], "unknown key 'objective.bta'; did you mean 'beta'?"),
        (["train", "digits", "objective.beta=much"], "'objective.beta' must be a number, not 'much'"),
        (["train", "digits", "training.epochs=1.5"], "'training.epochs' must be a whole number, not 1.5"),
        (
            ["train", "digits", "objective.schedule=lineer"],
            "unknown schedule 'lineer'; did you mean 'linear'?",
        ),
        (["train", "digits", "training.patience=0"], "'training.patience' must be positive"),
        # These before any data are looked for:
        (["train", "/nowhere", "--epochs", "-1"], "'training.epochs' must be positive, not -1"),
        (["train", "/nowhere", "--epochs", "0"], "'training.epochs' must be positive, not 0"),
        (["train", "/nowhere", "--max-minutes", "-1"], "'training.max_minutes' must be positive, not -1.0"),
        (
            ["train", "/nowhere", "--max-minutes", "nan"],
            "'training.max_minutes' must be a number or none, not nan",
        ),
        (["train", "/nowhere", "--lr", "inf"], "'training.lr' must be a number, not inf"),
        (["train", "--resume", "/nowhere", "--epochs", "-1"], "'training.epochs' must be positive, not -1"),
        (
            ["train", "--resume", "/nowhere", "--max-minutes", "nan"],
            "'training.max_minutes' must be a number",
        ),
        (
            ["sweep", "/nowhere", "--over", "objective.beta=1,2", "--epochs", "-1"],
            "'training.epochs' must be pos",
        ),
        (["train", "digits", "--beta", "nan"], "'objective.beta' must be a number, not nan"),
        (["train", "digits", "beta=1", "nonsense"], "'nonsense' is not an override"),
        (["train", "digit"], "digits"),
        (["train", "/nowhere/at/all"], "/nowhere/at/all"),
        (["train", "--config", "/nowhere.toml"], "cannot read the run file /nowhere.toml"),
        (["train", "--resume", "/nowhere"], "/nowhere does not exist"),
        (["train", "digits", "--device", "abacus"], "device 'abacus' cannot be used here"),
        (["sample", "/nowhere", "-o", "x.png"], "/nowhere does not exist"),
        (["sample", "/nowhere", "-o", "x.bmp"], "cannot write 'x.bmp'"),
        (["report", "/nowhere"], "/nowhere does not exist"),
        (["list", "/nowhere"], "/nowhere does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_words_get_one_line_and_write_nothing(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert message in failure(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_bad_latent_work_gets_one_line(capsys, run, tmp_path):
    out = tmp_path / "x.npy"
    cases = {
        ("sample", run, "-n", "0"): "'n' must be positive",
        ("sample", run, "--sampler", "mixure"): "did you mean 'mixture'?",
        ("sample", run, "--truncation", "-1"): "'truncation' must be positive",
        (
            "sample",
            run,
            "--sampler",
            "mixture",
            "--truncation",
            "1",
        ): "'truncation' belongs to the sampler 'prior', not to 'mixture'",
        ("traverse", run, "--dims", "7"): "no latent dimension 7; they run from 0 to 2",
        ("traverse", run, "--dims", "a"): "--dims takes numbers",
        ("traverse", run, "--steps", "0"): "'steps' must be at least 1, not 0",
        ("decode", run, run / "run.toml"): "is no array; give a .npy, .npz or .csv file",
        ("interpolate", run, "--between", "0", "9999"): "no test example 9999",
        ("interpolate", run, "--path", "bent"): "unknown path 'bent'",
        ("encode", run, "--split", "tset"): "did you mean 'test'?",
        ("decode", run, tmp_path / "none.npy"): "none.npy does not exist",
    }
    for arguments, message in cases.items():
        assert message in failure(capsys, *arguments, "-o", out)
        assert not out.exists()


def test_codes_and_data_of_another_shape_are_named(capsys, run, tmp_path):
    np.save(tmp_path / "z.npy", np.zeros((4, 5), np.float32))
    line = failure(capsys, "decode", run, tmp_path / "z.npy", "-o", tmp_path / "x.npy")
    assert "latents have shape 3, and these have 5" in line
    np.save(tmp_path / "wide.npy", np.zeros((20, 9, 9), np.uint8))
    line = failure(capsys, "encode", run, tmp_path / "wide.npy", "-o", tmp_path / "x.npy")
    assert "examples of shape 1x8x8, and wide has 1x9x9" in line


def test_a_run_is_never_overwritten(capsys, run, tmp_path):
    assert "holds a run already" in failure(capsys, "train", "digits", *TINY, "--out", run)
    (tmp_path / "thesis.txt").write_text("precious")
    assert "is no run folder" in failure(capsys, "train", "digits", *TINY, "--out", tmp_path)


def test_a_place_that_cannot_be_written(capsys, tmp_path, run):
    (tmp_path / "file").write_text("not a folder")
    assert "cannot write" in failure(capsys, "train", "digits", *TINY, "--out", tmp_path / "file" / "run")
    assert "cannot write" in failure(capsys, "encode", run, "-o", tmp_path / "file" / "z.npy")


def test_a_full_disk_while_training(capsys, tmp_path, monkeypatch):
    real = storage.save_tensors
    calls = []

    def full(path, tensors, header=None):
        calls.append(path)
        if len(calls) > 2:
            raise storage.cannot_write(path, OSError(28, "No space left on device"))
        real(path, tensors, header)

    monkeypatch.setattr(storage, "save_tensors", full)
    out = tmp_path / "run"
    line = failure(capsys, "train", "digits", *TINY, "--out", out, "training.checkpoint_seconds=0.001")
    assert "No space left on device" in line
    monkeypatch.undo()
    assert latentia("train", "--resume", out, "--quiet") == 0


def test_damaged_files_of_a_run_are_named(capsys, run, tmp_path):
    import shutil

    for file, change, message in [
        ("model.safetensors", lambda data: data[:100], "model.safetensors is damaged"),
        ("model.safetensors", lambda data: data[:-9] + bytes([data[-9] ^ 255]) + data[-8:], "is damaged"),
        ("model.json", lambda data: data[:20], "model.json is damaged"),
        ("run.toml", lambda data: b"= =", "not a TOML run file"),
    ]:
        copy = tmp_path / f"copy{len(list(tmp_path.iterdir()))}"
        shutil.copytree(run, copy)
        (copy / file).write_bytes(change((copy / file).read_bytes()))
        assert message in failure(capsys, "sample", copy, "-o", tmp_path / "x.npy")


def test_a_run_of_another_shape_than_its_data(capsys, tmp_path):
    file = tmp_path / "data.npy"
    np.save(file, np.random.default_rng(0).integers(0, 255, (40, 8, 8), np.uint8))
    assert latentia("train", file, *TINY, "--out", tmp_path / "run") == 0
    np.save(file, np.zeros((40, 10, 10), np.uint8))
    message = "was trained on examples of shape 1x8x8"
    assert message in failure(capsys, "reconstruct", tmp_path / "run", "-o", tmp_path / "x.npy")
    assert message in failure(capsys, "train", "--resume", tmp_path / "run")


def test_grey_values_of_255_are_outside_of_bernoulli(capsys, tmp_path):
    np.save(tmp_path / "x.npy", np.full((40, 8, 8), 255.0, np.float32))
    line = failure(
        capsys, "train", tmp_path / "x.npy", "--likelihood", "bernoulli", "--out", tmp_path / "run"
    )
    assert "'bernoulli' needs values in [0, 1], and the data reach 255" in line
    assert not (tmp_path / "run").exists()


def test_encode_says_which_example_each_latent_is_of(tmp_path, capsys):
    for at in range(24):
        place = tmp_path / "photos" / ("cats" if at % 2 else "dogs")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 10 * at, np.uint8)).save(place / f"{at}.png")
    assert latentia("train", tmp_path / "photos", *TINY, "--out", tmp_path / "run") == 0
    out = tmp_path / "z.parquet"
    assert latentia("encode", tmp_path / "run", tmp_path / "photos", "--about", "-o", out) == 0
    frame = pytest.importorskip("pandas").read_parquet(out)
    assert list(frame.columns) == ["row", "file", "label", "z0", "z1", "z2"]
    assert len(frame) == 24
    assert all(file.startswith(label) for file, label in zip(frame["file"], frame["label"]))
    from latentia.api import open_run

    opened = open_run(tmp_path / "run")
    file, row = frame["file"][5], frame.loc[5, ["z0", "z1", "z2"]].to_numpy(float)
    picture = np.asarray(Image.open(tmp_path / "photos" / file))
    assert opened.inference.encode(picture[None, None]) == pytest.approx(row[None], abs=1e-5)
    # From the cache, and of the run's own test split, the names are the same.
    assert latentia("encode", tmp_path / "run", "--about", "-o", tmp_path / "own.csv") == 0
    own = (tmp_path / "own.csv").read_text().splitlines()
    assert own[0] == "row,file,label,z0,z1,z2"
    line = dict(zip(own[0].split(","), own[1].split(",")))
    same = frame[frame["file"] == line["file"]]
    assert float(line["z0"]) == pytest.approx(float(same["z0"].iloc[0]), abs=1e-5)
    # A single picture, and a folder with one that is damaged beside it.
    assert latentia("encode", tmp_path / "run", tmp_path / "photos" / file, "-o", tmp_path / "one.npy") == 0
    assert np.load(tmp_path / "one.npy") == pytest.approx(row[None], abs=1e-5)
    assert latentia("train", tmp_path / "photos" / file, *TINY, "--out", tmp_path / "few") == 2
    assert "at least" in capsys.readouterr().err
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "a.png").write_bytes((tmp_path / "photos" / file).read_bytes())
    (tmp_path / "few" / "b.png").write_bytes(b"broken")
    assert latentia("encode", tmp_path / "run", tmp_path / "few", "-o", tmp_path / "few.npy") == 2
    capsys.readouterr()
    few = tmp_path / "few.csv"
    assert latentia("encode", tmp_path / "run", tmp_path / "few", "--skip-bad", "--about", "-o", few) == 0
    assert [line.split(",")[1] for line in few.read_text().splitlines()] == ["file", "a.png"]
    assert latentia("encode", tmp_path / "run", "--about", "-o", tmp_path / "z.npy") == 2
    assert "this is a table; end the name in .csv or .parquet" in capsys.readouterr().err
