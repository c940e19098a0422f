"""What is asked of an assessment, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

from latentia.core import registry
from latentia.core.compiling import Choice
from latentia.core.errors import ConfigError, nearest
from latentia.evaluation.text import lines, value_and_error
from latentia.metrics.diagnosis import Finding
from latentia.metrics.figures import Figure
from latentia.metrics.verdict import Verdict

TOPICS = (
    "likelihood", "health", "reconstruction", "generation", "representation", "disentanglement", "files",
)  # fmt: skip
"""What can be assessed, in the order in which it is."""


@dataclass(frozen=True)
class Settings:
    """How to assess a run.

    Attributes:
        data: another source than the run's own data: whatever `latentia.load` takes.
        split: 'train', 'validation', 'test' or 'all'; by default 'test' of the run's own data, and all of
            others.
        skip_bad: leave out files of other data that cannot be read.
        samples: K of the importance-weighted likelihood.
        limit: examples for the importance-weighted likelihood at most; by default as many as some
            minutes of work allow.
        ais: examples for annealed importance sampling, the check on it; 0 leaves it out.
        seed: seed of everything random.
        inception: a safetensors file with the weights of the Inception network, for the feature space.
        samplers: where the latents of samples come from whose quality is measured.
        latent_run: the run that the sampler 'run' draws latents with.
        only: the topics to assess; all by default.
        compile: whether to compile the decoding for log p(x): 'auto' where it pays, 'always' or 'never'. It
            changes the time alone, and figures by no more than float accuracy.
    """

    data: Any = None
    split: str | None = None
    skip_bad: bool = False
    samples: int = 5000
    limit: int | None = None
    ais: int = 0
    seed: int = 0
    inception: str | None = None
    samplers: tuple[str, ...] = ("prior", "mixture")
    latent_run: str | None = None
    only: tuple[str, ...] = TOPICS
    compile: Choice = "auto"

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for name, least in (("samples", 1), ("limit", 1), ("ais", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"'{name}' must be at least {least}, not {value}")
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"'seed' must be from 0 to 4294967295, not {self.seed}")
        if self.samples > 10**9:
            raise ConfigError(f"'samples' must be at most 1,000,000,000, not {self.samples}")
        if self.inception and not Path(self.inception).is_file():
            raise ConfigError(f"no such file: {self.inception}; give the Inception weights as .safetensors")
        for name in self.samplers:
            registry.lookup("sampler", name)
        if ("run" in self.samplers) != (self.latent_run is not None):
            raise ConfigError(
                "the sampler 'run' and the run that it draws with belong together; give both, such as "
                "--samplers prior,run --with RUN"
            )
        for topic in self.only:
            if topic not in TOPICS:
                raise ConfigError(f"unknown topic '{topic}'{nearest(topic, TOPICS)}")


@dataclass(frozen=True, repr=False)
class Assessment:
    """What an evaluation says of a run; printed, and in a notebook, it is a table of its figures.

    Attributes:
        about: the run, its data, the split, the seed, the version: what the figures are about.
        figures: the figures by their stable names.
        missing: why other figures could not be measured.
        diagnosis: what is wrong with the model and what to change; empty where nothing is.
        warnings: which of the figures cannot be trusted, and why.
        verdict: the diagnosis in a sentence; None of an assessment that is still under way.
    """

    about: Mapping[str, Any]
    figures: Mapping[str, Figure]
    missing: Mapping[str, str]
    diagnosis: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()
    verdict: Verdict | None = None

    def as_json(self) -> dict[str, Any]:
        """Give one object of plain values."""
        return {
            "about": dict(self.about),
            "figures": {name: figure.as_json() for name, figure in self.figures.items()},
            "missing": dict(self.missing),
            "verdict": None if self.verdict is None else asdict(self.verdict),
            "diagnosis": [asdict(finding) for finding in self.diagnosis],
            "warnings": list(self.warnings),
        }

    def __repr__(self) -> str:
        """Write the figures, what is missing, the warnings and the diagnosis, a line each."""
        return "\n".join(lines(self))

    def diagnosis_html(self) -> str:
        """Write what is wrong and what cannot be trusted as a list of HTML; empty where nothing is."""
        said = [
            f"<b>{escape(one.name)}</b>: {escape(one.what)}; {escape(one.advice)}" for one in self.diagnosis
        ]
        said += [f"warning: {escape(warning)}" for warning in self.warnings]
        return f"<ul>{''.join(f'<li>{line}</li>' for line in said)}</ul>" if said else ""

    def _repr_html_(self) -> str:
        """Show it in a notebook: the diagnosis, then a row for each figure, with its protocol at hand."""
        left, rows = ' style="text-align:left"', ""
        for name, figure in self.figures.items():
            cells = f"<th{left}>{escape(name)}</th><td{left}>{escape(value_and_error(figure))}</td>"
            rows += f'<tr title="{escape(figure.protocol)}">{cells}<td>{escape(figure.split)}</td></tr>'
        head = escape(f"{self.about['run']}: {self.about['data']}, {self.about['split']}")
        missing = "".join(f"<li>{escape(name)}: {escape(why)}</li>" for name, why in self.missing.items())
        more = f"<details><summary>missing</summary><ul>{missing}</ul></details>" if missing else ""
        return f"<p>{head}</p>{self.diagnosis_html()}<table>{rows}</table>{more}"

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Assessment:
        """Read what `as_json` gave.

        Args:
            table: plain values.

        Returns:
            The assessment.
        """
        return cls(
            about=table["about"],
            figures={name: Figure.from_json(figure) for name, figure in table["figures"].items()},
            missing=table["missing"],
            diagnosis=tuple(Finding(**finding) for finding in table["diagnosis"]),
            warnings=tuple(table["warnings"]),
            verdict=Verdict(**table["verdict"]) if table.get("verdict") else None,
        )
