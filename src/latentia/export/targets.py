"""What a run can be exported to, by name, for the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from latentia.core import storage
from latentia.core.errors import ConfigError
from latentia.core.needs import ALONE
from latentia.export import agreement, card, diffusers, drawn, pipelines
from latentia.export.onnx import write_onnx
from latentia.runs.run import Run

Say = Callable[[str], None]


def _onnx(run: Run, folder: Path, say: Say) -> Iterator[str]:
    record = write_onnx(run, folder, say)
    for name, graph in record["graphs"].items():
        ins, outs = (
            ", ".join(f"{port['name']} {'x'.join(map(str, port['shape']))}" for port in graph[way])
            for way in ("inputs", "outputs")
        )
        compared = graph["compared"]
        gap = max(compared["largest_relative_difference"].values())
        yield f"{folder / graph['file']}: {ins} -> {outs}"
        yield (
            f"  against torch on {compared['random']} random and {compared['real']} real examples: "
            f"largest difference {gap:.1e} of the output's largest value ({name})"
        )


def _hub(run: Run, folder: Path, say: Say) -> Iterator[str]:
    with storage.new_folder(folder) as target:
        run.save_pretrained(target)
    yield f"{folder}: model.json, model.safetensors and the card README.md"
    yield f"read it with: latentia.Trained.from_pretrained({str(folder)!r})"
    if not run.evaluation():
        say("the card has no figures yet; make some with: latentia evaluate RUN, and export again")


def _diffusers(run: Run, folder: Path, say: Say, codec: Run | None = None) -> Iterator[str]:
    if codec is not None:
        yield from _pipeline(run, codec, folder, say)
        return
    if ALONE in type(run.model).gives:
        raise ConfigError(
            f"{run.folder.path} draws latents, which become pictures by the codec that gave them; name its "
            "run: --with CODEC_RUN"
        )
    made = diffusers.exported(run)
    version, gaps, real = agreement.installed(), dict[str, float](), 0
    with storage.new_folder(folder) as target:
        diffusers.write(target, made, card.card(run, made))
        if version:
            gaps, real = agreement.compared(run, made, target)
    for note in made.notes:
        say(note)
    cls = made.counterpart.cls
    yield f"{folder}: {diffusers.CONFIG}, {diffusers.WEIGHTS} and the card README.md"
    yield f"  {card.summary(made.config)}; latents: {card.scale_line(made)}"
    if version:
        found = ", ".join(f"{name} {gap:.1e}" for name, gap in gaps.items())
        yield (
            f"  diffusers {version} loads it, and differs on {2 * agreement.DRAWN} random and {real} real "
            f"pictures, in float64, by, of the largest value: {found}"
        )
    else:
        say(UNCOMPARED)
    yield f"read it with: diffusers.{cls}.from_pretrained({str(folder)!r})"


def _pipeline(run: Run, codec: Run, folder: Path, say: Say) -> Iterator[str]:
    made = pipelines.pipelined(run, codec)
    version, gaps = agreement.installed(), dict[str, float]()
    with storage.new_folder(folder) as target:
        pipelines.write(target, made, card.pipeline_card(run, codec, made))
        if version:
            gaps = {
                **agreement.compared(codec, made.vae, target / made.codec)[0],
                **drawn.drawn(run, codec, made, target),
            }
    for note in made.notes:
        say(note)
    yield f"{folder}: model_index.json, {made.denoiser}/, {made.codec}/, scheduler/ and the card README.md"
    classes = f"; {len(made.labels)} classes" if made.labels else ""
    yield f"  {made.cls} of {made.config['_class_name']} and {card.summary(made.vae.config)}{classes}"
    if version:
        found = ", ".join(f"{name} {gap:.1e}" for name, gap in gaps.items())
        yield (
            f"  diffusers {version} opens it, and differs, in float64, from the same noise in {drawn.WALK} "
            f"steps of DDIM, by, of the largest value: {found}"
        )
    else:
        say(UNCOMPARED)
    yield f"read it with: diffusers.{made.cls}.from_pretrained({str(folder)!r})"


UNCOMPARED = "not compared, as diffusers is not installed; compare with: pip install 'latentia[diffusers]'"
TARGETS: dict[str, Callable[..., Iterator[str]]] = {
    "onnx": _onnx,
    "hub": _hub,
    "diffusers": _diffusers,
}
"""Each writes a run into a folder, and gives the lines that say what it wrote; `diffusers` takes the run of a
codec, too."""
