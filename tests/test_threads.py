"""Threads: as many as the work feeds, recorded with the run, and asleep while they wait."""

import os
import subprocess
import sys
import time

import pytest
import torch
from torch import nn

import latentia
from latentia.cli import commands
from latentia.core import config, threads
from latentia.core.errors import ConfigError


@pytest.mark.parametrize(
    ("layer", "shape", "counted"),
    [
        (nn.Linear(5, 7), (2, 5), 2 * 2 * 5 * 7),
        (nn.Linear(5, 7), (2, 3, 5), 2 * 6 * 5 * 7),
        # 3x3 over 2 channels into 4, at each of 8x8 places.
        (nn.Conv2d(2, 4, 3, padding=1), (3, 2, 8, 8), 2 * 3 * 64 * 9 * 2 * 4),
        # Doubling 8x8: each of the 64 places of the input is spread over 4x4.
        (nn.ConvTranspose2d(2, 4, 4, 2, 1), (3, 2, 8, 8), 2 * 3 * 64 * 16 * 2 * 4),
        (nn.ReLU(), (3, 4), 0),
    ],
)
def test_operations_are_those_of_the_products(layer, shape, counted):
    model = nn.Sequential(layer)
    assert threads.operations(model, lambda: model(torch.zeros(shape))) == counted
    assert not layer._forward_hooks


@pytest.fixture
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def idle(monkeypatch):
    """Say how many cores are idle."""
    return lambda cores: monkeypatch.setattr(threads, "idle_cores", lambda: cores)


def test_work_is_shared_by_as_many_as_it_feeds(four_threads, idle):
    idle(4.0)
    most = [threads.threads_for(work * threads.FEEDS) for work in (0, 0.5, 1.9, 2, 3.5, 100)]
    assert most == [1, 1, 1, 2, 3, 4]


def test_work_is_shared_by_no_more_than_find_a_core(four_threads, idle):
    chosen = []
    for cores in (0.0, 1.2, 1.8, 2.9, 4.0):
        idle(cores)
        chosen.append(threads.threads_for(3 * threads.FEEDS))
    assert chosen == [1, 1, 2, 3, 3]


def test_cores_that_others_keep_busy_are_not_idle():
    others = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in os.sched_getaffinity(0)
        for _ in "12"
    ]
    try:
        end = time.monotonic() + 60
        while (idle := threads.idle_cores()) >= 0.5 and time.monotonic() < end:  # until they have started
            time.sleep(0.1)
        assert idle < 0.5
    finally:
        for other in others:
            other.kill()
            other.wait()


def test_all_cores_are_taken_to_be_idle_where_the_system_does_not_say(monkeypatch):
    monkeypatch.setattr(threads, "_ticks", list)
    assert threads.idle_cores() == os.cpu_count()


def test_the_number_holds_inside_and_is_given_back(four_threads):
    with threads.using(2):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 4
    with threads.using(None):
        assert torch.get_num_threads() == 4


@pytest.mark.usefixtures("four_threads")
def test_a_run_records_its_number_and_trains_with_it(tmp_path, monkeypatch):
    seen = []
    from latentia.training import Trainer

    fit = Trainer.fit
    monkeypatch.setattr(Trainer, "fit", lambda self: (seen.append(torch.get_num_threads()), fit(self))[1])
    latentia.train("digits", network="mlp", epochs=1, out=tmp_path / "small")
    latentia.train("digits", network="mlp", epochs=1, threads=3, out=tmp_path / "told")
    assert [
        config.read_toml(tmp_path / name / "run.toml")["training"]["threads"] for name in ("small", "told")
    ] == [
        1,
        3,
    ]
    assert seen == [1, 3]
    assert torch.get_num_threads() == 4

    commands.main(
        ["train", "--resume", str(tmp_path / "told"), "--epochs", "2", "--quiet"], standalone_mode=False
    )
    assert seen == [1, 3, 3]


def test_no_number_of_threads_is_below_one(tmp_path):
    with pytest.raises(ConfigError, match=r"'training\.threads' must be positive, not 0"):
        latentia.train("digits", threads=0, out=tmp_path / "run")


def told(code, **environment):
    """Run code in a fresh process, and give what it prints of how threads wait."""
    clean = {name: value for name, value in os.environ.items() if name not in threads.TOLD}
    code = f"import os\n{code}\nprint(os.environ.get('GOMP_SPINCOUNT'))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean | environment, capture_output=True, text=True, check=True
    )
    return done.stdout.split()[-1]


def test_waiting_threads_sleep_soon_unless_the_environment_says_how_they_wait():
    first_use = "import latentia; latentia.load"
    assert told("import latentia") == "None"
    assert told(first_use) == str(threads.SPIN)
    assert told(first_use, OMP_WAIT_POLICY="ACTIVE") == "None"
    assert told(first_use, GOMP_SPINCOUNT="7") == "7"
    assert told("import torch, latentia; latentia.load") == "None"
    command = "from latentia.cli import main\ntry:\n    main(['--version'])\nexcept SystemExit:\n    pass"
    assert told(command) == str(threads.SPIN)
