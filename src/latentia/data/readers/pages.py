"""Pages of picture files, each an example of its own."""

from __future__ import annotations

from collections.abc import Sequence

from latentia.data.raw import Options
from latentia.data.readers.decode import pages_of
from latentia.data.readers.files import Files


class Pages(Files):
    """The pages of all files of a source, those of one file one after the other."""

    def __init__(self, files: Files, places: Sequence[tuple[int, int]], names: Sequence[str]) -> None:
        """Take pages.

        Args:
            files: the source.
            places: the file and the page of each example.
            names: what each is called.
        """
        self._files, self._places = files, list(places)
        self.names, self.others = list(names), files.others

    def page(self, index: int) -> int:
        """Tell which page of its file an example is; see `Files`."""
        return self._places[index][1]

    def read(self, index: int) -> bytes:
        """Read the file of an example; see `Files`."""
        return self._files.read(self._places[index][0])

    def _only(self, indices: Sequence[int]) -> Files:
        wanted = sorted({self._places[index][0] for index in indices})
        own = {file: number for number, file in enumerate(wanted)}
        places = [(own[self._places[index][0]], self._places[index][1]) for index in indices]
        return Pages(self._files._only(wanted), places, [self.names[index] for index in indices])

    def close(self) -> None:
        """Let go of the archive."""
        self._files.close()


def paged(files: Files, options: Options) -> Files:
    """Take each page of a file for an example, where that is asked for.

    Args:
        files: the source.
        options: pages is used.

    Returns:
        The source itself, or its pages, called such as `scan.tif[002]`.
    """
    if options.pages != "examples":
        return files
    places, names = [], []
    for index, name in enumerate(files.names):
        count = pages_of(files.read(index), name)
        places += [(index, page) for page in range(count)]
        names += [name] if count == 1 else [f"{name}[{page:03d}]" for page in range(count)]
    return Pages(files, places, names)
