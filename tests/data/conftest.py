"""Small sources of every kind, and a check for errors of one line."""

import io
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from latentia.core.errors import DataError
from latentia.data import load


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def refused():
    """Check that a source is refused in one line that has these parts in it."""

    def check(source, *parts, error=DataError, **settings):
        with pytest.raises(error) as caught:
            load(source, **settings)
        message = str(caught.value)
        assert "\n" not in message
        for part in parts:
            assert str(part) in message, message
        return message

    return check


@pytest.fixture
def encoded(rng):
    """Encode a random image as a file's bytes."""

    def make(height=8, width=8, mode="RGB", form="PNG", **settings):
        bands = len(Image.new(mode, (1, 1)).getbands())
        shape = (height, width) if bands == 1 else (height, width, bands)
        image = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8), "L" if bands == 1 else mode)
        file = io.BytesIO()
        (image.convert(mode) if bands == 1 else image).save(file, form, **settings)
        return file.getvalue()

    return make


@pytest.fixture
def packed(tmp_path):
    """Write {path inside: bytes} as a folder, a zip or a tar archive; give its path."""

    def write(files, kind="folder", name="things"):
        if kind == "folder":
            for inside, content in files.items():
                target = tmp_path / name / inside
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            (tmp_path / name).mkdir(exist_ok=True)
            return tmp_path / name
        path = tmp_path / f"{name}.{kind}"
        if kind == "zip":
            with zipfile.ZipFile(path, "w") as archive:
                for inside, content in files.items():
                    archive.writestr(inside, content)
            return path
        with tarfile.open(path, "w" if kind == "tar" else "w:gz") as archive:
            for inside, content in files.items():
                member = tarfile.TarInfo(inside)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return path

    return write
