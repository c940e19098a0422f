"""Commands in messages, in the words of whoever reads them: a shell, a checkout, Python, a notebook.

A message names commands as an installed `latentia` takes them; `here` writes them as they work where the
message is shown. Python is where no command line said otherwise.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

NAME = "latentia"

_shell: list[str] = []
"""What a shell calls the program, while it is at work."""

_COMMAND = re.compile(rf"\b{NAME} (?=[a-z]+\b)(?!explore anew)")
_WORD = r"(?:'[^']*'|[^\s;,'\")]+)"
_CALLS = (
    (re.compile(rf"{NAME} train --resume ({_WORD}) --max-minutes (\w+)"), "resume({}, max_minutes={})"),
    (re.compile(rf"{NAME} train --resume ({_WORD})"), "resume({})"),
    (re.compile(rf"{NAME} sweep --resume ({_WORD})"), "sweep(resume={})"),
    (re.compile(rf"{NAME} (report|evaluate|explore) ({_WORD})(?! -)"), "{}({})"),
    (re.compile(rf"{NAME} pack SOURCE ({_WORD})"), "pack(SOURCE, {})"),
)
"""Whole commands, and the calls that do the same."""
_NAMED = re.compile(r"--(model|network|likelihood|sampler) ([a-z]\w*)")
_SWITCH = re.compile(r"--(skip-bad|overwrite|sample|moments|codes|whole)\b")
_FLAG = re.compile(r"(?<!\S)--([a-z][a-z-]*)(?: (\d[\d.,e+-]*|[A-Z][A-Z_]*\b))?")


@contextlib.contextmanager
def in_shell(program: str = "") -> Iterator[None]:
    """Let messages name commands for a shell.

    Args:
        program: what the program was started as, `sys.argv[0]`.

    Yields:
        Nothing: messages inside the block are for a shell.
    """
    _shell.append(called(program))
    try:
        yield
    finally:
        _shell.pop()


def called(program: str) -> str:
    """Give the word that starts the program once more from the same place.

    Args:
        program: what it was started as.

    Returns:
        `latentia` where a shell finds it by that name; else its path, such as `.venv/bin/latentia`, or
        `PYTHON -m latentia`.
    """
    path = Path(program)
    if path.parts[-2:] == (NAME, "__main__.py"):  # python -m latentia
        known = shutil.which("python")
        same = known is not None and os.path.realpath(known) == os.path.realpath(sys.executable)
        return f"{'python' if same else shlex.quote(_near(Path(sys.executable)))} -m {NAME}"
    if path.name != NAME or not path.is_file():
        return NAME
    found = shutil.which(NAME)
    if found is not None and os.path.realpath(found) == os.path.realpath(path):
        return NAME
    return shlex.quote(_near(path))


def _near(path: Path) -> str:
    """Write a path from the current folder, where it lies in it."""
    path = Path(os.path.abspath(path))
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def here(text: str) -> str:
    """Write the commands in a message as they work where it is read.

    Args:
        text: the message, with commands as `latentia VERB ...` and settings as `--flag value`.

    Returns:
        The same for a shell, where one is at work; else with calls of Python and keyword arguments.

    Example:
        >>> here("choose another --out, or go on with: latentia train --resume 'my run'")
        "choose another out=, or go on with: latentia.resume('my run')"
    """
    if _shell:
        return text if _shell[-1] == NAME else _COMMAND.sub(lambda _: f"{_shell[-1]} ", text)
    if "--" not in text and f"{NAME} " not in text:
        return text
    for pattern, call in _CALLS:
        text = pattern.sub(lambda found, call=call: f"{NAME}.{call.format(*_arguments(found))}", text)
    # What has no call in Python is run in a shell, with the flags of a shell.
    parts = re.split(rf"({NAME} [a-z]+ [^;]*|pip install [^;]*|torchrun [^;]*|npm [^;]*)", text)
    return "".join(part if at % 2 else _keywords(part) for at, part in enumerate(parts))


def _arguments(found: re.Match[str]) -> Iterator[str]:
    """Write the words of a command for Python: paths in quotes, names and placeholders as they are."""
    for word in found.groups():
        plain = word in ("report", "evaluate", "explore") or re.fullmatch(r"[A-Z][A-Z_]*|\d+", word)
        yield word if plain else repr("".join(shlex.split(word)))


def _keywords(text: str) -> str:
    """Write flags as keyword arguments."""
    text = _NAMED.sub(lambda found: f'{found[1]}="{found[2]}"', text)
    text = _SWITCH.sub(lambda found: f"{found[1].replace('-', '_')}=True", text)
    return _FLAG.sub(lambda found: f"{found[1].replace('-', '_')}={found[2] or ''}", text)
