"""Small trained runs, served to a real browser."""

import csv
import re
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from latentia import api
from latentia.explorer.explore import app_of
from latentia.runs.encoding import encode

ROOT = Path(__file__).resolve().parents[3]
SHOTS = ROOT / "build" / "explorer"
"""Screenshots are kept here; git does not see them."""
PATIENCE = 180
"""Seconds that a page may take for anything, on a machine as busy as it may be."""
SCRIPT = "<script>document.title='run'</script>"


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Train a tiny run, once for each name."""
    root, known = tmp_path_factory.mktemp("explored"), {}

    def make(name, source="digits", model=None, epochs=2, network=None, **settings):
        if name not in known:
            network = network or {"name": "mlp", "hidden": [16]}
            table = {"name": "vae", **(model or {})}
            training = {"epochs": epochs, "validate_every": 1, "batch_size": settings.pop("batch_size", 128)}
            known[name] = api.train(
                source, out=root / name, model=table, network=network, training=training, **settings
            )
        return known[name]

    return make


@pytest.fixture(scope="session")
def plane(trained):
    return trained("plane", model={"latent_dim": 2}, epochs=4)


@pytest.fixture(scope="session")
def wide(trained):
    """Eight latents of which a strong beta leaves some dead."""
    return trained("wide", model={"latent_dim": 8}, epochs=4, objective={"beta": 4.0})


@pytest.fixture(scope="session")
def point(trained):
    return trained("point", model={"name": "autoencoder", "latent_dim": 2})


@pytest.fixture(scope="session")
def conditional(trained):
    return trained("conditional", model={"name": "conditional_vae", "latent_dim": 2})


@pytest.fixture(scope="session")
def hierarchical(trained):
    return trained("hierarchical", model={"name": "hierarchical_vae"}, network={"name": "ladder_mlp"})


@pytest.fixture(scope="session")
def gridded(trained):
    """A codec: latents of a grid of continuous numbers."""
    network = {"name": "deep_codec", "channels": [4, 8, 8], "blocks": [0, 1, 1]}
    return trained("gridded", model={"latent_dim": 3}, network=network)


@pytest.fixture(scope="session")
def lossless(trained):
    return trained("lossless", model={"latent_dim": 2}, likelihood="discretised_logistic")


@pytest.fixture(scope="session")
def coded(trained):
    return trained("coded", model={"name": "vqvae"}, network={"name": "grid"})


@pytest.fixture(scope="session")
def table(trained, tmp_path_factory):
    """A table with a script in a label, in a column's name, and in the run's."""
    path = tmp_path_factory.mktemp("table") / "rows.csv"
    rng = np.random.default_rng(0)
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow([SCRIPT, "price", "size", "kind"])
        for index, row in enumerate(rng.normal(size=(60, 3))):
            writer.writerow([*row, (SCRIPT, "c & d")[index % 2]])
    return trained("<b>table", str(path), model={"latent_dim": 3}, data={"label": "kind"})


@pytest.fixture(scope="session")
def series(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("series") / "waves.npy"
    phase = np.random.default_rng(0).uniform(0, 6, (60, 2, 1))
    np.save(path, np.sin(phase + np.linspace(0, 6, 24)).astype(np.float32))
    return trained("series", str(path), model={"latent_dim": 2})


@pytest.fixture(scope="session")
def served():
    """Serve runs on a port of its own; gives the address."""
    import uvicorn

    servers = []

    def start(*runs, quick=False, **settings):
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app_of(runs, quick=quick, **settings), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{listening.getsockname()[1]}/"

    yield start
    for server, thread in servers:
        server.should_exit = True
        thread.join(60)


@pytest.fixture(scope="session")
def address(served, plane, wide, point, conditional, hierarchical, coded, table, series, gridded, lossless):
    return served(plane, wide, point, conditional, hierarchical, coded, table, series, gridded, lossless)


@pytest.fixture(scope="session")
def crowd(trained, tmp_path_factory):
    """More points than are drawn one by one."""
    path = tmp_path_factory.mktemp("crowd") / "many.npy"
    np.save(path, np.random.default_rng(0).normal(size=(30_000, 3)).astype(np.float32))
    return trained("crowd", str(path), model={"latent_dim": 2}, epochs=1, batch_size=2048)


RUNS = (
    "plane",
    "wide",
    "point",
    "conditional",
    "hierarchical",
    "coded",
    "table",
    "series",
    "gridded",
    "lossless",
)


@pytest.fixture
def visit(browser, address, request):
    """Open the page, watch for whatever goes wrong, and keep a screenshot at the end."""
    contexts, pages = [], []

    def make(run="plane", at=None, width=1280, scheme="light", expected=(), **state):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(1000 * PATIENCE)
        page.problems = []
        page.expected = (*expected, "willReadFrequently")  # the tests read pictures back, the page does not
        page.until = lambda wanted: until(page, wanted)
        page.on("console", lambda message: page.problems.append(message.text))
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("request", lambda asked: outside(page, asked.url, at or address))
        pages.append(page)
        fields = {"run": RUNS.index(run), **state} if at is None else state
        page.goto((at or address) + "#" + "&".join(f"{key}={value}" for key, value in fields.items()))
        page.wait_for_selector("#panel[data-shown]")
        if state.get("tab", "map") == "map":
            page.wait_for_selector(".plane[data-ready]")
        return page

    yield make
    SHOTS.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"\W+", "-", request.node.name).strip("-")
    for number, page in enumerate(pages):
        page.screenshot(path=SHOTS / f"{name}{f'-{number}' if number else ''}.png", full_page=True)
    left = [
        line for page in pages for line in page.problems if not any(part in line for part in page.expected)
    ]
    for context in contexts:
        context.close()
    assert left == []


def outside(page, url, address):
    if not url.startswith((address, address.replace("http", "ws"), "blob:")):
        page.problems.append(url)


def until(page, wanted):
    """Wait until an expression of the page, or a function here, is true; its rules forbid code in strings."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if wanted() if callable(wanted) else page.evaluate(wanted):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"never became true: {wanted}")


@pytest.fixture(scope="session")
def denoised(trained, tmp_path_factory):
    """A run with a diffusion that was fitted to its latents, and another that was trained on these."""
    run = trained("denoised", model={"latent_dim": 2})
    small = {"name": "denoiser_mlp", "width": 16, "blocks": 1}
    run.sampler("diffusion", fit_steps=20, denoiser=small)
    folder = encode(run.folder.path, None, tmp_path_factory.mktemp("moments") / "all", latents="moments")
    prior = {"name": "diffusion", "denoiser": small}
    other = api.train(
        str(folder), out=folder.parent / "drawing", model={"name": "conditional_diffusion"}, prior=prior,
        training={"epochs": 1},
    )  # fmt: skip
    return run, other
