"""Pictures that are too large for a network are refused before memory is gone, with what to do."""

import subprocess
import sys
import time

import numpy as np
import pytest
import torch

import latentia
from latentia.assembly import room
from latentia.core import memory
from latentia.core.errors import ConfigError


def test_large_pictures_without_a_size_are_refused_with_the_advice(tmp_path, monkeypatch):
    large = np.zeros((10, 3, 1000, 1500), np.uint8)
    large[:, :, :400] = 255
    monkeypatch.setattr(room, "available", lambda: 12_000_000_000)
    with pytest.raises(
        ConfigError, match=r"'conv' on examples of 3x1000x1500 .* GB are free; .*--size 128"
    ) as caught:
        latentia.train(large, out=tmp_path / "run", epochs=1)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_asking_draws_nothing_and_takes_no_memory(monkeypatch):
    monkeypatch.setattr(room, "available", lambda: 1 << 42)
    before, start = torch.get_rng_state(), time.monotonic()
    built = []

    def build():
        built.append(torch.nn.Linear(1 << 18, 1 << 18))  # 256 GiB
        return built[0]

    room.require_room(build, (room.LARGE,), "mlp")
    assert built[0].weight.device.type == "meta"
    assert torch.equal(torch.get_rng_state(), before)
    assert time.monotonic() - start < 5
    monkeypatch.setattr(room, "available", lambda: 1 << 30)
    with pytest.raises(ConfigError, match=r"68\.72 billion weights, which need about 1100 GB"):
        room.require_room(build, (room.LARGE,), "mlp")
    room.require_room(lambda: pytest.fail("small examples are not weighed"), (3, 64, 64), "conv")


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process are Linux's")
def test_what_is_available_keeps_to_the_limit_of_the_process():
    assert memory.available() > 0
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30));"
        "from latentia.core.memory import available; print(available())"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert 0 < int(told) < 3 << 30
