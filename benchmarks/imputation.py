"""Missing values filled in: `Imputer` beside its floors, on the same masks.

    python -m benchmarks.imputation breast|wine|digits [--masks 0,1,2,3,4,published]
    python -m benchmarks.imputation adult FILE [--masks 0]
    python -m benchmarks.imputation mnist FOLDER [--masks 0]

- breast: the protocol of Pierre-Alexandre Mattei, Jes Frellsen, "MIWAE: Deep Generative Modelling and
  Imputation of Incomplete Data Sets", 2019. scikit-learn's breast cancer, standardised by all values; half of
  the cells are hidden at random; fitted to and measured on the same rows. `published` is the mask of the
  authors' notebook. Squared error of the hidden cells, and how many of them 90 % intervals hold.
- wine, digits: the same for scikit-learn's other tables. Columns of one value are left out.
- adult: FILE is the table of the UCI repository with names of columns; 2 in 10 of its known cells are hidden;
  5,000 rows are measured, all train. Share of right categories, root of the mean squared error of numbers in
  standard deviations, and -log p of a hidden cell given what is seen, in nats.
- mnist: half of the pixels hidden, 2,000 images train and 500 of the test images are measured: squared error,
  and log p of a hidden pixel given what is seen, in nats. `Imputer` has a network of dense layers and five
  importance samples there: with its convolutional one and 20 it takes ten times as long, and more.

No other setting depends on the data.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - makes the next one importable
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

import latentia.data
from latentia.applications import Imputer
from latentia.core.noise import seeded
from latentia.probability import entries
from latentia.runs.density import log_density
from latentia.runs.model import Trained

LEVEL = 0.9
DENSE = {"name": "mlp", "hidden": [256]}
TABLES: dict[str, Callable[[], Any]] = {
    "breast": load_breast_cancer, "wine": load_wine, "digits": load_digits,
}  # fmt: skip


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


def floors(columns: int) -> dict[str, Any]:
    """Give the imputers to be beaten; trees take minutes for many columns, and are left out there."""
    trees = ExtraTreesRegressor(100, max_depth=8, random_state=0)
    found = {
        "mean": SimpleImputer(),
        "KNNImputer": KNNImputer(),
        "IterativeImputer, BayesianRidge": IterativeImputer(random_state=0),
    }
    if columns <= 30:
        found["IterativeImputer, ExtraTrees"] = IterativeImputer(trees, max_iter=5, random_state=0)
    return found


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Give what a function gives, and seconds of the processor."""
    start = time.process_time()
    return work(), time.process_time() - start


def numbers(x: np.ndarray, masks: list[str]) -> None:
    """Print the error of each imputer on each mask of a table of numbers."""
    x = x[:, x.std(axis=0) > 0]
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
        for label, imputer in floors(x.shape[1]).items():
            made, taken = timed(lambda imputer=imputer, holed=holed: imputer.fit_transform(holed))
            print(f"mask {name}: {label} {np.square(made - x)[hidden].mean():.4f}, {taken:.1f} s", flush=True)


def adult(path: Path, masks: list[str]) -> None:
    """Print how well words and numbers are guessed, beside the usual value and codes in their order."""
    import pandas as pd

    frame = pd.read_csv(path, skipinitialspace=True, na_values="?")
    kinds = {
        name: pd.CategoricalDtype(sorted(frame[name].dropna().unique()))
        for name in frame.columns
        if not pd.api.types.is_numeric_dtype(frame[name])
    }

    def coded(rows: pd.DataFrame) -> np.ndarray:
        codes = {name: rows[name].astype(kind).cat.codes.replace(-1, np.nan) for name, kind in kinds.items()}
        return rows.assign(**codes).to_numpy(float)

    words = np.array([name in kinds for name in frame.columns])
    whole = coded(frame)
    for name in masks:
        hidden = mask_of(frame.shape, name, 0.2) & ~np.isnan(whole)
        holed, partly = frame.mask(hidden), np.where(hidden, np.nan, whole)
        rows = np.random.default_rng(int(name)).permutation(len(frame))[:5000]
        fitted, seconds = timed(lambda holed=holed: Imputer(random_state=0).fit(holed))
        filled, more = timed(lambda fitted=fitted, holed=holed, rows=rows: fitted.transform(holed.iloc[rows]))
        print(f"mask {name}: Imputer, {seconds:.0f} s to fit, {more:.0f} s to fill 5,000 rows")
        usual = np.where(words, [mode(column) for column in partly.T], np.nanmean(partly, axis=0))
        iterative = IterativeImputer(random_state=0).fit(partly)
        made = {
            "Imputer": coded(filled),
            "mode, mean": np.where(np.isnan(partly), usual, partly)[rows],
            "IterativeImputer, codes in order": iterative.transform(partly[rows]),
        }
        own, truth = hidden[rows], whole[rows]
        for label, values in made.items():
            right = (np.rint(values) == truth)[:, words][own[:, words]].mean()
            error = ((values - truth) / np.nanstd(whole, axis=0))[:, ~words][own[:, ~words]]
            root = np.sqrt(np.square(error).mean())
            print(f"mask {name}: {label}: {right:.3f} of the words right, RMSE {root:.3f}")
        ours = [log_density(fitted.model_, *fitted.model_.inward(part.iloc[rows])) for part in (frame, holed)]
        alone = independent(partly, truth, words)[own].sum()
        each = (ours[1] - ours[0]).sum() / own.sum()
        print(f"mask {name}: -log p of a hidden cell, given what is seen: {each:.3f} nats")
        print(f"mask {name}: likewise by each column alone: {-alone / own.sum():.3f} nats", flush=True)


