"""What goes over the wire: JSON, npy and images to arrays and back."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from latentia.serving.errors import NotMade, Refusal, WrongKind

JSON, NPY, PNG = "application/json", "application/x-npy", "image/png"
IMAGES = (PNG, "image/jpeg", "image/webp", "image/bmp", "image/gif", "image/tiff")
LARGE = 2**16
"""Bytes of a body from which it is read in a thread, so that others are not kept waiting."""


@dataclass(frozen=True)
class Asked:
    """A request that was read.

    Attributes:
        kind: the type of its body: `JSON`, `NPY`, or an image's.
        fields: what it holds by name; an image's bytes and an array stand under the endpoint's own name.
    """

    kind: str
    fields: Mapping[str, Any]


def read(body: bytes, content_type: str, query: Mapping[str, str], name: str) -> Asked:
    """Read a request.

    Args:
        body: its body.
        content_type: what it says that the body is; JSON by default.
        query: its query, which holds the other fields of a binary body: numbers and JSON as such, else text.
        name: what a binary body is called: `x` or `z`; empty where there is none.

    Returns:
        The fields.

    Raises:
        Refusal: for a body that cannot be read, or fields where they do not belong.
        WrongKind: for a type of body that is not read.
    """
    kind = content_type.partition(";")[0].strip().lower() or JSON
    fields: dict[str, Any]
    if kind == JSON or not (body or name):
        fields = _object(body)
    elif kind == NPY and name:
        fields = {name: read_npy(body)}
    elif kind in IMAGES and name == "x":
        fields = {name: body}
    else:
        kinds = [JSON, *([NPY] if name else []), *(["image/png"] if name == "x" else [])]
        raise WrongKind(f"the body is of type '{kind[:60]}'; send {' or '.join(kinds)}")
    if kind != JSON or not body:
        fields |= {key: _value(text) for key, text in query.items()}
    elif query:
        raise Refusal(f"'{next(iter(query))[:60]}' stands in the address; with JSON, all goes into the body")
    return Asked(kind, fields)


def _object(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(f"the body is no JSON ({' '.join(str(error).split())[:100]})") from error
    if not isinstance(value, dict):
        raise Refusal('the body must be a JSON object, such as {"z": [[0, 0]]}')
    return value


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def read_npy(body: bytes) -> np.ndarray:
    """Read an array in numpy's format, without pickle and without copying.

    Args:
        body: the content of a .npy file.

    Returns:
        The array, read-only.

    Raises:
        Refusal: if it is none, holds Python objects, or says that it is longer than it is.
    """
    start = 10 + int.from_bytes(body[8:10], "little")
    shape, fortran, dtype = _parsed(body[:start])
    count = math.prod(shape)
    if any(size < 0 for size in shape) or len(body) - start != count * dtype.itemsize:
        raise Refusal(
            f"the array's header promises {count:,} values, and the body holds others; send it whole"
        )
    return np.frombuffer(body, dtype, count, start).reshape(shape, order="F" if fortran else "C")


@lru_cache(maxsize=64)
def _parsed(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of format 1.0, which numpy writes of all arrays of numbers."""
    stream = io.BytesIO(header)
    try:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError("another format")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    except Exception as error:  # a header is a Python literal, which fails in many ways
        raise Refusal("the body is no array in numpy's .npy format; write it with numpy.save") from error
    if dtype.kind not in "biuf":
        raise Refusal(f"the array holds '{dtype.str[:20]}' and no numbers; nothing else is read")
    return shape, fortran, dtype


def npy(array: np.ndarray) -> bytes:
    """Write an array in numpy's format.

    Args:
        array: any numbers.

    Returns:
        The content of a .npy file.
    """
    array = np.ascontiguousarray(array)
    return _header(array.shape, array.dtype.str) + array.tobytes()


@lru_cache(maxsize=64)
def _header(shape: tuple[int, ...], dtype: str) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def png(images: np.ndarray, low: float, high: float) -> bytes:
    """Draw images as a grid.

    Args:
        images: shape `(N, C, H, W)`, in the units of the data.
        low: the value that is black.
        high: the value that is white.

    Returns:
        The content of a PNG file.
    """
    from latentia.plots.images import grid

    stream = io.BytesIO()
    grid(images, high, low=low).save(stream, "PNG")
    return stream.getvalue()


@lru_cache(maxsize=256)
def wanted(accept: str, sent: str, made: tuple[str, ...]) -> str:
    """Choose the type of an answer.

    Args:
        accept: the header `Accept`; nothing for any type.
        sent: the type of the request's body: an array is answered with an array where all is accepted.
        made: the types that can be made.

    Returns:
        One of `made`.

    Raises:
        NotMade: if none of them is accepted.
    """
    usual = NPY if sent == NPY and NPY in made else made[0]
    found = []
    for part in accept.split(",") if accept else ["*/*"]:
        kind, *settings = (word.strip().lower() for word in part.split(";"))
        weight = next((_weight(word[2:]) for word in settings if word.startswith("q=")), 1.0)
        match = usual if kind == "*/*" else next((one for one in made if kind in (one, _any(one))), None)
        if match and weight > 0:
            found.append((weight, kind != "*/*", match))
    if not found:
        raise NotMade(f"nothing that is accepted can be made here; accept {' or '.join(made)}")
    return max(found, key=lambda one: one[:2])[2]


def _any(kind: str) -> str:
    return kind.partition("/")[0] + "/*"


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
