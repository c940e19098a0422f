"""What the page's server says to bad input, and that nothing outside of the run can be read."""

import io
import json
import struct

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from latentia.core.errors import ConfigError, RunError
from latentia.explorer.encoded import encode_all
from latentia.explorer.explore import app_of
from latentia.explorer.planes import plane as plane_of
from latentia.explorer.view import View

FRAME = struct.Struct("<5I")


@pytest.fixture(scope="module")
def client(plane, conditional, table):
    with TestClient(app_of([plane, conditional, table], quick=False), base_url="http://localhost") as opened:
        yield opened


def unpacked(answer):
    """Read what `packed` wrote."""
    (size,) = struct.unpack_from("<I", answer.content)
    header, at, found = json.loads(answer.content[4 : 4 + size]), 4 + size, {}
    for part in header["arrays"]:
        kind = np.dtype("<i4" if part["type"] == "i4" else "<f4")
        if not part["shape"]:
            continue
        count = int(np.prod(part["shape"]))
        found[part["name"]] = np.frombuffer(answer.content, kind, count, at).reshape(part["shape"])
        at += 4 * count
    return found, header


def rows(*positions):
    return np.array(positions, "<i4").tobytes()


def asked(client, frames):
    """Send frames at once; gives what came back, by the frame's number."""
    found = {}
    with client.websocket_connect("/explore/live", headers={"host": "localhost"}) as socket:
        for frame in frames:
            socket.send_bytes(frame)
        for _ in frames:
            answer = socket.receive_bytes()
            number, status = struct.unpack_from("<2I", answer)
            found[number] = (status, answer[8:])
    return found


def frame(number, z, run=0, stream=0, c=None):
    z = np.asarray(z, "<f4")
    head = FRAME.pack(number, run, len(z), stream, c is not None)
    return head + z.tobytes() + (b"" if c is None else np.asarray(c, "<f4").tobytes())


def refused(client, one):
    (status, body), = asked(client, [one]).values()  # fmt: skip
    assert status == 2
    return body.decode()


def test_the_socket_decodes_what_the_run_decodes(client, plane, conditional):
    z = np.array([[0.3, -1], [2, 1]], np.float32)
    c = np.eye(10, dtype=np.float32)[[3, 7]]
    found = asked(client, [frame(1, z), frame(2, z, run=1, c=c)])
    assert np.array_equal(np.frombuffer(found[1][1], "<f4").reshape(2, 1, 8, 8), plane.decode(z))
    assert np.array_equal(np.frombuffer(found[2][1], "<f4").reshape(2, 1, 8, 8), conditional.decode(z, c))


def test_the_quicker_decoder_gives_the_same(plane):
    view = View(plane, 0)
    slow = view.decode(np.array([[0.3, -1]], np.float32))
    view.quicken().done.wait(300)
    assert view.quicken().failure == ""
    assert np.allclose(view.decode(np.array([[0.3, -1]], np.float32)), slow, atol=1e-4)


def test_of_one_stream_the_newest_is_always_decoded(client, plane):
    z = np.random.default_rng(0).normal(size=(200, 1, 2)).astype(np.float32)
    found = asked(client, [frame(number, one, stream=9) for number, one in enumerate(z)])
    assert len(found) == 200
    assert found[199][0] == 0
    assert np.array_equal(np.frombuffer(found[199][1], "<f4").reshape(1, 1, 8, 8), plane.decode(z[199]))
    assert {status for status, _ in found.values()} <= {0, 1}


def test_bad_frames_are_refused_in_one_line_and_the_socket_lives(client):
    assert "not finite" in refused(client, frame(1, [[np.nan, 0]]))
    assert "1,024 latents" in refused(client, frame(1, np.zeros((10_000, 2))))
    assert "does not hold 3 latents of shape 2" in refused(client, FRAME.pack(1, 0, 3, 0, 0) + b"1234")
    assert "no run 9" in refused(client, frame(1, [[0, 0]], run=9))
    assert "too short" in refused(client, b"abc")
    assert asked(client, [b"abc", frame(7, [[0, 0]])])[7][0] == 0


