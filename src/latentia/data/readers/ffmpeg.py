"""PyAV, which decodes and encodes films, and pictures that Pillow does not give whole."""

from __future__ import annotations

from typing import Any

from latentia.core.extras import optional


def pyav() -> Any:
    """Import PyAV, which does not log.

    Returns:
        The module.

    Raises:
        MissingExtra: if it is not installed.
    """
    av = optional("av", "video", "reading video")
    av.logging.set_level(av.logging.PANIC)
    return av
