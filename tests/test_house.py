"""The house stays one that a reader can walk through: no long file, no long function."""

import ast
from pathlib import Path

import latentia

LINES, BODY = 400, 60
ROOT = Path(latentia.__file__).parent


def body(function):
    """Count the lines of a function without its docstring."""
    whole = function.end_lineno - function.lineno + 1
    first = function.body[0]
    told = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return whole - (first.end_lineno - first.lineno + 1) * told


def test_no_file_and_no_function_is_long():
    long = {}
    for path in ROOT.rglob("*.py"):
        text, name = path.read_text(encoding="utf-8"), str(path.relative_to(ROOT))
        if len(text.splitlines()) > LINES:
            long[name] = len(text.splitlines())
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and body(node) > BODY:
                long[f"{name}:{node.name}"] = body(node)
    assert long == {}
