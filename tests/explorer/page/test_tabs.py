"""The other tabs, and what holds for all of them."""

import io

import numpy as np
import pytest

import latentia
from latentia.explorer.view import View

TABS = ("map", "move", "sample", "compare", "health")


def first(page, selector):
    return page.evaluate(
        f"(() => {{const c = document.querySelector('{selector}'); "
        "return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]})()"
    )


def drawn(page, selector=".move .picture", more_than=0):
    page.until(f"+(document.querySelector('{selector}').dataset.count ?? 0) > {more_than}")
    page.wait_for_timeout(100)
    return first(page, selector)


def test_sliders_are_ordered_and_dead_ones_greyed(visit, wide):
    page = visit("wide", tab="move")
    before = drawn(page)
    names = page.locator(".slider > span").all_inner_texts()
    from latentia.explorer.encoded import encode_all

    kl = encode_all(wide, wide.folder.path / "explorer", lambda share: None).kl
    assert kl is not None
    assert names == [f"z{dim}" for dim in np.argsort(-kl, kind="stable")]
    assert page.locator(".slider.dead").count() == int((kl <= 0.01).sum())
    page.locator(".slider input").first.focus()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    page.until(lambda: first(page, ".move .picture") != before)
    page.until(lambda: "z=" in page.url)  # the address follows when the slider rests


def test_one_coordinate_of_a_real_input_is_edited(visit):
    page = visit("plane", tab="move", start="5")
    before = drawn(page)
    page.locator(".slider input").first.evaluate(
        "e => {e.value = +e.value + 1.5; e.dispatchEvent(new Event('input'))}"
    )
    page.until(lambda: first(page, ".move .picture") != before)
    page.click("text=Back to the example")
    page.until(lambda: first(page, ".move .picture") == before)


def test_a_grid_is_moved_along_principal_components(visit, gridded):
    page = visit("gridded", tab="move", start="5")
    before = drawn(page)
    found = View(gridded, 0).ready()["directions"]
    rows = np.array(found["rows"])
    assert rows.shape == (12, 12) and np.allclose(rows @ rows.T, np.eye(12), atol=1e-3)
    assert sum(found["shares"]) == pytest.approx(100, abs=0.1)
    assert page.locator(".slider > span").all_inner_texts() == [f"c{k + 1}" for k in range(12)]
    slider = page.locator(".slider input").first
    slider.evaluate(f"e => {{e.value = +e.value + {found['std'][0]}; e.dispatchEvent(new Event('input'))}}")
    page.until(lambda: first(page, ".move .picture") != before)
    page.wait_for_selector(".strips .picture >> nth=7")
    page.click("text=Back to the example")
    page.until(lambda: first(page, ".move .picture") == before)


def test_traversals_paths_and_arithmetic(visit, plane):
    page = visit("plane", tab="move", a=0, b=1, c=2)
    page.wait_for_selector(".strips .picture >> nth=17")
    page.wait_for_selector(".path .gallery .picture >> nth=8")
    page.click("text=Spherical")
    page.locator(".path input[type=range]").evaluate(
        "e => {e.value = 1; e.dispatchEvent(new Event('input'))}"
    )
    want = plane.reconstruct(plane.dataset.x[[1]])[0, 0] * 255 / 16

    def shows(selector, want):
        values = np.array(first(page, selector))
        if values.size != 4 * want.size:  # a canvas has a size of its own before it is drawn
            return False
        return np.abs(values.reshape(*want.shape, 4)[..., 0] - want.clip(0, 255)).max() <= 1

    page.until(lambda: shows(".path > .row > .picture", want))
    z = plane.encode(plane.dataset.x[:3])
    want = plane.decode(z[0] - z[1] + z[2])[0, 0] * 255 / 16
    page.until(lambda: shows(".arithmetic > .row > .picture", want))


def test_the_spherical_path_is_the_librarys(visit):
    import torch

    from latentia.sampling import spherical

    page = visit("plane", tab="move")
    got = page.evaluate(
        "import('./between.js').then(m => "
        "[...m.between(Float32Array.of(1, 2, 0.5), Float32Array.of(-1, 0.3, 2), 0.3, 'spherical')])"
    )
    want = spherical(torch.tensor([1, 2, 0.5]), torch.tensor([-1, 0.3, 2]), torch.tensor([0.3]))[0]
    assert got == pytest.approx(want.tolist(), abs=1e-5)


def test_samples_have_a_seed_and_can_be_downloaded(visit, plane):
    page = visit("plane", tab="sample", n=9, seed=3)
    page.wait_for_selector(".samples[data-seed='3'] .picture >> nth=8")
    with page.expect_download() as got:
        page.click("text=Download NPY")
    assert np.array_equal(np.load(io.BytesIO(got.value.path().read_bytes())), plane.sample(9, seed=3))
    with page.expect_download() as got:
        page.click("text=Download PNG")
    assert got.value.path().read_bytes().startswith(b"\x89PNG")
    before = first(page, ".samples .picture")
    page.click("text=Next seed")
    page.wait_for_selector(".samples[data-seed='4'] .picture >> nth=8")
    assert first(page, ".samples .picture") != before


