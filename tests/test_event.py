"""What an example is, and what follows from it."""

import copy
import pickle

import numpy as np
import pytest
import torch

import latentia
from latentia import assembly
from latentia.core.event import Event
from latentia.training import Training


@pytest.mark.parametrize(
    ("shape", "kind", "network"),
    [
        ((7,), "vector", "mlp"),
        ((1, 8, 8), "image", "conv"),
        ((4, 9, 5), "image", "conv"),
        ((1, 3, 8), "array", "mlp"),
        ((13, 8, 8), "array", "conv"),
        ((2, 12), "array", "mlp"),
        ((3, 9, 32, 32), "video", "causal3d"),
        ((5, 4, 8, 8), "array", "mlp"),
    ],
)
def test_shapes_have_kinds_and_kinds_have_networks(shape, kind, network):
    event = Event.of(shape)
    assert (event.kind, event) == (kind, shape)
    for same in (copy.deepcopy(event), pickle.loads(pickle.dumps(event)), Event.from_record(event.record())):
        assert isinstance(same, Event) and (same.kind, same) == (kind, shape)
    dataset = (
        latentia.load(np.random.default_rng(0).random((40, *shape), np.float32), channels="first")
        if len(shape) > 2
        else latentia.load(np.random.default_rng(0).random((40, *shape), np.float32))
    )
    if len(shape) != 2:  # the reader gives (2, 12) a channel, and so another shape
        assert dataset.event.kind == kind
        assert assembly.complete({}, dataset, Training)["network"]["name"] == network


def test_an_event_is_a_shape_to_torch():
    event = latentia.load("digits").event
    assert event == (1, 8, 8) == tuple(torch.zeros(2, *event).shape[1:])
    assert torch.zeros(event).shape == event
