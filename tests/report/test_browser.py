"""The report in a real browser: light and dark, on a desk and on a phone."""

import pytest


@pytest.fixture
def visit(browser):
    """Open a report and watch for whatever goes wrong."""
    contexts = []

    def make(path, scheme="light", width=1280):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.problems = []
        page.on("console", lambda message: page.problems.append(message.text))
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("requestfailed", lambda request: page.problems.append(request.url[:100]))
        page.on(
            "request", lambda request: page.problems.append(request.url) if _outside(request.url) else None
        )
        page.goto(path.as_uri())
        return page

    yield make
    for context in contexts:
        context.close()


def _outside(url):
    return not url.startswith(("file:", "data:"))


def background(page):
    return page.evaluate("getComputedStyle(document.documentElement).backgroundColor")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
@pytest.mark.parametrize(
    "name",
    [
        "vae_report",
        "pair_report",
        "plane_report",
        "table_report",
        "series_report",
        "planes_report",
        "assessed_report",
        "assessed_pair_report",
        "sweep_report",
        "families_report",
    ],
)
def test_it_opens_and_fits(request, visit, tmp_path, name, scheme, width):
    page = visit(request.getfixturevalue(name), scheme, width)
    assert page.problems == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert background(page) == {"light": "rgb(246, 247, 245)", "dark": "rgb(18, 22, 27)"}[scheme]
    broken = "[...document.images].filter(image => !image.complete || image.naturalWidth == 0).length"
    assert page.evaluate(broken) == 0
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    assert (tmp_path / "page.png").stat().st_size > 50_000


def test_runs_stack_on_a_phone(visit, pair_report):
    tops = "[...document.querySelectorAll('#curves .panel')].map(e => e.getBoundingClientRect().top)"
    wide = visit(pair_report, width=1280).evaluate(tops)
    assert wide[0] == wide[1]
    page = visit(pair_report, width=320)
    shut = page.evaluate("document.documentElement.scrollHeight")
    assert not page.locator("#curves .panel").first.is_visible()
    page.evaluate("location.hash = '#curves'")  # as its link does
    page.locator("#curves .panel").first.wait_for(state="visible")
    narrow = page.evaluate(tops)
    assert narrow[0] < narrow[1]
    page.evaluate("document.querySelectorAll('details.part').forEach(part => part.open = true)")
    assert shut < page.evaluate("document.documentElement.scrollHeight") / 3


def test_a_table_says_where_further_runs_are(visit, pair_report):
    page = visit(pair_report, width=320)
    page.evaluate("location.hash = '#sizes'")
    page.locator("#sizes .scroll.more").wait_for(state="visible")
    hint = page.evaluate("getComputedStyle(document.querySelector('#sizes .scroll'), '::before').content")
    assert "swipe" in hint


def test_rows_of_runs_stay_below_each_other_on_a_phone(visit, pair_report):
    """Each label stands beside its row, and the rows have the same left end, so that columns compare."""
    page = visit(pair_report, width=390)
    boxes = page.evaluate(
        "[...document.querySelectorAll('#reconstructions .strips')[0].children].map(e => {"
        "const r = e.getBoundingClientRect(); return [e.tagName, r.left, r.top, r.bottom]})"
    )
    labels, rows = boxes[::2], boxes[1::2]
    assert [label[0] for label in labels] == ["SPAN"] * 3
    assert [row[0] for row in rows] == ["IMG"] * 3
    assert len({row[1] for row in rows}) == 1
    for label, row in zip(labels, rows, strict=True):
        assert label[1] < row[1]
        assert label[2] < row[3] and row[2] < label[3]


def test_the_parts_of_a_figure_open(visit, assessed_report):
    page = visit(assessed_report)
    details = page.locator("#evaluation .bars").first
    assert not details.locator("dl").is_visible()
    details.locator("summary").click()
    assert details.locator("dl").is_visible()
    assert "<one>" in details.locator("dl").inner_text()
    assert page.problems == []


def test_the_switch_changes_page_and_charts(visit, vae_report):
    page = visit(vae_report, "dark")
    bar = "getComputedStyle(document.querySelector('#dimensions svg [style*=\"--first\"]')).fill"
    before = background(page), page.evaluate(bar)
    page.click("#theme")
    after = background(page), page.evaluate(bar)
    assert before == ("rgb(18, 22, 27)", "rgb(120, 178, 242)")
    assert after == ("rgb(246, 247, 245)", "rgb(31, 100, 173)")
    page.click("#theme")
    assert (background(page), page.evaluate(bar)) == before


def test_it_prints_light(visit, vae_report):
    page = visit(vae_report, "dark")
    page.emulate_media(media="print", color_scheme="dark")
    ink = page.evaluate("getComputedStyle(document.documentElement).color")
    assert ink == "rgb(29, 37, 48)"
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"


def test_text_can_be_read(visit, vae_report):
    """Body text has the contrast that WCAG asks for, in both themes."""
    for scheme in ("light", "dark"):
        page = visit(vae_report, scheme)
        for selector in ("p.summary", "figcaption", "td", ".tiles .value"):
            colour = page.evaluate(f"getComputedStyle(document.querySelector('{selector}')).color")
            box = f"document.querySelector('{selector}').closest('figure, .tiles > div, table, html')"
            ground = page.evaluate(f"getComputedStyle({box}).backgroundColor")
            assert contrast(colour, ground) >= 4.5, (scheme, selector)


def contrast(first, second):
    def luminance(colour):
        parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)
