"""The page without a server, in a real browser: what it decodes is what torch decodes."""

import contextlib
import functools
import http.server
import math
import os
import socket
import threading
from pathlib import Path

import numpy as np
import pytest

import latentia
from latentia.cli import main
from latentia.core.errors import LatentiaError
from latentia.explorer import runtime
from latentia.explorer.site import DRAWN, write_site
from latentia.export.decoder import OnnxDecoder, decoder, kept_graph

TINY = {"epochs": 1, "training": {"batch_size": 256}}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("secret place")


@pytest.fixture(scope="module")
def runs(place):
    """A dense network with two latents, and a convolutional one with a condition."""
    dense = latentia.train(
        "digits",
        model="vae",
        network={"name": "mlp", "hidden": [16]},
        latent_dim=2,
        out=place / "dense",
        **TINY,
    )
    conv = latentia.train(
        "digits", model="conditional_vae", network="conv", latent_dim=3, out=place / "conv", **TINY
    )
    conv.sampler("mixture", components=2)
    return dense, conv


@pytest.fixture(scope="module")
def site(absent, runs, tmp_path_factory):
    try:
        runtime.find()
    except LatentiaError as error:
        absent(str(error))
    folder = tmp_path_factory.mktemp("out") / "site"
    size = write_site(runs, folder, title="digits")
    assert size < 8 * 2**20
    return folder


class Plain(http.server.SimpleHTTPRequestHandler):
    """A static host: no headers of its own, nothing logged."""

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def hosted(site):
    handler = functools.partial(Plain, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/index.html"
        server.shutdown()


@pytest.fixture(params=["hosted", "disk"])
def page(request, site, browser):
    """The export, opened from a static host or from the disk, offline; it may complain of nothing."""
    address = (
        request.getfixturevalue("hosted") if request.param == "hosted" else (site / "index.html").as_uri()
    )
    problems = []
    own = ("data:", "blob:", address.rsplit("/", 1)[0])
    with contextlib.closing(browser.new_context()) as context:
        page = context.new_page()
        page.set_default_timeout(180_000)
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda asked: None if asked.url.startswith(own) else problems.append(asked.url))
        page.goto(address)
        page.wait_for_selector("#panel[data-shown=map]")
        yield page
    assert problems == []


def decoded(page, number, z, c=None):
    """Decode in the browser."""
    script = """async ([number, z, n, c]) => {
      globalThis.backend ??= await (await import("page/static.js")).open();
      return Array.from(await backend.decode(number, z, n, c));
    }"""
    given = [number, z.ravel().tolist(), len(z), None if c is None else c.ravel().tolist()]
    return np.array(page.evaluate(script, given), np.float32)


def test_latents_of_a_class_are_among_those_that_were_drawn_under_it(page, runs):
    run = runs[1]
    c = run.conditions_for(DRAWN)
    drawn = run.draw(DRAWN, c, run.sampler_as_fitted("mixture"))
    script = """async (condition) => {
      globalThis.backend ??= await (await import("page/static.js")).open();
      return Array.from((await backend.sample(1, { n: 20, sampler: "mixture", condition })).z);
    }"""
    got = np.array(page.evaluate(script, np.asarray(run.conditions(3)[0]).tolist())).reshape(20, 3)
    own = drawn[np.asarray(c).argmax(axis=1) == 3]
    assert np.abs(got[:, None] - own).max(axis=2).min(axis=1) == pytest.approx(np.zeros(20), abs=1e-6)
    assert len(np.unique(got, axis=0)) > 1


@pytest.mark.parametrize("number", [0, 1])
def test_the_browser_decodes_what_torch_decodes(page, runs, number):
    run = runs[number]
    z = np.random.default_rng(0).standard_normal((70, *run.latent)).astype(np.float32)
    c = run.conditions_at(np.arange(70))
    want = run.decode(z, c)
    got = decoded(page, number, z, c).reshape(want.shape)
    assert np.abs(got - want).max() <= 1e-4 * np.abs(want).max()


