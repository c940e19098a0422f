"""The OpenAPI description of the endpoints, with examples that fit the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from latentia.serving.bodies import JSON, NPY, PNG
from latentia.serving.verbs import GOT, POSTED, Verb

DESCRIPTION = """\
A trained model of latentia. Data are in the units of the training data, one example or a list of them;
arrays are JSON lists or, faster, `application/x-npy`: the content of a .npy file of numbers, in the body by
`Content-Type` and in the answer by `Accept`. With a binary body, the other fields stand in the query. Images
may be sent as files and are brought to the run's size; images are drawn as a grid for `Accept: image/png`.
Rows of a table are objects with the values of its columns by name, `null` where one is missing; `notes` of an
answer say what was ignored.

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
JSON_TYPES = {
    "real": ["number"],
    "integer": ["integer"],
    "boolean": ["boolean"],
    "time": ["string", "number"],
    "category": [],
    "ordered": [],
}
"""What the values of a column are in JSON."""
LISTED = 20
"""Categories of a column that are listed at the most."""
BINARY = {"type": "string", "format": "binary"}


def operation(name: str, info: Mapping[str, Any]) -> dict[str, Any]:
    """Describe an endpoint.

    Args:
        name: that of its verb.
        info: what the run is.

    Returns:
        Arguments for `FastAPI.add_api_route`.
    """
    failures = {
        "content": {JSON: {"schema": {"type": "object", "properties": {"error": {"type": "string"}}}}}
    }
    responses = {status: {"description": text, **failures} for status, text in ERRORS.items()}
    verb = POSTED.get(name) or GOT[name]
    good = {kind: {} if kind == JSON else {"schema": BINARY} for kind in verb.made(info["kind"])}
    responses[200] = {"description": verb.summary, "content": good}
    extra: dict[str, Any] = {}
    if name in POSTED:
        content = _content(verb, example(name, info), info)
        extra["requestBody"] = {"required": bool(verb.data), "content": content}
    elif verb.fields:
        extra["parameters"] = [
            {"name": field.name, "in": "query", "required": field.required, "schema": field.schema}
            for field in verb.fields
        ]
    return {"summary": verb.summary, "responses": responses, "openapi_extra": extra}


def _content(verb: Verb, example: dict[str, Any], info: Mapping[str, Any]) -> dict[str, Any]:
    fields = {field.name: field.schema for field in verb.fields}
    if "x" in fields and info["schema"]:
        row = _row(info["schema"])
        numbers = {"type": "array", "description": "codes of the values in nested lists"}
        fields["x"] |= {"anyOf": [row, {"type": "array", "items": row}, numbers]}
    schema: dict[str, Any] = {"type": "object", "properties": fields, "additionalProperties": False}
    content: dict[str, Any] = {JSON: {"schema": schema, "example": example}}
    if verb.data:
        schema["required"] = [verb.data]
        content[NPY] = {"schema": BINARY}
    if verb.data == "x" and info["kind"] == "image":
        content[PNG] = {"schema": BINARY}
    return content


def _row(columns: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Describe one row of a table."""
    properties = {column["name"]: _value(column) for column in columns}
    return {"type": "object", "properties": properties, "required": list(properties)}


def _value(column: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a value of a column; it may be null."""
    if categories := column.get("categories"):
        listed = categories[:LISTED]
        more = f"one of {len(categories):,}; others count as another value"
        return {"examples": listed, "description": more} if len(categories) > LISTED else {"examples": listed}
    return {"type": [*JSON_TYPES[column["kind"]], "null"]}


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
    elif info["example"] is not None:
        found = {"x": [info["example"]]}
    else:
        found = {"x": [_zeros(info["event"])]}
    condition = info["condition"]
    if condition and verb != "sample":
        known = condition["known"]
        found["condition"] = known[0] if known else [0.0] * condition["size"]
    return found


def _zeros(shape: list[int]) -> Any:
    return np.zeros(shape).tolist()
