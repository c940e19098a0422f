"""A run over HTTP: right answers in every type, and one clear line for everything else."""

import asyncio
import io
import json
import shutil

import httpx
import numpy as np
import pytest
from PIL import Image

import latentia
from latentia.serving import bodies as wire
from latentia.serving.server import create_app
from latentia.serving.service import Limits, Service
from latentia.serving.verbs import POSTED
from tests.serving.asking import ADDRESS, asked_at

NPY = {"content-type": wire.NPY, "accept": wire.NPY}


def _npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _array(answer):
    assert answer.status_code == 200, answer.text
    return np.load(io.BytesIO(answer.content), allow_pickle=False)


def _line(answer, status):
    assert answer.status_code == status, answer.text
    line = answer.json()["error"]
    assert line and "\n" not in line and "Traceback" not in line and "alice" not in line
    return line


def _picture(size=(20, 30), mode="RGB"):
    stream = io.BytesIO()
    Image.new(mode, size, "white").save(stream, "PNG")
    return stream.getvalue()


# Right answers.


def test_json_and_npy_say_the_same_as_the_run(client, run):
    x = run.dataset.x[:3]
    mean, std = run.posterior(x)
    answer = client.post("/encode", json={"x": x.tolist()}).json()
    np.testing.assert_allclose(answer["mean"], mean, rtol=1e-5)
    np.testing.assert_allclose(answer["std"], std, rtol=1e-5)
    np.testing.assert_allclose(_array(client.post("/encode", content=_npy(x), headers=NPY)), mean, rtol=1e-5)
    found = _array(client.post("/encode?part=std", content=_npy(x), headers=NPY))
    np.testing.assert_allclose(found, std, rtol=1e-5)
    decoded = _array(client.post("/decode", content=_npy(mean), headers=NPY))
    np.testing.assert_allclose(decoded, run.decode(mean), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        client.post("/decode", json={"z": mean.tolist()}).json()["x"], decoded, rtol=1e-5
    )
    again = _array(client.post("/reconstruct", content=_npy(x), headers=NPY))
    np.testing.assert_allclose(again, run.reconstruct(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, np.float32, np.float64, ">f8"])
def test_an_array_of_any_numbers_in_any_order_is_read(client, run, dtype):
    x = np.asfortranarray(run.dataset.x[:4].astype(dtype))
    found = _array(client.post("/encode", content=_npy(x), headers=NPY))
    np.testing.assert_allclose(found, run.encode(run.dataset.x[:4]), rtol=1e-5)


def test_samples_are_a_function_of_the_request(client, run):
    ask = {"n": 5, "seed": 3, "temperature": 0.5}
    answers = [np.array(client.post("/sample", json=ask).json()["x"]) for _ in range(2)]
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_allclose(answers[0], run.sample(5, seed=3, temperature=0.5), rtol=1e-5)
    other = np.array(client.post("/sample", json={**ask, "seed": 4}).json()["x"])
    assert not np.allclose(other, answers[0])
    assert len(client.post("/sample").json()["x"]) == 1


def test_scores_are_those_of_the_bound_and_of_importance_sampling(client, run):
    x = run.dataset.x[:8]
    answer = client.post("/score", json={"x": x.tolist(), "samples": 200}).json()
    assert answer["examples"] == 8 and answer["missing"] == {}
    elbo = np.array(answer["elbo"])
    np.testing.assert_allclose(elbo, -np.array(answer["distortion"]) - answer["rate"], rtol=1e-5)
    np.testing.assert_allclose(np.sum(answer["kl"], axis=1), answer["rate"], rtol=1e-4)
    assert np.mean(answer["log_likelihood"]) > np.mean(elbo) - 0.5  # log p(x) >= ELBO, up to noise
    scaled = (run.reconstruct(x) - x.astype(np.float32)) / 16
    np.testing.assert_allclose(answer["mse"], (scaled**2).mean(axis=(1, 2, 3)), rtol=0.2)
    without = client.post("/score", json={"x": x.tolist(), "samples": 0}).json()
    assert "log_likelihood" not in without and "importance" in without["missing"]["log_likelihood"]


