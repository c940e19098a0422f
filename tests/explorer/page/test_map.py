"""The tab Map, in a real browser."""

import io
import re

import numpy as np
import pytest

COUNT = "+(document.querySelector('.aside canvas').dataset.count ?? 0)"
PIXELS = (
    "(() => {const c = document.querySelector('%s'); "
    "return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]})()"
)


def picture(page, selector=".aside canvas"):
    return page.evaluate(PIXELS % selector)


def settle(page, before):
    page.until(f"{COUNT} > {before}")
    page.wait_for_timeout(150)


def still(page):
    """Whether address and picture stay as they are for a second."""
    seen = page.url, picture(page)
    page.wait_for_timeout(1000)
    return seen == (page.url, picture(page))


def middle(page):
    page.locator(".plane").scroll_into_view_if_needed()
    box = page.locator(".plane").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_the_picture_follows_a_drag(visit):
    page = visit()
    x, y = middle(page)
    page.until(f"{COUNT} > 0")
    before, count = picture(page), page.evaluate(COUNT)
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(12):
        page.mouse.move(x + 12 * step, y - 8 * step)
    page.mouse.up()
    settle(page, count)
    page.until(lambda: picture(page) != before)
    assert "Exact" in page.locator(".aside .words").first.inner_text()


def test_the_picture_is_what_the_model_decodes(visit, plane):
    page = visit(x=0.5, y=-1)
    page.until(f"{COUNT} > 0")
    grey = np.array(picture(page)).reshape(8, 8, 4)[..., 0]
    want = plane.decode(np.array([[0.5, -1]], np.float32))[0, 0] * 255 / 16
    assert np.abs(grey - want.clip(0, 255)).max() <= 1


def test_keys_move_the_cursor_and_the_url_remembers_it(visit):
    page = visit()
    page.focus(".plane")
    page.until(f"{COUNT} > 0")
    before, count = picture(page), page.evaluate(COUNT)
    for _ in range(15):
        page.keyboard.press("ArrowRight")
    settle(page, count)
    page.until(lambda: picture(page) != before)
    page.until("location.hash.includes('x=')")
    page.until(lambda: still(page))  # each key puts off what the address will say
    again = visit(
        at=page.url.split("#")[0], **dict(pair.split("=") for pair in page.url.split("#")[1].split("&"))
    )
    again.until(lambda: np.abs(np.array(picture(again)) - np.array(picture(page))).max() <= 2)


def test_zoom_pan_and_back(visit):
    page = visit()
    inside = "+document.querySelector('.plane').dataset.inside"
    page.until(f"{inside} > 1000")
    every = page.evaluate(inside)
    x, y = middle(page)
    page.mouse.move(x, y)
    for _ in range(4):
        page.mouse.wheel(0, -400)
    page.until(f"{inside} < {every}")
    page.click("text=Pan")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 300, y, steps=4)
    page.mouse.up()
    page.until("location.hash.includes('zoom=')")
    page.click("text=Whole map")
    page.until(f"{inside} == {every}")


def test_many_points_are_a_density_until_few_are_in_view(visit, served, crowd):
    page = visit(at=served(crowd))
    assert page.get_attribute(".plane", "data-drawn") == "density"
    assert page.get_attribute(".plane", "data-inside") == "30000"
    page.focus(".plane")
    for _ in range(15):  # latents that carry nothing lie close together on a map of the prior's size
        page.keyboard.press("+")
    page.until("document.querySelector('.plane').dataset.drawn == 'points'")


def test_the_nearest_points_are_the_nearest(visit):
    page = visit()
    points = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)
    places = [[0, 0], [0.5, -1], [4, 4], [-9, 0.1]]
    found = page.evaluate(
        "async ([points, places]) => {const {Nearest} = await import('./nearest.js'); "
        "const near = new Nearest(Float32Array.from(points)); "
        "return places.map(([x, y]) => near.find(x, y, 7).map(({index}) => index))}",
        [points.ravel().tolist(), places],
    )
    for place, near in zip(places, found, strict=True):
        assert near == np.argsort(((points - place) ** 2).sum(axis=1))[:7].tolist()


