"""Safe files: written whole or not at all, checked when read, never a pickle.

A file appears under its name only after its bytes are on the disk; a crash, a full disk or a
kill leaves the old file or none. Tensors go into safetensors files whose header carries JSON
and a checksum of the payload.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from latentia.core import locks
from latentia.core.errors import LatentiaError, RunError

if TYPE_CHECKING:
    from torch import Tensor


CHUNK = 16 << 20
"""Bytes that are read or written at once where a file may be large."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the path of a temporary neighbour that takes the place of a file on success.

    Args:
        path: the file; its folder is made if it is missing.

    Yields:
        The neighbour, empty. A process that is killed leaves it behind, named `.NAME.*.part`.

    Raises:
        LatentiaError: if the disk is full or the place cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise cannot_write(path, error) from error
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("r+b") as handle:  # Windows syncs no file that is open for reading alone
            os.fsync(handle.fileno())
        temporary.chmod(0o666 & ~_umask())  # mkstemp's own mode shuts everybody else out
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, so that a file that was put there stays after a crash.

    Args:
        folder: the folder.
    """
    if not hasattr(os, "O_DIRECTORY"):  # Windows opens no folder
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cannot_write(path: Path, error: OSError) -> LatentiaError:
    """Tell in one line why a file cannot be written.

    Args:
        path: the file.
        error: what the operating system said.

    Returns:
        The error to raise.
    """
    reason = error.strerror or str(error)
    full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None), errno.EFBIG)
    advice = "free some space or choose another place" if full else "choose another place"
    return LatentiaError(f"cannot write {path}: {reason}; {advice}")


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Write a file whole or not at all.

    Args:
        path: the file; its folder is made if it is missing.

    Yields:
        A binary handle. The file appears when the block ends without an exception.

    Raises:
        LatentiaError: if the disk is full or the place cannot be written.
    """
    with replacing(Path(path)) as temporary, temporary.open("wb") as handle:
        yield handle


def check_new(path: str | os.PathLike[str]) -> None:
    """Refuse a place for a new folder that is taken.

    Args:
        path: the folder, which must not exist, or be empty.

    Raises:
        LatentiaError: if there is something in its place, or nobody may look.
    """
    path = Path(path)
    try:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise LatentiaError(f"{path} exists and is not empty; give the name of a new folder")
    except OSError as error:
        raise cannot_write(path, error) from error


@contextlib.contextmanager
def new_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a folder whole or not at all.

    Args:
        path: the folder, which must not exist, or be empty.

    Yields:
        A folder beside it to write into, which takes its place when the block ends without an exception.

    Raises:
        LatentiaError: if there is something in its place, or the place cannot be written.
    """
    path = Path(path)
    check_new(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write text as UTF-8, atomically.

    Args:
        path: the file.
        text: its whole content.
    """
    with atomic_write(path) as handle:
        handle.write(text.encode())


