"""Reconstruction: how near what is decoded comes to what was encoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from latentia.metrics.figures import Figure, Ledger, Unmeasurable, mean_and_error
from latentia.metrics.similarity import EXPONENTS, WINDOW, multiscale_similarity, structural_similarity
from latentia.metrics.terms import squared_error

WITHIN = "over the windows within the picture, mean over channels"
MODEL_UNITS = "model units²"
"""The unit of squared errors that depend on the transform."""
LEAST = 1e-12
"""The least squared error that is told apart."""


def reconstruction(
    ledger: Ledger,
    given: np.ndarray,
    decoded: np.ndarray,
    *,
    image: bool,
    units: str,
    split: str,
    labels: np.ndarray | None = None,
    names: Sequence[str] = (),
    nominal: torch.Tensor | None = None,
) -> None:
    """Measure reconstructions of the posterior means.

    Args:
        ledger: where the figures go: mse, mse_by_label, psnr, ssim, ms_ssim.
        given: the originals without the transform's noise, shape `(N, *event)`, in units in which 1 is the
            data's range.
        decoded: the means of p(x|z) at the posterior means, same shape.
        image: whether an example is an image, `(C, H, W)`.
        units: what the unit is, for the protocol.
        split: name of the split.
        labels: the class of each example, -1 for none, shape `(N,)`, or None.
        names: what the classes are called.
        nominal: entries that are codes of names; see `latentia.metrics.terms.squared_error`.
    """
    wide = torch.from_numpy(decoded.astype(np.float64)), torch.from_numpy(given.astype(np.float64))
    errors = squared_error(*wide, nominal).numpy()
    how = f"squared error per value of the likelihood's mean at the posterior's mean, {units}"
    unit = "" if image else MODEL_UNITS
    ledger.figures["mse"] = Figure.mean_of(errors, unit, split, how, "lower")
    ledger.measure(
        ["mse_by_label"], lambda: {"mse_by_label": _by_label(errors, labels, names, how, unit, split)}
    )
    if not image or np.isnan(given).any():
        reason = "some pixels are missing" if image else "the data are no images"
        ledger.lack(("psnr", "ssim", "ms_ssim"), reason)
        return
    protocol = "mean over images of 10 log10(1 / MSE), 1 being the data's range, at most 120 each"
    ledger.figures["psnr"] = Figure.mean_of(psnr(errors), "dB", split, protocol, "higher")
    ledger.measure(["ssim"], lambda: {"ssim": _ssim(given, decoded, split)})
    ledger.measure(["ms_ssim"], lambda: {"ms_ssim": _ms_ssim(given, decoded, split)})


def psnr(error: np.ndarray) -> np.ndarray:
    """Give 10 log10(1 / error), 1 being the data's range.

    Args:
        error: mean squared errors.

    Returns:
        The same shape, in dB.
    """
    return -10 * np.log10(np.maximum(error, LEAST))


def _by_label(
    errors: np.ndarray, labels: np.ndarray | None, names: Sequence[str], how: str, unit: str, split: str
) -> Figure:
    if labels is None or not (labels >= 0).any():
        raise Unmeasurable("the data have no labels")
    known = [int(label) for label in np.unique(labels) if label >= 0]
    pairs = [mean_and_error(errors[labels == label]) for label in known]
    parts = tuple(names[label] if label < len(names) else str(label) for label in known)
    return Figure.of_parts(pairs, unit, split, f"{how}; by label", len(errors), "lower", parts)


def _ssim(given: np.ndarray, decoded: np.ndarray, split: str) -> Figure:
    protocol = f"mean over images of SSIM, Gaussian window of {WINDOW} pixels, sigma 1.5, {WITHIN}"
    return Figure.mean_of(structural_similarity(given, decoded), "", split, protocol, "higher")


def _ms_ssim(given: np.ndarray, decoded: np.ndarray, split: str) -> Figure:
    protocol = f"mean over images of MS-SSIM over {len(EXPONENTS)} scales, {WITHIN}"
    return Figure.mean_of(multiscale_similarity(given, decoded), "", split, protocol, "higher")


def counted_in_bits(model: Any) -> bool:
    """Say whether a latent is a choice, of a code or a whole number, so that bits measure it, not numbers.

    Args:
        model: any model.

    Returns:
        Whether it is: PCA with as many numbers would have far more room, and compares nothing.
    """
    return model.coder is not None or bool(getattr(getattr(model, "posterior", None), "certain", False))


def principal_components(
    train: np.ndarray, given: np.ndarray, latents: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Encode and decode by principal component analysis, the linear autoencoder that needs no training.

    Args:
        train: the examples to fit on, shape `(M, *event)`.
        given: the examples to encode, shape `(N, *event)`.
        latents: components.
        seed: seed of the randomised solver.

    Returns:
        The codes of `train` and of `given`, `(., latents)`, and the reconstructions of
        `given`, shape `(N, *event)`.

    Raises:
        Unmeasurable: if there are fewer values or examples than components.
    """
    from sklearn.decomposition import PCA
    from threadpoolctl import threadpool_limits

    values = given[0].size
    if latents >= min(values, len(train)):
        raise Unmeasurable(
            f"PCA with {latents} components needs more than {latents} values and training examples; there "
            f"are {values} and {len(train)}"
        )
    if not np.ptp(train, axis=0).any():
        raise Unmeasurable("all training examples are the same: there is no principal component")
    with threadpool_limits(1, user_api="blas"):
        pca = PCA(latents, random_state=seed).fit(train.reshape(len(train), -1).astype(np.float32))
        codes = pca.transform(given.reshape(len(given), -1).astype(np.float32))
        decoded = pca.inverse_transform(codes).reshape(given.shape)
        return pca.transform(train.reshape(len(train), -1).astype(np.float32)), codes, decoded