def test_hover_shows_input_and_reconstruction(visit):
    page = visit()
    page.focus(".plane")
    for _ in range(10):
        page.keyboard.press("+")
    box = page.locator(".plane").bounding_box()
    for x in range(8, 16):
        for y in range(8, 16):
            page.mouse.move(box["x"] + box["width"] * x / 24, box["y"] + box["height"] * y / 24)
        page.wait_for_timeout(100)
        if page.locator(".card:nth-of-type(2) > .words").inner_text().startswith("example"):
            break
    page.until("document.querySelectorAll('.pair .picture')[1].width == 8")
    words = page.locator(".card:nth-of-type(2) > .words").inner_text()
    assert "example" in words and "label" in words and "reconstruction error" in words and "nats" in words
    page.click("text=Use as b")
    page.click("text=Edit")
    page.wait_for_selector("#panel[data-shown=move]")


def test_two_latents_are_decoded_as_a_grid(visit):
    page = visit()
    page.check("text=Decoded grid")
    page.until("+document.querySelector('.plane').dataset.tiles > 100")
    page.keyboard.press("Tab")


@pytest.mark.parametrize(
    "name", ["label", "reconstruction error", "KL", "anomaly score", "split", "latent 1"]
)
def test_any_column_colours_the_map(visit, name):
    page = visit(colour=name)
    assert page.locator(".legend-name").inner_text().startswith(name)


def test_the_strangest_examples_are_listed_and_found_on_the_map(visit, plane):
    scores = plane.score(plane.dataset.x)
    order = np.argsort(-scores.astype(np.float32), kind="stable")[:8]
    page = visit(colour="anomaly score")
    page.until("document.querySelectorAll('.strangest button').length == 8")
    rows = page.locator(".strangest span").all_inner_texts()
    assert rows == [str(row) for row in order]
    drawn = "[...document.querySelectorAll('.strangest canvas')].every((canvas) => canvas.width == 8)"
    page.until(drawn)
    page.locator(".strangest button").nth(2).click()
    page.until(lambda: f"example {rows[2]}," in page.locator(".card:nth-of-type(2) > .words").inner_text())
    words = page.locator(".card:nth-of-type(2) > .words").inner_text()
    told = re.search(r"anomaly score ([\d.]+)", words)
    assert told is not None and np.isclose(float(told[1]), scores[order[2]], rtol=0.01)
    place = page.locator(".aside .words").first.inner_text()
    x, y = (float(part.replace("\u2212", "-")) for part in re.findall(r": ([-\u2212]?[\d.]+)", place)[:2])
    assert np.allclose([x, y], plane.encode(plane.dataset.x[order[2:3]])[0], atol=0.02)


@pytest.mark.parametrize("run", ["table", "series", "coded", "hierarchical", "conditional", "point"])
def test_every_kind_of_run_lists_its_strangest(visit, run):
    page = visit(run)
    page.until("document.querySelectorAll('.strangest button').length == 8")


@pytest.mark.parametrize("run", ["plane", "table"])
def test_the_strangest_fit_onto_a_phone(visit, run):
    page = visit(run, width=390)
    page.until("document.querySelectorAll('.strangest button').length == 8")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_projection_says_how_uncertain_it_is(visit):
    page = visit("wide")
    page.until(f"{COUNT} > 0")
    words = page.locator(".aside .words").first.inner_text()
    assert "Uncertainty" in words and "% of the data's spread" in words
    assert page.locator("text=Decoded grid").is_hidden()


