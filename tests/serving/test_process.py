"""The verb as a process: its port, its token, its end."""

import http.client
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from latentia.core.errors import LatentiaError
from latentia.serving.uvicorn import listen, read_token

LATENTIA = [sys.executable, "-c", "from latentia.cli import main; main()"]
SLOW = """
import sys, time
from pathlib import Path
from latentia.serving import service
original = service.Service.decode_rows
def slow(self, z, c):
    Path(sys.argv[2]).touch()
    time.sleep(float(sys.argv[3]))
    return original(self, z, c)
service.Service.decode_rows = slow
from latentia.serving.uvicorn import serve
serve(sys.argv[1], port=0, say=lambda line: print(line, flush=True))
"""


@contextmanager
def served(*command):
    """Start a server and give the process and its port."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, env=environment, **pipes)
    try:
        ready, _, _ = select.select([process.stdout], [], [], 300)
        line = process.stdout.readline() if ready else ""
        found = re.search(r"http://127.0.0.1:(\d+)", line)
        assert found, line + process.stderr.read()
        yield process, int(found[1])
    finally:
        process.kill()
        process.communicate()


def _ask(port, body='{"z": [[0, 0]]}', headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", "/decode", body, {"content-type": "application/json", **(headers or {})})
    return connection


def _wait_until(true):
    end = time.monotonic() + 120
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def _closed(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_request_in_flight_end_and_a_new_one_is_not_let_in(run, tmp_path, name):
    with served(sys.executable, "-c", SLOW, str(run.folder.path), str(tmp_path / "busy"), "1.0") as (
        process,
        port,
    ):
        connection = _ask(port)
        _wait_until((tmp_path / "busy").exists)
        process.send_signal(signal.SIGINT)
        answer = connection.getresponse()
        assert answer.status == 200 and answer.read()
        assert process.wait(120) == 0
        with pytest.raises(OSError):  # noqa: PT011
            socket.create_connection(("127.0.0.1", port), timeout=1)
        assert process.stderr.read() == ""


def test_a_second_signal_ends_at_once(run, tmp_path):
    with served(sys.executable, "-c", SLOW, str(run.folder.path), str(tmp_path / "busy"), "600") as (
        process,
        port,
    ):
        _ask(port)
        _wait_until((tmp_path / "busy").exists)
        process.send_signal(signal.SIGTERM)
        _wait_until(lambda: _closed(port))  # signals that come together are one
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 128 + signal.SIGTERM


def test_the_verb_serves_with_a_token_and_reads_no_more_than_it_allows(run, tmp_path):
    (tmp_path / "token").write_text("word\n")
    verb = [*LATENTIA, "serve", str(run.folder.path), "--port", "0", "--body-mb", "1"]
    with served(*verb, "--token-file", str(tmp_path / "token")) as (process, port):
        assert _ask(port).getresponse().status == 401
        opened = {"authorization": "Bearer word"}
        assert _ask(port, headers=opened).getresponse().status == 200
        # Clients that send all before they read, as Python's does, are told, too.
        answer = _ask(port, b"0" * 100 * 2**20, opened).getresponse()
        assert (answer.status, b"1 MB" in answer.read()) == (413, True)
        with socket.create_connection(("127.0.0.1", port)) as slow:  # says 10 bytes, sends 3, and stays
            slow.sendall(b"POST /decode HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nabc")
            assert _ask(port, headers=opened).getresponse().status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0


def test_a_port_that_is_in_use_is_one_line_and_status_2(run):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        words = [*LATENTIA, "serve", str(run.folder.path), "--port", str(port)]
        ended = subprocess.run(words, check=False, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1 and f"port {port} of 127.0.0.1 is in use" in ended.stderr


@pytest.mark.parametrize("host", ["999.1.1.1", "no.such.host.invalid", "8.8.8.8", "::ffff:8.8.8.8"])
def test_an_address_of_another_machine_is_refused(host):
    with pytest.raises(LatentiaError, match="--host"):
        listen(host, 0)


def test_a_token_comes_from_a_file_or_the_environment(tmp_path, monkeypatch):
    path = Path(tmp_path / "token")
    path.write_text(" word \n")
    assert read_token(path) == "word"
    path.write_text("\n")
    with pytest.raises(LatentiaError, match="no token"):
        read_token(path)
    with pytest.raises(LatentiaError, match="cannot read"):
        read_token(tmp_path / "absent")
    monkeypatch.setenv("LATENTIA_TOKEN", "other")
    assert read_token(None) == "other"
    monkeypatch.delenv("LATENTIA_TOKEN")
    assert read_token(None) is None
