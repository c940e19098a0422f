"""Run benchmarks: print a table for each and keep it as JSON beside a description of the machine.

python -m benchmarks.run                                    all of the default ones, within the hour
python -m benchmarks.run throughput --rounds 9
python -m benchmarks.run quality recipes/mnist-vae.toml     trains for minutes, so only when asked
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    bigger,
    busy,
    causes,
    codecs,
    codes,
    equal_time,
    likelihood,
    limits,
    loading,
    memory,
    quality,
    scaling,
    startup,
    throughput,
)
from benchmarks.result import Result, describe_machine

RESULTS = Path(__file__).parent / "results"
DEFAULT = (
    "limits",
    "throughput",
    "causes",
    "clips",
    "codecs",
    "equal-time",
    "codes",
    "scaling",
    "loading",
    "bigger",
    "likelihood",
    "memory",
    "startup",
    "busy",
)


def main() -> None:
    """Read the command line, run what it names, print and write the results."""
    arguments = _parser().parse_args()
    names = [word for word in arguments.words if not word.endswith(".toml")]
    recipes = [Path(word) for word in arguments.words if word.endswith(".toml")]
    benchmarks: dict[str, Callable[[], Result]] = {
        "limits": lambda: limits.run(arguments.rounds or 5),
        "throughput": lambda: throughput.run(arguments.rounds or 5, arguments.seconds),
        "causes": lambda: causes.run(arguments.rounds or 3),
        "equal-time": lambda: equal_time.run(8 * arguments.seconds),
        "clips": lambda: codecs.clips(arguments.rounds or 5),
        "codecs": lambda: codecs.run(arguments.rounds or 5),
        "codes": lambda: codes.run(arguments.rounds or 5),
        "scaling": lambda: scaling.run(arguments.rounds or 3),
        "likelihood": lambda: likelihood.run(arguments.rounds or 5),
        "memory": memory.run,
        "startup": lambda: startup.run(arguments.rounds or 5),
        "loading": loading.run,
        "bigger": bigger.run,
        "busy": lambda: busy.run(arguments.rounds or 100),
        "quality": lambda: quality.run(recipes),
    }
    unknown = [name for name in names if name not in benchmarks]
    if unknown:
        raise SystemExit(f"no benchmark '{unknown[0]}'; there are {', '.join(benchmarks)}")
    if recipes and "quality" not in names:
        raise SystemExit("recipes go with the benchmark 'quality'")
    if "quality" in names and not recipes:
        raise SystemExit("which recipes? for example: quality recipes/mnist-vae.toml")
    for name in names or DEFAULT:
        machine = describe_machine()  # before the benchmark, so that its load is that of the others
        result = benchmarks[name]()
        print(result.table(machine), flush=True)
        print(f"written to {result.write(RESULTS / f'{name}.json', machine)}\n", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("words", nargs="*", metavar="BENCHMARK", help=f"{', '.join(DEFAULT)}, quality")
    parser.add_argument(
        "--rounds", type=int, help="repeats of each measurement (default 5; 3 of causes and scaling)"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=3.0,
        help="length of one throughput measurement, roughly; an eighth of equal-time (default 3)",
    )
    return parser


if __name__ == "__main__":
    main()
