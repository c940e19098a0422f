"""A run as a service: arrays in, arrays out, checked, limited, and safe to call from several threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from latentia.core import registry
from latentia.core.errors import LatentiaError
from latentia.core.event import Event
from latentia.runs.run import Run
from latentia.runs.scores import score
from latentia.sampling import Sampler
from latentia.serving import info as record
from latentia.serving import validation as checks
from latentia.serving.errors import NotThere, Refusal, TooMuch
from latentia.serving.verbs import COUNT, SAMPLES, SEED, TEMPERATURE, TRUNCATION, known

LINE = 500
"""Characters of an error's line at the most: it may quote what was sent."""
Decode = Callable[[np.ndarray, "np.ndarray | None"], np.ndarray]
"""Latents `(N, *latent)` and conditions `(N, C)` or None to the likelihood's mean, `(N, *event)`, float32."""


@dataclass(frozen=True)
class Limits:
    """What one request may ask for.

    Attributes:
        examples: examples, latents or samples.
        importance: importance samples for log p(x), over all examples.
    """

    examples: int = 4096
    importance: int = 65_536


class Service:
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
        self.run = run
        self.limits = limits or Limits()
        self.fit = fit
        self.lock = threading.RLock()
        self._decode = decode or run.inference.decode
        self._samplers: dict[str, Sampler] = {}
        for name in registry.names("sampler"):
            if (kept := run.kept_sampler(name)) is not None:
                self._samplers[name] = kept
        self.facts = record.facts(run)
        self._info = record.info(run, self.facts)

    @property
    def event(self) -> Event:
        """What one example is."""
        return self.run.event

    @property
    def latent(self) -> tuple[int, ...]:
        """The shape of one latent."""
        return self.run.latent

    # What is asked, checked and in one form for all: these rows may be joined with those of other requests.

    def examples(self, x: Any) -> np.ndarray:
        """Check examples.

        Args:
            x: one or several, as lists or an array, in the units of the data; in the order of axes that the
                run's data had, or in the project's.

        Returns:
            Shape `(N, *event)`.
        """
        layout = self.run.record.layout
        if layout.axes != "same" and isinstance(x, (list, np.ndarray)):
            array, shape = checks.numbers(x, "x"), layout.shape(self.event)
            x = layout.arrange(array, self.event) if shape in (array.shape, array.shape[1:]) else array
        return checks.examples(x, self.event, self.limits.examples)

    def image(self, data: bytes) -> np.ndarray:
        """Decode an image file, brought to the run's size and channels.

        Args:
            data: the file's content.

        Returns:
            Shape `(1, *event)`, in the units of the data.
        """
        known = self.facts
        return checks.image(data, self.event, known.low, known.high, known.whole)

    def latents(self, z: Any) -> np.ndarray:
        """Check latents, or codes of a model that has some.

        Args:
            z: one or several, as lists or an array, in their shape or flat.

        Returns:
            Shape `(N, *latent)`, float32.

        Raises:
            TooMuch: for more than one request may hold.
        """
        array = checks.numbers(z, "z")
        if not array.ndim or not array.size:
            raise Refusal(f"'z' holds no latent; give some of shape {checks.shape_of(self.latent)}")
        if array.size > self.limits.examples * int(np.prod(self.latent)):  # before anything is made of it
            raise TooMuch(f"'z' holds more than {self.limits.examples:,} latents; send them in parts")
        found = self.run.as_latents(array)
        checks.count_of(len(found), self.limits.examples, "latents in z")
        return checks.numbers(found, "z")

    def conditions(self, condition: Any, count: int, *, inferred: bool = False) -> np.ndarray | None:
        """Turn conditions in the user's words into one row for each example.

        Args:
            condition: one or several, as `Run.conditions` takes them; or None.
            count: how many examples there are.
            inferred: whether a model that classifies may tell from the data what is not given.

        Returns:
            Shape `(count, C)`, rows of NaN where they are not known, or None for a model without a condition.
        """
        if condition is None and inferred and self.run.model.classifies:
            return self.run.unknown_conditions(count)
        return self.run.conditions(condition, count)

    # What is answered.

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
        noise: bool = False,
        seed: int = 0,
        temperature: float | None = None,
        truncation: float | None = None,
    ) -> np.ndarray:
        """Generate data; the same arguments give the same data.

        Args:
            n: how many.
            sampler: where the latents come from: `prior`, or one that was fitted to the run.
            condition: for a conditional model, one or several, repeated as often as it takes; those of
                training examples by default.
            noise: draw from the likelihood instead of taking its mean.
            seed: seed of the draws.
            temperature: factor on the distance from the prior's mean.
            truncation: the prior's limit for each coordinate, in standard deviations.

        Returns:
            Data in the data's units, `(n, *event)`, float32.
        """
        COUNT.check(n)
        checks.count_of(n, self.limits.examples)
        SEED.check(seed)
        settings = ((TEMPERATURE, temperature), (TRUNCATION, truncation))
        asked = {field.name: field.check(value) for field, value in settings if value is not None}
        with self.lock:
            chosen = self._sampler(sampler, asked)
            c = self.run.conditions_for(n, condition, seed)
            z = self.run.draw(n, c, chosen, seed=seed)
            return self.run.inference.decode(z, c, noise=True, seed=seed) if noise else self._decode(z, c)

    def _sampler(self, name: str, settings: dict[str, Any]) -> Sampler:
        """Give a sampler: the prior with any settings, others as they were fitted."""
        known(name, registry.names("sampler"), "sampler")
        if name != "prior" and name in self._samplers and not settings:
            return self._samplers[name]
        if name != "prior" and not settings and not self.fit:
            fitted = ", ".join(["prior", *self._samplers])
            raise NotThere(
                f"the sampler '{name}' was not fitted to this run; there are {fitted}; fit it with: latentia "
                f"sample RUN --sampler {name} -o samples.npy, and start the server again"
            )
        made = self.run.sampler(name, **settings)
        if name != "prior":
            self._samplers[name] = made
        return made

    def score(self, x: Any, condition: Any = None, *, samples: int = 64, seed: int = 0) -> dict[str, Any]:
        """Give for each example the terms of the bound, the error, and log p(x) where there is one.

        Args:
            x: examples; see `examples`.
            condition: for a conditional model; see `conditions`.
            samples: importance samples K for log p(x); 0 leaves it out.
            seed: seed of the noise in data and latents.

        Returns:
            Figures by name, and under `missing` why others are not there; see `scoring.score`.

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
            return score(self.run, x, c, samples=samples, seed=seed)

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
