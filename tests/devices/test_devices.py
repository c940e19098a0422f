"""A run at work on another device than the CPU, in a process of its own: a device is registered for good."""

import os
import subprocess
import sys
from pathlib import Path

import torch

HERE = Path(__file__).parent


def test_every_verb_works_on_a_stand_in_for_a_device():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / "on_stand_in.py")],
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]