def test_the_data_of_the_page_are_those_of_the_run(page, runs):
    script = """async () => {
      const backend = await (await import("page/static.js")).open();
      const ready = await backend.prepare(0);
      const { points, exact } = await backend.map(0, "itself");
      const labels = await backend.column(0, 0);
      const some = { x: await backend.examples(0, [5, 1700]), z: (await backend.latents(0, [5])).z };
      const selected = await backend.select(0, [0, 1, 2]);
      const made = await backend.sample(0, { n: 3, seed: 7, truncation: 0.5 });
      const again = await backend.sample(0, { n: 3, seed: 7, truncation: 0.5 });
      const told = await backend.sample(1, { n: 2, seed: 1, condition: [1, 0, 0, 0, 0, 0, 0, 0, 0, 0] });
      return { count: ready.count, exact, points: [...points.slice(10, 12)], label: labels[5],
               told: told.x.length, x: [...some.x], z: [...some.z], mean: selected.mean,
               made: [...made.z], again: [...again.z] };
    }"""
    found, run = page.evaluate(script), runs[0]
    z = run.encode_examples(slice(None))
    assert found["count"] == len(run.dataset) and found["exact"]
    np.testing.assert_allclose(found["points"], z[5], rtol=1e-5)
    np.testing.assert_allclose(found["z"], z[5], rtol=1e-5)
    np.testing.assert_allclose(found["mean"], z[:3].mean(axis=0), rtol=1e-4)
    np.testing.assert_array_equal(found["x"], run.dataset.x[[5, 1700]].ravel())
    assert found["label"] == run.dataset.labels[5]
    assert found["made"] == found["again"] and max(map(abs, found["made"])) <= 0.5
    assert found["told"] == 2 * 64


def test_what_cannot_be_decoded_is_said(page):
    script = """async () => {
      const backend = await (await import("page/static.js")).open();
      const said = [];
      for (const [run, z] of [[0, [1, NaN]], [0, [1]], [1, [0, 0, 0]]]) {
        await backend.decode(run, z, 1).then(() => said.push("nothing"), (error) => said.push(error.message));
      }
      return said;
    }"""
    said = page.evaluate(script)
    assert said[:2] == ["These are not 1 latents of 2 finite numbers."] * 2
    assert said[2] == "This model needs a condition to decode."


def test_truncated_latents_are_normal_ones_within_the_limit(page):
    """Also where a normal number hardly ever falls within it; against the exact variance."""
    script = """async (limits) => {
      const backend = await (await import("page/static.js")).open();
      const drawn = [];
      for (const truncation of limits) {
        drawn.push([...(await backend.sample(0, { n: 5000, seed: 3, truncation })).z]);
      }
      const refused = await backend.sample(0, { n: 1, truncation: -1 }).catch((error) => error.message);
      return { drawn, refused };
    }"""
    found = page.evaluate(script, [1e-6, 0.5, 2.0])
    for limit, z in zip([1e-6, 0.5, 2.0], map(np.array, found["drawn"])):
        assert np.abs(z).max() <= limit
        inside = math.erf(limit / math.sqrt(2))
        density = math.exp(-(limit**2) / 2) / math.sqrt(2 * math.pi)
        # Below 1e-3 the formula cancels to nothing: there the distribution is uniform.
        variance = 1 - 2 * limit * density / inside if limit > 1e-3 else limit**2 / 3
        assert z.var() == pytest.approx(variance, rel=0.06)
        assert abs(z.mean()) < 4 * math.sqrt(variance / z.size)
    assert found["refused"] == "The truncation must be above 0, in standard deviations."


def test_ticks_end_where_numbers_are_too_large_to_count_on(page):
    script = """async (ends) => {
      const { ticks } = await import("page/scatter.js");
      return ends.map(([low, high]) => ticks(low, high, 6));
    }"""
    ends = [[-3, 3], [1e20, 1e20 + 65536], [0, 0], [1e-30, 2e-30]]
    ticks = page.evaluate(script, ends)
    assert ticks[0] == [-3, -2, -1, 0, 1, 2, 3]
    assert len(ticks[1]) <= 12 and ticks[2] == []
    assert 4 <= len(ticks[3]) <= 12


