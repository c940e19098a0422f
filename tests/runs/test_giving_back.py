"""What a run makes has the order of axes, the types and the columns of its data."""

import csv

import numpy as np
import pytest

import latentia
from latentia.cli import main


@pytest.mark.parametrize("shape", [(60, 8, 8, 3), (60, 8, 8), (60, 20, 6)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64, bool])
def test_an_array_comes_back_as_it_was_given(tmp_path, shape, dtype):
    x = (np.random.default_rng(0).random(shape) * 255 > 127).astype(dtype)
    run = latentia.train(x, out=tmp_path / "run", epochs=1, latent_dim=2, hidden=[8])
    made = run.sample(2)
    assert (made.shape, made.dtype) == ((2, *shape[1:]), x.dtype)
    assert np.allclose(run.encode(x), run.inference.encode(run.dataset.x), atol=1e-6)


def test_a_table_is_written_in_its_types_with_its_labels_and_quoted(tmp_path):
    rng = np.random.default_rng(0)
    rows = [[int(rng.integers(5)), bool(rng.random() < 0.3), rng.random(), "uv"[i % 2]] for i in range(60)]
    with (tmp_path / "t.csv").open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([["Größe, cm", "温度", "x", "label"], *rows])
    latentia.train(tmp_path / "t.csv", model="conditional_vae", out=tmp_path / "run", epochs=1, hidden=[8])
    with pytest.raises(SystemExit):
        main(
            ["sample", str(tmp_path / "run"), "-n", "4", "--condition", "all", "-o", str(tmp_path / "o.csv")]
        )
    with (tmp_path / "o.csv").open(newline="", encoding="utf-8") as handle:
        names, *made = csv.reader(handle)
    assert names == ["Größe, cm", "温度", "x", "label"]
    assert [row[3] for row in made] == ["u", "v", "u", "v"]
    assert all(row[0].lstrip("-").isdigit() and row[1] in ("True", "False") for row in made)
    assert all(0 <= int(row[0]) <= 4 and 0 <= float(row[2]) < 1 for row in made)
