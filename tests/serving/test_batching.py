"""Requests computed together get what they would get alone, and nobody gets another's."""

import asyncio
import threading
import time

import numpy as np
import pytest

from latentia.core.errors import ConfigError
from latentia.serving.batching import Batcher
from latentia.serving.errors import Busy


class Doubler:
    """Doubles rows, and remembers how many came at a time."""

    def __init__(self, pause=0.0):
        self.pause = pause
        self.sizes = []
        self.threads = set()

    def __call__(self, x, c):
        self.sizes.append(len(x))
        self.threads.add(threading.get_ident())
        time.sleep(self.pause)
        if (x == 13).any():
            raise ConfigError("thirteen is bad luck")
        return x * 2, c


def _run(ask, **settings):
    async def main():
        batcher = Batcher(**settings)
        try:
            return await asyncio.wait_for(ask(batcher), 60)
        finally:
            await batcher.close()

    return asyncio.run(main())


def test_requests_at_the_same_time_are_computed_together_and_dealt_out_right():
    double = Doubler()

    async def ask(batcher):
        asked = [np.full((1 + n % 3, 2), n, np.float32) for n in range(1, 13)]
        return asked, await asyncio.gather(*(batcher.joined(double, x, None) for x in asked))

    asked, answers = _run(ask, wait=0.05)
    for x, (found, c) in zip(asked, answers, strict=True):
        np.testing.assert_array_equal(found, x * 2)
        assert c is None
    assert len(double.sizes) < len(asked)
    assert len(double.threads) == 1


def test_what_comes_while_the_model_is_busy_is_one_batch():
    double = Doubler(pause=0.05)

    async def ask(batcher):
        first = asyncio.create_task(batcher.joined(double, np.zeros((1, 1)), None))
        await asyncio.sleep(0.02)
        rest = [batcher.joined(double, np.full((1, 1), n), None) for n in range(5)]
        await asyncio.gather(first, *rest)

    _run(ask, wait=0.0)
    assert double.sizes == [1, 5]


def test_a_batch_has_no_more_rows_than_the_limit():
    double = Doubler(pause=0.01)

    async def ask(batcher):
        await asyncio.gather(*(batcher.joined(double, np.ones((3, 1)), None) for _ in range(9)))

    _run(ask, most=7, wait=0.02)
    assert max(double.sizes) <= 7 and sum(double.sizes) == 27


def test_an_error_goes_to_the_one_who_caused_it():
    double = Doubler()

    async def ask(batcher):
        asked = [np.full((1, 1), n) for n in (1, 13, 2)]
        return await asyncio.gather(*(batcher.joined(double, x, None) for x in asked), return_exceptions=True)

    one, thirteen, two = _run(ask, wait=0.02)
    assert one[0] == 2 and two[0] == 4
    assert isinstance(thirteen, ConfigError)


def test_requests_of_different_kinds_are_not_mixed():
    double, triple = Doubler(), lambda x, c: x * 3

    async def ask(batcher):
        jobs = [batcher.joined(kind, np.ones((1, 1)), None) for kind in (double, triple, double, triple)]
        return await asyncio.gather(*jobs, batcher.alone(lambda: "alone"))

    answers = _run(ask, wait=0.02)
    assert [np.asarray(answer[0]).item() for answer in answers[:4]] == [2, 3, 2, 3]
    assert answers[4] == "alone"
    assert double.sizes == [2]


def test_a_full_queue_refuses_and_the_waiting_are_answered():
    double = Doubler(pause=0.05)

    async def ask(batcher):
        jobs = [batcher.joined(double, np.ones((1, 1)), None) for _ in range(20)]
        return await asyncio.gather(*jobs, return_exceptions=True)

    answers = _run(ask, most=1, waiting=4, wait=0.0)
    refused = [answer for answer in answers if isinstance(answer, Busy)]
    assert len(refused) == 16
    assert all(answer[0] == 2 for answer in answers if not isinstance(answer, Busy))


def test_one_who_has_gone_takes_nobody_along():
    double = Doubler(pause=0.02)

    async def ask(batcher):
        jobs = [asyncio.create_task(batcher.joined(double, np.full((1, 1), n), None)) for n in range(4)]
        await asyncio.sleep(0.005)
        jobs[1].cancel()
        return await asyncio.gather(*jobs, return_exceptions=True)

    answers = _run(ask, wait=0.01)
    assert isinstance(answers[1], asyncio.CancelledError)
    assert [answers[n][0].item() for n in (0, 2, 3)] == [0, 4, 6]


def test_closing_answers_what_waits():
    double = Doubler(pause=0.02)

    async def main():
        batcher = Batcher(most=1, wait=0.0)
        jobs = [asyncio.create_task(batcher.joined(double, np.ones((1, 1)), None)) for _ in range(5)]
        await asyncio.sleep(0.005)
        await batcher.close()
        return await asyncio.gather(*jobs)

    assert len(asyncio.run(main())) == 5


def test_many_clients_lose_nothing_and_mix_nothing_up():
    double = Doubler()

    async def ask(batcher):
        async def client(number):
            rng = np.random.default_rng(number)
            for _ in range(40):
                x = rng.normal(size=(int(rng.integers(1, 4)), 3))
                found, c = await batcher.joined(double, x, x[:, :1])
                np.testing.assert_array_equal(found, x * 2)
                np.testing.assert_array_equal(c, x[:, :1])
            return 40

        return sum(await asyncio.gather(*(client(number) for number in range(25))))

    assert _run(ask) == 1000
    assert sum(double.sizes) > len(double.sizes)


def test_a_model_that_gives_too_few_rows_is_found_out():
    async def ask(batcher):
        short = lambda x: x[:1] if len(x) > 1 else x  # noqa: E731
        return await asyncio.gather(*(batcher.joined(short, np.full((1, 1), n)) for n in range(3)))

    assert [answer.item() for answer in _run(ask, wait=0.02)] == [0, 1, 2]


@pytest.mark.parametrize("wait", [0.0, 0.001])
def test_a_request_alone_is_answered_at_once(wait):
    double = Doubler()
    started = time.perf_counter()
    _run(lambda batcher: batcher.joined(double, np.ones((1, 1)), None), wait=wait)
    assert time.perf_counter() - started < 0.5
