"""The window between two lines of the log: sums of the terms, in memory that does not move."""

import torch

from latentia.training.window import Window


def test_a_window_sums_the_terms_of_each_step_and_starts_again_in_the_same_memory():
    window = Window(3)
    for times in range(2):
        given = torch.arange(24.0).reshape(3, 2, 4) + times
        for terms in given:
            window.add(list(terms), None)
        assert torch.equal(window.sums(), given.sum(dim=2)) and len(window) == 3
        assert window.taken().tolist() == [True] * 3
        place = window.sums().data_ptr()
        window.clear()
        assert not len(window) and not len(window.sums())
    window.add([torch.ones(0)] * 2, None)  # a process that has no part of the batch
    assert window.sums().data_ptr() == place and not window.sums().any()


def test_a_window_tells_steps_that_were_left_out():
    window = Window(2)
    for skipped in (0.0, 1.0):
        window.add([torch.ones(4)], torch.tensor(skipped))
    assert window.taken().tolist() == [True, False]
