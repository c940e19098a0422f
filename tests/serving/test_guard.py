"""The guard turns away what should not reach a server, with one line, and passes the rest."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse

from latentia.core.errors import LatentiaError
from latentia.serving.guard import Guard, allowed_hosts


async def _echo(request):
    return PlainTextResponse(str(len(await request.body())))


async def _talk(socket):
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


def _client(**settings):
    routes = [Route("/", _echo, methods=["GET", "POST"]), WebSocketRoute("/talk", _talk)]
    return TestClient(Guard(Starlette(routes=routes), **settings), base_url="http://127.0.0.1:8000")


def _refused(answer, status):
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    line = answer.json()["error"]
    assert line and "\n" not in line
    return line


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "localhost:9", "[::1]:8000", "LOCALHOST"])
def test_this_machine_may_be_asked_by_its_own_names(host):
    assert _client().get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.com", "evil.com:8000", "127.0.0.1.evil.com", "localhost.evil.com", "", "169.254.1.1", "a" * 999],
)
def test_a_forged_host_is_refused(host):
    assert "--allow-host" in _refused(_client().get("/", headers={"host": host}), 403)


def test_a_name_that_was_allowed_may_be_asked():
    client = _client(hosts=allowed_hosts("127.0.0.1", ["models.example.org:443"]))
    assert client.get("/", headers={"host": "models.example.org"}).status_code == 200
    assert client.get("/", headers={"host": "example.org"}).status_code == 403


def test_a_server_on_every_address_takes_addresses_and_no_names():
    client = _client(hosts=allowed_hosts("0.0.0.0"))
    assert client.get("/", headers={"host": "192.168.1.7:8000"}).status_code == 200
    assert client.get("/", headers={"host": "evil.com:8000"}).status_code == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.com", "null", "http://localhost:3000", "http://127.0.0.1:8001"]
)
def test_a_foreign_origin_may_read_nothing_away_and_change_nothing(origin):
    client = _client()
    assert "may not use" in _refused(client.post("/", headers={"origin": origin}), 403)
    assert "access-control-allow-origin" not in client.get("/", headers={"origin": origin}).headers


def test_the_own_origin_and_programs_without_one_pass():
    assert _client().post("/", headers={"origin": "http://127.0.0.1:8000"}).status_code == 200
    assert _client().post("/").status_code == 200


def test_a_websocket_of_a_foreign_page_is_refused():
    client, talk = _client(), "ws://127.0.0.1:8000/talk"
    with client.websocket_connect(talk, headers={"origin": "http://127.0.0.1:8000"}) as socket:
        assert socket.receive_text() == "hello"
    for header in ({"origin": "http://evil.com"}, {"host": "evil.com"}):
        with (
            pytest.raises(WebSocketDenialResponse) as refused,
            client.websocket_connect(talk, headers=header),
        ):
            pass
        _refused(refused.value, 403)


def test_a_body_over_the_limit_is_refused_by_its_length():
    assert "MB" in _refused(_client(body=100).post("/", content=b"x" * 101), 413)
    assert _client(body=100).post("/", content=b"x" * 100).text == "100"


def test_a_body_over_the_limit_is_refused_where_no_length_says_so():
    def pieces(count):
        for _ in range(count):
            yield b"x" * 10

    assert "MB" in _refused(_client(body=100).post("/", content=pieces(11)), 413)
    assert _client(body=100).post("/", content=pieces(10)).text == "100"


def test_a_body_longer_than_its_length_is_counted_as_it_comes():
    sent = []

    async def ask():
        parts = iter([(b"x" * 60, True), (b"x" * 60, True), (b"", False)])

        async def receive():
            body, more = next(parts)
            return {"type": "http.request", "body": body, "more_body": more}

        async def send(message):
            sent.append(message)

        headers = [(b"host", b"localhost"), (b"content-length", b"5")]
        scope = {"type": "http", "method": "POST", "path": "/", "headers": headers, "query_string": b""}
        await Guard(Starlette(routes=[Route("/", _echo, methods=["POST"])]), body=100)(scope, receive, send)

    asyncio.run(ask())
    assert [message["status"] for message in sent if "status" in message] == [413]


def test_requests_together_may_hold_only_so_much(monkeypatch):
    monkeypatch.setattr("latentia.serving.guard.HELD", 100)
    guard = Guard(Starlette(routes=[Route("/", _echo, methods=["POST"])]))
    client = TestClient(guard, base_url="http://localhost")
    assert client.post("/", content=b"x" * 200).status_code == 200  # alone, it may
    guard.held = 50
    answer = client.post("/", content=b"x" * 60)
    assert "busy" in _refused(answer, 503)
    assert answer.headers["retry-after"] == "1"
    assert guard.held == 50


def test_a_token_opens_and_everything_else_does_not():
    client = _client(token="s3cret", open_paths=("/talk",))
    for header in (
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "s3cret"},
        {"authorization": "Bearer "},
    ):
        answer = client.get("/", headers=header)
        assert "Authorization: Bearer" in _refused(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"
    assert client.get("/", headers={"authorization": "Bearer s3cret"}).status_code == 200
    assert client.get("/", headers={"authorization": "bearer s3cret"}).status_code == 200


@pytest.mark.parametrize("token", ["", "two words", "ümlaut", "line\nbreak"])
def test_a_token_that_no_header_can_carry_is_refused(token):
    with pytest.raises(LatentiaError, match="token"):
        _client(token=token)


def test_every_answer_and_every_refusal_carries_the_headers_for_browsers():
    client = _client()
    for answer in (client.get("/"), client.get("/", headers={"host": "evil.com"})):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy


def test_a_line_shows_nothing_that_a_terminal_or_page_would_act_on():
    line = _refused(_client().get("/", headers={"host": "<script>\x1b[31m"}), 403)
    assert "\x1b" not in line
