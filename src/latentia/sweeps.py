"""A family of runs that differ in one setting or a few, trained and shown as a whole.

```
NAME/  sweep.toml       source, settings and the values of each axis
       KEY=VALUE/       one run folder for each combination
       sweep.html       what changes along them
```
"""

from __future__ import annotations

import itertools
import os
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import latentia.data
from latentia import api, assembly
from latentia.core import config, storage
from latentia.core.errors import ConfigError, RunError, shell
from latentia.core.hints import here
from latentia.core.progress import heard
from latentia.data.dataset import Dataset
from latentia.runs import session
from latentia.runs.keeping import kept
from latentia.runs.session import Say, silent
from latentia.training.folder import MEMORY, RunFolder, free_name


@dataclass(frozen=True)
class Ended:
    """How a call of `start` or `go_on` ended.

    Attributes:
        folder: the folder of the sweep.
        interrupted: the signal that stopped it, if one did.
        page: the page; None where it was interrupted.
    """

    folder: Path
    interrupted: signal.Signals | None = None
    page: Path | None = None


@dataclass(frozen=True)
class Member:
    """One run of a sweep.

    Attributes:
        name: its folder within the sweep.
        label: its values, as they are shown.
        settings: all its settings.
    """

    name: str
    label: str
    settings: Mapping[str, Any]


def parse_axis(text: str) -> tuple[str, list[Any]]:
    """Read one `section.key=value,value,...`, or a common setting by the word of its flag: `beta=0,1,4`.

    Args:
        text: what the user wrote.

    Returns:
        The dotted key and its values.

    Raises:
        ConfigError: if it is no such thing, or has fewer than two different values.

    Example:
        >>> parse_axis("objective.beta=0,0.5,4")
        ('objective.beta', [0, 0.5, 4])
    """
    path, value = config.parse_override(text)
    path = _whole(path)
    values = value if isinstance(value, list) else [value]
    if len(values) < 2 or len({str(item) for item in values}) < len(values):
        raise ConfigError(f"--over {text}: give two or more different values, such as objective.beta=0,1,4")
    return ".".join(path), values


def _whole(path: Sequence[str]) -> Sequence[str]:
    """Give the dotted key of a common setting that is named by one word, as `expand` does."""
    if len(path) > 1:
        return path
    word = path[0].replace("-", "_")
    table = assembly.expand({word: ""})
    ((section, inner),) = table.items()
    return (section, *inner)


def members(settings: Mapping[str, Any], over: Mapping[str, Sequence[Any]]) -> list[Member]:
    """List the runs: every combination of the values, the last axis fastest.

    Args:
        settings: what all runs have in common, nested.
        over: the values of each axis, by dotted key.

    Returns:
        The runs.
    """
    found = []
    for values in itertools.product(*over.values()):
        own = _copied(settings)
        for key, value in zip(over, values, strict=True):
            config.put(own, key.split("."), value)
        pairs = [f"{key}={_shown(value)}" for key, value in zip(over, values, strict=True)]
        name = re.sub(r"[^\w.,=+-]+", "_", ",".join(pairs))
        found.append(Member(name, ", ".join(map(_shown, values)), own))
    if len({member.name for member in found}) < len(found):
        raise ConfigError("--over: two of the values are the same number; give each once")
    return found


def _copied(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copied(value) if isinstance(value, Mapping) else value for key, value in table.items()}


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return "-".join(map(_shown, value))
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def start(
    source: Any,
    settings: Mapping[str, Any],
    over: Sequence[str] | Mapping[str, Sequence[Any]],
    *,
    out: str | os.PathLike[str] | None = None,
    quiet: bool = True,
    say: Say = silent,
) -> Ended:
    """Train a family of runs and write its page.

    Args:
        source: what to train on: whatever `latentia.load` takes; what is in memory is kept in each run.
        settings: what all runs have in common, nested, as in a run file.
        over: what varies, each `section.key=value,value,...`; or the values of each setting.
        out: the folder; `runs/NAME-sweep` by default, with a number where that is taken.
        quiet: show no progress bars.
        say: called with each line that a person wants to read.

    Returns:
        How it ended.

    Raises:
        LatentiaError: before anything is trained, if one of the runs could not be.
    """
    if not over:
        raise ConfigError("a sweep needs something to vary: --over objective.beta=0,1,4")
    axes = _axes(over)
    if len(axes) < len(over):
        raise ConfigError("--over names a setting twice; give all its values in one --over")
    for key in axes:
        if key.split(".")[0] == "data":
            raise ConfigError(f"--over {key}: the runs of a sweep are compared on the same data")
    family = members(settings, axes)
    dataset = _check(source, family)
    folder = Path(out) if out else free_name(session.RUNS, f"{dataset.name}-sweep")
    plan = {"source": dataset.source, "over": axes, "settings": settings}
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if (folder / "sweep.toml").is_file():
            raise RunError(
                f"{folder} holds a sweep already; choose another --out, or go on with: latentia sweep "
                f"--resume {shell(folder)}"
            )
        raise RunError(f"{folder} exists and is no sweep; choose another --out")
    storage.write_text(folder / "sweep.toml", config.write_toml(plan))
    return _work(folder, dataset.source, axes, family, quiet, say, dataset)