def test_an_image_is_brought_to_the_runs_size_and_channels(client, run):
    answer = client.post("/encode", content=_picture(), headers={"content-type": "image/png"}).json()
    white = np.full((1, *run.event), 16, np.uint8)  # the digits' white
    np.testing.assert_allclose(answer["mean"], run.encode(white), rtol=1e-5)


@pytest.mark.parametrize("verb", ["decode", "sample"])
def test_data_are_drawn_as_a_grid_where_an_image_is_wanted(client, verb):
    ask = {"z": np.zeros((4, 2)).tolist()} if verb == "decode" else {"n": 4}
    answer = client.post(f"/{verb}", json=ask, headers={"accept": "image/png"})
    assert answer.headers["content-type"] == "image/png"
    picture = Image.open(io.BytesIO(answer.content))
    assert picture.size == (118, 118)  # two by two digits of 8 pixels, sevenfold, with margins of 2


def test_conditions_are_labels_for_one_or_for_each(labelled):
    z = np.zeros((2, 2), np.float32)
    with asked_at(create_app(Service(labelled))) as client:
        each = np.array(client.post("/decode", json={"z": z.tolist(), "condition": [3, 7]}).json()["x"])
        np.testing.assert_allclose(each, labelled.decode(z, labelled.conditions([3, 7])), rtol=1e-4)
        one = _array(client.post("/decode?condition=3", content=_npy(z), headers=NPY))
        np.testing.assert_allclose(one[0], each[0], rtol=1e-4)
        assert "condition" in _line(client.post("/decode", json={"z": z.tolist()}), 422)
        for wrong in (99, "cat", [1, 2, 3], {"a": 1}, [[0.5]], 1e300, [None]):
            _line(client.post("/decode", json={"z": z.tolist(), "condition": wrong}), 422)


def test_codes_and_latents_of_a_quantiser_are_told_apart_by_their_shape(tmp_path):
    run = latentia.train("digits", model="vqvae", epochs=1, out=tmp_path / "run")
    x = run.dataset.x[:2]
    codes, z = run.codes(x), run.encode(x)
    with asked_at(create_app(Service(run))) as client:
        for asked in (codes, codes.reshape(2, -1), z, z.reshape(2, -1), np.round(z)):
            expected = run.decode(asked)
            body = client.post("/decode", json={"z": asked.tolist()}).json()
            np.testing.assert_allclose(np.array(body["x"]), expected, rtol=1e-3, atol=1e-3)
            found = _array(client.post("/decode", content=_npy(asked), headers=NPY))
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
        one = np.array(client.post("/decode", json={"z": codes[0].tolist()}).json()["x"])
        np.testing.assert_allclose(one, run.decode(codes[:1]), rtol=1e-3, atol=1e-3)
        _line(client.post("/decode", json={"z": (codes + 10**6).tolist()}), 422)
        _line(client.post("/decode", json={"z": (codes + 0.5).tolist()}), 422)
        answer = client.post("/score", json={"x": x.tolist()}).json()
        assert "certain" in answer["missing"]["log_likelihood"] and len(answer["elbo"]) == 2
        assert np.array(client.post("/encode", json={"x": x.tolist()}).json()["std"]).max() == 0


def test_an_autoencoder_has_an_error_and_no_bound(tmp_path):
    run = latentia.train("digits", model="autoencoder", network="mlp", epochs=1, out=tmp_path / "run")
    with asked_at(create_app(Service(run))) as client:
        answer = client.post("/score", json={"x": run.dataset.x[:2].tolist()}).json()
    assert len(answer["mse"]) == 2 and "elbo" not in answer
    assert "no bound" in answer["missing"]["elbo"] and "no bound" in answer["missing"]["log_likelihood"]


