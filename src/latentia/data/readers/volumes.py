"""Medical pictures: NIfTI volumes, slice by slice, and DICOM files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from latentia.core.errors import DataError, reason
from latentia.core.extras import optional
from latentia.data.layout import Layout
from latentia.data.raw import Options, Raw
from latentia.data.readers.named import arrange, files_of
from latentia.data.readers.values import tidy

NIFTI = (".nii", ".nii.gz")
DICOM = (".dcm",)


def read_nifti(path: Path, options: Options) -> Raw:
    """Read NIfTI volumes; the slices along their third axis are the examples, `(1, H, W)`.

    Values are scaled as the header says. Labels and splits are those of the folders that the files are in, as
    for pictures; where splits are drawn, they are drawn over slices, not over volumes.

    Args:
        path: a file, or a folder of them.
        options: skip_bad is used.

    Returns:
        The slices.

    Raises:
        DataError: if a file is damaged, or slices differ in size.
        MissingExtra: if nibabel is not installed.
    """
    nibabel = optional("nibabel", "medical", f"reading {path.name}")

    def slices(file: Path) -> np.ndarray:
        volume = np.asarray(nibabel.load(file).get_fdata(dtype=np.float32))
        if volume.ndim < 3:
            raise ValueError(f"it has {volume.ndim} dimensions, and 3 or more are needed")
        return np.moveaxis(volume.reshape(*volume.shape[:2], -1), -1, 0)

    return _read(path, NIFTI, slices, options, "slices along the third axis of {} volume{}")


def read_dicom(path: Path, options: Options) -> Raw:
    """Read DICOM files: each is an example, or its frames are.

    Values are in the units of the file, such as Hounsfield's: slope and intercept are applied. Where white
    stands for low values, they are turned round. Labels and splits are those of the folders that the files
    are in, as for pictures.

    Args:
        path: a file, or a folder of them.
        options: skip_bad is used.

    Returns:
        The pictures.

    Raises:
        DataError: if a file is damaged, or pictures differ in size.
        MissingExtra: if pydicom is not installed.
    """
    pydicom = optional("pydicom", "medical", f"reading {path.name}")

    def frames(file: Path) -> np.ndarray:
        read = pydicom.dcmread(file)
        pixels = read.pixel_array
        slope, shift = float(read.get("RescaleSlope", 1)), float(read.get("RescaleIntercept", 0))
        if (slope, shift) != (1, 0):
            pixels = (pixels * slope + shift).astype(np.float32)
        if read.get("PhotometricInterpretation") == "MONOCHROME1":
            pixels = pixels.max() - (pixels - pixels.min())
        many = int(read.get("NumberOfFrames", 1) or 1) > 1
        return pixels if many else pixels[None]

    return _read(path, DICOM, frames, options, "pictures of {} DICOM file{}")


def _read(
    path: Path, suffixes: tuple[str, ...], read: Callable[[Path], np.ndarray], options: Options, told: str
) -> Raw:
    names = files_of(path, suffixes) if path.is_dir() else [path.name]
    base, layout = (path if path.is_dir() else path.parent), arrange(names, str(path))
    stacks: list[np.ndarray] = []
    skipped, counts = [], np.zeros(len(layout.names), dtype=np.int64)
    first = ""
    for at, name in enumerate(layout.names):
        try:
            stack = read(base / name)
        except OSError:
            raise
        except Exception as error:  # these libraries raise whatever a damaged file leads them to
            if options.skip_bad and len(layout.names) > 1:
                skipped.append(name)
                continue
            raise DataError(
                f"{base / name}: cannot be read ({reason(error)}); remove it, or leave out such files with "
                "--skip-bad"
            ) from error
        if stacks and stack.shape[1:] != stacks[0].shape[1:]:
            one, other = ("x".join(map(str, shape)) for shape in (stacks[0].shape[1:], stack.shape[1:]))
            raise DataError(
                f"{path}: pictures differ in size: '{first}' has {one}, '{name}' {other}; bring all to one"
            )
        first = first or name
        stacks.append(stack)
        counts[at] = len(stack)
    if not stacks:
        raise DataError(f"{path}: none of its {len(skipped)} files can be read")
    x, high, axes = tidy(np.concatenate(stacks), str(path))
    labels = None if layout.labels is None else np.repeat(layout.labels, counts)
    notes = [told.format(f"{len(stacks):,}", "s" * (len(stacks) != 1))]
    if counts.max() > 1 and not layout.parts:
        notes.append("splits are drawn over them, not over files")
    return Raw(
        x,
        labels,
        layout.label_names,
        layout.parts_of(counts),
        high,
        skipped=tuple(skipped),
        layout=Layout(axes.axes, axes.types),
        label=layout.label,
        left_out=layout.left_out,
        notes=tuple(notes),
    )
