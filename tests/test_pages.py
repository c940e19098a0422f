"""Pages that run as they are written, and print what they say they print, digits aside."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from latentia.cli import main

DOCS = Path(__file__).resolve().parents[1] / "docs"
BLOCK = re.compile(r"^```(python|sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def likened(text: str) -> list[str]:
    """Give the words of each line: digits, their widths, device and threads are those of a machine."""
    text = re.sub(r"[-+]?\d[\d.,e+-]*", "0", re.sub(r"(?<= epochs on ).*", "...", text))
    return [" ".join(line.split()) for line in text.strip().splitlines()]


def commands(block: str) -> list[list[str]]:
    lines = block.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def run_block(kind: str, block: str, names: dict) -> None:
    if kind == "python":
        exec(compile(block, "page", "exec"), names)  # noqa: S102
        return
    for program, *arguments in commands(block):
        assert program == "latentia"
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert not ended.value.code, arguments


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("page", ["start", "tables"])
def test_a_page_runs_as_it_is_written(page, tmp_path, monkeypatch, capsys):
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    blocks = BLOCK.findall((DOCS / f"{page}.md").read_text(encoding="utf-8"))
    assert len(blocks) > 5
    names: dict = {"__name__": "__main__"}
    for at, (kind, block) in enumerate(blocks):
        if kind == "text":
            continue
        run_block(kind, block, names)
        said = capsys.readouterr().out
        follows = blocks[at + 1] if at + 1 < len(blocks) else ("", "")
        if follows[0] == "text":
            assert likened(said) == likened(follows[1]), said