def independent(known: np.ndarray, values: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Give log p of cells by the shares of words and the Gaussians of numbers, column by column."""
    found = np.empty(values.shape)
    for at, word in enumerate(words):
        column = known[:, at][~np.isnan(known[:, at])]
        if word:
            counts = np.bincount(column.astype(int), minlength=int(np.nanmax(known[:, at])) + 2) + 0.5
            found[:, at] = np.log(counts / counts.sum())[np.nan_to_num(values[:, at]).astype(int)]
        else:
            scaled = (values[:, at] - column.mean()) / column.std()
            found[:, at] = -0.5 * np.square(scaled) - np.log(column.std()) - 0.5 * np.log(2 * np.pi)
    return found


def mnist(folder: Path, masks: list[str]) -> None:
    """Print a line for each imputer of pictures, as soon as it has filled in."""
    data = latentia.data.load(folder)
    train, test = (
        np.asarray(data.part(data.splits[name][:count]), np.float32)[:, 0] / 255
        for name, count in (("train", 2000), ("test", 500))
    )
    for name in masks:
        known, holed = (np.where(mask_of(x.shape, name), np.float32(np.nan), x) for x in (train, test))
        for label, imputer in pixelwise().items():
            work = partial(by_pixels, imputer, known, holed)
            pixels(f"mask {name}: {label}", timed(work), test, holed)
        imputer = Imputer(importance_samples=5, settings={"network": DENSE}, random_state=0)
        fitted, seconds = timed(partial(imputer.fit, known))
        print(f"mask {name}: Imputer fitted, {seconds:.0f} s", flush=True)
        found = timed(partial(fitted.transform, holed))
        log_p = sum(hidden_log_p(fitted.model_, test[at], holed[at]) for at in np.split(np.arange(500), 20))
        pixels(f"mask {name}: Imputer", found, test, holed, log_p / np.isnan(holed).sum())


@torch.no_grad()
def hidden_log_p(model: Trained, x: np.ndarray, holed: np.ndarray, draws: int = 500) -> float:
    """Give log p of what is hidden given what is seen, importance-weighted as what is filled in; summed."""
    whole, seen = (next(model.prepare(model.inward(part)[0])) for part in (x, holed))
    with seeded(0):
        q = model.model.encode(seen)
        z = q.sample(torch.Size((draws,)))
    each, hidden = entries(model.model.decode(z), whole).flatten(2), seen.isnan().flatten(1)
    log_w = each.masked_fill(hidden, 0.0).sum(2) + model.model.prior(None).log_prob(z) - q.log_prob(z)
    more = each.masked_fill(~hidden, 0.0).sum(2)
    return float(((log_w + more).logsumexp(0) - log_w.logsumexp(0)).sum())


def pixelwise() -> dict[str, Any]:
    """Give the imputers of pixels to be beaten; regressions on all others would take hours."""
    some = IterativeImputer(max_iter=5, n_nearest_features=50, random_state=0, keep_empty_features=True)
    return {
        "mean": SimpleImputer(keep_empty_features=True),
        "KNNImputer": KNNImputer(keep_empty_features=True),
        "IterativeImputer, BayesianRidge on 50 pixels": some,
    }


def by_pixels(imputer: Any, known: np.ndarray, holed: np.ndarray) -> np.ndarray:
    """Fill in pictures whose pixels are columns, by those of other pictures."""
    imputer.fit(known.reshape(len(known), -1))
    return imputer.transform(holed.reshape(len(holed), -1)).reshape(holed.shape)


def pixels(
    label: str, found: tuple[np.ndarray, float], x: np.ndarray, holed: np.ndarray, log_p: float | None = None
) -> None:
    """Print the squared error of hidden pixels, in ranges from 0 to 1, and log p of one.

    For single values it is that of the Gaussian around them whose scale suits the hidden pixels best.
    """
    error = np.square(found[0] - x)[np.isnan(holed)].mean()
    best = -0.5 * np.log(2 * np.pi * np.e * error)
    print(f"{label}: {error:.4f}, log p {best if log_p is None else log_p:.3f}, {found[1]:.0f} s", flush=True)


def mode(values: np.ndarray) -> float:
    """Give the value that is there most often."""
    found, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    return float(found[counts.argmax()])


def main() -> None:
    """Print a line for each imputer."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", choices=(*TABLES, "adult", "mnist"))
    parser.add_argument("path", type=Path, nargs="?")
    parser.add_argument("--masks", default="")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    masks = asked.masks.split(",") if asked.masks else []
    if asked.data in TABLES:
        default = ["0", "1", "2", "3", "4", *["published"] * (asked.data == "breast")]
        numbers(TABLES[asked.data]().data, masks or default)
    elif asked.data == "adult":
        adult(asked.path, masks or ["0"])
    else:
        mnist(asked.path, masks or ["0"])


if __name__ == "__main__":
    main()