def test_a_map_is_computed_once_and_kept(visit, table):
    page = visit("table")
    page.select_option(".tools select >> nth=0", "tsne")
    page.wait_for_selector(".plane[data-ready=tsne]")
    assert "t‑SNE" in page.locator("figcaption .note").inner_text()
    assert (table.folder.path / "explorer" / "tsne.safetensors").is_file()


def lassoed(page):
    x, y = middle(page)
    page.mouse.move(x - 150, y - 150)
    page.mouse.down()
    for dx, dy in ((150, -150), (150, 150), (-150, 150)):
        page.mouse.move(x + dx, y + dy, steps=4)
    page.mouse.up()
    page.wait_for_selector(".selection table")


def test_a_selection_of_a_lossless_run_is_downloaded_compressed(visit, lossless):
    page = visit("lossless", mode="lasso")
    lassoed(page)
    with page.expect_download() as got:
        page.click("text=Download compressed")
    found = lossless.decompress(got.value.path().read_bytes())
    assert f"{len(found):,} of 1,797" in page.locator(".selection").inner_text()


def test_a_lasso_shows_mean_and_spread_and_exports(visit, plane):
    page = visit(mode="lasso")
    lassoed(page)
    with page.expect_download() as got:
        page.click("text=Export .npz")
    found = np.load(io.BytesIO(got.value.path().read_bytes()))
    rows = found["rows"]
    assert np.array_equal(found["z"], plane.encode_examples(rows).reshape(len(rows), -1))
    assert f"{len(rows):,} of 1,797" in page.locator(".selection").inner_text()
    for dim, line in enumerate(sorted(page.locator(".selection tbody tr").all_inner_texts())):
        name, mean, std = line.split()[:3]
        assert int(name) == dim
        assert float(mean) == pytest.approx(found["z"][:, dim].mean(), abs=0.01)
        assert float(std) == pytest.approx(found["z"][:, dim].std(), abs=0.01)


def test_an_own_image_is_placed_and_scored(visit):
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (40, 40), "grey").save(file, "PNG")
    page = visit()
    page.set_input_files(
        ".drop input", {"name": "mine.png", "mimeType": "image/png", "buffer": file.getvalue()}
    )
    page.wait_for_selector(".drop .pair")
    words = page.locator(".drop").inner_text()
    assert "Error" in words and "KL" in words and "% of the data" in words
    page.click("text=Move from it")
    page.wait_for_selector("#panel[data-shown=move]")


def test_an_own_array_of_another_shape_is_refused(visit):
    file = io.BytesIO()
    np.save(file, np.zeros((3, 3)))
    page = visit(expected=("422",))
    for name, body, reason in (
        ("a.npy", file.getvalue(), "has shape 1x8x8, and this has 3x3"),
        ("b.png", b"\x89PNG but no image", "cannot be read"),
    ):
        page.set_input_files(".drop input", {"name": name, "mimeType": "", "buffer": body})
        page.wait_for_selector(f".drop .failure:has-text('{reason}')")


def test_numbers_of_a_table_can_be_typed(visit):
    page = visit("table")
    page.fill(".drop textarea", "0.1, -0.2, 0.3")
    page.click("text=Encode")
    page.wait_for_selector(".drop .pair")


def test_a_conditional_run_decodes_under_the_chosen_condition(visit):
    page = visit("conditional", x=0, y=0)
    page.until(f"{COUNT} > 0")
    count, before = page.evaluate(COUNT), picture(page)
    page.select_option(".tools select >> nth=1", label="7")
    settle(page, count)
    page.until(lambda: picture(page) != before)


def test_a_script_in_a_label_is_text(visit):
    page = visit("table")
    assert "<script>" in page.locator(".legend").inner_text()
    page.wait_for_timeout(200)
    assert page.title() != "run"
    assert page.locator("#panel script").count() == 0


@pytest.mark.parametrize("name", ["table", "series"])
def test_tables_and_arrays_are_drawn(visit, name):
    page = visit(name)
    page.until(f"{COUNT} > 0")
    assert len(set(picture(page))) > 3