def test_requests_at_once_are_answered_as_alone(service, run):
    app = create_app(service)

    async def main():
        async with app.router.lifespan_context(app):
            way = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=way, base_url=ADDRESS) as client:

                async def ask(number):
                    z = np.random.default_rng(number).normal(size=(1 + number % 3, 2)).astype(np.float32)
                    answer = await client.post("/decode", content=_npy(z), headers=NPY)
                    np.testing.assert_allclose(_array(answer), run.decode(z), rtol=1e-3, atol=1e-3)

                await asyncio.gather(*(ask(number) for number in range(60)))
                return (await client.get("/live")).json()

    live = asyncio.run(main())
    assert live["requests"] == 60
    assert live["batches"] < 60


def test_info_says_what_is_needed_to_ask_and_nothing_of_the_machine(client, run):
    info = client.get("/info").json()
    assert info["event"] == [1, 8, 8] and info["latent"] == [2]
    assert info["values"] == {"low": 0.0, "high": 16.0, "whole": True}
    assert info["limits"]["examples"] == 4096
    assert "alice" not in json.dumps(info) and str(run.folder.path.parent) not in json.dumps(info)


def test_every_example_of_the_description_is_answered(client):
    description = client.get("/openapi.json").json()
    for path in ("/encode", "/decode", "/reconstruct", "/sample", "/score"):
        content = description["paths"][path]["post"]["requestBody"]["content"]
        assert client.post(path, json=content[wire.JSON]["example"]).status_code == 200
    assert "alice" not in json.dumps(description)


def test_metrics_and_evaluation_come_from_the_folder(tmp_path, run):
    path = tmp_path / "copy"
    shutil.copytree(run.folder.path, path)
    with asked_at(create_app(Service(latentia.open_run(path)))) as client:
        assert client.get("/metrics?split=test").json()[0]["split"] == "test"
        assert "latentia evaluate" in _line(client.get("/health"), 404)
        figures = {"figures": {"elbo": {"value": -1.0}}, "missing": {"ais": f"see {path}"}}
        evaluation = {**figures, "diagnosis": [], "warnings": [], "about": {"run": str(path)}}
        (path / "evaluation.json").write_text(json.dumps(evaluation))
        health = client.get("/health").json()
        assert health["figures"]["elbo"]["value"] == -1.0
        assert health["missing"]["ais"] == "see RUN"


def test_a_run_whose_folder_is_deleted_goes_on_and_says_what_is_gone(tmp_path, run):
    path = tmp_path / "copy"
    shutil.copytree(run.folder.path, path)
    with asked_at(create_app(Service(latentia.open_run(path)))) as client:
        shutil.rmtree(path)
        for verb, ask in {
            "decode": {"z": [0, 0]},
            "sample": {"n": 2},
            "score": {"x": [[[0] * 8] * 8]},
        }.items():
            assert client.post(f"/{verb}", json=ask).status_code == 200
        assert client.get("/live").status_code == 200 == client.get("/info").status_code
        assert "no longer there" in _line(client.get("/health"), 410)
        assert "no longer there" in _line(client.get("/metrics"), 410)


# What cannot be answered.

BAD_JSON = {
    "no JSON": b"{",
    "no object": b"[1, 2]",
    "no field": b"{}",
    "an unknown field": b'{"z": [[0, 0]], "zz": 1}',
    "text": b'{"z": "<script>alert(1)</script>"}',
    "null": b'{"z": null}',
    "ragged": b'{"z": [[0, 0], [0]]}',
    "another shape": b'{"z": [[0, 0, 0]]}',
    "a number": b'{"z": 0}',
    "nothing": b'{"z": []}',
    "NaN": b'{"z": [[NaN, 0]]}',
    "infinity": b'{"z": [[Infinity, 0]]}',
    "beyond float32": b'{"z": [[1e300, 0]]}',
    "beyond what decodes": b'{"z": [[3e38, 3e38]]}',
    "beyond 64 bits": b'{"z": [[' + b"9" * 400 + b", 0]]}",
    "too many digits": b'{"z": [[' + b"9" * 9000 + b", 0]]}",
    "nested too deep": b'{"z": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a condition for a model without one": b'{"z": [[0, 0]], "condition": 3}',
    "texts, one of them long": b'{"z": ["' + b"a" * 10**6 + b'"' + b', ""' * 10**6 + b"]}",
    "not UTF-8": b'{"z": "\xff"}',
}


