"""The coder of a run: made of its model once, and kept in its folder, whose tables belong to every file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from latentia.coding import (
    BitsBackCompressor,
    CodeCoder,
    Compressor,
    LatentCoder,
    PictureCoder,
    check_unconditional,
    symbols_of,
)
from latentia.coding.container import writer_of
from latentia.coding.symbols import OR_LOSSY, Symbols
from latentia.core import storage
from latentia.core.errors import ConfigError, DataError, LatentiaError, RunError, shell

if TYPE_CHECKING:
    from latentia.data.shards import Examples
    from latentia.networks.transformer import CausalTransformer
    from latentia.runs.applied import Applied

SHOWN = 10_000
"""Training examples that say how often values are missing, and how fine the latents' grid has to be."""
FILE = "compressor.safetensors"
AUTOREGRESSIVE = "autoregressive"
"""The sampler whose probabilities codes are coded by."""


LATENTS = "latents.safetensors"
"""The tables of rounded latents, which a run may have beside the others."""
TRIED = 200
"""Examples whose squared error says how finely latents of a point posterior are rounded."""

C = TypeVar("C", BitsBackCompressor, CodeCoder, LatentCoder, PictureCoder)


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
        return BitsBackCompressor.make(run.model, _symbols(run), _shown(run))

    def kept(header: dict[str, Any], tables: dict[str, np.ndarray]) -> BitsBackCompressor:
        return BitsBackCompressor(run.model, _symbols(run), int(header["cell_bits"]), tables)

    return _coder(run, make, kept)


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

    def show(codes: np.ndarray, dtype: Any) -> np.ndarray:
        made = run.inference.decode(codes)
        return as_stored(made[(..., *map(slice, run.event[1:]))] if run.model.strides else made, dtype)

    coder = _coder(run, make, kept)
    coder.choose, coder.show = run.inference.codes, show
    return coder


def _symbols_or_why(run: Applied, shown: np.ndarray | None) -> tuple[Symbols | None, str]:
    """Give the symbols of data that a model with codes can code value by value, or say why it cannot."""
    try:
        symbols = _symbols(run)
        if shown is not None:
            symbols.tables = symbols.compute(flat := shown.reshape(len(shown), -1))
            symbols.of(flat)
    except LatentiaError as error:
        return None, str(error).removesuffix(f", {OR_LOSSY}")  # codes are no such latents
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
    return _coder(
        run, lambda: PictureCoder.make(run.model), lambda header, tables: PictureCoder(run.model, tables)
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
    check_unconditional(run.model)
    if run.model.copies or run.model.coder is not None:
        what = "are its examples" if run.model.copies else "are codes, which are written without --lossy"
        raise ConfigError(f"no latents of this run can be rounded: they {what}")
    inference = run.inference

    def make() -> LatentCoder:
        x = np.asarray(run.dataset.part(run.examples("train", SHOWN)))
        z, deviation = inference.posterior(x)
        if deviation is None:
            deviation = inference.encode(x, sample=True) - z
        wide = np.square(deviation.reshape(*z.shape[:2], -1).astype(np.float64)).mean(axis=(0, 2)) ** 0.5

        def error(latents: np.ndarray) -> float:
            made = inference.decode(latents[:TRIED])[(..., *map(slice, x.shape[2:]))]
            return float(np.nanmean(np.square(made - x[:TRIED], dtype=np.float64)))

        return LatentCoder.make(run.model, z, wide, error)

    def show(z: np.ndarray, dtype: Any) -> np.ndarray:
        return as_stored(inference.decode(z)[(..., *map(slice, run.event[1:]))], dtype)

    coder = _coder(run, make, lambda header, tables: LatentCoder(run.model, tables), LATENTS)
    coder.choose, coder.show = inference.encode, show
    return coder


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
    other = codable(run)
    if not other or "latent_coder" in vars(run) or (run.folder.path / LATENTS).is_file():
        coder = run.latent_coder
        if name == coder.name or not other:
            check_writer(name, coder, where)
            return coder, "latent_coder"
    check_writer(name, run.compressor, where)
    return run.compressor, "compressor"


def _coder(
    run: Applied,
    make: Callable[[], C],
    kept: Callable[[dict[str, Any], dict[str, np.ndarray]], C],
    file: str = FILE,
) -> C:
    path, weights = run.folder.path / file, str(storage.checksum(run.model.state_dict()))
    if path.is_file():
        tensors, header = storage.load_tensors(path)
        if header.get("weights") == weights:
            tables = {name: tensor.numpy() for name, tensor in tensors.items()}
            coder = _checked(path, header, lambda: kept(header, tables))
            coder.check(header["probe"])
            return coder
    coder = make()
    header = {**coder.header(), "name": coder.name.hex(), "weights": weights, "probe": coder.probe()}
    tables = {name: torch.from_numpy(_narrow(table)) for name, table in coder.tables.items()}
    with contextlib.suppress(LatentiaError):  # a folder that cannot be written to can be compressed by
        storage.save_tensors(path, tables, header)
    return coder


def check_writer(name: bytes, coder: Compressor | PictureCoder, where: str) -> None:
    """Refuse a file that another coder wrote.

    Args:
        name: that of the coder in the file.
        coder: the run's.
        where: what messages call the file.

    Raises:
        DataError: if they differ.
    """
    if name != coder.name:
        raise DataError(
            f"{where} was written by another model than this run's (coder {name.hex()}, not "
            f"{coder.name.hex()}); give the run that wrote it, with its {FILE}, by --run"
        )


def _narrow(table: np.ndarray) -> np.ndarray:
    types = (np.int16, np.int32, np.int64)
    return table.astype(next(kind for kind in types if np.abs(table).max() <= np.iinfo(kind).max))


def _checked(place: Path, header: dict[str, Any], kept: Callable[[], C]) -> C:
    try:
        coder = kept()
        named = coder.name.hex() == header["name"] and coder.header() == {
            key: header[key] for key in coder.header()
        }
    except KeyError as error:
        raise RunError(
            f"{place} is damaged: it lacks {error}; delete it, and files can be written anew"
        ) from error
    if not named:
        raise RunError(
            f"{place} was made by another version; use that version for its files, or delete it to write "
            "new ones"
        )
    return coder


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


def run_of(path: Path) -> Path:
    """Find the run that wrote a file, among the runs here and beside the file.

    Args:
        path: the file.

    Returns:
        The run's folder.

    Raises:
        DataError: if there is none.
    """
    with path.open("rb") as handle:
        name = writer_of(handle, str(path))[1].hex()
    places = [Path(), Path("runs"), path.parent, path.parent / "runs"]
    for place in dict.fromkeys(place.resolve() for place in places):
        for kept in sorted([*place.glob(f"*/{FILE}"), *place.glob(f"*/{LATENTS}")]):
            with contextlib.suppress(LatentiaError):
                if storage.load_tensors(kept)[1].get("name") == name:
                    return kept.parent
    raise DataError(
        f"no run here wrote {shell(path)} (coder {name}): give its folder, which holds {FILE}, by --run"
    )
