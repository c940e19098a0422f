"""The coders of a run: each made of its model once, and kept in its folder."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from latentia.coding import (
    BitsBackCompressor,
    CodeCoder,
    Compressor,
    LatentCoder,
    PictureCoder,
    chain_of,
    check_unconditional,
    symbols_of,
)
from latentia.coding.symbols import Symbols
from latentia.core.errors import ConfigError, LatentiaError
from latentia.runs.kept_coders import FILE, kept_or_made, that_wrote

if TYPE_CHECKING:
    from latentia.data.shards import Examples
    from latentia.networks.transformer import CausalTransformer
    from latentia.runs.applied import Applied

SHOWN = 10_000
"""Training examples that say how often values are missing, and how fine the latents' grid has to be."""
AUTOREGRESSIVE = "autoregressive"
"""The sampler whose probabilities codes are coded by."""
OR_LOSSY = "or write rounded latents alone, with loss, by --lossy (in Python lossy=True)"
"""The other way, for messages."""
TRIED = 200
"""Examples whose squared error says how finely latents of a point posterior are rounded."""


def compressor_of(run: Applied) -> Compressor:
    """Give what codes a run's examples, kept in its folder; its tables belong to every file.

    Args:
        run: the run.

    Returns:
        The coder.

    Raises:
        ConfigError: if the model cannot be coded by, naming the part and the setting to change.
        RunError: if the kept one is damaged, or this machine computes otherwise.
    """
    if run.model.coder is not None:
        return _code_coder(run)

    def make() -> BitsBackCompressor:
        try:
            return BitsBackCompressor.make(run.model, _symbols(run), _shown(run))
        except ConfigError as error:
            if run.model.condition or run.model.copies:
                raise  # there is no other way
            raise ConfigError(f"{error}, {OR_LOSSY}") from error

    def kept(header: dict[str, Any], tables: dict[str, np.ndarray]) -> BitsBackCompressor:
        return BitsBackCompressor(run.model, _symbols(run), int(header["cell_bits"]), tables)

    return kept_or_made(run, "compressor", make, kept)


def _shown(run: Applied) -> np.ndarray | None:
    """Give some training examples, with the two values that a binarised run has."""
    try:
        shown: Examples | None = run.dataset.part(run.examples("train", SHOWN))
    except LatentiaError:
        return None  # the data are gone
    return two_valued(run, np.asarray(shown[:SHOWN]))


def _code_coder(run: Applied) -> CodeCoder:
    """Give what codes a run's examples by codes; its prior over codes is fitted first, where none is kept."""
    check_unconditional(run.model)

    def make() -> CodeCoder:
        shown = _shown(run)
        symbols, loss = _symbols_or_why(run, shown)
        return CodeCoder.make(run.model, symbols, _prior(run), shown, loss)

    def kept(header: dict[str, Any], tables: dict[str, np.ndarray]) -> CodeCoder:
        symbols = None if header["loss"] else _symbols(run)
        return CodeCoder(run.model, symbols, header["prior"], tables, header["loss"])

    coder = kept_or_made(run, "compressor", make, kept)
    coder.choose, coder.show = run.inference.codes, partial(_decoded, run)
    return coder


def _symbols_or_why(run: Applied, shown: np.ndarray | None) -> tuple[Symbols | None, str]:
    """Give the symbols of data that a model with codes can code value by value, or say why it cannot."""
    try:
        symbols = _symbols(run)
        if shown is not None:
            symbols.tables = symbols.compute(flat := shown.reshape(len(shown), -1))
            symbols.of(flat)
    except LatentiaError as error:
        return None, str(error)
    return symbols, ""


def _prior(run: Any) -> CausalTransformer:
    """Give the sampler of codes that is kept, or fit one."""
    from latentia.sampling import AutoregressiveSampler

    sampler = run.sampler_as_fitted(AUTOREGRESSIVE, quiet=False)  # it may take minutes
    if not isinstance(sampler, AutoregressiveSampler):
        raise TypeError("the sampler of codes is autoregressive")
    return sampler.network


def as_stored(values: np.ndarray, dtype: Any) -> np.ndarray:
    """Bring what a decoder gives to the type of the run's data.

    Args:
        values: in the data's units.
        dtype: the type; whole numbers are rounded to.

    Returns:
        The same shape.
    """
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        ends = np.iinfo(str(dtype))
        values = np.rint(np.clip(values, ends.min, ends.max))
    return values.astype(dtype)


def _decoded(run: Applied, z: np.ndarray, dtype: Any) -> np.ndarray:
    """Give what the decoder makes of latents or codes, cut to the examples' size, as the data are stored."""
    return as_stored(run.inference.decode(z)[(..., *map(slice, run.event[1:]))], dtype)


