"""Clips play in the explorer: the original beside its reconstruction, in step, over a strip of frames."""

import numpy as np
import pytest

LATENTS = {"name": "causal3d", "channels": [4, 8, 8], "blocks": [1, 1, 1, 1], "patch": 2}
FRAMES, SIDE = 9, 16


@pytest.fixture(scope="module")
def address_of_clips(trained, served, tmp_path_factory):
    """A run on squares that move to the right."""
    path = tmp_path_factory.mktemp("clips") / "clips.npy"
    x = np.zeros((24, 3, FRAMES, SIDE, SIDE), np.uint8)
    for clip in range(len(x)):
        for frame in range(FRAMES):
            x[clip, :, frame, clip % 8 : clip % 8 + 6, frame : frame + 6] = 255
    np.save(path, x)
    run = trained(
        "clips", str(path), model={"latent_dim": 4}, network=LATENTS, batch_size=8, epochs=1,
        posterior="shared_gaussian",
    )  # fmt: skip
    return served(run)


def lit(page, number):
    """Which columns of the playing frame of one of the pictures have light, and which frame it is."""
    return page.evaluate(
        "number => {const c = document.querySelectorAll('canvas.video')[number];"
        "const row = c.getContext('2d').getImageData(0, 0, c.width, c.width).data, light = new Set();"
        "for (let i = 0; i < row.length; i += 4) if (row[i] > 200) light.add((i / 4) % c.width);"
        "return {frame: +c.dataset.frame, from: Math.min(...light), to: Math.max(...light)}}",
        number,
    )


@pytest.mark.parametrize("width", [1280, 390])
def test_clips_play_beside_their_reconstructions(visit, address_of_clips, width):
    page = visit(at=address_of_clips, width=width)
    plane = page.locator(".plane")
    plane.scroll_into_view_if_needed()
    page.until("document.querySelectorAll('.pair canvas.video').length == 2")
    box = plane.bounding_box()
    for step in range(40):  # until the pointer has met a dot
        page.mouse.move(box["x"] + box["width"] * (0.1 + 0.02 * step), box["y"] + box["height"] / 2)
        if page.locator(".pair canvas.video[data-frame]").count() == 2:
            break
    if page.locator(".pair canvas.video[data-frame]").count() < 2:
        page.evaluate(
            "document.querySelector('.plane').dispatchEvent(new CustomEvent('over', {detail: {index: 0}}))"
        )
    page.until("document.querySelectorAll('.pair canvas.video[data-frame]').length == 2")
    pair = "[...document.querySelectorAll('.pair canvas.video')]"
    page.until(f"{pair}[0].dataset.frame === {pair}[1].dataset.frame")  # in step from the first tick on
    sizes = page.evaluate(pair + ".map(c => [c.width, c.height])")
    assert sizes == [[4 * SIDE, 5 * SIDE]] * 2  # a frame, and a strip of four below it
    number = page.evaluate(
        "[...document.querySelectorAll('canvas.video')].indexOf(document.querySelector('.pair canvas.video'))"
    )
    seen = {}
    page.until(lambda: len(seen.update({(s := lit(page, number))["frame"]: s}) or seen) >= 4)
    for frame, shown in seen.items():
        assert (shown["from"], shown["to"]) == (4 * frame, 4 * (frame + 6) - 1)
    page.locator(".pair canvas.video").first.click()
    page.wait_for_timeout(200)
    halted = lit(page, number)
    page.wait_for_timeout(300)
    assert lit(page, number) == halted
    page.locator(".pair canvas.video").first.press(" ")
    page.until(lambda: lit(page, number)["frame"] != halted["frame"])
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_samples_of_clips_play_small(visit, address_of_clips):
    page = visit(at=address_of_clips, tab="sample", n=4)
    page.wait_for_selector(".samples .picture >> nth=3")
    page.until("document.querySelector('.samples canvas.video').dataset.frame > 1")
    assert page.evaluate("document.querySelector('.samples canvas.video').width") == SIDE
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