def test_samplers_truncation_temperature_and_noise(visit, plane):
    page = visit("plane", tab="sample", n=4, truncation=0.5, temperature=0.8, noise="true")
    page.wait_for_selector(".samples .picture >> nth=3")
    with page.expect_download() as got:
        page.click("text=Download NPY")
    want = plane.sample(4, truncation=0.5, temperature=0.8, noise=True)
    assert np.array_equal(np.load(io.BytesIO(got.value.path().read_bytes())), want)
    page.select_option(".tools select >> nth=0", "mixture")
    page.wait_for_timeout(200)
    page.wait_for_selector(".samples .picture >> nth=3")


def test_each_class_level_by_level_and_codes(visit):
    page = visit("conditional", tab="sample")
    page.select_option(".tools select >> nth=1", "each")
    page.wait_for_selector(".samples .card >> nth=9")
    page = visit("hierarchical", tab="sample")
    page.check("text=level by level")
    page.wait_for_selector(".samples h3:has-text('1 of')")
    page = visit("coded", tab="sample", n=6)
    page.wait_for_selector(".codes .picture >> nth=5")


def test_a_sweep_moves_on_one_slider(visit, served, plane, wide):
    axis = {"name": "model.latent_dim", "values": ["2", "8"]}
    at = served(plane, wide, labels=["2", "8"], axis=axis, title="a sweep")
    page = visit(at=at, tab="compare")
    page.wait_for_selector(".compare .gallery .picture >> nth=24")
    page.wait_for_selector(".plane[data-inside]")
    before = first(page, ".compare .gallery .picture")
    assert page.locator(".chart circle.chosen title").text_content().startswith("2:")
    page.locator("#runs input").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(".chart text.chosen:has-text('8')")
    page.wait_for_selector(".compare .gallery .picture >> nth=24")
    assert first(page, ".compare .gallery .picture") != before
    assert page.locator("#runs output").inner_text() == "8"


def test_an_autoencoder_beside_a_vae_on_the_same_inputs(visit, served, plane, point):
    page = visit(at=served(plane, point), tab="compare")
    page.wait_for_selector(".strips .gallery >> nth=2")
    assert page.locator(".strips .label").all_inner_texts()[1].startswith("plane")


def test_health_is_the_evaluations(visit, wide):
    page = visit("wide", tab="health")
    assert "latentia evaluate" in page.locator("pre").inner_text()
    before = page.locator("#verdict").inner_text()
    assert "ollapse" in before and "Cure:" in before and "By what training logged" in before
    found = latentia.evaluate(wide, only=("health", "reconstruction"))
    assert found.diagnosis and found.verdict is not None
    try:
        page = visit("wide", tab="health")
        words, head = page.locator("#panel").inner_text(), page.locator("#verdict").inner_text()
    finally:
        wide.folder.evaluation_file.unlink()
    for part in (found.diagnosis[0].name, found.diagnosis[0].advice, "active units", "too small"):
        assert part in words
    assert found.verdict.text[1:] in head
    assert "By what training logged" not in head


def test_a_deleted_folder_is_said(visit, served, trained):
    run = trained("doomed", model={"latent_dim": 2}, epochs=1)
    page = visit(at=served(run), expected=("410",))
    kept = run.folder.run_file.rename(run.folder.path / "away")
    page.focus(".plane")
    page.keyboard.press("ArrowUp")
    page.wait_for_selector(".aside .failure:has-text('the run folder is gone')")
    page.click("#tab-health")
    page.wait_for_selector("#panel > .failure:has-text('gone')")
    kept.rename(run.folder.run_file)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
@pytest.mark.parametrize("tab", TABS)
def test_it_fits_and_axe_finds_nothing_serious(visit, tab, scheme, width):
    from axe_playwright_python.sync_playwright import Axe

    page = visit("plane", tab=tab, width=width, scheme=scheme)
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(page).response["violations"]
    serious = [
        (one["id"], [node["html"][:120] for node in one["nodes"]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_tabs_and_theme_work_by_keyboard(visit):
    page = visit()
    page.focus("#tab-map")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#panel[data-shown=move]")
    page.focus("#theme")
    page.keyboard.press("Enter")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(18, 22, 27)"


def test_a_long_title_keeps_off_the_theme_switch_on_a_phone(visit):
    page = visit(width=390)
    page.evaluate("document.getElementById('title').textContent = 'digits2, digits8, wine and four more'")
    over = (
        "(() => {const range = document.createRange(); "
        "range.selectNodeContents(document.getElementById('title')); "
        "const box = document.getElementById('theme').getBoundingClientRect(); "
        "return [...range.getClientRects()].some(line => line.right > box.left && line.top < box.bottom)})()"
    )
    assert not page.evaluate(over)


@pytest.mark.parametrize("width", [1280, 390])
def test_samples_come_out_of_noise_step_by_step(visit, served, denoised, width):
    run, other = denoised
    at = served(run, partner=other)
    page = visit(at=at, tab="sample", n=6, sampler="run", width=width)
    page.wait_for_selector(".samples .picture >> nth=5")
    page.check("text=from noise, step by step")
    page.wait_for_selector(".denoising .picture >> nth=31")
    page.fill(".field:has-text('Guidance') input", "4")
    page.keyboard.press("Enter")
    page.select_option(".field:has-text('Class') select", "3")
    page.wait_for_selector(".samples h3:has-text('3, seed 0')")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.select_option(".tools select >> nth=0", "diffusion")
    page.wait_for_selector(".samples h3:text-is('seed 0')")
    assert page.locator(".field:has-text('Guidance')").count() == 0
    page.select_option(".tools select >> nth=0", "prior")
    page.until("!document.querySelector('.denoising')")
    assert page.locator(".field:has-text('Steps')").count() == 0
