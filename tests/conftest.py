"""What all tests share: the real data, where there are any, and a cache of their own."""

import os
import shutil
import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real data sets: `$LATENTIA_DATA`, or `../shared/data` beside the checkout."""
    folder = Path(os.environ.get("LATENTIA_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; point LATENTIA_DATA at a folder that has them")
    return folder


@pytest.fixture(scope="session")
def mixed_table(tmp_path_factory):
    """A .csv of 1,797 rows, as many as the digits: numbers, counts, words, dates, truth values, and holes."""
    path = tmp_path_factory.mktemp("mixed") / "mixed.csv"
    lines = ["size,count,city,since,member,kind"]
    for at in range(1797):
        kind = "abc"[at * 7 % 3]
        size = f"{0.1 * (at * 37 % 101) + ord(kind):.1f}"
        since = f"2024-{1 + at % 12:02}-{1 + at * 11 % 28:02}"
        cells = [size, at * 13 % 17, ("Oslo", "Bergen", "Bodø")[at * at % 3], since, at % 5 < 2, kind]
        lines.append(
            ",".join("" if (at + 3 * column) % 11 == 0 else str(cell) for column, cell in enumerate(cells))
        )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(session_cache, monkeypatch):
    """Keep decoded images out of the user's cache; processes that a test starts inherit it."""
    monkeypatch.setenv("LATENTIA_CACHE", str(session_cache))


@pytest.fixture(autouse=True)
def words(request):
    """Word messages for a shell, unless the tests of a module say that they are Python's own."""
    if getattr(request.module, "WORDS", "shell") == "python":
        yield
        return
    from latentia.core.hints import in_shell

    with in_shell("latentia"):
        yield


@pytest.fixture(autouse=True)
def usual_priority():
    """What a test starts later has this process's priority: nothing may leave it at another one."""
    policy = os.sched_getscheduler(0) if hasattr(os, "sched_getscheduler") else None
    yield
    if policy is not None:
        assert os.sched_getscheduler(0) == policy, "a library has changed how this process is scheduled"


@pytest.fixture(scope="session")
def absent():
    """Skip a test for what this machine lacks; the continuous integration lacks nothing."""

    def decide(message):
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)

    return decide


@pytest.fixture(scope="module")  # no longer: while it is there, Playwright's event loop runs
def browser(absent):
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        absent(f"no browser: none of {', '.join(names)} is on the PATH")
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=flags)
        yield opened
        opened.close()


@pytest.fixture
def interruptible():
    """Let SIGINT raise: a process that a shell started in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
