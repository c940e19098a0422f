"""Encoder and decoder as graphs of arrays: data in their own units in and out, no distribution left."""

from __future__ import annotations

import contextlib
import copy
import logging
import warnings
from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from latentia.core.errors import LatentiaError
from latentia.core.extras import optional
from latentia.core.types import LatentModel
from latentia.data.transforms import Transform
from latentia.probability import Delta, codes_of

OPSET = 18
"""The version of ONNX's operators: old enough for most readers."""


def on_the_cpu(model: LatentModel) -> LatentModel:
    """Give a model that computes on the CPU, where graphs are written and compared.

    Args:
        model: the model, on any device.

    Returns:
        The same, or a copy of it.
    """
    moved = any(tensor.device.type != "cpu" for tensor in model.state_dict().values())
    return copy.deepcopy(model).cpu() if moved else model


class Graph(nn.Module):
    """What of a model becomes a file: from arrays to named arrays."""

    inputs: ClassVar[tuple[str, ...]]

    def __init__(self, model: LatentModel, transform: Transform) -> None:
        """Take a model.

        Args:
            model: the model, in evaluation mode, on the CPU.
            transform: what its data were prepared with.
        """
        super().__init__()
        self.model = model
        self.transform = transform

    def named(self, given: Tensor, c: Tensor | None = None) -> dict[str, Tensor]:
        """Compute the outputs by name, the main one first; the first dimension of all is the batch."""
        raise TypeError("a graph defines its own outputs")

    def forward(self, given: Tensor, c: Tensor | None = None) -> tuple[Tensor, ...]:
        """Compute the outputs."""
        return tuple(self.named(given, c).values())


class EncoderGraph(Graph):
    """x `(n, *event)` in the data's units, and c, to the posterior's mean and what else it says of z.

    `std` is the square root of the posterior's variance: nothing for a point; for a hierarchy that of each
    number given the means above it. `codes` are those of a quantiser, `classes` the probabilities q(y|x).
    """

    inputs: ClassVar[tuple[str, ...]] = ("x", "c")

    def named(self, given: Tensor, c: Tensor | None = None) -> dict[str, Tensor]:
        """Compute the outputs; see `Graph`."""
        model: Any = self.model
        x = self.transform.expected(given)
        q = model.encode(x, c)
        found = {"mean": q.mean}
        if model.coder is not None:
            found["codes"] = codes_of(q)
        elif not isinstance(q, Delta):
            found["std"] = q.variance.sqrt()
        if model.classifies:
            found["classes"] = model.classify(x).probs
        return found


class DecoderGraph(Graph):
    """z `(n, *latent)`, and c, to the likelihood's mean in the data's units, and its deviation.

    `std` is the standard deviation of a density, such as a Gaussian's sigma; a probability of whole numbers
    has none, and neither has a density without a finite variance.
    """

    inputs: ClassVar[tuple[str, ...]] = ("z", "c")

    def __init__(self, model: LatentModel, transform: Transform, deviation: bool = True) -> None:
        """Take a model.

        Args:
            model: the model, in evaluation mode.
            transform: what its data were prepared with.
            deviation: give the deviation, too, where there is one.
        """
        super().__init__(model, transform)
        self.deviates = deviation and self._deviates()

    def named(self, given: Tensor, c: Tensor | None = None) -> dict[str, Tensor]:
        """Compute the outputs; see `Graph`."""
        p = self.model.decode(given, c)
        mean = p.mean
        found = {"x": self.transform.invert(mean)}
        if self.deviates:
            unit = self.transform.invert(torch.ones(self.model.event))
            unit = unit - self.transform.invert(torch.zeros(self.model.event))
            found["std"] = p.variance.sqrt().expand_as(mean) * unit
        return found

    @torch.no_grad()
    def _deviates(self) -> bool:
        """Say whether p(x|z) has a standard deviation."""
        if self.model.discrete:
            return False
        c = torch.zeros(1, self.model.condition) if self.model.condition else None
        variance = self.model.decode(torch.zeros(1, *self.model.latent), c).variance
        return bool(variance.isfinite().all())


def need(purpose: str) -> None:
    """Refuse to go on without ONNX Runtime and what writes its files.

    Args:
        purpose: what it is for, as the subject of "needs".

    Raises:
        MissingExtra: if one of the packages is not installed.
    """
    for package in ("onnx", "onnxruntime", "onnxscript"):
        optional(package, "onnx", purpose)


def as_onnx(graph: Graph, examples: tuple[Tensor, ...]) -> bytes:
    """Write a graph as an ONNX model whose inputs and outputs may have any number of rows.

    Nothing of the machine that wrote it is left in it: no path, no line of source code.

    Args:
        graph: the graph.
        examples: values for its inputs, several rows of each.

    Returns:
        The model's bytes.

    Raises:
        LatentiaError: if the graph has an operation that ONNX does not.
    """
    names = list(graph.inputs[: len(examples)])
    with torch.no_grad():
        outputs = list(graph.named(*examples))
    rows = torch.export.Dim("n", min=1)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                graph,
                examples,
                dynamo=True,
                dynamic_shapes=tuple({0: rows} for _ in names),
                external_data=False,
                opset_version=OPSET,
                input_names=names,
                output_names=outputs,
                verbose=False,
            )
    except Exception as error:  # the exporter's exceptions have no common base
        raise LatentiaError(_reason(error)) from error
    if program is None:
        raise LatentiaError("torch gave no ONNX program")
    return _stripped(program.model_proto)


def _stripped(model: Any) -> bytes:
    """Take out what the exporter notes of the source code: stack traces with the paths of files."""
    import latentia

    del model.metadata_props[:]
    model.producer_name, model.producer_version = "latentia", latentia.__version__
    for part in (model.graph, *model.functions):
        del part.metadata_props[:]
        part.doc_string = ""
        values = () if part is not model.graph else (*part.input, *part.output, *part.initializer)
        for item in (*part.node, *part.value_info, *values):
            del item.metadata_props[:]
            item.doc_string = ""
    return model.SerializeToString()


def _reason(error: BaseException) -> str:
    """Find the sentence at the bottom of a chain of exceptions."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks to itself: what matters ends as an exception."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
