"""The documentation as a site: `make docs`. Its source is the repository, whose pages stay where they are."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from latentia import __version__
from latentia.core import registry

project = "latentia"
author = "The latentia authors"
copyright = "the latentia authors, Apache-2.0"
version = release = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
include_patterns = ["docs/**", "examples/**", "README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
exclude_patterns = ["**/.ipynb_checkpoints"]

myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # what stands in a notebook is what its execution gave; tests execute them

autoclass_content = "both"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True

linkcheck_timeout = 20

html_theme = "furo"
html_title = f"latentia {version}"

QUOTED = re.compile(r"(`[^`\n]+`)")


class Entries(SphinxDirective):
    """Objects of Python by autodoc: all that `names` gives, those of packages that import lazily as well."""

    required_arguments = 1

    def names(self) -> Iterator[tuple[str, Any]]:
        """Give the heading of each object, and the object."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Give the directives of autodoc, parsed."""
        lines = []
        for heading, entry in self.names():
            directive = "autoclass" if isinstance(entry, type) else "autofunction"
            lines += [f"**{heading}**", ""] if heading else []
            lines += [f".. {directive}:: {entry.__module__}.{entry.__qualname__}", *self.more(directive), ""]
        return self.parse_text_to_nodes("\n".join(lines))

    def more(self, directive: str) -> list[str]:
        """Give the options of a directive of autodoc."""
        return []


class Components(Entries):
    """`.. components:: KIND`: what is registered under a kind, with signatures and docstrings."""

    def names(self) -> Iterator[tuple[str, Any]]:
        """Give the name of each component in run files, and what builds it."""
        for name in registry.names(self.arguments[0]):
            yield name, registry.lookup(self.arguments[0], name)

    def more(self, directive: str) -> list[str]:
        """Leave out the methods, which are the same in a family; one component may have two names."""
        return ["   :no-index:"] + ["   :no-members:"] * (directive == "autoclass")


class Public(Entries):
    """`.. public:: MODULE`: what stands in a module's `__all__`."""

    def names(self) -> Iterator[tuple[str, Any]]:
        """Give each class and function."""
        module = importlib.import_module(self.arguments[0])
        for name in module.__all__:
            if callable(entry := getattr(module, name)):
                yield "", entry


def escape(_app: Sphinx, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    """Make RST of a docstring in place: plain text with `code`, fenced blocks and signs such as |z|."""
    made, fenced = [], False
    for line in lines:
        if line.strip() == "```":
            fenced = not fenced
            made += ["::", ""] if fenced else [""]
        elif fenced:
            made.append(f"    {line}")
        elif line.lstrip().startswith((">>>", "...")):
            made.append(line)
        else:
            parts = QUOTED.split(line)
            parts[::2] = [re.sub(r"(?<!\*)[*|](?!\*)", r"\\\g<0>", part) for part in parts[::2]]
            parts[1::2] = [f"`{part}`" for part in parts[1::2]]
            made.append("".join(parts))
    lines[:] = made


def unlink_folders(_app: Sphinx, doctree: nodes.document) -> None:
    """Leave the words of links to folders of the repository, which are no pages of the site."""
    here = Path(doctree["source"]).parent
    for link in list(doctree.findall(pending_xref)):
        if link["reftype"] == "myst" and (here / link["reftarget"]).is_dir():
            link.replace_self(link.children)


def setup(app: Sphinx) -> None:
    """Add what is above to Sphinx."""
    app.connect("doctree-read", unlink_folders)
    app.add_directive("components", Components)
    app.add_directive("public", Public)
    app.connect("autodoc-process-docstring", escape, priority=400)  # napoleon, which adds markup, comes after
