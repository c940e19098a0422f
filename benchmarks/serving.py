"""`latentia serve` under load: every answer is checked, nothing may be lost or mixed up, memory must stay.

python -m benchmarks.serving RUN --seconds 600
python -m benchmarks.serving RUN --wrk           requests a second by wrk, a load tool of Debian's packages

Clients ask in closed loops over connections that stay open: mostly arrays to /decode, and, in between, JSON,
/encode and requests that must be refused. What is expected was computed by the run itself beforehand; each
latent is another, so that an answer that belongs to somebody else is found out.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.process import latentia
from benchmarks.result import Cell, Result, describe_machine
from benchmarks.run import RESULTS
from latentia.api import open_run
from latentia.runs.run import Run
from latentia.serving import bodies as wire

POOL = 512
ROWS = 3
"""Rows of a request at the most."""
TOLERANCE = 1e-4
"""How far an answer may be off, as a share of the range of the expected values."""
PATIENCE = 30.0
"""Seconds after which an answer counts as lost."""
CLIENTS = (1, 4, 16, 32)
LUA = """
local file = io.open("{body}", "rb")
wrk.method, wrk.body = "POST", file:read("*a")
wrk.headers["Content-Type"], wrk.headers["Accept"] = "application/x-npy", "application/x-npy"
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %.3f %.3f %.3f\\n", summary.requests, summary.duration,
    e.status + e.connect + e.read + e.write + e.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000))
