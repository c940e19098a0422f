"""The window between two lines of the log: sums of the terms of each step."""

import torch

from latentia.training.terms_buffer import TermsBuffer


def test_a_window_sums_the_terms_of_each_step_and_starts_again():
    window = TermsBuffer(3)
    for times in range(2):
        given = torch.arange(24.0).reshape(3, 2, 4) + times
        for terms in given:
            window.add(list(terms), None)
        assert torch.equal(window.sums(), given.sum(dim=2)) and len(window) == 3
        assert window.taken().tolist() == [True] * 3
        window.clear()
        assert not len(window) and not len(window.sums())


def test_a_process_that_has_no_part_of_the_batch_adds_nothing():
    window = TermsBuffer(2)
    window.add([torch.ones(0)] * 3, None)
    assert window.sums().tolist() == [[0.0, 0.0, 0.0]]


def test_a_window_tells_steps_that_were_left_out():
    window = TermsBuffer(2)
    for skipped in (0.0, 1.0):
        window.add([torch.ones(4)], torch.tensor(skipped))
    assert window.taken().tolist() == [True, False]
