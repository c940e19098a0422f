"""The advice of an evaluation is the same whichever part of it was asked for."""

import json
from pathlib import Path

import latentia
from latentia.evaluation.text import lines


def test_a_part_of_an_evaluation_advises_as_the_whole_does(tmp_path: Path):
    run = latentia.train(
        "digits", out=tmp_path / "pressed", beta=30.0, epochs=8, latent_dim=8,
        network={"name": "mlp", "hidden": [16]},
    )  # fmt: skip
    part = latentia.evaluate(run, only=("health",))
    text = list(lines(part))
    whole = latentia.evaluate(run, samples=20, limit=30)
    assert part.diagnosis[0].name == whole.diagnosis[0].name == "full collapse"
    assert part.diagnosis[0].advice == whole.diagnosis[0].advice
    assert "lower objective.beta (now 30)" in part.diagnosis[0].advice
    assert not any("train longer" in line for line in text)
    kept = json.loads((tmp_path / "pressed" / "evaluation.json").read_text())
    assert kept["diagnosis"][0]["name"] == "full collapse"  # for whoever reads the file alone
    assert [each.verdict and each.verdict.name for each in (part, whole)] == ["full collapse"] * 2
