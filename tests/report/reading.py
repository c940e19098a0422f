"""A report as a reader's program sees it."""

from html.parser import HTMLParser

VOID = {"meta", "img", "br", "hr", "input", "link"}


class Page(HTMLParser):
    """Parse a page and refuse tags that do not close in order."""

    def __init__(self, text):
        super().__init__()
        self.open = []
        self.ids = []
        self.images = []
        self.tags = []
        self.links = []
        self.rows = []
        self.text = ""
        self._cells = None
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append((tag, values))
        if "id" in values:
            self.ids.append(values["id"])
        if tag in ("img", "image"):
            self.images.append(values)
        self.links += [values[name] for name in ("src", "href", "srcset", "data") if name in values]
        if tag == "tr":
            self._cells = []
        if tag in ("td", "th") and self._cells is not None:
            self._cells.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()
        if tag == "tr":
            self.rows.append(self._cells)
            self._cells = None

    def handle_data(self, data):
        if "style" not in self.open and "script" not in self.open:
            self.text += data
        if self._cells and "small" not in self.open:
            self._cells[-1] += data.strip()

    def row(self, label):
        """Give the values beside a label."""
        return next(cells[1:] for cells in self.rows if cells[0] == label)
