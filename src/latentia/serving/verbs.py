"""The verbs of a served run and their fields, declared once: what is read, checked and described."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from latentia.core.errors import nearest
from latentia.runs.anomaly import METHODS
from latentia.serving.bodies import JSON, NPY, PNG
from latentia.serving.errors import Refusal

NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a name"}
TYPES = {int: "integer", float: "number", bool: "boolean", str: "string"}
"""What a type is called in a refusal, and in OpenAPI."""


@dataclass(frozen=True)
class Field:
    """A field of a request.

    Attributes:
        name: its name.
        kind: int, float, bool or str; None for what the run alone can check.
        default: what it is where it is absent or null.
        low: the smallest whole number that may be; other numbers are above it.
        high: the largest number that may be.
        words: the names that may be, where these are known.
        required: whether it must be there.
        about: what it means, for the description.
    """

    name: str
    kind: type[int | float | bool | str] | None = None
    default: Any = None
    low: float = 0
    high: float | None = None
    words: tuple[str, ...] = ()
    required: bool = False
    about: str = ""

    def check(self, value: Any) -> Any:
        """Check a value.

        Args:
            value: what was sent.

        Returns:
            The same.

        Raises:
            Refusal: if it is of another type, no number from `low` to `high`, or no word that is known.
        """
        if self.kind is None:
            return value
        fits = isinstance(value, (int, float) if self.kind is float else self.kind)
        fits = fits and (self.kind is bool or not isinstance(value, bool))
        if fits and self.kind in (int, float):
            above = self.low < value if self.kind is float else self.low <= value  # NaN fails, too
            fits = above and (self.high is None or value <= self.high)
        if not fits:
            raise Refusal(f"'{self.name}' must be {self._wanted}, not {str(value)[:60]}")
        return known(str(value), self.words, self.name) if self.words else value

    @property
    def _wanted(self) -> str:
        word = NAMES[self.kind or str]
        if self.kind not in (int, float):
            return word
        low = f"{word} {'from' if self.kind is int else 'above'} {self.low}"
        return f"{low} on" if self.high is None else f"{low} to {self.high}"

    @property
    def schema(self) -> dict[str, Any]:
        """The field as OpenAPI has it."""
        numeric = self.kind in (int, float)
        found = {
            "type": self.kind and TYPES[self.kind],
            ("minimum" if self.kind is int else "exclusiveMinimum"): self.low if numeric else None,
            "maximum": self.high,
            "enum": list(self.words) or None,
            "default": self.default,
            "description": self.about or None,
        }
        return {key: value for key, value in found.items() if value is not None}


def known(name: str, names: Sequence[str], what: str) -> str:
    """Check a name.

    Args:
        name: the name.
        names: those that there are.
        what: what it is a name of.

    Returns:
        The same.

    Raises:
        Refusal: if it is none of them.
    """
    if name not in names:
        raise Refusal(f"unknown {what} '{name[:60]}'{nearest(name[:60], names)}")
    return name


def checked(fields: Sequence[Field], given: Mapping[str, Any]) -> dict[str, Any]:
    """Check the fields of a request.

    Args:
        fields: those that there are.
        given: what was sent.

    Returns:
        Every field, with its default where it is absent or null.

    Raises:
        Refusal: for a field that is unknown, missing, or of a value that cannot be.
    """
    names = [field.name for field in fields]
    for name in given:
        if name not in names:
            raise Refusal(f"unknown field '{str(name)[:60]}'; known: {', '.join(names)}")
    found = {field.name: given.get(field.name) for field in fields}
    for field in fields:
        if found[field.name] is not None:
            field.check(found[field.name])
        elif field.required:
            raise Refusal(f"the field '{field.name}' is missing; send {{\"{field.name}\": [...]}}")
        else:
            found[field.name] = field.default
    return found


@dataclass(frozen=True)
class Verb:
    """Something that may be asked.

    Attributes:
        summary: what is answered.
        fields: what a request holds; the data first, where it holds some.
        answers: the types of the answer, the usual one first; `image/png` of data that are images alone.
    """

    summary: str
    fields: tuple[Field, ...] = ()
    answers: tuple[str, ...] = (JSON,)

    @property
    def data(self) -> str:
        """The field that a binary body stands for: x, z, or none."""
        return self.fields[0].name if self.fields and self.fields[0].required else ""

    def made(self, kind: str) -> tuple[str, ...]:
        """Give the types of the answer of a run.

        Args:
            kind: what its examples are; see `latentia.core.event.Event`.

        Returns:
            The types.
        """
        return tuple(one for one in self.answers if one != PNG or kind == "image")


MOST = 1_000_000
"""What is beyond all sense as a factor."""
X = Field(
    "x",
    required=True,
    about="numbers in nested lists, or rows of a table as objects by column name; null is what is missing",
)
Z = Field("z", required=True, about="numbers in nested lists")
CONDITION = Field(
    "condition",
    about="for a conditional model: a label by number or name, a vector, or one for each example",
)
PART = Field("part", str, "mean", words=("mean", "std"), about="which of the two an npy answer holds")
COUNT = Field("n", int, 1, 1)
SEED = Field("seed", int, 0, 0, 2**32 - 1)
NOISE = Field(
    "noise", bool, about="draw from p(x|z), not its mean; by default for the likelihood `columns` alone"
)
GIVEN = Field("given", about="values of some columns of a table, by name, which all rows are to have")
SAMPLER = Field("sampler", str, "prior")
TEMPERATURE = Field("temperature", float, high=MOST, about="factor on the distance from the prior's mean")
TRUNCATION = Field("truncation", float, high=MOST, about="limit of each coordinate, in standard deviations")
STEPS = Field("steps", int, low=1, high=1000, about="steps of a diffusion; by default those of its recipe")
GUIDANCE = Field(
    "guidance", float, high=MOST,
    about="how far a diffusion goes towards the condition; 1, the default, is the condition's own samples",
)  # fmt: skip
SAMPLES = Field("samples", int, 64, about="importance samples for log p(x); 0 leaves it out")
METHOD = Field("method", str, words=METHODS, about="say as well how unusual they are, by this score, and why")
DRAWS = Field("draws", int, 0, about="fillings drawn from p(missing | observed), instead of the best values")
LATENTS = Field("samples", int, 500, 1, about="latents of each example that a filling rests on")
SPLIT = Field("split", str, words=("train", "validation", "test"), about="all by default")
DATA = (JSON, NPY, PNG)
POSTED: Mapping[str, Verb] = {
    "encode": Verb(
        "Data to latents: mean and standard deviation of q(z|x); in npy one, by part=mean or std",
        (X, CONDITION, PART),
        (JSON, NPY),
    ),
    "decode": Verb("Latents to data: the mean of p(x|z)", (Z, CONDITION), DATA),
    "reconstruct": Verb("Data to latents and back", (X, CONDITION), DATA),
    "sample": Verb(
        "New data; the same request gives the same data",
        (COUNT, SAMPLER, CONDITION, GIVEN, NOISE, SEED, TEMPERATURE, TRUNCATION, STEPS, GUIDANCE),
        DATA,
    ),
    "score": Verb(
        "For each example: mse, distortion, rate and ELBO in nats, log p(x) by importance sampling; with "
        "a method also score, p_value and reasons",
        (X, CONDITION, SAMPLES, SEED, METHOD),
    ),
    "impute": Verb(
        "Data without holes: x, or several draws; observed values stay",
        (X, CONDITION, DRAWS, LATENTS, SEED),
    ),
}
"""What is asked with a body."""
GOT: Mapping[str, Verb] = {
    "info": Verb("What the run is: shapes, parts, labels, samplers, limits"),
    "live": Verb("Whether the server answers; needs no token"),
    "health": Verb("The last evaluation of the run: figures, diagnosis, warnings"),
    "metrics": Verb("What training logged, one row for each step", (SPLIT,)),
}
"""What is asked without one."""
