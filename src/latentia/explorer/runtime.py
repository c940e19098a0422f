"""ONNX Runtime Web, the engine of a static export: where its files are, or how to fetch them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from latentia.core import storage
from latentia.core.errors import LatentiaError, shell
from latentia.core.storage import cache_folder

PACKAGE = "onnxruntime-web"
VERSION = "1.30.0"
FILES = {
    "ort.wasm.min.js": "faece07e84faa9001f5104bbe4e5c70861d06cb2376a0dea1fa0ad33a67adc81",
    "ort-wasm-simd-threaded.mjs": "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
"""What a page needs of it, with SHA-256. It runs with one thread: more need headers that static hosts do not
send, and a decoder is too small to gain from them."""
WEB = Path(__file__).resolve().parents[3] / "web" / "node_modules" / PACKAGE / "dist"
"""Where `npm ci` puts them in a checkout."""


def find(given: Path | None = None, say: Callable[[str], None] | None = None) -> dict[str, bytes]:
    """Find the files: in a folder that was given, in the checkout, in the cache, or fetched by npm.

    Args:
        given: a folder that holds them; nothing else is tried then.
        say: is told before something is fetched.

    Returns:
        Their contents by name.

    Raises:
        LatentiaError: if they are nowhere and cannot be fetched.
    """
    if given is not None:
        found = _read(given)
        if found is None:
            raise LatentiaError(f"{given} does not hold {', '.join(FILES)} of {PACKAGE} {VERSION}")
        return found
    home = cache_folder()
    cached = None if home is None else home / f"{PACKAGE}-{VERSION}"
    for place in (WEB, cached):
        if place is not None and (found := _read(place)) is not None:
            return found
    return _fetched(cached, say)


def _read(folder: Path) -> dict[str, bytes] | None:
    """Read the files of a folder, if all are there and are those of the pinned version."""
    found = {}
    for name, digest in FILES.items():
        try:
            found[name] = (folder / name).read_bytes()
        except OSError:
            return None
        if hashlib.sha256(found[name]).hexdigest() != digest:
            return None
    return found


def _fetched(cached: Path | None, say: Callable[[str], None] | None) -> dict[str, bytes]:
    npm = shutil.which("npm")
    advice = (
        f"give the folder of its files with --runtime, or fetch them on another machine with: "
        f"npm pack {PACKAGE}@{VERSION}"
    )
    if npm is None:
        raise LatentiaError(
            f"a static export needs {PACKAGE} {VERSION}, and npm is not there to fetch it; {advice}"
        )
    if say:
        say(f"fetching {PACKAGE} {VERSION} with npm, once (33 MB)")
    with tempfile.TemporaryDirectory() as place:
        command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent", "--pack-destination", place]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
        archives = list(Path(place).glob("*.tgz"))
        if done.returncode or len(archives) != 1:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no archive came"]
            raise LatentiaError(f"{shell(npm)} cannot fetch {PACKAGE} {VERSION}: {lines[-1][:200]}; {advice}")
        with tarfile.open(archives[0]) as archive:
            for name in FILES:
                part = archive.extractfile(f"package/dist/{name}")
                if part is not None:
                    (Path(place) / name).write_bytes(part.read())
        found = _read(Path(place))
    if found is None:
        raise LatentiaError(f"what npm gave as {PACKAGE} {VERSION} is not that version; {advice}")
    if cached is not None:
        for name, content in found.items():
            with storage.atomic_write(cached / name) as handle:
                handle.write(content)
    return found
