"""PyAV, which decodes and encodes films, and pictures that Pillow does not give whole."""

from __future__ import annotations

from typing import Any

from latentia.core.errors import MissingExtra


def pyav() -> Any:
    """Import PyAV, which does not log.

    Returns:
        The module.

    Raises:
        MissingExtra: if it is not installed.
    """
    try:
        import av
        import av.logging
    except ImportError as error:
        raise MissingExtra("av", "video", "reading video") from error
    av.logging.set_level(av.logging.PANIC)
    return av