def _axes(over: Sequence[str] | Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """Give the values of each axis by its dotted key; common settings may be named by one word."""
    if isinstance(over, Mapping):
        for word, values in over.items():
            if isinstance(values, str) or len(values) < 2:
                raise ConfigError(f"over={{{word!r}: {values!r}}}: give a list of two or more values")
        return {".".join(assembly.SHORT.get(word, (word,))): list(values) for word, values in over.items()}
    return dict(parse_axis(text) for text in over)


def sweep(
    source: Any = "digits",
    *,
    over: Mapping[str, Sequence[Any]] | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    quiet: bool | None = None,
    **settings: Any,
) -> Path:
    """Train a family of runs that differ in one setting or a few, and write its page.

    Args:
        source: what to train on: whatever `latentia.load` takes: a name, a path, an array, a data frame.
            What is in memory is kept in each run, as `latentia.train` keeps it.
        over: the values of each setting that varies, by one word or by its dotted key; several multiply.
        out: the folder; `runs/NAME-sweep` by default, with a number where that is taken.
        resume: go on with the sweep in this folder; it keeps its settings.
        quiet: show no progress bars and no lines; by default so in a script, and not in a notebook.
        settings: what all runs have in common, as `latentia.train` takes it.

    Returns:
        The page, in the folder of the sweep, where the runs are beside it.

    Raises:
        LatentiaError: before anything is trained, if one of the runs could not be.
        KeyboardInterrupt: if it was interrupted; the sweep can be resumed.

    Example:
        >>> latentia.sweep("digits", over={"beta": [0.5, 4]}, latent_dim=2, epochs=1).name
        'sweep.html'
    """
    quiet, say = heard(quiet)
    if resume is not None:
        if over or out or settings:
            raise ConfigError("resume goes alone: a sweep keeps its settings")
        ended = go_on(resume, quiet=quiet, say=say)
    else:
        ended = start(source, assembly.expand(settings), over or (), out=out, quiet=quiet, say=say)
    if ended.page is None:
        again = here(f"latentia sweep --resume {shell(ended.folder)}")
        raise KeyboardInterrupt(f"interrupted, and saved; go on with {again}")
    return ended.page


def go_on(path: str | os.PathLike[str], *, quiet: bool = True, say: Say = silent) -> Ended:
    """Go on with a sweep: runs that are done stay, one that is not is resumed, the others are trained.

    Args:
        path: the folder of the sweep.
        quiet: show no progress bars.
        say: called with each line that a person wants to read.

    Returns:
        How it ended.

    Raises:
        RunError: if there is no sweep.
        LatentiaError: if a run cannot be resumed.
    """
    folder = Path(path)
    if not (folder / "sweep.toml").is_file():
        what = "is not a sweep (no sweep.toml)" if folder.exists() else "does not exist"
        raise RunError(f"{folder} {what}; start one with 'latentia sweep'")
    source, axes, family = _planned(folder)
    return _work(folder, source, axes, family, quiet, say)


def _planned(folder: Path) -> tuple[str, dict[str, Any], list[Member]]:
    plan = config.read_toml(folder / "sweep.toml")
    try:
        source, axes, settings = plan["source"], plan["over"], plan.get("settings", {})
        return source, axes, members(settings, axes)
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise RunError(f"{folder / 'sweep.toml'} is damaged; start the sweep anew") from error


def opened_family(
    paths: Sequence[Path],
) -> tuple[list[Path], list[str], dict[str, Any] | None]:
    """Let the folder of a sweep stand for its runs.

    Args:
        paths: run folders, or folders of sweeps.

    Returns:
        The run folders; what each is called; and what differs between them, where they are one sweep: `name`,
        `values`, and `spoken`, what a person calls it.

    Raises:
        RunError: if a sweep has no finished run.
    """
    folders: list[Path] = []
    labels: list[str] = []
    axis: dict[str, Any] | None = None
    for path in paths:
        if not (path / "sweep.toml").is_file():
            folders.append(path)
            labels.append(path.resolve().name)
            continue
        _, axes, family = _planned(path)
        done = [member for member in family if RunFolder(path / member.name).weights_file.is_file()]
        if not done:
            raise RunError(
                f"{path} has no trained run yet; go on with: latentia sweep --resume {shell(path)}"
            )
        from latentia.report import Axis

        folders += [path / member.name for member in done]
        labels += Axis(", ".join(axes), tuple(member.label for member in done)).titles
        if len(paths) == 1:
            spoken = Axis(", ".join(axes), tuple(member.label for member in done))
            axis = {"name": spoken.name, "values": list(spoken.values), "spoken": spoken.spoken}
    return folders, labels, axis


def _check(source: Any, family: Sequence[Member]) -> Dataset:
    """Resolve and build every run, so that a mistake in the last is known before the first is trained."""
    from latentia.runs.start import check_fits, start_of, with_start
    from latentia.training import Training

    for member in family:
        assembly.check_settings(member.settings, Training)
    options = session.data_options(family[0].settings.get("data", {}))
    dataset = latentia.data.load(source, **options)
    for member in family:
        begins = start_of(member.settings)
        spec = assembly.complete({**with_start(member.settings, begins), "data": {}}, dataset, Training)
        config.construct(Training, spec["training"])
        parts = assembly.fresh(spec, dataset.event, spec["training"]["seed"])
        if begins:
            check_fits(begins, parts.model)
    return dataset


def _is_done(place: RunFolder) -> bool:
    """Say whether a run is over and scored; one that ran out of time is scored, too, and not over."""
    from latentia.training import checkpoint_files

    scored = any(row.get("split") == "test" for row in place.metrics())
    files = checkpoint_files(place.checkpoints) if scored else []
    return bool(files) and bool(storage.load_tensors(files[-1])[1].get("finished"))


def _work(
    folder: Path,
    source: str,
    axes: Mapping[str, Sequence[Any]],
    family: Sequence[Member],
    quiet: bool,
    say: Say,
    dataset: Dataset | None = None,
) -> Ended:
    short: list[Member] = []
    for number, member in enumerate(family, 1):
        place = RunFolder(folder / member.name)
        if _is_done(place):
            say(f"[{number}/{len(family)}] {member.name}: done already")
            continue
        say(f"[{number}/{len(family)}] {member.name}")
        if place.run_file.is_file():
            ended = session.resume(place.path, quiet=quiet, say=say)
        else:
            dataset = _read_again(folder, source, family) if dataset is None else dataset
            ended = session.start(source, member.settings, out=place.path, quiet=quiet, say=say, read=dataset)
        if ended.interrupted:
            return Ended(folder, ended.interrupted)
        if ended.fault:
            say(f"warning: {ended.fault}")
        if not ended.finished:
            say(f"{member.name} is out of time, and saved as far as it came; the next goes on")
            short.append(member)
    if short:
        again = f"latentia sweep --resume {shell(folder)}"
        say(f"out of time: {len(short)} of {len(family)} runs; give them as long again with: {again}")
    return Ended(folder, page=_page(folder, axes, family, quiet))


def _read_again(folder: Path, source: str, family: Sequence[Member]) -> Dataset:
    """Read the data of a sweep for the runs that are not begun yet; each run keeps what was in memory."""
    if source != MEMORY:
        return latentia.data.load(source, **session.data_options(family[0].settings.get("data", {})))
    begun = [place for member in family if (place := RunFolder(folder / member.name)).rows_file.is_file()]
    if not begun:
        raise RunError(f"{folder} was begun on data in memory, and no run has kept them; start it anew")
    return kept(begun[0])


def _page(folder: Path, axes: Mapping[str, Sequence[Any]], family: Sequence[Member], quiet: bool) -> Path:
    """Write the page on the runs that have weights: one that ran out of time at once has none."""
    from latentia.report import Axis, build
    from latentia.training import Training

    done = [member for member in family if RunFolder(folder / member.name).weights_file.is_file()]
    if not done:
        raise RunError(f"no run of {folder} came as far as its first weights; give more --max-minutes")
    device = config.construct(Training, family[0].settings.get("training", {})).device
    runs = [api.open_run(folder / member.name, device=device) for member in done]
    axis = Axis(", ".join(axes), tuple(member.label for member in done))
    return build(runs, folder / "sweep.html", axis=axis, quiet=quiet)