def test_examples_and_latents_are_the_runs(client, plane):
    found, _ = unpacked(client.post("/explore/0/examples", content=rows(5, 2)))
    assert np.array_equal(found["x"], plane.dataset.x[[5, 2]])
    found, _ = unpacked(client.post("/explore/0/latents", content=rows(5, 2)))
    assert np.allclose(found["z"], plane.encode_examples([5, 2]), atol=1e-5)


@pytest.mark.parametrize(
    ("path", "body", "status", "line"),
    [
        ("0/examples", rows(-1), 422, "no such example"),
        ("0/examples", rows(10**6), 422, "no such example"),
        ("0/examples", b"", 413, "examples"),
        ("0/examples", rows(*[0] * 5000), 413, "4,096 examples"),
        ("0/examples", b"abc", 422, "int32"),
        ("9/examples", rows(0), 404, "no run 9"),
        ("x/examples", rows(0), 422, "integer"),
        ("0/sample", b"{", 422, "JSON"),
        ("0/sample", b"[]", 422, "one JSON object"),
        ("0/sample", b'{"n": 100000}', 422, "from 1 to 256"),
        ("0/sample", b'{"n": true}', 422, "'n'"),
        ("0/sample", b'{"seed": -1}', 422, "'seed'"),
        ("0/sample", b'{"sampler": "../../etc"}', 422, "no sampler"),
        ("0/sample", b'{"temperature": "hot"}', 422, "'temperature'"),
        ("0/sample", b'{"evil": 1}', 422, "unknown field 'evil'"),
        ("0/sample", b'{"condition": [1]}', 422, "takes no condition"),
        ("1/sample", b'{"condition": [1, 2]}', 422, "condition"),
        ("1/sample", b'{"condition": "x"}', 422, "list of numbers"),
        ("0/sample", b'{"kept": 1}', 422, "no levels"),
        ("0/place", b"", 422, "empty"),
        ("0/place", b"\x89PNG\r\n", 422, "cannot be read"),
        ("0/place", b"\x93NUMPY nonsense", 422, "no array in numpy's .npy format"),
        ("2/place", b"1, 2", 422, "shape 3"),
        ("2/place", b"1, inf, 2", 422, "not finite"),
        ("2/place", b"<script>", 422, "neither"),
        ("2/place", b"\x00\x01\x02", 422, "neither"),
    ],
)
def test_what_cannot_be_answered_is_said_in_one_line(client, path, body, status, line):
    answer = client.post(f"/explore/{path}", content=body)
    assert answer.status_code == status
    assert line in answer.json()["error"]
    assert "Traceback" not in answer.text


def test_an_array_that_would_unpickle_is_refused(client):
    file = io.BytesIO()
    np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    answer = client.post("/explore/0/place", content=file.getvalue())
    assert answer.status_code == 422


def test_a_hundred_megabytes_are_refused(client):
    assert client.post("/explore/0/place", content=b"0" * 100_000_000).status_code == 413


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_of_64_megapixels_is_refused_before_it_is_decoded(client, kind):
    file = io.BytesIO()
    Image.new("L", (8000, 8000)).save(file, kind)
    answer = client.post("/explore/0/place", content=file.getvalue())
    assert answer.status_code == 413
    assert "64,000,000 pixels" in answer.json()["error"]


@pytest.mark.parametrize(
    "path",
    [
        "/../routes.py", "/..%2froutes.py", "/%2e%2e/routes.py", "/....//routes.py", "//etc/passwd",
        "/%2fetc/passwd",
        "/explore/0/map/..%2f..%2frun.toml", "/explore/0/map/../../run.toml", "/explore/0/column/..",
    ],
)  # fmt: skip
def test_nothing_outside_is_readable(client, path):
    answer = client.get(path)
    assert answer.status_code in (404, 422)
    assert "import" not in answer.text and "root:" not in answer.text and "[model]" not in answer.text


