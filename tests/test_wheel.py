"""The wheel is whole: in an environment that has nothing of the checkout it runs the demo."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(*words, **settings):
    done = subprocess.run(list(map(str, words)), check=False, capture_output=True, text=True, **settings)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    build = ["wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index", "-w"]
    run(sys.executable, "-m", "pip", *build, folder, ROOT)
    (made,) = folder.glob("latentia-*.whl")
    return made


def test_the_wheel_has_every_file_of_the_package(wheel):
    tracked = run("git", "ls-files", "src/latentia", cwd=ROOT).splitlines()
    held = set(zipfile.ZipFile(wheel).namelist())
    assert tracked
    assert not {name.removeprefix("src/") for name in tracked} - held


def test_who_cites_the_version_cites_this_one(wheel):
    cited = next(
        line for line in (ROOT / "CITATION.cff").read_text().splitlines() if line.startswith("version:")
    )
    assert wheel.name.startswith(f"latentia-{cited.split()[1]}-")


@pytest.mark.slow
def test_the_wheel_runs_the_demo_in_an_environment_of_its_own(wheel, tmp_path):
    # What latentia needs comes from this environment, as torch is large; latentia itself does not: a line
    # of a .pth file adds a folder, and not what that folder's own .pth files add.
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    place = Path(run(python, "-c", code).strip())
    (place / "needs.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    alone = {"PATH": f"{python.parent}:/usr/bin:/bin", "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    run(
        python,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--no-warn-script-location",
        wheel,
        env=alone,
    )
    where = run(python, "-c", "import latentia; print(latentia.__file__)", cwd=tmp_path, env=alone)
    assert Path(where.strip()).is_relative_to(place)
    said = run(python.parent / "latentia", "demo", "--out", "demo", cwd=tmp_path, env=alone)
    (report,) = [line.split()[-1] for line in said.splitlines() if line.endswith(".html")]
    assert (tmp_path / report).stat().st_size > 100_000
