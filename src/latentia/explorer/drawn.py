"""Samples for the page: where their latents come from, and how a diffusion comes to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from latentia.runs.chained import same_condition
from latentia.runs.run import Run
from latentia.sampling import Sampler

FITTED = ("flow", "two_stage", "diffusion")
"""Samplers whose fit takes minutes: there where one is kept."""
STRIPS = 4
"""Samples whose way from noise is shown."""


class Drawn:
    """Draws latents of one run."""

    def __init__(self, run: Run, partner: Run | None = None) -> None:
        """Look at what is there.

        Args:
            run: the run.
            partner: another run, which was trained on latents of this one and draws such.

        Raises:
            ConfigError: if the partner draws something else.
            RunError: if the partner was trained on latents of other weights.
        """
        self.run, self.partner = run, partner
        self._drawing: dict[str, Sampler] = {}
        if partner is not None:
            self.sampler("run", {})

    @property
    def samplers(self) -> list[str]:
        """Where samples can come from without a fit that takes minutes."""
        drawn = ["run"] * (self.partner is not None)
        if self.run.model.coder is not None:
            kept = self.run.kept_sampler("autoregressive") is not None
            return ["prior", *["autoregressive"] * kept, *drawn]
        kept = [name for name in FITTED if self.run.kept_sampler(name) is not None]
        return ["prior", "mixture", *kept, *drawn]

    @property
    def apart(self) -> bool:
        """Whether the partner is told something that the run is not: a condition is then the partner's."""
        partner = self.partner
        return partner is not None and bool(partner.condition) and not same_condition(self.run, partner)

    def walks(self) -> dict[str, dict[str, Any]]:
        """Describe the samplers that draw step by step from noise.

        Returns:
            By name: whether there is `guidance`; the names of the `conditions` of the partner, where they are
            others than the run's; the `title` of the run that draws.
        """
        found = {}
        for name in self.samplers:
            if name == "mixture" or not (sampler := self.sampler(name, {})).denoises:
                continue
            owner = self.partner if name == "run" and self.partner is not None else self.run
            names = owner.named_conditions()[0] if name == "run" and self.apart else []
            found[name] = {"guidance": sampler.guides, "conditions": names, "title": owner.name}
        return found

    def sampler(self, name: str, settings: Mapping[str, Any]) -> Sampler:
        """Give a sampler.

        Args:
            name: one of `samplers`.
            settings: its own; of a fit that is kept those of the draw alone.

        Returns:
            The sampler.

        Raises:
            ConfigError: for a setting that does not fit.
        """
        run = self.run
        if name == "run" and self.partner is not None:
            key = repr(sorted(settings.items()))
            if key not in self._drawing:  # it is opened anew for each
                self._drawing = {key: run.sampler("run", path=str(self.partner.folder.path), **settings)}
            return self._drawing[key]
        kept = run.kept_sampler(name) if name in FITTED else None
        if kept is not None:
            return kept.by(**settings)
        return run.sampler(name, **settings) if settings else run.sampler_as_fitted(name)

    def path(self, sampler: Sampler, n: int, c: np.ndarray | None, seed: int, looks: int) -> np.ndarray:
        """Draw latents, and look at them on their way.

        Args:
            sampler: one that denoises.
            n: how many.
            c: their conditions, `(n, C)`, or None.
            seed: seed of the draw.
            looks: at how many steps to look.

        Returns:
            Shape `(looks, n, *latent)`; the last are what is drawn.
        """
        run = self.run
        return sampler.to(run.device).denoising(n, seed, run.condition_tensor(c, n), looks)