def test_the_newest_of_a_stream_is_decoded(page):
    script = """async () => {
      const backend = await (await import("page/static.js")).open();
      const all = await Promise.all([1, 2, 3].map((value) => backend.decode(0, [value, 0], 1, null, 9)));
      return all.map((x) => x === null);
    }"""
    assert page.evaluate(script) == [True, True, False]


def test_the_export_holds_nothing_of_the_machine(site, runs, place):
    import base64
    import gzip
    import re

    user = os.environ.get("USER") or Path.home().name
    words = [str(place), "secret place", f"{Path.home()}/", str(Path.cwd()), f"/{user}/"]
    words += [socket.gethostname()] * (len(socket.gethostname()) > 4)  # a shorter one stands in any file
    for path in site.rglob("*"):
        if not path.is_file():
            continue
        content = path.read_bytes()
        inside = re.fullmatch(rb'\(globalThis\.latentiaFiles\?\?=\{\}\)\["[^"]+"\]="([^"]*)";\n', content)
        texts = [content] + ([gzip.decompress(base64.b64decode(inside[1]))] if inside else [])
        for text in texts:
            assert not [word for word in words if word.encode() in text], path


def test_a_place_that_is_taken_and_a_missing_engine_are_one_line(site, runs, tmp_path, capsys, monkeypatch):
    folder, sought = runs[0].folder.path, []
    with monkeypatch.context() as patched:
        patched.setattr(runtime, "find", lambda *given: sought.append(given))
        with pytest.raises(SystemExit) as ended:
            main(["explore", str(folder), "--export", str(site)])
    assert ended.value.code == 2 and "is not empty" in capsys.readouterr().err
    assert sought == []  # nothing is fetched for a place that is taken
    with pytest.raises(LatentiaError, match=r"does not hold ort\.wasm\.min\.js, .* of onnxruntime-web 1\."):
        runtime.find(tmp_path)
    monkeypatch.setattr(runtime, "WEB", tmp_path)
    monkeypatch.setenv("LATENTIA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(runtime.shutil, "which", lambda _: None)
    with pytest.raises(LatentiaError, match=r"npm is not there to fetch it; .*--runtime.*npm pack"):
        runtime.find()
    assert list(tmp_path.iterdir()) == []


def test_the_engine_is_the_one_that_web_pins():
    import json

    web = Path(__file__).resolve().parents[2] / "web"
    assert json.loads((web / "package.json").read_text())["dependencies"] == {
        runtime.PACKAGE: runtime.VERSION
    }
    locked = json.loads((web / "package-lock.json").read_text())["packages"]
    assert locked[f"node_modules/{runtime.PACKAGE}"]["version"] == runtime.VERSION


@pytest.mark.parametrize("number", [0, 1])
def test_a_kept_decoder_is_used_while_the_weights_are_its_own(runs, number, monkeypatch):
    run = runs[number]
    decode = decoder(run)
    assert isinstance(decode, OnnxDecoder)
    z = np.random.default_rng(1).standard_normal((9, *run.latent)).astype(np.float32)
    c = run.conditions_at(np.arange(9))
    want = run.decode(z, c)
    np.testing.assert_allclose(decode(z, c), want, atol=1e-5 * np.abs(want).max())
    monkeypatch.setattr("latentia.export.decoder.decoder_bytes", lambda _: pytest.fail("made again"))
    assert kept_graph(run)
    (kept,) = (run.folder.path / "onnx").iterdir()
    kept.write_bytes(kept.read_bytes()[:-100])  # damaged: made again
    monkeypatch.setattr("latentia.export.decoder.decoder_bytes", lambda _: b"new")
    assert kept_graph(run) == b"new"
    kept.unlink()


def test_torch_decodes_where_a_graph_cannot(runs, monkeypatch):
    def fails(_):
        raise LatentiaError("no such operation")

    monkeypatch.setattr("latentia.export.decoder.kept_graph", fails)
    said = []
    assert decoder(runs[0], say=said.append) == runs[0].inference.decode
    assert said == ["decoding through torch: no such operation"]