def picture_coder_of(run: Applied) -> PictureCoder:
    """Give what codes pictures with loss; see `compressor_of`.

    Args:
        run: the run.

    Returns:
        The coder.

    Raises:
        ConfigError: if the model codes no pictures, naming the part and the setting to change.
        RunError: if the kept one is damaged, or this machine computes otherwise.
    """
    return kept_or_made(
        run,
        "picture_coder",
        lambda: PictureCoder.make(run.model),
        lambda header, tables: PictureCoder(run.model, tables),
    )


def latent_coder_of(run: Applied) -> LatentCoder:
    """Give what codes the rounded latents of a run's examples; see `compressor_of`.

    Args:
        run: the run.

    Returns:
        The coder.

    Raises:
        ConfigError: if the model has a condition, or no continuous latents.
        RunError: if the kept one is damaged, or this machine computes otherwise.
        LatentiaError: if none is kept, and the data that the run was trained on are gone.
    """
    _check_latents(run)
    inference = run.inference

    def make() -> LatentCoder:
        x = np.asarray(run.dataset.part(run.examples("train", SHOWN)))
        z, deviation = inference.posterior(x)
        unread = sum(run.model.levels[:-1]) if chain_of(run.model) else 0
        z[:, :unread] = 0.0  # of a chain the decoder reads the lowest level alone
        if deviation is None:
            deviation = inference.encode(x, sample=True) - z
        wide = np.square(deviation.reshape(*z.shape[:2], -1).astype(np.float64)).mean(axis=(0, 2)) ** 0.5

        def error(latents: np.ndarray) -> float:
            made = inference.decode(latents[:TRIED])[(..., *map(slice, x.shape[2:]))]
            return float(np.nanmean(np.square(made - x[:TRIED], dtype=np.float64)))

        return LatentCoder.make(run.model, z, wide, error)

    coder = kept_or_made(run, "latent_coder", make, lambda header, tables: LatentCoder(run.model, tables))
    coder.choose, coder.show = inference.encode, partial(_decoded, run)
    return coder


def _check_latents(run: Applied) -> None:
    """Refuse a run whose latents are no numbers to be rounded, or stand for nothing without a condition."""
    check_unconditional(run.model)
    if run.model.copies or run.model.coder is not None:
        what = "are its examples" if run.model.copies else "are codes, which are written without --lossy"
        raise ConfigError(f"no latents of this run can be rounded: they {what}")


def coder_of(run: Applied, name: bytes, where: str) -> tuple[Compressor, str]:
    """Find which of a run's coders wrote a file.

    Args:
        run: the run.
        name: that of the coder in the file.
        where: what messages call the file.

    Returns:
        The coder, and its name among the run's attributes.

    Raises:
        DataError: if another run wrote the file.
        ConfigError: if no file of the model can be read.
    """
    if codable(run):
        # None is made by codes: the fit of a prior takes minutes, and gives another.
        made = "" if run.model.coder is not None else "compressor"
        which = that_wrote(run, name, where, ["compressor", "latent_coder"], made)
    else:
        _check_latents(run)
        which = that_wrote(run, name, where, ["latent_coder"], "latent_coder")
    return getattr(run, which), which


def codable(run: Applied) -> bool:
    """Say whether files of examples can be made by a run, without loss or by codes; make nothing yet.

    Args:
        run: the run.

    Returns:
        Whether its model is of the kind.
    """
    try:
        _symbols(run) if run.model.coder is None else check_unconditional(run.model)
    except ConfigError:
        return False
    return True


def quick(run: Any) -> bool:
    """Say whether a coder is at hand: one by codes needs a prior over them, whose fit takes minutes.

    Args:
        run: a run that is `codable`.

    Returns:
        Whether nothing has to be fitted.
    """
    kept = run.model.coder is None or (run.folder.path / FILE).is_file()
    return kept or run.kept_sampler(AUTOREGRESSIVE) is not None


def _symbols(run: Applied) -> Symbols:
    return symbols_of(run.model, run.transform, run.record.schema)


def two_valued(run: Applied, x: np.ndarray) -> np.ndarray:
    """Bring grey values to the two that a binarised run has: what is drawn in training has no file.

    Args:
        run: the run.
        x: examples in the data's units.

    Returns:
        The same of another run.
    """
    if run.model.binary:
        low, high = float(run.transform.low), float(run.transform.high)  # pyright: ignore
        return np.where(x > 0.5 * (low + high), high, low).astype(x.dtype)
    return x
