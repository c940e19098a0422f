"""What the page says of itself: nothing that carries nothing looks as if it did."""

import pytest


@pytest.fixture(scope="module")
def collapsed(trained):
    return trained("collapsed", model={"latent_dim": 4}, epochs=2, objective={"beta": 200.0})


def test_latents_that_carry_nothing_look_so(visit, served, collapsed):
    page = visit(at=served(collapsed), way="pca")
    page.wait_for_selector(".plane[data-ready]")
    assert page.locator("#verdict").inner_text().startswith("Full collapse.")
    assert (
        "at the prior's scale all examples are in one place" in page.locator("figcaption").first.inner_text()
    )
    page.click("#tab-move")
    meter = page.locator(".slider meter").first
    meter.wait_for()
    assert float(meter.get_attribute("max")) == 1  # nats, and not what the fullest of them carries
    assert float(meter.get_attribute("value") or 0) < 0.1
    assert "A full bar is 1 nats." in page.locator("#panel").inner_text()


def test_a_place_off_the_map_is_told_in_words_and_the_first_hint_goes(visit, plane, served):
    page = visit(at=served(plane))
    page.wait_for_selector(".plane[data-ready]")
    assert "Drag the ring" in page.locator(".hint").inner_text()
    box = page.locator(".plane").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 12, box["y"] + 12, steps=4)
    page.mouse.up()
    page.wait_for_selector(".words .off")
    assert page.locator(".hint").count() == 0
    for _ in range(12):
        page.click("button[title='Zoom in']")
    page.wait_for_selector("text=The ring is outside of the view")
    page.click("button[title='Show the whole map']")
    page.wait_for_selector("text=The ring is outside of the view", state="hidden")


def test_on_a_phone_the_decoded_picture_stays_in_sight_of_the_map(visit, plane, served):
    page = visit(at=served(plane), width=390)
    page.wait_for_selector(".plane[data-ready]")
    page.evaluate("document.querySelector('.plane').scrollIntoView({block: 'end'})")
    top = "document.querySelector('.aimed .picture').getBoundingClientRect().top"
    end = "document.querySelector('.plane').getBoundingClientRect().bottom"
    assert page.evaluate(top) >= 0
    assert page.evaluate(end) <= page.viewport_size["height"] + 1
