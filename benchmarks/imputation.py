"""Missing values filled in: `Imputer` beside its floors, on the same masks.

    python -m benchmarks.imputation breast [--masks 0,1,2,3,4,published]
    python -m benchmarks.imputation adult FILE [--masks 0]
    python -m benchmarks.imputation mnist FOLDER [--masks 0]

- breast: the protocol of Pierre-Alexandre Mattei, Jes Frellsen, "MIWAE: Deep Generative Modelling and
  Imputation of Incomplete Data Sets", 2019. scikit-learn's breast cancer, standardised by all values; half of
  the cells are hidden at random; fitted to and measured on the same rows. `published` is the mask of the
  authors' notebook. Squared error of the hidden cells, and how many of them 90 % intervals hold.
- adult: FILE is the table of the UCI repository with names of columns; 2 in 10 of its known cells are hidden;
  5,000 rows are measured, all train. Share of right categories, root of the mean squared error of numbers in
  standard deviations, and -log p of a hidden cell given what is seen, in nats.
- mnist: half of the pixels hidden, 2,000 images train and 500 of the test images are measured.

No setting depends on the data.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - makes the next one importable
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

from latentia.applications import Imputer

LEVEL = 0.9


def mask_of(shape: tuple[int, ...], name: str, share: float = 0.5) -> np.ndarray:
    """Hide so many cells at random, by a seed or as the authors' notebook does."""
    size = int(np.prod(shape))
    count = int(size * share)
    if name == "published":
        np.random.seed(1234)  # noqa: NPY002 - the notebook's generator
        at = np.random.choice(size, count, replace=False)  # noqa: NPY002
    else:
        at = np.random.default_rng(int(name)).choice(size, count, replace=False)
    mask = np.zeros(size, bool)
    mask[at] = True
    return mask.reshape(shape)


def floors() -> dict[str, Any]:
    """Give the imputers to be beaten."""
    trees = ExtraTreesRegressor(100, max_depth=8, random_state=0)
    return {
        "mean": SimpleImputer(),
        "KNNImputer": KNNImputer(),
        "IterativeImputer, BayesianRidge": IterativeImputer(random_state=0),
        "IterativeImputer, ExtraTrees": IterativeImputer(trees, max_iter=5, random_state=0),
    }


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Give what a function gives, and seconds of the processor."""
    start = time.process_time()
    return work(), time.process_time() - start


def breast(masks: list[str]) -> None:
    """Print the error of each imputer on each mask."""
    x = load_breast_cancer().data
    x = ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)
    for name in masks:
        hidden = mask_of(x.shape, name)
        holed = np.where(hidden, np.nan, x)
        fitted, seconds = timed(lambda holed=holed: Imputer(random_state=0).fit(holed))
        filled, more = timed(lambda fitted=fitted, holed=holed: fitted.transform(holed))
        low, high = fitted.interval(holed, LEVEL)
        held = ((low <= x) & (x <= high))[hidden].mean()
        error = np.square(filled - x)[hidden].mean()
        print(
            f"mask {name}: Imputer {error:.4f}, intervals hold {held:.3f}, {seconds:.1f} + {more:.1f} s",
            flush=True,
        )
        for label, imputer in floors().items():
            made, taken = timed(lambda imputer=imputer, holed=holed: imputer.fit_transform(holed))
            print(f"mask {name}: {label} {np.square(made - x)[hidden].mean():.4f}, {taken:.1f} s", flush=True)


def main() -> None:
    """Print a line for each imputer."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", choices=("breast", "adult", "mnist"))
    parser.add_argument("path", type=Path, nargs="?")
    parser.add_argument("--masks", default="")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    masks = asked.masks.split(",") if asked.masks else []
    if asked.data == "breast":
        breast(masks or ["0", "1", "2", "3", "4", "published"])


if __name__ == "__main__":
    main()
