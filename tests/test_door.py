"""The door: what `latentia` shows in Python and in a shell, and how it words what it says in each."""

import inspect
import subprocess
import sys

import pytest

import latentia
from latentia import assembly
from latentia.assembly.catalogue import catalogue, sections
from latentia.cli import VERBS, main
from latentia.core import hints
from latentia.core.errors import ConfigError, LatentiaError, RunError
from latentia.data import load
from latentia.training import Training

WORDS = "python"
PLAIN = {"data": load, "training": Training}
VERBS_OF_PYTHON = [
    *("train", "resume", "load", "open_run", "evaluate", "compare"),
    *("sweep", "report", "explore", "encode", "pack", "Run"),
]
TINY = {"network": "mlp", "hidden": [16], "latent_dim": 3, "epochs": 2}


def command(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


def test_completion_shows_the_verbs_and_nothing_else():
    assert dir(latentia) == sorted(latentia.__all__)
    assert {*VERBS_OF_PYTHON} <= {*dir(latentia)}
    assert all(callable(getattr(latentia, name)) for name in VERBS_OF_PYTHON)


def test_a_room_does_not_take_the_place_of_a_verb():
    code = "import latentia.report, latentia; print(callable(latentia.report), latentia.report.__module__)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["True", "latentia.api"]


@pytest.mark.parametrize("name", VERBS_OF_PYTHON)
def test_the_help_names_every_verb_with_an_example(name):
    # Run is what train gives: its example is that of every method.
    assert f"latentia.{name}(" in latentia.__doc__ or (name == "Run" and "run.sample(" in latentia.__doc__)


def test_train_names_the_common_settings_as_the_command_line_does():
    named = inspect.signature(latentia.train).parameters
    flags = {parameter.name for parameter in _command("train").params if parameter.name != "words"}
    assert {*assembly.SHORT, "objective", "overwrite"} <= {*named}
    assert flags - {"resume", "config"} <= {*named}


def _command(verb):
    from latentia.cli import commands

    return commands.get_command(None, verb)


def test_bare_it_prints_its_help(capsys):
    assert command() == 0
    told = capsys.readouterr().out
    assert all(f"  {verb} " in told for verb in VERBS)


def test_help_of_a_verb_is_the_verbs_help(capsys):
    assert command("help", "train") == 0
    told = capsys.readouterr().out
    assert command("train", "--help") == 0
    assert told == capsys.readouterr().out
    assert command("help", "tarin") == 2
    assert "did you mean 'train'?" in capsys.readouterr().err


@pytest.mark.parametrize("section", sections(PLAIN))
def test_every_setting_has_a_meaning(section):
    listed = list(catalogue(section, PLAIN))
    assert listed
    for component in listed:
        assert component.meaning, component.name
        assert all(argument.meaning for argument in component.arguments), component


def test_settings_lists_defaults_and_names_what_is_not_there(capsys):
    assert command("settings") == 0
    assert "beta_tc" in capsys.readouterr().out
    assert command("settings", "objective", "elbo") == 0
    assert "  objective.beta [1.0] (a number)\n      weight of the rate" in capsys.readouterr().out
    assert command("settings", "objektive") == 2
    assert "did you mean 'objective'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "vea"}, "unknown model 'vea'; did you mean 'vae'"),
        ({"objective": {"bata": 4}}, "unknown key 'objective.bata'; did you mean 'beta'"),
        ({"beta": "much"}, "'objective.beta' must be a number"),
        ({"network": {"name": "mlp", "hiden": [3]}}, "unknown key 'network.hiden'"),
        ({"objective": {"schedule": {"name": "lineer"}}}, "unknown schedule 'lineer'"),
        ({"epochs": 0}, "'training.epochs' must be positive"),
        ({"prior": "vampp"}, "unknown prior 'vampp'"),
        ({"network": "ladder_mlp"}, "does not work with network 'ladder_mlp'"),
    ],
)
def test_settings_are_checked_before_data_are_read(settings, message):
    with pytest.raises(ConfigError, match=message):
        latentia.train("no such file", **settings)


def test_a_setting_may_be_given_by_its_dotted_key():
    given = assembly.expand({"objective.beta": 4, "model": "vae", "model.latent_dim": 2})
    assert given == {"objective": {"beta": 4}, "model": {"name": "vae", "latent_dim": 2}}


def test_a_run_is_trained_anew_in_its_place_only_when_it_is_asked_for(tmp_path, capsys):
    place = tmp_path / "run"
    first = latentia.train("digits", out=place, seed=1, **TINY)
    with pytest.raises(RunError) as error:
        latentia.train("digits", out=place, **TINY)
    assert f"overwrite=True, or go on with: latentia.resume('{place}')" in str(error.value)
    assert command("train", "digits", "--out", place) == 2
    assert f"--overwrite, or go on with: latentia train --resume {place}" in capsys.readouterr().err
    with pytest.raises(ConfigError):
        latentia.train("digits", out=place, overwrite=True, model="vea")
    again = latentia.open_run(place)
    assert (again.encode(first.example(0)) == first.encode(first.example(0))).all()
    other = latentia.train("digits", out=place, overwrite=True, seed=2, **TINY)
    assert (other.encode(first.example(0)) != first.encode(first.example(0))).any()
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]
    with pytest.raises(RunError, match="is no run folder"):
        latentia.train("digits", out=tmp_path, overwrite=True, **TINY)


TEXTS = {
    "choose another --out, or go on with: latentia train --resume 'a b' --max-minutes N": (
        "choose another out=, or go on with: latentia.resume('a b', max_minutes=N)"
    ),
    "make it with: latentia evaluate RUN": "make it with: latentia.evaluate(RUN)",
    "see it with: latentia report runs/x": "see it with: latentia.report('runs/x')",
    "train one with --model gmvae, or --size 128, or --skip-bad": (
        'train one with model="gmvae", or size=128, or skip_bad=True'
    ),
    "fit them with: latentia score RUN -o scores.csv, and": (
        "fit them with: latentia score RUN -o scores.csv, and"
    ),
    "needs the package av: pip install 'latentia[video]'": (
        "needs the package av: pip install 'latentia[video]'"
    ),
}


@pytest.mark.parametrize(("shell", "python"), TEXTS.items())
def test_hints_are_in_the_words_of_whoever_reads_them(shell, python):
    assert str(LatentiaError(shell)) == python
    with hints.in_shell("/usr/bin/latentia"):
        assert str(LatentiaError(shell)) == shell


def test_hints_in_a_checkout_name_the_program_by_its_path(tmp_path, monkeypatch):
    program = tmp_path / ".venv" / "bin" / "latentia"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin")
    with hints.in_shell(str(program)):
        assert hints.here("see it with: latentia report RUN") == (
            "see it with: .venv/bin/latentia report RUN"
        )
    monkeypatch.setenv("PATH", str(program.parent))
    with hints.in_shell(str(program)):
        assert hints.here("see it with: latentia report RUN") == "see it with: latentia report RUN"


def test_the_explorer_runs_beside_python(tmp_path):
    import urllib.request

    run = latentia.train("digits", out=tmp_path / "run", **TINY)
    page = latentia.explore(run, browser=False)
    try:
        assert b"<html" in urllib.request.urlopen(page.address, timeout=10).read().lower()
        assert f'src="{page.address}"' in page._repr_html_()
    finally:
        page.close()