def test_a_forged_host_or_origin_is_refused(client):
    assert client.get("/explore/state", headers={"host": "evil.example"}).status_code == 403
    headers = {"origin": "http://evil.example"}
    assert client.post("/explore/0/examples", content=rows(0), headers=headers).status_code == 403
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/explore/live", headers={**headers, "host": "localhost"}),
    ):
        pass


def test_the_page_runs_no_script_but_its_own(client):
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'self'" in policy and "unsafe" not in policy


def test_an_example_of_the_data_is_placed_where_it_is(client, plane):
    file = io.BytesIO()
    np.save(file, plane.dataset.x[4])
    found, header = unpacked(client.post("/explore/0/place", content=file.getvalue()))
    assert header["point"]["itself"] == pytest.approx(plane.encode_examples([4])[0].tolist(), abs=1e-5)
    assert np.allclose(found["reconstruction"], plane.reconstruct(plane.dataset.x[[4]]), atol=1e-5)
    encoded = encode_all(plane, plane.folder.path / "explorer", lambda share: None)
    assert header["error"] == pytest.approx(float(encoded.error[4]), rel=1e-4)
    assert header["error_rank"] == pytest.approx((encoded.error < header["error"]).mean(), abs=1e-3)


def test_a_selection_is_described_and_exported(client, table):
    z = table.encode_examples([0, 3, 4]).reshape(3, -1)
    told = client.post("/explore/2/select", content=rows(0, 3, 4)).json()
    assert told["n"] == 3
    assert np.allclose(told["mean"], z.mean(axis=0), atol=1e-5)
    assert np.allclose(told["std"], z.std(axis=0), atol=1e-5)
    file = np.load(io.BytesIO(client.post("/explore/2/export", content=rows(0, 3, 4)).content))
    assert np.allclose(file["z"], z, atol=1e-5)
    assert file["labels"].tolist() == table.dataset.labels[[0, 3, 4]].tolist()


def test_a_selection_is_compressed_where_the_model_can(plane, lossless):
    with TestClient(app_of([lossless, plane], quick=False), base_url="http://localhost") as opened:
        runs = opened.get("/explore/state").json()["runs"]
        assert [run["lossless"] for run in runs] == [True, False]
        file = opened.post("/explore/0/compress", content=rows(5, 3, 4)).content
        assert (lossless.decompress(file) == lossless.dataset.x[[5, 3, 4]]).all()
        refused = opened.post("/explore/1/compress", content=rows(0))
        assert refused.status_code == 422 and "only probabilities of values" in refused.json()["error"]


def test_maps_are_kept_for_these_weights_alone(wide):
    folder = wide.folder.path / "explorer"
    ticks = []
    encoded = encode_all(wide, folder, ticks.append)
    again = encode_all(wide, folder, lambda share: pytest.fail("encoded again"))
    assert np.array_equal(encoded.latents, again.latents)
    weights = next(wide.model.parameters())
    weights.data += 1e-3
    try:
        fresh = []
        encode_all(wide, folder, fresh.append)
        assert sum(fresh) == pytest.approx(1)
    finally:
        weights.data -= 1e-3
        (folder / "encoded.safetensors").unlink()


def test_a_projection_puts_examples_back_where_they_are(wide):
    encoded = encode_all(wide, wide.folder.path / "explorer", lambda share: None)
    flat = plane_of(encoded, "pca", wide.folder.path / "explorer", {}, lambda share: None)
    for row in (0, 7):
        assert np.allclose(flat.place(encoded.latents[row], encoded.latents), flat.points[row], atol=1e-5)


def test_the_rate_is_the_loggeds(plane):
    """The mean KL over the test split is what training logged at its end."""
    encoded = encode_all(plane, plane.folder.path / "explorer", lambda share: None)
    rows = plane.dataset.splits["test"]
    assert encoded.rate[rows].mean() == pytest.approx(plane.metrics("test")[-1]["rate"], rel=1e-3)
    assert encoded.error[rows].mean() == pytest.approx(plane.metrics("test")[-1]["mse"], rel=1e-3)


