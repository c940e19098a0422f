"""New rows of a table: `Synthesizer` beside its floors, as a classifier that learns from them sees them.

    python -m benchmarks.synthesis adult.csv [--target income] [--missing ?] [--seed 0]
        [--train train.parquet] [--rows tvae.parquet ...]

A fifth of the rows is held out. Shapes, trends and detectability are against the training rows, distances
against training rows and as many held-out ones. Utility: gradient-boosted trees are trained on as many made
rows as there are training rows, and give the area under the ROC curve on the held-out ones. Floors: real
rows, and training rows of which each column is shuffled by itself. Valid is a row of which each value could
stand in its column: its type, one of its categories, within its range.

Rows of other generators come from files (`--rows`), since these want other versions of pandas: `--train`
writes the rows that they are to learn, and nothing else is done then. TVAE's were made by ctgan 0.12.1 on
one thread, with its defaults, seed 0, unknown words as a category of their own that is taken out again:
`m = ctgan.TVAE(enable_gpu=False); m.fit(train, words); m.sample(len(train))`.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from latentia.applications import Synthesizer


def utility(rows: pd.DataFrame, test: pd.DataFrame, target: str, seed: int) -> float:
    """Train on rows, and give the area under the ROC curve on real ones, of two classes."""
    words = [
        name for name in test.columns if not pd.api.types.is_numeric_dtype(test[name]) and name != target
    ]
    kinds = {
        name: pd.CategoricalDtype(sorted(set(test[name].dropna()) | set(rows[name].dropna())))
        for name in words
    }
    positive = sorted(test[target].unique())[1]
    model = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=seed)
    model.fit(rows.drop(columns=target).astype(kinds), rows[target] == positive)
    chance = model.predict_proba(test.drop(columns=target).astype(kinds))[:, 1]
    return float(roc_auc_score(test[target] == positive, chance))


def valid(made: pd.DataFrame, real: pd.DataFrame) -> float:
    """Give the share of the rows that could be real ones, column by column."""
    if list(made.columns) != list(real.columns) or (made.dtypes != real.dtypes).any():
        return 0.0
    good = np.ones(len(made), bool)
    for name in real.columns:
        column, known = made[name], real[name].dropna()
        if pd.api.types.is_numeric_dtype(real[name]):
            inside = column.between(known.min(), known.max())
        else:
            inside = column.isin(list(known.unique()))
        good &= (inside | (column.isna() & real[name].isna().any())).to_numpy()
    return float(good.mean())


def main() -> None:
    """Print a row of figures for made rows and for each floor."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table")
    parser.add_argument("--target", default="income")
    parser.add_argument("--missing", default="?")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train")
    parser.add_argument("--rows", nargs="*", default=[])
    asked = parser.parse_args()
    frame = pd.read_csv(asked.table, skipinitialspace=True, na_values=asked.missing)
    order = np.random.default_rng(asked.seed).permutation(len(frame))
    test, train = (frame.iloc[rows].reset_index(drop=True) for rows in np.split(order, [len(frame) // 5]))
    if asked.train:
        train.to_parquet(asked.train)
        return
    starts = time.perf_counter(), time.process_time()
    model = Synthesizer(random_state=asked.seed).fit(train)
    made = model.sample(len(train))
    wall, cpu = time.perf_counter() - starts[0], time.process_time() - starts[1]
    print(f"{len(train):,} rows learned and made: {wall:.0f} s, {cpu:.0f} s of the processor")
    shares = (made.isna().mean() - train.isna().mean()).abs()
    print(f"share of missing values differs by at most {shares.max():.2%}")
    print(f"log p of held-out rows: {model.score(test.iloc[:2000]):.2f} nats")
    generator = np.random.default_rng(asked.seed)
    shuffled = train.apply(lambda column: column.iloc[generator.permutation(len(column))].to_numpy())
    others = [(name, pd.read_parquet(name)) for name in asked.rows]
    print("| rows | column shapes | pair trends | classifier, AUROC | told apart | copies | nearer | valid |")
    print(f"|---|{'---:|' * 7}")
    for name, rows in (("made", made), *others, ("shuffled columns", shuffled), ("real, held out", test)):
        found = model.quality(train, None if rows is test else test, made=rows)
        near = "" if found.nearer is None else f"{found.nearer:.3f}"
        auc = utility(train if rows is test else rows, test, asked.target, asked.seed)
        figures = f"{found.shape:.3f} | {found.trend:.3f} | {auc:.3f} | {found.detectability:.3f}"
        print(f"| {name} | {figures} | {found.copies:.2%} | {near} | {valid(rows, train):.1%} |", flush=True)


if __name__ == "__main__":
    main()
