"""What a model says of single examples: the terms of the bound, the error, and log p(x)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from latentia.core.errors import DataError
from latentia.core.noise import seeded
from latentia.data.loader import Loader
from latentia.data.transforms import Transform, dequantising
from latentia.metrics.likelihood import importance_weighted, unsound, unweighted
from latentia.metrics.terms import per_example, squared_error
from latentia.networks import cropped
from latentia.probability import kl_per_dimension
from latentia.runs.run import Run


@dataclass(frozen=True, eq=False)
class Reconstructed:
    """Examples without the transform's noise, encoded to posterior means and decoded to the likelihood's.

    Attributes:
        latents: posterior means, shape `(N, *latent)`.
        error: mean squared error of each example in the model's units, shape `(N,)`.
        rate: KL(q(z|x) || p(z)) of each example in nats, shape `(N,)`; None without a bound, or unasked.
        kl: the same in each dimension, shape `(N, D)`; None where it cannot be split.
        given: the examples in the model's units, shape `(N, *event)`; None unasked.
        decoded: the means of p(x|z), same shape; None unasked.
    """

    latents: np.ndarray
    error: np.ndarray
    rate: np.ndarray | None
    kl: np.ndarray | None
    given: np.ndarray | None
    decoded: np.ndarray | None


@torch.no_grad()
def reconstructed(
    run: Run, x: np.ndarray, c: np.ndarray | None, *, rates: bool = False, keep: bool = False
) -> Reconstructed:
    """Encode and decode examples, each under its own condition, and measure the error: the one way to do so.

    Args:
        run: the run.
        x: examples, shape `(N, *event)`.
        c: conditions, `(N, C)` or None, those that the model infers filled in; see `Run.told`.
        rates: measure the rate, too.
        keep: keep the examples and what is decoded.

    Returns:
        What was found, one row for each example.
    """
    found: dict[str, list[np.ndarray]] = {}
    done = 0
    for part in run.prepare(x):
        told = None if c is None else run.tensor(c[done : done + len(part)])
        done += len(part)
        q = run.model.encode(part, told)
        decoded = cropped(run.model.decode(q.mean, told).mean, part)
        values = {"latents": q.mean, "error": squared_error(decoded, part, run.model.nominal)}
        if rates and run.objective.bound:
            with seeded(0):
                kl = kl_per_dimension(q, run.model.prior(told), q.sample((1,))).flatten(1)
            values["rate"] = kl.sum(dim=1)
            if kl.shape[1] == math.prod(run.latent):
                values["kl"] = kl
        if keep:
            values |= {"given": part, "decoded": decoded}
        for name, value in values.items():
            found.setdefault(name, []).append(value.cpu().numpy())
    whole = {name: np.concatenate(parts) for name, parts in found.items()}
    optional = {name: whole.get(name) for name in ("rate", "kl", "given", "decoded")}
    return Reconstructed(whole["latents"], whole["error"], **optional)


def score(run: Run, x: np.ndarray, c: np.ndarray | None, *, samples: int, seed: int) -> dict[str, Any]:
    """Score examples as `evaluate` does: whole numbers are dequantised where p(x|z) is a density.

    The noise of an example depends on the seed and on its place in x.

    Args:
        run: the run.
        x: examples, shape `(N, *event)`.
        c: conditions, `(N, C)` or None.
        samples: importance samples K for log p(x); 0 leaves it out.
        seed: seed of the noise in data and latents.

    Returns:
        `mse` in the model's units squared, `distortion` and `rate` in nats, each `(N,)`; `kl` of each latent
        dimension, `(N, D)`, where the rate has parts; `elbo` and `log_likelihood` in nats and
        `effective_sample_size`, each `(N,)`, where there are such; `missing`: why what is not there is not.

    Raises:
        DataError: if a value is outside of what the likelihood knows.
    """
    transform = _transform(run, x)
    scaled = np.concatenate([part.cpu().numpy() for part in run.prepare(x)])
    _check_support(run, transform, x)
    loader = Loader(
        run.tensor(x),
        torch.arange(len(x)),
        transform,
        None if c is None else run.tensor(c),
    )
    parts = list(per_example(run.model, run.objective, loader, samples=1, seed=seed))
    found = {name: np.concatenate([part[name].cpu().numpy() for part in parts]) for name in parts[0]}
    if not run.objective.bound:
        reason = f"objective '{run.recipe['objective']['name']}' has no rate, and so no bound on log p(x)"
    else:
        reason = _off_level(run, x) or unsound(run.model, run.transform, scaled)
    answer: dict[str, Any] = {name: found[name] for name in ("mse", "distortion", "rate")}
    missing: dict[str, str] = {}
    if found["kl"].shape[1]:
        answer["kl"] = found["kl"]
    if reason:
        missing["elbo"] = reason
    else:
        answer["elbo"] = -(found["distortion"] + found["rate"])
    reason = reason or unweighted(run.model)
    if not samples:
        reason = reason or "no importance samples were asked for"
    if reason:
        missing["log_likelihood"] = reason
    else:
        estimates = importance_weighted(run.model, loader, samples, seed=seed)
        answer["log_likelihood"] = estimates.log_likelihood
        answer["effective_sample_size"] = estimates.effective
    return {**answer, "missing": missing}


def _transform(run: Run, x: np.ndarray) -> Transform:
    """Give the run's transform, with whole numbers dequantised where the likelihood is a density."""
    whole = run.record.whole and (x.dtype.kind in "iu" or bool((x == np.rint(x)).all()))
    if run.model.discrete or not whole:
        return run.transform
    return dequantising(run.transform, run.image_range[1], run.model.support)


def _off_level(run: Run, x: np.ndarray) -> str:
    """Say that a likelihood over levels knows none of the values between them, where x has such."""
    if run.model.binary or not run.model.discrete or x.dtype.kind in "iu" or (x == np.rint(x)).all():
        return ""
    return "the likelihood knows whole numbers alone, and x has others"


def _check_support(run: Run, transform: Transform, x: np.ndarray) -> None:
    low, high = run.model.support
    ends = np.fmin.reduce(x, axis=None), np.fmax.reduce(x, axis=None)
    least, most = transform.range(float(ends[0]), float(ends[1]))
    if np.isfinite([least, most]).all() and (least < low - 1e-4 or most > high + 1e-4):
        bounds = run.transform.invert(torch.tensor([low, high])).tolist()
        raise DataError(
            f"'x' has values from {ends[0]:g} to {ends[1]:g}, and the likelihood knows those from "
            f"{bounds[0]:g} to {bounds[1]:g}; give data in the units that the run was trained on"
        )
