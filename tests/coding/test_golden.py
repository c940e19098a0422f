"""Files that were written once, with their models, and have to decode on every machine and for ever.

They hold 200 examples in blocks of 64, written in November 2026. `two-values`: scikit-learn's digits in black
and white, network `conv`, relu. `levels`: the same from 0 to 16, a logistic mixture over 256 levels, network
`mlp`, tanh. `table`: numbers, words, dates, truth values and holes, network `mlp`, leaky ReLU. `codes`: the
digits again, two levels of codes out of 12 on a grid of 4x4, network `grid`, relu, a transformer over codes.
`counts`: negative binomials with or without more zeros, counts in no cell, words and holes, `mlp`, relu.
`chain`: the digits again, three levels in a chain, `mlp`, tanh. `colours`: the digits in three colours that
depend on each other, `conv`, relu.
"""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import latentia
from latentia.coding.exact import REACH, WEIGHT_BITS, _Affine
from latentia.core.errors import LatentiaError
from latentia.runs.compression import Compressed, to_bytes

GOLDEN = Path(__file__).parent / "golden"
NAMES = ("chain", "codes", "colours", "counts", "levels", "table", "two-values")
OTHERWISE = {
    "plain": {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
    },
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
}
SCRIPT = """
import sys, torch, numpy as np, latentia
from latentia.runs import compression, workers
torch.set_num_threads(int(sys.argv[1]))
assert workers.LANES
workers.LANES = int(sys.argv[2])
for name in sys.argv[3:]:
    run = latentia.open_run(name, device="cpu")
    with open(f"{name}/examples.lat", "rb") as handle:
        found = np.concatenate(list(compression.Compressed(run, handle, name).read()))
    want = np.load(f"{name}/examples.npy")
    assert np.array_equal(found.reshape(want.shape), want, equal_nan=want.dtype.kind == "f")
    print(run.compressor.probe())
"""


@pytest.fixture(scope="module")
def runs():
    return {name: latentia.open_run(GOLDEN / name, device="cpu") for name in NAMES}


@pytest.fixture(scope="module")
def contents():
    return {name: (GOLDEN / name / "examples.lat").read_bytes() for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_it_decodes_and_is_written_the_same_again(runs, contents, name):
    want = np.load(GOLDEN / name / "examples.npy")
    found = np.concatenate(list(Compressed(runs[name], io.BytesIO(contents[name]), name).read()))
    holes = want.dtype.kind == "f"
    assert found.dtype == want.dtype and np.array_equal(found, want.reshape(found.shape), equal_nan=holes)
    again = to_bytes(runs[name].compressor, found, block=64)
    if name == "codes":  # chosen in floating point: another machine may choose others, which decode as well
        assert np.array_equal(runs[name].decompress(again), found)
    else:
        assert again == contents[name]


@pytest.mark.parametrize("name", ["counts", "levels", "table"])
def test_the_networks_are_those_of_64_bit_integers(runs, name, monkeypatch):
    def forward(self, x):
        weight, bias, x = (part.numpy().astype(np.int64) for part in (self.weight, self.bias, x))
        sums = x @ weight.T + bias
        whole = sums + (1 << (self.shift - 1)) >> self.shift
        ends = REACH if self.shift == WEIGHT_BITS else np.inf
        return torch.from_numpy(whole.astype(np.float64)).clamp(-ends, ends)

    want = runs[name].compressor.probe()
    monkeypatch.setattr(_Affine, "forward", forward)
    assert runs[name].compressor.probe() == want


@pytest.mark.parametrize(("setting", "threads", "lanes"), [("plain", 2, 3), ("avx2", 1, 1)])
def test_it_decodes_with_other_instructions_threads_and_batches(runs, setting, threads, lanes):
    environment = {
        **os.environ,
        **OTHERWISE[setting],
        "MKL_CBWR": "COMPATIBLE",
        "OMP_NUM_THREADS": str(threads),
    }
    command = [
        sys.executable,
        "-c",
        SCRIPT,
        str(threads),
        str(lanes),
        *(str(GOLDEN / name) for name in NAMES),
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [runs[name].compressor.probe() for name in NAMES]


def changed(data, content):
    """Damage a file in one of the ways in which files are damaged."""
    content = bytearray(content)
    kind = data.draw(st.sampled_from(["flip", "cut", "insert", "swap", "noise"]))
    at = data.draw(st.one_of(st.integers(0, 40), st.integers(0, len(content) - 1)))
    if kind == "flip":
        content[at] ^= 1 << data.draw(st.integers(0, 7))
    elif kind == "cut":
        del content[at : at + data.draw(st.integers(1, len(content)))]
    elif kind == "insert":
        content[at:at] = data.draw(st.binary(min_size=1, max_size=9))
    elif kind == "swap":
        content = content[at:] + content[:at]
    else:
        content[at : at + 8] = data.draw(st.binary(min_size=8, max_size=8))
    return bytes(content)


def check_changed(runs, contents, data):
    name = data.draw(st.sampled_from(NAMES))
    content = changed(data, contents[name])
    if content == contents[name]:
        return
    with pytest.raises(LatentiaError) as told:
        runs[name].decompress(content)
    assert "\n" not in str(told.value)


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_a_changed_file_gives_one_line_and_no_examples(runs, contents, data):
    check_changed(runs, contents, data)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(st.data())
def test_a_thousand_changed_files_give_one_line_and_no_examples(runs, contents, data):
    check_changed(runs, contents, data)
