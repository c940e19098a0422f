"""A million rows of a table: packed, trained on in a stream, and scored; memory and time of each verb.

    python -m benchmarks.million [--rows 1000000] [--minutes 1.5]

20 real numbers of which three have holes, 20 columns of 3 to 20 words, 5 counts and 5 truth values follow six
normal variables. The network is an MLP of two layers of 128. Peak memory is that of the largest process,
from start to end; rows a second are by the clock, which counts on idle cores, and for a second of the
processor, which on one thread (`OMP_NUM_THREADS=1`) means something on a busy machine, too. Scores are timed
by themselves, in a process that has the rows in memory.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import latentia
from benchmarks.memory import MB
from benchmarks.process import latentia as verb
from benchmarks.process import peak_memory

PART = 100_000
SCORED = {"reconstruction": 65_536, "elbo": 16_384, "neighbours": 16_384, "auto": 16_384, "density": 1024}
WORDS = np.array([f"w{number}" for number in range(20)])


def write(path: Path, rows: int) -> None:
    """Write the table, in parts."""
    generator = np.random.default_rng(0)
    mixing = generator.normal(size=(6, 30)).astype(np.float32)
    writer = None
    for start in range(0, rows, PART):
        table = pa.Table.from_pandas(part_of(min(PART, rows - start), mixing, generator))
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def part_of(count: int, mixing: np.ndarray, generator: np.random.Generator) -> pd.DataFrame:
    """Draw some rows."""
    z = generator.normal(size=(count, 6)).astype(np.float32)
    x = z @ mixing + generator.normal(size=(count, 30)).astype(np.float32)
    columns = {f"real_{at:02}": x[:, at].round(3) for at in range(20)}
    columns |= {f"count_{at}": np.floor(5 * np.exp(0.4 * x[:, 20 + at])).astype(np.int64) for at in range(5)}
    columns |= {f"flag_{at}": x[:, 25 + at] > 0 for at in range(5)}
    for at in range(20):
        words = (3, 5, 8, 12, 20)[at % 5]
        code = (z[:, at % 6] + 0.7 * generator.normal(size=count)) * words / 6 + words / 2
        columns[f"word_{at:02}"] = WORDS[code.astype(int).clip(0, words - 1)]
    frame = pd.DataFrame(columns)
    for name, share in (("real_00", 0.1), ("real_03", 0.1), ("real_07", 0.1), ("word_01", 0.05)):
        frame.loc[generator.random(count) < share, name] = None
    return frame


def weighed(name: str, rows: int, *words: str) -> None:
    """Run a verb, and print a row for it."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    peak = peak_memory(verb(*words))
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - start
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    told(name, rows, f"{peak / MB:,.0f}", wall, cpu)


def told(name: str, rows: int, peak: str, wall: float, cpu: float) -> None:
    """Print a row."""
    rates = f"{rows / wall:,.0f} | {rows / cpu:,.0f}"
    print(f"| {name} | {rows:,} | {peak} | {wall:.1f} | {cpu:.1f} | {rates} |", flush=True)


def main() -> None:
    """Print a row for each verb and each score."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=1.5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        table, packed, run = folder / "million.parquet", folder / "packed", folder / "run"
        write(table, asked.rows)
        print("| | rows | peak MB | s | s of the processor | rows/s | rows/s of the processor |")
        print(f"|---|{'---:|' * 6}")
        weighed("pack", asked.rows, "pack", str(table), str(packed), "--quiet")
        sizes = ("--hidden", "128,128", "--batch-size", "512", "--max-minutes", str(asked.minutes))
        weighed("train, and evaluate", asked.rows, "train", str(packed), *sizes, "--out", str(run), "--quiet")
        out = ("-o", str(folder / "scores.parquet"), "--method", "reconstruction")
        weighed("score, of the file", asked.rows, "score", str(run), str(table), *out, "--reasons", "0")
        weighed("score with reasons, of the shards", asked.rows, "score", str(run), str(packed), *out)
        opened = latentia.open_run(run)
        for method, count in SCORED.items():
            x, scorer = np.asarray(opened.dataset.part(np.arange(count))), opened.scorer()
            scorer.score(x[:512], method=method)
            start, before = time.perf_counter(), time.process_time()
            scorer.score(x, method=method)
            wall, cpu = time.perf_counter() - start, time.process_time() - before
            told(f"`{method}` alone", count, "", wall, cpu)


if __name__ == "__main__":
    main()
