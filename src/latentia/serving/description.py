"""The OpenAPI description of the endpoints, with examples that fit the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from latentia.serving.bodies import JSON, NPY, PNG

DESCRIPTION = """\
A trained model of latentia. Data are in the units of the training data, one example or a list of them;
arrays are JSON lists or, faster, `application/x-npy`: the content of a .npy file of numbers, in the body by
`Content-Type` and in the answer by `Accept`. With a binary body, the other fields stand in the query. Images
may be sent as files and are brought to the run's size; images are drawn as a grid for `Accept: image/png`.

Every refusal is `{"error": "one line"}` with a 4xx status, or 503 with `Retry-After` where too many
requests wait.
"""
ERRORS = {
    401: "The token is missing or wrong.",
    403: "The Host or the Origin is not allowed.",
    413: "More than one request may hold.",
    422: "What was sent does not fit the model.",
    503: "Too many requests are waiting.",
}
BINARY = {"type": "string", "format": "binary"}
NUMBERS = {"type": "array", "items": {}, "description": "numbers in nested lists"}
CONDITION = {
    "description": "for a conditional model: a label by number or name, a vector, or one for each example"
}
SEED = {"type": "integer", "minimum": 0, "maximum": 2**32 - 1, "default": 0}
FIELDS: Mapping[str, Mapping[str, Any]] = {
    "encode": {"x": NUMBERS, "condition": CONDITION},
    "decode": {"z": NUMBERS, "condition": CONDITION},
    "reconstruct": {"x": NUMBERS, "condition": CONDITION},
    "sample": {
        "n": {"type": "integer", "minimum": 1, "default": 1},
        "sampler": {"type": "string", "default": "prior"},
        "condition": CONDITION,
        "noise": {"type": "boolean", "default": False, "description": "draw from p(x|z), not its mean"},
        "seed": SEED,
        "temperature": {"type": "number", "description": "factor on the distance from the prior's mean"},
        "truncation": {"type": "number", "description": "limit of each coordinate, in standard deviations"},
    },
    "score": {
        "x": NUMBERS,
        "condition": CONDITION,
        "samples": {
            "type": "integer",
            "minimum": 0,
            "default": 64,
            "description": "importance samples for log p(x); 0 leaves it out",
        },
        "seed": SEED,
    },
}
SUMMARIES = {
    "encode": "Data to latents: mean and standard deviation of q(z|x); in npy one, by part=mean or std",
    "decode": "Latents to data: the mean of p(x|z)",
    "reconstruct": "Data to latents and back",
    "sample": "New data; the same request gives the same data",
    "score": "For each example: mse, distortion, rate and ELBO in nats, log p(x) by importance sampling",
    "info": "What the run is: shapes, parts, labels, samplers, limits",
    "live": "Whether the server answers; needs no token",
    "health": "The last evaluation of the run: figures, diagnosis, warnings",
    "metrics": "What training logged, one row for each step; split=train, validation or test",
}


def operation(verb: str, info: Mapping[str, Any]) -> dict[str, Any]:
    """Describe an endpoint.

    Args:
        verb: its name.
        info: what the run is.

    Returns:
        Arguments for `FastAPI.add_api_route`.
    """
    failures = {
        "content": {JSON: {"schema": {"type": "object", "properties": {"error": {"type": "string"}}}}}
    }
    responses = {status: {"description": text, **failures} for status, text in ERRORS.items()}
    good: dict[str, Any] = {JSON: {}}
    extra: dict[str, Any] = {}
    if verb in FIELDS:
        extra["requestBody"] = {"required": verb != "sample", "content": _content(verb, info)}
        if verb in ("encode", "decode", "reconstruct", "sample"):
            good[NPY] = {"schema": BINARY}
        if info["kind"] == "image" and verb in ("decode", "reconstruct", "sample"):
            good[PNG] = {"schema": BINARY}
    if verb == "metrics":
        split = {"type": "string", "enum": ["train", "validation", "test"]}
        extra["parameters"] = [{"name": "split", "in": "query", "required": False, "schema": split}]
    responses[200] = {"description": SUMMARIES[verb], "content": good}
    return {"summary": SUMMARIES[verb], "responses": responses, "openapi_extra": extra}


def _content(verb: str, info: Mapping[str, Any]) -> dict[str, Any]:
    fields = FIELDS[verb]
    schema: dict[str, Any] = {"type": "object", "properties": dict(fields), "additionalProperties": False}
    name = next(iter(fields))
    content: dict[str, Any] = {JSON: {"schema": schema, "example": example(verb, info)}}
    if name == "n":
        return content
    schema["required"] = [name]
    content[NPY] = {"schema": BINARY}
    if name == "x" and info["kind"] == "image":
        content[PNG] = {"schema": BINARY}
    return content


def example(verb: str, info: Mapping[str, Any]) -> dict[str, Any]:
    """Give a request that the run answers.

    Args:
        verb: the endpoint.
        info: what the run is.

    Returns:
        The body.
    """
    found: dict[str, Any] = {}
    if verb == "sample":
        found = {"n": 4, "seed": 0}
    elif verb == "decode":
        found = {"z": [_zeros(info["latent"])]}
    else:
        found = {"x": [_zeros(info["event"])]}
    condition = info["condition"]
    if condition and verb != "sample":
        known = condition["known"]
        found["condition"] = known[0] if known else [0.0] * condition["size"]
    return found


def _zeros(shape: list[int]) -> Any:
    return np.zeros(shape).tolist()