@pytest.mark.parametrize("body", BAD_JSON.values(), ids=BAD_JSON.keys())
def test_json_that_fits_nothing_is_refused_in_one_line(client, body):
    _line(client.post("/decode", content=body, headers={"content-type": "application/json"}), 422)


def _objects():
    stream = io.BytesIO()
    np.save(stream, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return stream.getvalue()


def _promising(shape):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return stream.getvalue() + b"\0" * 8


BAD_NPY = {
    "nothing": b"",
    "no npy": b"hello" * 50,
    "Python objects": _objects(),
    "more than it holds": _promising((10**15, 2)),
    "a negative shape": _promising((-1, 2)),
    "less than it holds": _promising((1, 1)),
    "text": _npy(np.array(["a", "b"])),
    "records": _npy(np.zeros(2, dtype=[("a", "f4")])),
    "complex": _npy(np.zeros((1, 2), np.complex64)),
    "NaN": _npy(np.full((1, 2), np.nan)),
    "an empty array": _npy(np.zeros((0, 2))),
    "cut off": _npy(np.zeros((100, 2)))[:-8],
}


@pytest.mark.parametrize("body", BAD_NPY.values(), ids=BAD_NPY.keys())
def test_an_array_that_fits_nothing_is_refused_and_nothing_is_unpickled(client, body):
    _line(client.post("/decode", content=body, headers=NPY), 422)


def test_ten_thousand_latents_at_once_are_too_many(client):
    assert "4,096" in _line(client.post("/decode", content=_npy(np.zeros((10_000, 2))), headers=NPY), 413)
    assert "4,096" in _line(client.post("/decode", json={"z": [[0, 0]] * 5000}), 413)
    assert "4,096" in _line(client.post("/sample", json={"n": 10_000}), 413)
    assert "samples" in _line(client.post("/score", json={"x": [[[0] * 8] * 8], "samples": 10**6}), 422)
    x = np.zeros((4000, 1, 8, 8), np.uint8)
    assert "importance" in _line(
        client.post("/score", content=_npy(x), headers={"content-type": wire.NPY}), 413
    )


def test_a_limit_is_the_services(run):
    with asked_at(create_app(Service(run, limits=Limits(examples=2)))) as client:
        assert client.post("/decode", json={"z": [[0, 0]] * 2}).status_code == 200
        _line(client.post("/decode", json={"z": [[0, 0]] * 3}), 413)


def test_a_hundred_megabytes_are_refused(service):
    def pieces():
        for _ in range(100):
            yield b"0" * 2**20

    with asked_at(create_app(service)) as client:
        assert "32 MB" in _line(client.post("/decode", content=pieces(), headers=NPY), 413)
        assert "32 MB" in _line(client.post("/decode", content=b"0" * 100 * 2**20, headers=NPY), 413)
        assert client.post("/decode", json={"z": [0, 0]}).status_code == 200


@pytest.mark.parametrize(
    ("ask", "word"),
    [
        ({"n": 0}, "n"),
        ({"n": -1}, "n"),
        ({"n": "many"}, "n"),
        ({"n": 1.5}, "n"),
        ({"n": True}, "n"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**40}, "seed"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"truncation": 0}, "truncation"),
        ({"steps": 0}, "steps"),
        ({"guidance": -1}, "guidance"),
        ({"noise": "yes"}, "noise"),
        ({"sampler": "magic"}, "magic"),
        ({"sampler": "../../etc/passwd"}, "sampler"),
        ({"samples": 3}, "samples"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_by_name(client, ask, word):
    assert word in _line(client.post("/sample", json=ask), 422)


@pytest.mark.parametrize("drop", [0.1, 0.0])
def test_a_diffusion_is_drawn_from_by_steps_and_with_guidance(tmp_path, drop):
    labels = np.arange(60) % 2
    rows = (np.random.default_rng(0).normal(size=(60, 3)) + labels[:, None]).astype(np.float32)
    denoiser = {"name": "denoiser_mlp", "width": 16, "blocks": 1}
    prior = {"name": "diffusion", "denoiser": denoiser, "drop": drop}
    run = latentia.train(
        (rows, labels), model="conditional_diffusion", prior=prior, epochs=30, lr=0.01, out=tmp_path / "run"
    )
    with asked_at(create_app(Service(run))) as client:
        ask = {"n": 4, "seed": 2, "condition": 1, "steps": 5}
        plain = np.array(client.post("/sample", json=ask).json()["x"])
        np.testing.assert_allclose(plain, run.sample(4, seed=2, condition=1, steps=5), rtol=1e-4)
        assert np.abs(plain - client.post("/sample", json={**ask, "steps": 9}).json()["x"]).max() > 0
        answer = client.post("/sample", json={**ask, "guidance": 3})
        if drop:
            want = run.sample(4, seed=2, condition=1, steps=5, guidance=3)
            np.testing.assert_allclose(answer.json()["x"], want, rtol=1e-4)
            assert np.abs(plain - want).max() > 0
        else:
            assert "train with prior.drop=0.1" in _line(answer, 422)


def test_a_diffusion_of_the_latents_is_guided_as_it_was_fitted(tmp_path, labelled):
    shutil.copytree(labelled.folder.path, tmp_path / "run")
    run = latentia.open_run(tmp_path / "run", device="cpu")
    small = {"fit_steps": 5, "denoiser": {"name": "denoiser_mlp", "width": 16, "blocks": 1}}
    run.sampler("diffusion", **small)
    with asked_at(create_app(Service(run))) as client:
        ask = {"n": 3, "condition": 3, "sampler": "diffusion", "steps": 4, "guidance": 2}
        found = np.array(client.post("/sample", json=ask).json()["x"])
        want = run.sample(3, condition=3, sampler="diffusion", steps=4, guidance=2, **small)
        np.testing.assert_allclose(found, want, rtol=1e-3, atol=1e-3)
        refused = client.post("/sample", json={**ask, "temperature": 2})
        assert "is drawn from as it was fitted, without temperature" in _line(refused, 422)


def test_guidance_of_a_run_without_a_diffusion_is_refused(client):
    assert "this run's prior is none" in _line(client.post("/sample", json={"guidance": 2}), 422)


def test_a_sampler_is_not_fitted_on_request(client):
    ask = {"sampler": "diffusion", "guidance": 2}
    assert "latentia sample" in _line(client.post("/sample", json=ask), 404)
    assert "latentia sample" in _line(client.post("/sample", json={"sampler": "flow"}), 404)


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 422), (b"no image", 422), (_picture()[:60], 422), (b"%!PS-Adobe-3.0", 422)],
    ids=["nothing", "text", "cut off", "a program"],
)
def test_what_is_no_image_is_refused(client, body, status):
    _line(client.post("/encode", content=body, headers={"content-type": "image/png"}), status)


