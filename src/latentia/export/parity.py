"""Whether an exported graph computes what torch computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentia.core.errors import LatentiaError
from latentia.core.noise import seeded
from latentia.core.types import LatentModel
from latentia.data.transforms import Transform
from latentia.export.graphs import DecoderGraph, EncoderGraph, Graph
from latentia.runs.run import Run

TOLERANCE = 1e-5
"""The largest difference that is let pass, as a share of the output's largest absolute value."""
EXAMPLES = 64
"""How many random and how many real examples are compared, at most."""
TIES = 0.05
"""Share of the examples whose nearest codes are so close that rounding may choose another one."""


def session(model: bytes, threads: int = 0) -> Any:
    """Open an exported graph in ONNX Runtime.

    Args:
        model: its bytes.
        threads: how many to compute with; as many as torch has, by default.

    Returns:
        The session.

    Raises:
        LatentiaError: if ONNX Runtime does not open it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions have no common base
        raise LatentiaError(f"ONNX Runtime does not open the graph: {_line(error)}") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def real_examples(run: Run) -> tuple[np.ndarray, np.ndarray | None]:
    """Take some examples of the run's data.

    Args:
        run: the run.

    Returns:
        Data, shape `(n, *event)`, and conditions; no rows if the data cannot be read any more.
    """
    try:
        rows = run.examples("test", EXAMPLES)
        return run.dataset.x[rows], run.conditions_at(rows)
    except LatentiaError:
        none = None if run.condition is None else run.unknown_conditions(0)
        return np.zeros((0, *run.event), np.float32), none


def inputs(run: Run, model: LatentModel) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], int]:
    """Make what encoder and decoder are compared on: random rows, then real ones.

    Args:
        run: the run.
        model: its model, on the CPU.

    Returns:
        Inputs of the encoder, of the decoder, and how many of the rows are real.
    """
    x, c = real_examples(run)
    encoder, decoder = random_inputs(model, run.transform)
    z = run.inference.encode(x, c) if len(x) else np.zeros((0, *run.latent), np.float32)
    told = () if c is None else (c,)
    return _joined(encoder, (x, *told)), _joined(decoder, (z, *told)), len(x)


def _joined(drawn: tuple[Tensor, ...], real: tuple[np.ndarray, ...]) -> tuple[Tensor, ...]:
    return tuple(torch.cat([a, torch.from_numpy(np.array(b, np.float32))]) for a, b in zip(drawn, real))


@torch.no_grad()
def random_inputs(model: LatentModel, transform: Transform) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Draw inputs: data between what the model sees as 0 and 1, latents and conditions from a normal.

    Args:
        model: the model, on the CPU.
        transform: what its data are prepared with.

    Returns:
        Inputs of the encoder and of the decoder; the first condition is unknown where that is allowed.
    """
    coder = model.coder
    with seeded(0):
        low, high = (transform.invert(torch.full(model.event, value)) for value in (0.0, 1.0))
        x = low + (high - low) * torch.rand(EXAMPLES, *model.event)
        told = torch.randn(EXAMPLES, model.condition)
        if coder is None:
            z = torch.randn(EXAMPLES, *model.latent)
        else:
            z = coder.vectors(torch.randint(coder.size, (EXAMPLES, *coder.code_shape)))
    if not model.condition:
        return (x,), (z,)
    unknown = told.index_fill(0, torch.tensor(0), torch.nan)
    seen = unknown if model.dropped or model.classifies else told
    return (x, seen), (z, unknown if model.dropped and not model.classifies else told)


@torch.no_grad()
def difference(graph: Graph, model: bytes, given: tuple[Tensor, ...]) -> dict[str, float]:
    """Compare an exported graph with torch, row by row, all together, and in a batch of one.

    Args:
        graph: the graph.
        model: what it was exported to.
        given: its inputs.

    Returns:
        The largest difference of each output, as a share of its largest absolute value.

    Raises:
        LatentiaError: if ONNX Runtime does not run it, or another code is nearest in more examples than
            rounding explains.
    """
    opened, worst = session(model), dict[str, float]()
    for count in (len(given[0]), 1):
        part = [value[:count] for value in given]
        want = {name: value.numpy() for name, value in graph.named(*part).items()}
        fed = dict(zip(graph.inputs, (value.numpy() for value in part)))
        try:
            got = dict(zip(want, opened.run(list(want), fed)))
        except Exception as error:  # as above
            raise LatentiaError(f"ONNX Runtime does not take {count} rows: {_line(error)}") from error
        for name, value in compared(want, got).items():
            worst[name] = max(worst.get(name, 0.0), value)
    return worst


def compared(want: Mapping[str, np.ndarray], got: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Compare arrays by name, but for examples that were given other codes.

    Args:
        want: what there should be, the first dimension of each the batch.
        got: what there is.

    Returns:
        The largest difference of each, as a share of its largest absolute value.

    Raises:
        LatentiaError: if a shape is another one, or another code is nearest in more examples than rounding
            explains.
    """
    kept = np.ones(len(next(iter(want.values()))), dtype=bool)
    if "codes" in want:
        # Of two codes equally near, rounding chooses: such an example says nothing of the rest.
        kept = (want["codes"] == got["codes"]).reshape(len(kept), -1).all(axis=1)
        if kept.mean() < 1 - TIES and len(kept) > 1:
            raise LatentiaError(f"{np.sum(~kept)} of {len(kept)} examples got other codes than from torch")
    found = {}
    for name in want:
        if name == "codes":
            continue
        if want[name].shape != got[name].shape:
            raise LatentiaError(f"'{name}' has shape {got[name].shape} and not {want[name].shape}")
        a, b = (side[name][kept].astype(np.float64) for side in (want, got))
        scale = float(np.abs(a).max(initial=0.0)) or 1.0
        gap = float(np.abs(a - b).max(initial=0.0)) / scale
        found[name] = gap if np.isfinite(gap) else float("inf")
    return found


def checked(graph: Graph, model: bytes, given: tuple[Tensor, ...], what: str) -> dict[str, float]:
    """Refuse an exported graph that does not compute what torch computes.

    Args:
        graph: the graph.
        model: what it was exported to.
        given: its inputs.
        what: what it is called, for the message.

    Returns:
        The largest difference of each output, as a share of its largest absolute value.

    Raises:
        LatentiaError: if one is larger than `TOLERANCE`.
    """
    found = difference(graph, model, given)
    require_close(found, what, "torch")
    return found


def require_close(found: Mapping[str, float], what: str, other: str, tolerance: float | None = None) -> None:
    """Refuse what does not compute the same.

    Args:
        found: the largest difference of each output.
        what: what it is called, for the message.
        other: what it was compared with.
        tolerance: the largest difference that is let pass; `TOLERANCE` by default.

    Raises:
        LatentiaError: if one is larger.
    """
    tolerance = TOLERANCE if tolerance is None else tolerance
    for name, value in found.items():
        if not value <= tolerance:
            raise LatentiaError(
                f"the {what}'s '{name}' differs from {other} by {value:.1e} of its largest value, over "
                f"{tolerance:.0e}; nothing was written"
            )


GRAPHS: dict[str, type[Graph]] = {"encoder": EncoderGraph, "decoder": DecoderGraph}
"""What is exported of a model, by the name of its file."""