@pytest.mark.parametrize(("number", "told"), [(0, False), (1, True)])
def test_a_map_says_whether_its_latents_were_told_of_their_labels(client, number, told):
    for _ in range(400):  # each answer waits for it up to 0.05 s
        answer = client.get(f"/explore/{number}/map/itself").json()
        if answer["done"]:
            break
    assert ("under its own condition" in answer["result"]["method"]) == told


def test_a_diffusion_is_watched_on_its_way(denoised):
    run, other = denoised
    with TestClient(app_of([run], quick=False, partner=other), base_url="http://localhost") as opened:
        state = opened.get("/explore/state").json()["runs"][0]
        assert state["samplers"] == ["prior", "mixture", "diffusion", "run"]
        assert state["walks"].keys() == {"diffusion", "run"}
        assert state["walks"]["run"]["guidance"] and state["walks"]["run"]["conditions"][3] == "3"

        def ask(**asked):
            return opened.post("/explore/0/sample", content=json.dumps({"n": 6, "seed": 2, **asked}))

        for asked in ({"sampler": "diffusion"}, {"sampler": "run", "condition": "3", "guidance": 2.0}):
            plain, watched = (unpacked(ask(steps=10, **asked, **more))[0] for more in ({}, {"path": 5}))
            assert watched["path"].shape == (4, 5, 1, 8, 8)
            np.testing.assert_array_equal(watched["x"], plain["x"])
            # Decoding fewer at once may round otherwise.
            np.testing.assert_allclose(watched["path"][:, -1], plain["x"][:4], rtol=1e-4, atol=1e-4)
        # A fit that is kept is drawn from with other steps, and not made anew.
        kept = run.folder.samplers / "diffusion.safetensors"
        before = kept.stat().st_mtime_ns
        assert ask(sampler="diffusion", steps=3).status_code == 200 and kept.stat().st_mtime_ns == before
        for asked, said in (
            ({"sampler": "prior", "path": 4}, "drawn at once"),
            ({"sampler": "run", "steps": 0}, "'steps'"),
            ({"sampler": "run", "condition": "x"}, "x"),
            ({"sampler": "prior", "guidance": 2.0}, "this run's prior is none"),
            ({"sampler": "diffusion", "guidance": 2.0}, "is told none"),
        ):
            answer = ask(**asked)
            assert 400 <= answer.status_code < 500 and said in answer.json()["error"], answer.text


def test_a_diffusion_of_a_conditional_run_is_told_its_class(trained):
    run = trained("told", model={"name": "conditional_vae", "latent_dim": 2})
    run.sampler("diffusion", fit_steps=5, denoiser={"name": "denoiser_mlp", "width": 16, "blocks": 1})
    with TestClient(app_of([run], quick=False), base_url="http://localhost") as opened:
        state = opened.get("/explore/state").json()["runs"][0]
        assert state["walks"] == {"diffusion": {"guidance": True, "conditions": [], "title": run.name}}

        def drawn(digit, **more):
            row = state["condition"]["options"][digit]["row"]
            asked = {"n": 6, "sampler": "diffusion", "condition": row, "steps": 10, **more}
            return unpacked(opened.post("/explore/0/sample", content=json.dumps(asked)))[0]["z"]

        np.testing.assert_array_equal(drawn(3), drawn(3, guidance=1.0))
        assert np.abs(drawn(3) - drawn(4)).max() > 0 and np.abs(drawn(3) - drawn(3, guidance=5.0)).max() > 0


def test_what_cannot_be_explored_is_refused(denoised, plane):
    run, other = denoised
    with pytest.raises(ConfigError, match="nothing to explore"):
        app_of([other], quick=False)
    with pytest.raises(RunError, match="about one run"):
        app_of([run, plane], quick=False, partner=other)
    with pytest.raises(RunError, match="latents of other weights"):
        app_of([plane], quick=False, partner=other)