def test_a_small_file_that_holds_a_huge_image_is_refused_before_it_is_decoded(client):
    stream = io.BytesIO()
    Image.new("1", (9000, 9000)).save(stream, "PNG")
    assert len(stream.getvalue()) < 100_000
    headers = {"content-type": "image/png"}
    assert "pixels" in _line(client.post("/encode", content=stream.getvalue(), headers=headers), 413)


def test_a_line_quotes_no_more_than_a_few_words_of_what_was_sent(labelled):
    with asked_at(create_app(Service(labelled))) as client:
        answer = client.post("/decode", json={"z": [[0, 0]], "condition": "a" * 10**6})
    assert len(_line(answer, 422)) <= 500


def test_types_that_are_not_read_or_made_are_refused(client):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/pickle"):
        _line(client.post("/decode", content=b"{}", headers={"content-type": kind}), 415)
    _line(client.post("/decode", content=_picture(), headers={"content-type": "image/png"}), 415)
    _line(client.post("/decode", json={"z": [0, 0]}, headers={"accept": "text/html"}), 406)
    _line(client.post("/score", json={"x": [[[0] * 8] * 8]}, headers={"accept": "image/png"}), 406)


def test_addresses_that_are_none_say_so_and_read_no_file(client):
    for path in (
        "/nothing",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/metrics/../run.toml",
        "/docs",
    ):
        _line(client.get(path), 404)
    _line(client.get("/decode"), 405)
    _line(client.get("/metrics?split=../../etc"), 422)


