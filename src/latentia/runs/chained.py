"""The sampler `run`: another run, whose data are the latents of this one."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from latentia.core.errors import ConfigError, RunError, shell
from latentia.core.registry import register
from latentia.data.conditions import Labels, as_condition_rows
from latentia.probability import Solver
from latentia.runs.encoding import model_of
from latentia.runs.run import Run
from latentia.sampling import Sampler, Source


@register("sampler", "run")
class RunSampler(Sampler):
    """Latents that another run draws, one that was trained on `latentia encode` of this run.

    A diffusion over stored latents is such a run, and so is a second VAE, or whatever else generates arrays
    of that shape. The two have to belong together: the latents have to be those of these weights. Where both
    are told the same condition, the latents of a sample are drawn under the sample's own.
    """

    kept: ClassVar[bool] = False

    def __init__(
        self,
        latent: tuple[int, ...],
        path: str,
        condition: str | int | None = None,
        sampler: str = "prior",
        steps: int | None = None,
        solver: Solver | None = None,
        guidance: float = 1.0,
    ) -> None:
        """Remember what to draw with.

        Args:
            latent: shape of one latent.
            path: the folder of the run.
            condition: a label of that run, or several such as 0,1,2, taken in turn; all takes every label. By
                default the condition of the sample, where that run is told the same, or those of its data.
            sampler: the sampler of that run.
            steps: steps of its diffusion; those of its recipe by default.
            solver: how its diffusion takes a step; see `latentia.probability.Walk`.
            guidance: how far its diffusion goes towards the condition; see `latentia.probability.Walk`.
        """
        super().__init__(latent)
        self.path, self.said, self.name = path, condition, sampler
        walk = {"steps": steps, "solver": solver, "guidance": None if guidance == 1.0 else guidance}
        self.settings: dict[str, Any] = {key: value for key, value in walk.items() if value is not None}
        self.drawing: tuple[Run, Sampler] | None = None
        self.follows = False

    def fit(self, source: Source, quiet: bool = True) -> None:
        """Open the run, and see that it fits; see `Sampler`.

        Args:
            source: the run whose latents are drawn.
            quiet: show no progress bar.

        Raises:
            ConfigError: if it draws something else than latents of this run.
            RunError: if it cannot be opened, or was trained on latents of other weights.
        """
        other = Run.open(self.path)
        check_latents(other, self.latent, source)
        other = other.to(source.device)
        sampler = other.sampler(self.name, quiet=quiet, **self.settings)
        self.drawing = other, sampler.to(other.device)
        self.follows = self.said is None and isinstance(source, Run) and same_condition(source, other)

    def draw(self, n: int, c: Tensor | None = None) -> Tensor:
        """Draw with the other run; see `Sampler`."""
        other, sampler, rows, seed = self._begun(n, c)
        z = other.draw(n, rows, sampler, seed=seed)
        return torch.from_numpy(latents_of(other, z, rows)).to(other.device)

    @property
    def denoises(self) -> bool:
        """Whether the other run's sampler does; see `Sampler`."""
        return self._drawing()[1].denoises

    @property
    def guides(self) -> bool:
        """Whether the other run's sampler does; see `Sampler`."""
        return self._drawing()[1].guides

    def on_the_way(self, n: int, c: Tensor | None = None, looks: int = 8) -> Tensor:
        """Look at the other run's sampler on its way; see `Sampler`."""
        other, sampler, rows, seed = self._begun(n, c)
        seen = sampler.denoising(n, seed, other.condition_tensor(rows, n), looks)
        x = np.stack([latents_of(other, z, rows) for z in seen])
        return torch.from_numpy(x).to(other.device)

    def _drawing(self) -> tuple[Run, Sampler]:
        """Give the other run and its sampler."""
        if self.drawing is None:
            raise TypeError("a RunSampler draws with the run that it was fitted with")
        return self.drawing

    def _begun(self, n: int, c: Tensor | None) -> tuple[Run, Sampler, np.ndarray | None, int]:
        """Choose what is drawn: the other run, its sampler, its conditions and the seed of its draw."""
        other, sampler = self._drawing()
        seed = int(torch.randint(2**31, ()))
        said: Any = self.said
        if c is not None and self.follows:
            said = as_condition_rows(c.cpu().numpy())
        return other, sampler, other.conditions_for(n, other.conditions(said), seed), seed


def check_latents(other: Run, latent: tuple[int, ...], source: Source) -> None:
    """Refuse a run that does not draw the latents of another.

    Args:
        other: the run that draws.
        latent: shape of one latent that is wanted.
        source: whose latents they are.

    Raises:
        ConfigError: if it draws something of another shape.
        RunError: if it was trained on latents of other weights.
    """
    path = other.folder.path
    drawn = other.latent if of_moments(other) else other.event
    if tuple(drawn) != tuple(latent):
        theirs, own = ("x".join(map(str, shape)) for shape in (drawn, latent))
        raise ConfigError(
            f"{path} draws arrays of {theirs}, and the latents of this run are of {own}; give a run "
            "that was trained on latentia encode of this one"
        )
    gave = other.record.encoded.get("model")
    if gave is not None and isinstance(source, Run) and gave != model_of(source):
        raise RunError(
            f"{path} was trained on latents of other weights than {source.folder.path} has; encode "
            f"anew with: latentia encode {shell(source.folder.path)} DATA FOLDER, and train on that"
        )


def same_condition(run: Run, other: Run) -> bool:
    """Say whether two runs are told the same of an example, so that the rows of one are those of the other.

    Args:
        run: a run.
        other: another one.

    Returns:
        Whether they are told something, and the same.
    """
    one, two = run.condition, other.condition
    if isinstance(one, Labels) and isinstance(two, Labels):
        return run.class_names == other.class_names
    return one is not None and type(one) is type(two) and vars(one) == vars(two)


def latents_of(other: Run, z: np.ndarray, c: np.ndarray | None) -> np.ndarray:
    """Turn what a run that was trained on latents draws into these latents.

    Args:
        other: the run.
        z: its own latents, `(N, *latent)`.
        c: their conditions, `(N, C)`, or None.

    Returns:
        Latents of the run whose latents it was trained on.
    """
    return z if of_moments(other) else other.inference.decode(z, c)


def of_moments(run: Run) -> bool:
    """Say whether a run's examples are moments of latents, and its latents the latents themselves.

    Args:
        run: the run.

    Returns:
        Whether they are.
    """
    return run.record.encoded.get("latents") == "moments"
