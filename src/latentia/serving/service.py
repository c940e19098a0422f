"""A run as a service: arrays in, arrays out, checked, limited, and safe to call from several threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from latentia.core import registry
from latentia.core.errors import LatentiaError
from latentia.runs.anomaly import METHODS
from latentia.runs.imputation import Imputation, impute
from latentia.runs.judging import reasons
from latentia.runs.run import Run
from latentia.runs.scores import score
from latentia.sampling import Sampler
from latentia.serving import info as record
from latentia.serving import validation as checks
from latentia.serving.errors import NotThere, Refusal, TooMuch
from latentia.serving.intake import Intake, Limits
from latentia.serving.verbs import (
    COUNT,
    DRAWS,
    GUIDANCE,
    LATENTS,
    SAMPLES,
    SEED,
    STEPS,
    TEMPERATURE,
    TRUNCATION,
    known,
)

LINE = 500
"""Characters of an error's line at the most: it may quote what was sent."""
Decode = Callable[[np.ndarray, "np.ndarray | None"], np.ndarray]
"""Latents `(N, *latent)` and conditions `(N, C)` or None to the likelihood's mean, `(N, *event)`, float32."""


class Service(Intake):
    """What other programs may ask of a run.

    Everything needed is read when it is made: the answers go on if the folder is deleted, and only what
    must be read anew (`health`, `metrics`) is then refused. A lock keeps threads apart, since torch has one
    generator for all; computing takes all cores that torch has anyway.

    Whatever a caller can mend is a `LatentiaError` of one line, a `Refusal` where it has a status of its own;
    `line` gives it without the folder's path.
    """

    def __init__(
        self, run: Run, *, decode: Decode | None = None, limits: Limits | None = None, fit: bool = False
    ) -> None:
        """Read what the service needs.

        Args:
            run: the run.
            decode: decodes in the place of the run's own decoder, such as an ONNX session.
            limits: what one request may ask for.
            fit: fit a sampler that was not fitted before when one is asked for; it may take minutes.
        """
        super().__init__(run, limits)
        self.fit = fit
        self._decode = decode or run.inference.decode
        self._samplers: dict[str, Sampler] = {}
        for name in registry.names("sampler"):
            if (kept := run.kept_sampler(name)) is not None:
                self._samplers[name] = kept
        self._scorer = run.kept_scorer()
        self._info = record.info(run, self.facts)

    def encode(self, x: Any, condition: Any = None) -> tuple[np.ndarray, np.ndarray | None]:
        """Give mean and standard deviation of q(z|x).

        Args:
            x: examples; see `examples`.
            condition: for a conditional model; see `conditions`.

        Returns:
            Each `(N, *latent)`, float32; None for the second where the posterior has no closed form of it.
        """
        x = self.examples(x)
        return self.encode_rows(x, self.conditions(condition, len(x), inferred=True))

    def decode(self, z: Any, condition: Any = None) -> np.ndarray:
        """Give the likelihood's mean.

        Args:
            z: latents; see `latents`.
            condition: for a conditional model; see `conditions`.

        Returns:
            Data in the data's units, `(N, *event)`, float32.
        """
        z = self.latents(z)
        return self.decode_rows(z, self.conditions(condition, len(z)))

    def reconstruct(self, x: Any, condition: Any = None) -> np.ndarray:
        """Encode to the posterior's mean and decode to the likelihood's.

        Args:
            x: examples; see `examples`.
            condition: for a conditional model; see `conditions`.

        Returns:
            Data in the data's units, `(N, *event)`, float32.
        """
        x = self.examples(x)
        return self.reconstruct_rows(x, self.conditions(condition, len(x), inferred=True))

    def encode_rows(self, x: np.ndarray, c: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
        """Encode rows that are checked already; as `encode`."""
        with self.lock:
            return self.run.inference.posterior(x, c)

    def decode_rows(self, z: np.ndarray, c: np.ndarray | None) -> np.ndarray:
        """Decode rows that are checked already; as `decode`."""
        with self.lock:
            return self._decode(z, c)

    def reconstruct_rows(self, x: np.ndarray, c: np.ndarray | None) -> np.ndarray:
        """Reconstruct rows that are checked already; as `reconstruct`."""
        with self.lock:
            c = self.run.complete(x, c)
            return self._decode(self.run.inference.encode(x, c), c)

    def sample(
        self,
        n: int = 1,
        *,
        sampler: str = "prior",
        condition: Any = None,
        given: Any = None,
        noise: bool | None = None,
        seed: int = 0,
        temperature: float | None = None,
        truncation: float | None = None,
        steps: int | None = None,
        guidance: float | None = None,
    ) -> np.ndarray:
        """Generate data; the same arguments give the same data.

        Args:
            n: how many.
            sampler: where the latents come from: `prior`, or one that was fitted to the run.
            condition: for a conditional model, one or several, repeated as often as it takes; those of
                training examples by default.
            given: values of some columns of a table, by name, which all rows have; the others go with them.
            noise: draw from the likelihood instead of taking its mean; by default only for tables of columns,
                whose means are no rows.
            seed: seed of the draws.
            temperature: factor on the distance from the prior's mean.
            truncation: the prior's limit for each coordinate, in standard deviations.
            steps: steps of a diffusion, the prior's own or the sampler's.
            guidance: how far such a one goes towards the condition; see `latentia.probability.Walk`.

        Returns:
            Data in the data's units, `(n, *event)`, float32.

        Raises:
            Refusal: for a wish that cannot be.
            ConfigError: for a setting that the sampler or the run has not, such as guidance where training
                dropped no condition.
        """
        COUNT.check(n)
        checks.count_of(n, self.limits.examples)
        SEED.check(seed)
        settings = (
            (TEMPERATURE, temperature),
            (TRUNCATION, truncation),
            (STEPS, steps),
            (GUIDANCE, guidance),
        )
        asked = {field.name: field.check(value) for field, value in settings if value is not None}
        if given is not None and not isinstance(given, dict):
            raise Refusal("'given' must be an object of values by column name, such as {\"age\": 39}")
        if noise is None:
            noise = self.run.recipe["likelihood"]["name"] == "columns"
        with self.lock:
            chosen = self._sampler(sampler, asked)
            c = self.run.conditions_for(n, condition, seed)
            if noise or given:
                return self.run.made(n, c, chosen, given=given, noise=noise, seed=seed)
            return self._decode(self.run.draw(n, c, chosen, seed=seed), c)

    def _sampler(self, name: str, settings: dict[str, Any]) -> Sampler:
        """Give a sampler: the prior with any settings, others as they were fitted, with those of a draw."""
        known(name, registry.names("sampler"), "sampler")
        if name == "prior":
            return self.run.sampler(name, **settings)
        if name in self._samplers:
            return self._samplers[name].by(**settings)
        if not self.fit:
            fitted = ", ".join(["prior", *self._samplers])
            raise NotThere(
                f"the sampler '{name}' was not fitted to this run; there are {fitted}; fit it with: latentia "
                f"sample RUN --sampler {name} -o samples.npy, and start the server again"
            )
        self._samplers[name] = self.run.sampler(name)
        return self._samplers[name].by(**settings)

    def score(
        self, x: Any, condition: Any = None, *, samples: int = 64, seed: int = 0, method: str | None = None
    ) -> dict[str, Any]:
        """Give for each example the terms of the bound, the error, and log p(x) where there is one.

        Args:
            x: examples; see `examples`.
            condition: for a conditional model; see `conditions`.
            samples: importance samples K for log p(x); 0 leaves it out.
            seed: seed of the noise in data and latents.
            method: say as well how unusual they are; see `latentia.runs.anomaly.AnomalyScorer`.

        Returns:
            Figures by name, and under `missing` why others are not there; see `latentia.runs.scores.score`.
            With a method `score`, higher for what is stranger, `p_value`, and of a table `reasons`: what each
            column adds to the score.

        Raises:
            TooMuch: for more importance samples than one request may ask for.
        """
        x = self.examples(x)
        c = self.conditions(condition, len(x), inferred=True)
        replace(SAMPLES, high=self.limits.importance).check(samples)
        SEED.check(seed)
        if len(x) * samples > self.limits.importance:
            raise TooMuch(
                f"{len(x):,} examples with {samples:,} importance samples each are more than "
                f"{self.limits.importance:,} in one request; send fewer, or samples=0"
            )
        with self.lock:
            found = score(self.run, x, c, samples=samples, seed=seed)
            return found if method is None else {**found, **self._strange(x, c, method)}

    def _strange(self, x: np.ndarray, c: np.ndarray | None, method: str) -> dict[str, Any]:
        """Say how unusual examples are against those of the training."""
        known(method, METHODS, "method")
        if self._scorer is None and not self.fit:
            raise NotThere(
                "no scores were fitted to this run; fit them with: latentia score RUN -o scores.csv, and "
                "start the server again"
            )
        self._scorer = self._scorer or self.run.scorer()
        c = self.run.complete(x, c)
        explained = self._scorer.explain(x, c, method=method)
        answer: dict[str, Any] = {
            "score": explained.score,
            "p_value": self._scorer.p_values(explained.score, method),
        }
        if self.event.kind == "vector":
            answer["reasons"] = reasons(self.run, explained)
        return answer

    def impute(
        self, x: Any, condition: Any = None, *, draws: int = 0, samples: int = 500, seed: int = 0
    ) -> Imputation:
        """Fill in missing values; see `latentia.runs.imputation.impute`.

        Args:
            x: examples; see `examples`.
            condition: for a conditional model; see `conditions`.
            draws: how many fillings to draw.
            samples: latents of each example.
            seed: seed of the draws.

        Returns:
            The examples without holes, in the data's units.

        Raises:
            TooMuch: for more latents or examples than one request may ask for.
        """
        x = self.examples(x)
        c = self.conditions(condition, len(x), inferred=True)
        replace(DRAWS, high=self.limits.examples).check(draws)
        replace(LATENTS, high=self.limits.importance).check(samples)
        SEED.check(seed)
        for what, count, most in (
            ("latents", len(x) * samples, self.limits.latents),
            ("fillings", len(x) * draws, self.limits.examples),
        ):
            if count > most:
                raise TooMuch(f"{count:,} {what} are more than {most:,} in one request; send fewer examples")
        with self.lock:
            return impute(self.run, x, c, draws=draws, samples=samples, seed=seed)

    def info(self) -> dict[str, Any]:
        """Give what the run is: shapes, parts, labels, limits; no path of this machine."""
        samplers = ["prior", *(name for name in self._samplers if name != "prior")]
        return {**self._info, "samplers": samplers, "limits": asdict(self.limits)}

    def health(self) -> dict[str, Any]:
        """Give the last evaluation: figures, what is missing, diagnosis, warnings; read anew each time."""
        return record.health(self.run)

    def metrics(self, split: str | None = None) -> list[dict[str, Any]]:
        """Give the rows that training logged; read anew each time.

        Args:
            split: 'train', 'validation' or 'test'; all by default.

        Returns:
            The rows, oldest first.
        """
        return record.metrics(self.run, split)

    def line(self, error: LatentiaError) -> str:
        """Give an error's line without the path of the run folder or the data.

        Args:
            error: the error.

        Returns:
            One line.
        """
        line = " ".join(str(error)[:10_000].split())
        return record.without_paths(self.run, line)[:LINE]
