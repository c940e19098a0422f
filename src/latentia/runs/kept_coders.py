"""Coders kept in a run's folder, whose tables belong to every file, and which of them wrote one."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from latentia.coding.container import writer_of
from latentia.coding.stamp import Stamped
from latentia.core import storage
from latentia.core.errors import DataError, LatentiaError, Note, RunError, shell

if TYPE_CHECKING:
    from latentia.runs.applied import Applied

FILE = "compressor.safetensors"
LATENTS = "latents.safetensors"
"""The tables of rounded latents, which a run may have beside the others."""
FILES = {"compressor": FILE, "picture_coder": FILE, "latent_coder": LATENTS}
"""Where each of a run's coders is kept, by its name among the run's attributes."""

C = TypeVar("C", bound=Stamped)


def kept_or_made(
    run: Applied,
    which: str,
    make: Callable[[], C],
    kept: Callable[[dict[str, Any], dict[str, np.ndarray]], C],
) -> C:
    """Give a coder of a run as it is kept, or make it and keep it.

    Args:
        run: the run.
        which: its name among `FILES`.
        make: makes it.
        kept: takes it from the header and the tables that are kept.

    Returns:
        The coder.

    Raises:
        RunError: if the kept one is damaged or another version's, or this machine computes otherwise.
    """
    path = run.folder.path / FILES[which]
    if stored := _stored(run, which):
        tensors, header = stored
        tables = {name: tensor.numpy() for name, tensor in tensors.items()}
        coder = _checked(path, header, lambda: kept(header, tables))
        coder.check(str(header["probe"]))
        return coder
    coder = make()
    about = {"name": coder.name.hex(), "weights": _weights(run), "probe": coder.probe()}
    tables = {name: torch.from_numpy(_narrow(table)) for name, table in coder.tables.items()}
    try:
        storage.save_tensors(path, tables, {**coder.header(), **about})
    except LatentiaError as error:  # a folder that cannot be written to can be compressed by
        warnings.warn(f"{error}: a copy of the run may not read its files without it", Note, stacklevel=2)
    return coder


def kept_name(run: Applied, which: str) -> str:
    """Give the name of a coder in a run's folder, by which another process finds the same.

    Args:
        run: the run.
        which: its name among `FILES`.

    Returns:
        Its hexadecimal digits; empty where none is kept for the run's weights.

    Raises:
        RunError: if the file is damaged.
    """
    stored = _stored(run, which)
    return "" if stored is None else str(stored[1].get("name"))


def that_wrote(run: Applied, name: bytes, where: str, known: list[str], made: str = "") -> str:
    """Find which of a run's coders wrote a file.

    Args:
        run: the run.
        name: that of the coder in the file.
        where: what messages call the file.
        known: those that may have, by their names among `FILES`.
        made: which of them is made where it is not kept; it stays if it is the one.

    Returns:
        Its name among `FILES`.

    Raises:
        DataError: if none of them wrote the file.
        RunError: if a kept one is damaged.
    """
    names = {which: _name_of(run, which) for which in known}
    if made and not names[made]:
        names[made] = _name_if_made(run, made, name.hex())
    for which, own in names.items():
        if own == name.hex():
            return which
    if others := [own for own in names.values() if own]:
        raise DataError(
            f"{where} was written by another model than this run's (coder {name.hex()}, not "
            f"{' or '.join(others)}); give the run that wrote it, with its {FILE} or {LATENTS}, by --run"
        )
    lacks = " or ".join(dict.fromkeys(FILES[which] for which in known))
    raise DataError(
        f"{where} was written by another model than this run's (coder {name.hex()}), or with the {lacks} "
        f"that {run.folder.path} lacks; copy it there, or give the run that wrote it by --run"
    )


def _name_of(run: Applied, which: str) -> str:
    return getattr(run, which).name.hex() if which in vars(run) else kept_name(run, which)


def _name_if_made(run: Applied, which: str, wanted: str) -> str:
    """Make a coder, of which nothing stays if it is another; empty where what it is made of is gone."""
    try:
        found = getattr(run, which).name.hex()
    except (DataError, RunError):
        return ""
    if found == wanted:
        return found
    (run.folder.path / FILES[which]).unlink(missing_ok=True)
    del vars(run)[which]
    return ""


def _stored(run: Applied, which: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    """Read the coder that is kept for a run's weights."""
    path = run.folder.path / FILES[which]
    if not path.is_file():
        return None
    try:
        tensors, header = storage.load_tensors(path)
    except RunError as error:
        raise RunError(f"{error}; copy it again, or delete it, and files can be written anew") from error
    return (tensors, header) if header.get("weights") == _weights(run) else None


def _weights(run: Applied) -> str:
    return str(storage.checksum(run.model.state_dict()))


def _checked(place: Path, header: dict[str, Any], kept: Callable[[], C]) -> C:
    try:
        _ = header["probe"]
        coder = kept()
        named = coder.name.hex() == header["name"] and coder.header() == {
            key: header[key] for key in coder.header()
        }
    except KeyError as error:
        raise RunError(
            f"{place} is damaged: it lacks {error}; delete it, and files can be written anew"
        ) from error
    except (TypeError, ValueError) as error:  # numbers of another kind, or tables of another shape
        raise _other_version(place) from error
    if not named:
        raise _other_version(place)
    return coder


def _other_version(place: Path) -> RunError:
    return RunError(
        f"{place} was made by another version; use that version for its files, or delete it to write new ones"
    )


def _narrow(table: np.ndarray) -> np.ndarray:
    types = (np.int16, np.int32, np.int64)
    return table.astype(next(kind for kind in types if np.abs(table).max() <= np.iinfo(kind).max))


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
        f"no run here wrote {shell(path)} (coder {name}): give its folder, which holds {FILE} or {LATENTS}, "
        "by --run"
    )