def check_writable(path: str | os.PathLike[str]) -> None:
    """Refuse a file that could not be written, before long work that would be lost.

    Args:
        path: the file; the folders above it are made.

    Raises:
        LatentiaError: if it is a folder, or its folder cannot be made or written.
    """
    path = Path(path)
    if path.is_dir():
        raise LatentiaError(f"cannot write {path}: it is a folder; give the name of a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            return
    except OSError as error:
        raise cannot_write(path, error) from error


def write_json(path: str | os.PathLike[str], value: object) -> None:
    """Write a value as indented JSON, atomically.

    Args:
        path: the file.
        value: anything that JSON can hold.
    """
    write_text(path, json.dumps(value, indent=2) + "\n")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file.

    Args:
        path: the file.

    Returns:
        Its value.

    Raises:
        RunError: if it is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise RunError(f"{path} is damaged: not JSON ({error})") from error


def checksum(tensors: Mapping[str, Tensor]) -> int:
    """Give a number that changes with any bit of some tensors.

    Args:
        tensors: the tensors, by name.

    Returns:
        The CRC-32 of their bytes, in the order of their names.
    """
    import torch

    total = 0
    for name in sorted(tensors):
        flat = tensors[name].detach().cpu().contiguous().reshape(-1)
        total = zlib.crc32(flat.view(torch.uint8).numpy().data if flat.numel() else b"", total)
    return total


def save_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], header: Mapping[str, Any] | None = None
) -> None:
    """Save named tensors and a JSON header as one safetensors file, atomically.

    Args:
        path: the file.
        tensors: the tensors, by name.
        header: whatever else belongs to them; must be JSON.

    Raises:
        LatentiaError: if the disk is full or the place cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    # One entry: safetensors writes several in any order, and equal runs shall give equal bytes.
    metadata = {"latentia": json.dumps({"header": dict(header or {}), "crc32": checksum(whole)})}
    with replacing(Path(path)) as temporary:
        try:
            save_file(whole, temporary, metadata=metadata)
        except SafetensorError as error:
            raise cannot_write(Path(path), OSError(str(error))) from error


def load_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote, checked against its checksum.

    Args:
        path: the file.

    Returns:
        The tensors by name (on the CPU) and the header.

    Raises:
        RunError: if the file is missing, truncated or altered.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as opened:
            metadata = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        record = json.loads(metadata.get("latentia", "{}"))
    except FileNotFoundError as error:
        raise RunError(f"{path} does not exist") from error
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from error
    except (SafetensorError, ValueError) as error:
        raise RunError(f"{path} is damaged: {error}") from error
    if record.get("crc32", None) not in (None, checksum(tensors)):
        raise RunError(f"{path} is damaged: its checksum does not match")
    return tensors, record.get("header", {})


def keep(path: str | os.PathLike[str], tensors: Mapping[str, Tensor], label: Mapping[str, Any]) -> None:
    """Write what can be made anew, where that can be: a full disk or a read-only folder costs time alone.

    Args:
        path: the file.
        tensors: the tensors by name.
        label: what they belong to, values that JSON gives back as they are.
    """
    with contextlib.suppress(OSError, LatentiaError):
        save_tensors(path, tensors, label)


def kept(
    path: str | os.PathLike[str], label: Mapping[str, Any], like: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor] | None:
    """Read what `keep` wrote.

    Args:
        path: the file.
        label: what it must belong to.
        like: tensors of the same names and shapes, if these must fit a module's.

    Returns:
        The tensors by name; None where they have to be made anew: missing, damaged, or of something else.
    """
    try:
        tensors, header = load_tensors(path)
    except RunError:
        return None
    found, own = ({name: each.shape for name, each in (part or {}).items()} for part in (tensors, like))
    return tensors if header == label and (like is None or found == own) else None


@contextlib.contextmanager
def exclusive(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Hold a folder for this process alone; the lock ends with the process, however that ends.

    Args:
        folder: an existing folder.

    Yields:
        Nothing.

    Raises:
        RunError: if another process holds it.
    """
    path = Path(folder) / ".lock"
    try:
        handle = path.open("a+")
    except OSError as error:
        raise cannot_write(path, error) from error
    with handle:
        try:
            locks.lock_file(handle)
        except OSError as error:
            raise RunError(
                f"{folder} is in use: another process writes into it; wait for it or choose another folder"
            ) from error
        yield


def crc_of(path: Path) -> int:
    """Give the CRC-32 of a file.

    Args:
        path: the file.

    Returns:
        The number.
    """
    total = 0
    with path.open("rb") as handle:
        while block := handle.read(CHUNK):
            total = zlib.crc32(block, total)
    return total


def cache_folder() -> Path | None:
    """Find the folder of what is kept between runs: decoded images, converted networks.

    Returns:
        Its path, which need not exist, or None if the cache is off.
    """
    chosen = os.environ.get("LATENTIA_CACHE", "")
    if chosen.lower() == "off":
        return None
    home = os.environ.get("XDG_CACHE_HOME") or Path("~").expanduser() / ".cache"
    return Path(chosen).expanduser() if chosen else Path(home) / "latentia"
