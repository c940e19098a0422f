"""Passes of models that infer the label, in which every example stands once for each class."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from latentia.core.types import Batch, Pass


def by_class(state: Pass) -> tuple[Pass, Callable[[Tensor], Tensor]]:
    """Bring the batch of a pass to the rows of its posterior, and values of these rows back to examples.

    Args:
        state: what the model computed.

    Returns:
        The pass, whose batch stands Y times where the model infers the label of Y classes; and the mean over
        the classes, of values `(Y * B, ...)` to `(B, ...)`, weighted by q(y|x) or by the label that is known.
        For other models the pass itself, and values as they are.
    """
    if state.q_y is None:
        return state, lambda values: values
    known, label = labels(state)
    weight = torch.where(known, label, state.q_y.logits.exp()).T  # (Y, B)
    classes = len(weight)

    def averaged(values: Tensor) -> Tensor:
        rows = values.unflatten(0, (classes, -1))
        return (weight.view(*weight.shape, *[1] * (rows.dim() - 2)) * rows).sum(dim=0)

    return dataclasses.replace(state, batch=_repeated(state.batch, classes)), averaged


def labels(state: Pass) -> tuple[Tensor, Tensor]:
    """Say of which examples the label is known, `(B, 1)`, and give it one-hot, `(B, Y)`.

    Args:
        state: what a model that infers the label computed.

    Returns:
        Both.
    """
    batch, classes = state.batch, 0 if state.q_y is None else state.q_y.logits.shape[1]
    c = batch.x.new_full((len(batch.x), classes), math.nan) if batch.c is None else batch.c
    return ~c.isnan().any(dim=1, keepdim=True), F.one_hot(c.nan_to_num().argmax(dim=1), classes).to(c.dtype)


def _repeated(batch: Batch, times: int) -> Batch:
    """Give the batch that `q`, `z` and `p_x` of a pass with classes are about."""
    x, index = (part.repeat(times, *[1] * (part.dim() - 1)) for part in (batch.x, batch.index))
    return dataclasses.replace(batch, x=x, index=index, c=None)
