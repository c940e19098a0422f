"""A run as a person has it in a notebook: described, drawn, reported.

The pictures are those of the report, one section at a time.
"""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Sequence
from concurrent.futures import Future
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from PIL import Image

from latentia.core import storage
from latentia.core.errors import ConfigError, LatentiaError
from latentia.runs import run as runs
from latentia.training.folder import summary_of

if TYPE_CHECKING:
    from latentia.plots.exhibits import Exhibit
    from latentia.report.group import Group

SHARP = 2
"""Pixels of a chart for each of the page."""


class Shown:
    """Pictures of a section of the report.

    A notebook shows them; `save` writes them, and `image` is what Pillow works on.

    Attributes:
        title: what they show.
        caption: what to know about each.
    """

    def __init__(self, title: str, exhibits: Sequence[Exhibit]) -> None:
        """Take the pictures.

        Args:
            title: what they show.
            exhibits: the pictures.
        """
        self.title = title
        self.caption = " ".join(exhibit.words.caption for exhibit in exhibits)
        self._pngs = [exhibit.png for exhibit in exhibits]
        self._charts = all(exhibit.svg for exhibit in exhibits)

    @cached_property
    def image(self) -> Image.Image:
        """All of them as one picture, charts side by side."""
        from latentia.plots.images import below, beside

        join = beside if self._charts else below
        return join([Image.open(io.BytesIO(png)).convert("RGB") for png in self._pngs])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture.

        Args:
            path: the file, .png.

        Raises:
            LatentiaError: if it cannot be written.
        """
        with storage.atomic_write(path) as handle:
            self.image.save(handle, format="PNG")

    def __repr__(self) -> str:
        """Say what it is."""
        return f"{self.title}: {self.caption}"

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """Show it in a notebook, as large as in the report."""
        made = io.BytesIO()
        self.image.save(made, format="PNG", optimize=True)
        return made.getvalue(), {"width": self.image.width // (SHARP if self._charts else 1)}

    def tag(self) -> str:
        """Write it as an element of HTML."""
        png, size = self._repr_png_()
        text = html.escape(f"{self.title}: {self.caption}", quote=True)
        data = base64.b64encode(png).decode()
        return f'<img alt="{text}" title="{text}" width="{size["width"]}" src="data:image/png;base64,{data}">'


class Run(runs.Run):
    """A trained model with its folder, its data and its history.

    `latentia.train` and `latentia.open_run` give one. A notebook shows it with its losses, reconstructions
    and samples, and the diagnosis of the last evaluation.

    Example:
        >>> run = latentia.open_run("runs/digits-vae")
        >>> z = run.encode(run.example(0))
        >>> z.shape, run.decode(z).shape, run.sample(9, seed=1).shape
        ((1, 2), (1, 1, 8, 8), (9, 1, 8, 8))
        >>> run.show_reconstructions().save("reconstructions.png")
    """

    def report(self, out: str | os.PathLike[str] | None = None, *, quiet: bool = True) -> Path:
        """Write a self-contained HTML page about the run.

        Args:
            out: the file; `report.html` in its folder by default.
            quiet: show no progress bar.

        Returns:
            The page.
        """
        from latentia.report import build

        return build([self], out, quiet=quiet)

    def show_losses(self) -> Shown:
        """Draw what training minimised, split into its terms, over epochs."""
        from latentia.report.sections import training

        return self._shown(training)

    def show_reconstructions(self) -> Shown:
        """Draw held-out examples with what the model makes of them."""
        from latentia.report.sections import reconstructions

        return self._shown(reconstructions)

    def show_samples(self) -> Shown:
        """Draw new data: latents from the prior, and from a mixture fitted to the latents of data."""
        from latentia.report.sections import samples

        return self._shown(samples)

    def show_interpolations(self) -> Shown:
        """Draw the ways from one held-out example to another through the latent space."""
        from latentia.report.sections import interpolations

        return self._shown(interpolations)

    def show_map(self) -> Shown:
        """Draw where the encoder puts the examples: the latent plane, or a map of more dimensions."""
        from latentia.plots.projection import bring
        from latentia.report.sections import latent_map

        study = self._group.studies[0]
        for way in self._group.ways(study):
            study.flattened[way] = Future()
            study.flattened[way].set_result(bring(way, study.mapped_codes, study.seed))
        return self._shown(latent_map)

    def show_dimensions(self) -> Shown:
        """Draw what each latent dimension carries."""
        from latentia.report.sections import dimensions

        return self._shown(dimensions)

    def show_traversals(self) -> Shown:
        """Draw what moving each latent dimension does to a decoded example."""
        from latentia.report.sections import traversals

        return self._shown(traversals)

    @cached_property
    def _group(self) -> Group:
        from latentia.report.group import gather

        return gather([self])

    def _shown(self, part: ModuleType) -> Shown:
        """Draw a section of the report."""
        found = part.section(self._group)
        panels = () if found is None else found.panels
        exhibits = [exhibit for panel in panels for exhibit in panel.exhibits]
        if found is None or not exhibits:
            why = " ".join(panel.note for panel in panels if panel.note)
            raise ConfigError(
                f"{self.name}: there is nothing to draw here: {why or 'this model has nothing of the kind'}"
            )
        return Shown(found.title, exhibits)

    def __repr__(self) -> str:
        """Say in a line what it is and how it did."""
        path, source, model, latents, step, scored = summary_of(self.folder)
        return f"Run({path!r}): {model} with {latents} latents on {source}, {step} steps; {scored}"

    def _repr_html_(self) -> str:
        """Show it in a notebook: its line, the diagnosis, losses, reconstructions and samples."""
        from latentia.evaluation import latest

        parts = [f"<p><b>{html.escape(self.name)}</b>: {html.escape(repr(self))}</p>"]
        try:
            known = latest(self)
            parts += [known.diagnosis_html()] if known else []
            for show in self._usual():
                parts.append(show().tag())
        except LatentiaError as error:
            parts.append(f"<p>{html.escape(str(error))}</p>")
        return "\n".join(parts)

    def _usual(self) -> tuple[Any, ...]:
        """Choose what a notebook shows unasked; a prior alone reconstructs nothing."""
        if self.model.copies:
            return (self.show_losses,)
        return (self.show_losses, self.show_reconstructions, self.show_samples)
