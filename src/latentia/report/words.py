"""Words and numbers of the page: names of figures, numbers with their errors, sentences."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from latentia.metrics.figures import rounded

NONE = "–"
_WORDS = {
    "ari": "adjusted Rand index",
    "betavae": "beta-VAE",
    "dci": "DCI",
    "elbo": "ELBO",
    "factorvae": "FactorVAE",
    "frechet": "Fréchet distance",
    "kernel": "kernel distance",
    "kl": "KL",
    "kmeans": "k-means",
    "knn": "k-NN",
    "lite2": "(EfficientNet-Lite2)",
    "mig": "MIG",
    "mmd": "MMD",
    "mse": "MSE",
    "nmi": "normalised mutual information",
    "pca": "PCA",
    "psnr": "PSNR",
    "sap": "SAP",
    "ssim": "SSIM",
    "std": "standard deviation",
}
"""Words of names that are written otherwise."""
_ENDS = {
    "diffusion": "samples of the diffusion",
    "flow": "samples of the flow",
    "iw": "importance-weighted",
    "mixture": "samples of the mixture",
    "interpolated": "decoded means of nearest neighbours",
    "midpoint": "midpoints of two examples",
    "pca": "of PCA",
    "pixels": "of the data themselves",
    "posterior": "draws from posteriors of training examples",
    "prior": "samples of the prior",
    "real": "other real examples",
    "reconstructed": "reconstructions",
    "run": "samples of the run on its latents",
    "two_stage": "samples of the second stage",
}
"""Last words of names that say what is measured."""
_TITLES = {
    "ms_ssim": "MS-SSIM",
    "bits_per_dim": "Bits per dimension",
    "heavy_tails": "Examples with heavy-tailed weights",
    "likelihood_gap": "log p(x) above the ELBO, same examples",
    "pareto_k": "Pareto k of the weights",
    "iwae_bound": "Importance-weighted bound that was trained on",
    "bits_per_dim_iw": "Bits per dimension, importance-weighted",
    "decoder_use": "Use that the decoder makes of z",
    "aggregate_kl_fit": "Aggregate KL by a fitted density",
    "dimension_wise_kl": "Dimension-wise KL",
    "mutual_information_fit": "Mutual information by a fitted density",
    "total_correlation_fit": "Total correlation by a fitted density",
    "mse_mean": "MSE of the mean example",
    "mse_pca": "MSE of PCA",
    "mse_corrupted": "MSE of corrupted inputs",
    "mse_denoised": "MSE of restored inputs",
    "classification_error": "Error of q(y|x)",
    "channel_mean": "Mean of each channel of the latent",
    "channel_std": "Standard deviation of each channel of the latent",
    "codec_bytes": "Bytes of an image, beside other codes",
    "clip_psnr": "PSNR of clips, beside other codes",
    "clip_psnr_still": "The same of the half that moves less",
    "clip_psnr_moving": "The same of the half that moves more",
    "clip_flicker": "Flicker, beside other codes",
    "clip_psnr_frames": "PSNR frame by frame",
    "codec_psnr": "PSNR, beside other codes",
    "codec_ssim": "SSIM, beside other codes",
    "codec_distance": "Distance (EfficientNet-Lite2), beside other codes",
    "codec_frechet": "Fréchet distance (EfficientNet-Lite2), beside other codes",
    "codec_pca": "Block PCA, beside other codes",
    "codec_bicubic": "A smaller picture, beside other codes",
    "codec_jpeg": "JPEG, beside other codes",
    "codec_webp": "WebP, beside other codes",
    "file_bits_per_dim": "Bits per dimension of a file, beside others",
    "file_overhead": "A file above the bound",
    "file_seconds": "Time of a file",
    "picture_bits": "Bits per pixel of files of pictures, beside others",
    "picture_psnr": "PSNR of files of pictures, beside others",
    "bd_rate_jpeg": "BD-rate against JPEG",
    "bd_rate_webp": "BD-rate against WebP",
    "bd_rate_avif": "BD-rate against AVIF",
    "latent_spectrum": "Energy of the latents by frequency",
    "data_spectrum": "Energy of the images by frequency",
}
_PLACE = re.compile(r"(?<![\w.:/~-])(?:[A-Za-z]:|~)?[/\\](?:[^\s\"'/\\,;]+[/\\]+)+([^\s\"'/\\,;]+)")
"""An absolute path of a file in a folder, and its last name."""
OR = "\u00a0±\u00a0"
"""Between a value and its error, where no line may break."""


def title(name: str) -> str:
    """Turn a figure's stable name into what it is called.

    Args:
        name: such as "mse_by_label".

    Returns:
        Such as "MSE by label".
    """
    if name in _TITLES:
        return _TITLES[name]
    last = next((last for last in _ENDS if name.endswith(f"_{last}")), "")
    stem = name.removesuffix(f"_{last}")
    end = f", {_ENDS[last]}" if last else ""
    labels = re.fullmatch(r"label_efficiency_(\d+)", stem if end else name)
    if labels:
        return f"Accuracy with {int(labels.group(1)):,} labels{end}"
    words = [_WORDS.get(word, word) for word in (stem if end else name).split("_")]
    return capital(" ".join(words)) + end


def number(value: float | None, digits: int = 4) -> str:
    """Write a number with few significant digits.

    Args:
        value: the number, or None.
        digits: how many significant digits.

    Returns:
        Its text; a dash for None or what is not finite.
    """
    if value is None or not math.isfinite(value):
        return NONE
    if value == int(value) and abs(value) < 1e9:
        text = f"{value:,.0f}"
    elif 1e-4 <= abs(value) < 10**digits:
        decimals = digits - 1 - math.floor(math.log10(abs(value)))
        text = f"{value:,.{max(decimals, 0)}f}"
    else:
        text = f"{value:,.0f}" if 10**digits <= abs(value) < 1e9 else f"{value:.{digits - 1}e}"
    return minus(text)


def signed(value: float) -> str:
    """Write by how much one thing is more than another.

    Args:
        value: the number, in percent.

    Returns:
        Such as "+6.8 %".
    """
    return minus(f"{value:+.1f} %")


def minus(text: str) -> str:
    """Write negative numbers with a minus sign, which is as wide as a plus.

    Args:
        text: numbers with hyphens.

    Returns:
        The same with minus signs.
    """
    return text.replace("-", "−")


def uncertain(value: float | None, spread: float | None) -> str:
    """Write a number with its standard error, to the digits that the error leaves standing.

    Args:
        value: the number, if there is one.
        spread: its standard error, if it is known.

    Returns:
        Such as "162.79 ± 0.21": two digits of the error.
    """
    if value is None or spread is None or not (math.isfinite(value) and math.isfinite(spread)):
        return number(value)
    if spread <= 0:
        return f"{number(value)}{OR}0"
    return minus(OR.join(rounded(value, spread)))


def placeless(text: str) -> str:
    """Cut absolute paths down to their last names: a page is passed on, and tells nothing of a disk.

    Args:
        text: any.

    Returns:
        The text.
    """
    return _PLACE.sub(r"\1", text)


def capital(text: str) -> str:
    """Begin a text with a capital letter.

    Args:
        text: any.

    Returns:
        The text; k-means stays k-means.
    """
    return text if text[1:2] == "-" else text[:1].upper() + text[1:]


def sentence(text: str) -> str:
    """Make a sentence of a clause.

    Args:
        text: any.

    Returns:
        The text with a capital letter and a full stop.
    """
    return capital(text) + ("" if text.endswith((".", "!", "?")) else ".")


def listed(names: Sequence[str]) -> str:
    """Join names as a sentence does.

    Args:
        names: at least one.

    Returns:
        Such as "a, b and c".
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def spaced(key: str) -> str:
    """Write a name of a program as words.

    Args:
        key: such as "active_units".

    Returns:
        Such as "active units".
    """
    return key.replace("_", " ")


def plain(value: Any) -> str:
    """Write a value of JSON as words.

    Args:
        value: any.

    Returns:
        Its items, separated by commas, where it has several.
    """
    if isinstance(value, Mapping):
        return ", ".join(f"{spaced(str(key))} {plain(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(plain, value))
    return str(value)