def test_values_that_the_likelihood_does_not_know_have_no_score(tmp_path):
    run = latentia.train(
        "digits", likelihood="bernoulli", transform="binarise", latent_dim=2, epochs=1, network="mlp",
        out=tmp_path / "run",
    )  # fmt: skip
    with asked_at(create_app(Service(run))) as client:
        assert client.post("/score", json={"x": [[[16] * 8] * 8]}).status_code == 200
        assert "0 to 16" in _line(client.post("/score", json={"x": [[[17] * 8] * 8]}), 422)


def test_a_token_is_asked_for_everywhere_but_at_live(service):
    with asked_at(create_app(service, token="word")) as client:
        for path in ("/info", "/health", "/metrics", "/openapi.json"):
            _line(client.get(path), 401)
        _line(client.post("/decode", json={"z": [0, 0]}), 401)
        assert client.get("/live").status_code == 200
        opened = {"authorization": "Bearer word"}
        assert client.post("/decode", json={"z": [0, 0]}, headers=opened).status_code == 200


def test_a_failure_of_the_program_shows_no_traceback(run):
    def broken(z, c):
        raise ZeroDivisionError("division by zero")

    service = Service(run, decode=broken)
    with asked_at(create_app(service), raise_server_exceptions=False) as client:
        answer = client.post("/decode", json={"z": [0, 0]})
    assert "log" in _line(answer, 500)
    assert "division" not in answer.text


def test_another_decoder_can_take_the_place_of_the_runs_own(run):
    service = Service(run, decode=lambda z, c: np.full((len(z), *run.event), 5, np.float32))
    with asked_at(create_app(service)) as client:
        assert np.all(np.array(client.post("/decode", json={"z": [0, 0]}).json()["x"]) == 5)


def test_a_busy_server_says_when_to_come_again(service):
    app = create_app(service, waiting=0)
    with asked_at(app) as client:
        answer = client.post("/decode", json={"z": [0, 0]})
    assert "busy" in _line(answer, 503)
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("verb", POSTED)
def test_a_field_is_declared_once_for_the_description_and_for_the_check(client, verb):
    body = client.get("/openapi.json").json()["paths"][f"/{verb}"]["post"]["requestBody"]["content"]
    schema, example = (body[wire.JSON][key] for key in ("schema", "example"))
    assert list(schema["properties"]) == [field.name for field in POSTED[verb].fields]
    for name, described in schema["properties"].items():
        if "default" in described:
            right = client.post(f"/{verb}", json={**example, name: described["default"]})
            assert right.status_code == 200
            assert client.post(f"/{verb}", json={**example, name: None}).json() == right.json()
        if described.get("type") in ("integer", "number"):
            least = described.get("minimum", described.get("exclusiveMinimum"))
            below = least - 1 if "minimum" in described else least
            assert f"'{name}'" in _line(client.post(f"/{verb}", json={**example, name: below}), 422)
        if "enum" in described:
            assert name in _line(client.post(f"/{verb}", json={**example, name: "neither"}), 422)
    known = ", ".join(schema["properties"])
    assert f"known: {known}" in _line(client.post(f"/{verb}", json={**example, "evil": 1}), 422)