end
"""


@dataclass
class Tally:
    """What came back.

    Attributes:
        counts: requests by kind, and under `wrong` and `lost` those that went wrong.
        seconds: how long each answer took.
        first: what was wrong with the first wrong answer.
    """

    counts: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    first: str = ""


@dataclass(frozen=True)
class Known:
    """Requests whose answers are known.

    Attributes:
        z: latents, `(POOL, *latent)`.
        decoded: what they decode to.
        x: examples.
        encoded: what they encode to.
        condition: what goes with every request: nothing, or the first known condition.
    """

    z: np.ndarray
    decoded: np.ndarray
    x: np.ndarray
    encoded: np.ndarray
    condition: Any


def known(run: Run) -> Known:
    """Compute what will be expected.

    Args:
        run: the run.

    Returns:
        Requests and answers.
    """
    z = np.random.default_rng(0).normal(size=(POOL, *run.latent)).astype(np.float32)
    x = run.dataset.x[np.arange(POOL) % len(run.dataset)]
    told = run.condition.examples(run.label_names) if run.condition else []
    name, row = told[0] if told else (None, None)
    return Known(z, run.inference.decode(z, row), x, run.inference.encode(x, row), name)


@contextmanager
def served(path: str) -> Iterator[tuple[psutil.Process, int]]:
    """Serve a run in a process of its own, and see that it ends well.

    Args:
        path: the run folder.

    Yields:
        The process and its port.
    """
    command = latentia("serve", path, "--port", "0")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        found = re.search(r":(\d+);", line)
        if not found:
            raise SystemExit(f"the server did not start: {line}")
        yield psutil.Process(process.pid), int(found[1])
        process.send_signal(signal.SIGTERM)
        if process.wait(30):
            raise SystemExit(f"the server ended with status {process.returncode}")
    finally:
        process.kill()
        process.wait()


async def _ask(
    stream: tuple[asyncio.StreamReader, asyncio.StreamWriter], path: str, body: bytes, kind: str
) -> tuple[int, bytes]:
    """Send one request over an open connection, and read its answer."""
    reader, writer = stream
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\naccept: {kind}\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", answer)
    if not length:
        raise ConnectionError("an answer without a length")
    return int(answer[9:12]), await reader.readexactly(int(length[1]))


def _close(found: np.ndarray, expected: np.ndarray) -> str:
    if found.shape != expected.shape:
        return f"shape {found.shape} for {expected.shape}"
    off = float(np.abs(found - expected).max())
    return f"off by {off}" if not off <= TOLERANCE * max(1.0, float(np.ptp(expected))) else ""


async def _one(stream: Any, rng: np.random.Generator, pool: Known, tally: Tally) -> None:
    """Ask once, and check the answer."""
    rows = rng.choice(POOL, int(rng.integers(1, ROWS + 1)), replace=False)
    chance = rng.random()
    query = "" if pool.condition is None else f"?condition={pool.condition}"
    started = time.perf_counter()
    if chance < 0.85:
        kind = "decode, npy"
        status, body = await _ask(stream, "/decode" + query, wire.npy(pool.z[rows]), wire.NPY)
        wrong = _close(np.load(io.BytesIO(body)), pool.decoded[rows]) if status == 200 else ""
    elif chance < 0.9:
        kind = "decode, JSON"
        asked = {"z": pool.z[rows].tolist()} | ({"condition": pool.condition} if query else {})
        status, body = await _ask(stream, "/decode", json.dumps(asked).encode(), wire.JSON)
        wrong = _close(np.array(json.loads(body)["x"]), pool.decoded[rows]) if status == 200 else ""
    elif chance < 0.98:
        kind = "encode, npy"
        status, body = await _ask(stream, "/encode" + query, wire.npy(pool.x[rows]), wire.NPY)
        wrong = _close(np.load(io.BytesIO(body)), pool.encoded[rows]) if status == 200 else ""
    else:
        kind = "refused"
        bad = np.full_like(pool.z[rows], np.nan)
        status, body = await _ask(stream, "/decode" + query, wire.npy(bad), wire.NPY)
        wrong = "" if "NaN" in json.loads(body)["error"] else "another refusal"
    wrong = wrong or (
        "" if status == (422 if kind == "refused" else 200) else f"status {status}: {body[:200]!r}"
    )
    tally.seconds.append(time.perf_counter() - started)
    tally.counts[kind] += 1
    if wrong:
        tally.counts["wrong"] += 1
        tally.first = tally.first or f"{kind}: {wrong}"


async def _client(port: int, number: int, end: float, pool: Known, tally: Tally) -> None:
    rng = np.random.default_rng(number + 1)
    stream = await asyncio.open_connection("127.0.0.1", port)
    while time.monotonic() < end:
        try:
            await asyncio.wait_for(_one(stream, rng, pool, tally), PATIENCE)
        except (TimeoutError, OSError, EOFError) as error:
            tally.counts["lost"] += 1
            tally.first = tally.first or repr(error)
            stream[1].close()
            stream = await asyncio.open_connection("127.0.0.1", port)
    stream[1].close()


async def _soak(process: psutil.Process, port: int, seconds: float, clients: int, pool: Known) -> Result:
    tally, memory = Tally(), []
    started = time.monotonic()
    busy = sum(process.cpu_times()[:2])
    end = started + seconds
    jobs = [asyncio.create_task(_client(port, n, end, pool, tally)) for n in range(clients)]
    while time.monotonic() < end:
        await asyncio.sleep(min(1.0, seconds / 20))
        memory.append((time.monotonic() - started, process.memory_info().rss))
    await asyncio.gather(*jobs)
    elapsed, busy = time.monotonic() - started, sum(process.cpu_times()[:2]) - busy
    count = len(tally.seconds)
    p50, p99, worst = (1000 * float(np.quantile(tally.seconds, q)) for q in (0.5, 0.99, 1.0))
    late = np.array(memory[len(memory) // 4 :])
    slope = float(np.polyfit(late[:, 0], late[:, 1], 1)[0]) * 60 / 2**20
    row: dict[str, Cell] = {
        "clients": clients,
        "seconds": round(elapsed),
        "requests": count,
        "lost": tally.counts["lost"],
        "wrong": tally.counts["wrong"],
        "requests/s": round(count / elapsed),
        "p50 ms": round(p50, 1),
        "p99 ms": round(p99, 1),
        "worst ms": round(worst, 1),
        "server's CPU, us each": round(1e6 * busy / max(count, 1)),
        "MB after a quarter": round(float(late[0, 1]) / 2**20, 1),
        "MB at the end": round(float(late[-1, 1]) / 2**20, 1),
        "MB/minute": round(slope, 2),
    }
    kinds = ", ".join(f"{kind} {number:,}" for kind, number in sorted(tally.counts.items()))
    notes = [f"requests by kind: {kinds}; every answer checked by a client that takes a core of its own"]
    return Result(
        "Serving, checked", [row], [*notes, *([tally.first] if tally.first else [])], {"memory": memory}
    )


def soak(path: str, seconds: float, clients: int) -> Result:
    """Ask for a while and check every answer.

    Args:
        path: the run folder.
        seconds: how long.
        clients: connections at a time.

    Returns:
        One row.
    """
    pool = known(open_run(path))
    with served(path) as (process, port):
        return asyncio.run(_soak(process, port, seconds, clients, pool))


def peak(path: str, seconds: float) -> Result:
    """Count requests a second with wrk, one latent each, as arrays.

    Args:
        path: the run folder.
        seconds: how long, for each number of connections.

    Returns:
        A row for each number of connections.
    """
    if not shutil.which("wrk"):
        raise SystemExit("wrk is not installed: apt-get install wrk")
    rows: list[dict[str, Cell]] = []
    pool = known(open_run(path))
    query = "" if pool.condition is None else f"?condition={pool.condition}"
    with tempfile.TemporaryDirectory() as scratch, served(path) as (process, port):
        body, script = Path(scratch) / "z.npy", Path(scratch) / "ask.lua"
        body.write_bytes(wire.npy(pool.z[:1]))
        script.write_text(LUA.format(body=body))
        address = f"http://127.0.0.1:{port}/decode{query}"
        for turn, clients in enumerate((CLIENTS[-1], *CLIENTS)):
            busy, length = sum(process.cpu_times()[:2]), seconds if turn else 1  # the first turn warms up
            words = ["wrk", "-t1", f"-c{clients}", f"-d{length:g}s", "-s", str(script), address]
            out = subprocess.run(words, capture_output=True, text=True, check=True).stdout
            count, micros, errors, p50, p99, worst = map(float, out.partition("RESULT ")[2].split())
            busy = sum(process.cpu_times()[:2]) - busy
            if turn:
                rows.append(
                    {
                        "connections": clients,
                        "requests/s": round(1e6 * count / micros),
                        "errors": int(errors),
                        "p50 ms": round(p50, 1),
                        "p99 ms": round(p99, 1),
                        "worst ms": round(worst, 1),
                        "server's CPU, us each": round(1e6 * busy / count),
                        "load": round(os.getloadavg()[0], 1),
                    }
                )
    return Result("Serving, by wrk", rows, ["one latent in a request, npy in and out, one thread of wrk"])


def main() -> None:
    """Read the command line, measure, print; status 1 where an answer was lost or wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("run", help="the run folder")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to ask (default 60)")
    parser.add_argument("--clients", type=int, default=16, help="connections at a time (default 16)")
    parser.add_argument(
        "--wrk", action="store_true", help="count requests with wrk instead of checking answers"
    )
    asked = parser.parse_args()
    machine = describe_machine()
    result = peak(asked.run, asked.seconds) if asked.wrk else soak(asked.run, asked.seconds, asked.clients)
    print(result.table(machine))
    result.write(RESULTS / ("serving-wrk.json" if asked.wrk else "serving.json"), machine)
    if any(row.get("lost") or row.get("wrong") or row.get("errors") for row in result.rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
