"""The shape of an example after each layer of a codec, and how many fewer numbers its latent has."""

from __future__ import annotations

import math
from typing import Any

from latentia.evaluation.facets import codec
from latentia.networks import Layer, followed, layers
from latentia.plots.exhibits import Panel, Row, Section
from latentia.report.group import Group
from latentia.report.study import Study
from latentia.runs.films import streams
from latentia.runs.run import Run

LEAD = "The shape of one example after each layer."
SIDES = {3: "Channels, height, width", 4: "Channels, time, height, width"}


def section(group: Group) -> Section | None:
    """Show the shapes from an example to its latent and back, of whole ones where crops were trained on.

    Args:
        group: the runs.

    Returns:
        The section; None where no run is a codec of layers one after the other.
    """
    return group.apiece("shapes", "Shapes, layer by layer", LEAD, _panel)


def _panel(study: Study) -> Panel | None:
    run = study.run
    if not _has(run):
        return None
    model: Any = run.model
    example = _example(study)
    inward = layers(model.encoder, example)
    latent = (run.latent[0], *inward[-1].shape[1:])
    outward = layers(model.decoder, latent)
    rows = (
        _row("Clip" if len(example) == 4 else "Image", example),
        *(_of("Encoder", layer) for layer in inward[:-1]),
        _of("Encoder", inward[-1], "" if inward[-1].shape == latent else "what the posterior is made of"),
        _row("Latent", latent, "codes, each an entry of a codebook" if study.coded else ""),
        *(_of("Decoder", layer) for layer in outward),
        *([] if study.coded else _ratios(run, example, latent)),
    )
    note = _note(run, example)
    return Panel(study.title, note=note, facts=rows, columns=("Shape", "Values"), rows="Layer")


def _has(run: Run) -> bool:
    """Say whether a run is a codec of clips or pictures whose halves can be followed layer by layer."""
    model: Any = run.model
    if not (streams(run) or (codec.has(run) and not model.condition)):
        return False
    return followed(model.encoder) and followed(model.decoder)


def _note(run: Run, example: tuple[int, ...]) -> str:
    note = f"{SIDES[len(example)]}."
    if example != tuple(run.event):
        note += (
            f" Trained on crops of {_by(run.event[-2:])}, the network takes whole ones of "
            f"{_by(example[-2:])}, which these are."
        )
    if run.spec["network"].get("linear"):
        note += " A linear map of blocks stands beside each half and leads from its first shape to its last."
    return note


def _example(study: Study) -> tuple[int, ...]:
    """Give the shape of whole examples where all are of one size that the network takes, else of a crop."""
    pictures = study.inputs.dataset.whole
    event, strides = tuple(study.run.event), _strides(study.run)
    if pictures is None or not strides or not len(pictures) or (pictures.sizes != pictures.sizes[0]).any():
        return event
    height, width = pictures.sizes[0].tolist()
    return event if height % strides[-2] or width % strides[-1] else (*event[:-2], height, width)


def _strides(run: Run) -> tuple[int, ...]:
    """Give the sides of what a place stands for; nothing where the network takes one size alone."""
    return tuple(getattr(run.model, "strides", ()))


def _ratios(run: Run, example: tuple[int, ...], latent: tuple[int, ...]) -> list[Row]:
    """Say how many values a number of the latent stands for: of all, and of each place of the grid."""
    channels, numbers, sides = example[0], latent[0], _strides(run)
    found = [
        Row("Compression ratio", (_ratio(math.prod(example), math.prod(latent)), ""), "numbers, not bits")
    ]
    if not sides:
        return found
    blocks = {"Of each place": sides}
    if len(sides) == 3 and run.model.lead:  # the first frame has places of its own
        blocks = {"Of the first frame's places": (1, *sides[1:])}
        if latent[1] > run.model.lead:
            blocks["Of the further places"] = sides
    for label, block in blocks.items():
        values = channels * math.prod(block)
        shapes = f"{_times((channels, *block))} to {numbers:,}"
        found.append(Row(label, (_ratio(values, numbers), f"{values:,} to {numbers:,}"), shapes))
    return found


def _of(half: str, layer: Layer, note: str = "") -> Row:
    return _row(f"{half}: {layer.name}", layer.shape, note)


def _row(label: str, shape: tuple[int, ...], note: str = "") -> Row:
    return Row(label, (_times(shape), f"{math.prod(shape):,}"), note)


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def _by(sides: tuple[int, ...]) -> str:
    return "x".join(map(str, sides))


def _ratio(values: int, numbers: int) -> str:
    """Write 192 times fewer numbers as 1:192."""
    return f"1:{values / numbers:.2f}".removesuffix(".00")
