"""What the parts of a run need of each other: one loop, and one table of what to do where it is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from latentia.core import config, needs, registry
from latentia.core.errors import ConfigError, MissingExtra
from latentia.core.extras import installed

if TYPE_CHECKING:
    from latentia.core.config import Table


@dataclass(frozen=True)
class Part:
    """A component of a run.

    Attributes:
        kind: what it is.
        name: what it is called.
        needs: what the others must give.
        gives: what it gives to them.
        extra: the package that it needs beyond the usual ones, and the extra that brings it.
    """

    kind: str
    name: str
    needs: needs.Words
    gives: needs.Words
    extra: tuple[str, str] | None

    @property
    def title(self) -> str:
        """How messages call it."""
        return f"{self.kind} '{self.name}'"


@dataclass(frozen=True)
class Around:
    """What a message may name beside the part that lacks something.

    Attributes:
        spec: the specification.
        training: the class of the training loop's settings.
    """

    spec: Table
    training: type

    @property
    def model(self) -> str:
        """The name of the model."""
        return self.spec["model"]["name"]

    @property
    def objective(self) -> str:
        """The name of the objective."""
        return self.spec["objective"]["name"]

    @property
    def owner(self) -> str:
        """The section that gives the posterior: a model may have one of its own."""
        return "posterior" if "posterior" in self.spec else "model"

    @property
    def posterior(self) -> str:
        """The name of what gives the posterior."""
        return self.spec[self.owner]["name"]


def _continuous(part: Part, around: Around) -> str:
    advice = "posterior.name=diagonal_gaussian, or --model vqvae"
    if around.model == "vqvae":
        fits = {"prior": "uniform_codes"}.get(part.kind, "vq")
        advice = f"{part.kind}.name={fits}, or --model vae"
    return (
        f"{part.title} is for continuous latents, and posterior '{around.posterior}' gives codes; "
        f"use {advice}"
    )


def _codes(part: Part, around: Around) -> str:
    advice = f"--model vqvae, or leave '{part.kind}' out"
    if around.model == "vqvae":
        advice = "posterior.name=ema_codebook, or --model vae"
    return f"{part.title} is for codes, and {around.owner} '{around.posterior}' gives none; use {advice}"


def _density(part: Part, around: Around) -> str:
    if part.kind == "prior":
        return (
            f"{part.title} mixes posteriors and needs one with a density, and '{around.posterior}' has none; "
            "use prior.name=mixture, or --model vae"
        )
    without = "" if needs.CLASSIFIER in part.needs else ", or objective.name=reconstruction"
    return (
        f"{part.title} needs a posterior with a density, and '{around.posterior}' has none; use "
        f"posterior.name=diagonal_gaussian{without}"
    )


def _factorised(part: Part, around: Around) -> str:
    advice = {"posterior": "posterior.name=diagonal_gaussian", "model": "--model vae"}[around.owner]
    return (
        f"{part.title} needs a posterior that is a product over the latent's dimensions, and "
        f"'{around.posterior}' is none; use {advice}, or objective.name=elbo"
    )


def _hidden(part: Part, around: Around) -> str:
    if "corruption" not in around.spec:
        return (
            f"model '{around.model}' hides nothing from its encoder, and {part.title} asks for it; use "
            "--model masked_autoencoder or denoising_autoencoder"
        )
    corruption = around.spec["corruption"]["name"]
    return (
        f"{part.title} counts hidden entries, and corruption '{corruption}' hides none; use "
        "corruption.name=dropout, or objective.name=reconstruction"
    )


def _adversary(part: Part, around: Around) -> str:
    other = "beta_tc" if needs.FACTORISED in part.needs else "elbo"
    return (
        f"{part.title} trains an adversary with a second optimiser, and the loop of "
        f"'{around.training.__name__}' has but one; use objective.name={other}"
    )


def _complete(part: Part, around: Around) -> str:
    if needs.ALONE in part.gives:
        return f"{part.title} has no encoder that could see missing values; fill them in, or use --model vae"
    return (
        f"{part.title} compares whole examples, and some of these have missing values; use "
        "objective.name=elbo, or fill them in"
    )


def _prior_density(part: Part, around: Around) -> str:
    prior = around.spec["prior"]["name"] if "prior" in around.spec else "diffusion"
    return (
        f"{part.title} weighs latents by p(z), of which prior '{prior}' knows a bound alone; use "
        "objective.name=elbo, or another prior such as prior.name=maf"
    )


MESSAGES: dict[str, str | Callable[[Part, Around], str]] = {
    needs.CONTINUOUS: _continuous,
    needs.CODES: _codes,
    needs.PRIOR_DENSITY: _prior_density,
    needs.ALONE: (
        "{part.title} scores a prior alone, and model '{around.model}' has encoder and decoder to train; "
        "use objective.name=elbo, or --model diffusion on encoded latents"
    ),
    needs.SCORES_PRIOR: (
        "{part.title} is a prior alone, and objective '{around.objective}' scores more than that; use "
        "objective.name=density, or --model vae"
    ),
    needs.DENSITY: _density,
    needs.FACTORISED: _factorised,
    needs.PATH: (
        "{part.title} changes the gradient through z, and the levels of model '{around.model}' pass z by; "
        "use objective.name=iwae, or --model vae"
    ),
    needs.ADVERSARY: _adversary,
    needs.CODE_ENTROPY: (
        "{part.title} needs the entropy of a soft choice of codes, and posterior '{around.posterior}' has "
        "none; use posterior.name=lookup_free, or objective.name=vq"
    ),
    needs.CLASSIFIER: (
        "{part.title} trains a classifier, and model '{around.model}' has none; use --model "
        "semi_supervised_vae, or objective.name=elbo"
    ),
    needs.CLASSIFIED: (
        "{part.title} has a classifier, and objective '{around.objective}' does not train it; use "
        "objective.name=semi_supervised, or --model conditional_vae"
    ),
    needs.BOUND: (
        "{part.title} learns its prior from a bound on log p(x), and objective '{around.objective}' has "
        "none; use objective.name=elbo, or --model vae"
    ),
    needs.CONDITION: (
        "{part.title} needs a condition, and model '{around.model}' has none; use --model conditional_vae, "
        "or prior.name=standard_normal"
    ),
    needs.LABELS: (
        "{part.title} infers labels, and condition '{around.spec[condition][name]}' is none; use "
        "condition.name=some_labels, or --model conditional_vae"
    ),
    needs.HIDDEN: _hidden,
    needs.COMPLETE: _complete,
}
"""What to say where a need is not met, in the order in which needs are looked at."""
UNKNOWN = "{part.title} needs {need}, and no part of this run gives it"
"""The same of a need that another package has a word for."""


def check_needs(spec: Table, training: type, data: needs.Words = frozenset()) -> None:
    """Refuse parts that need what no part of the run gives.

    Args:
        spec: every section but `training`, checked.
        training: the class of the training loop's settings, which may give something, too.
        data: what the data give.

    Raises:
        ConfigError: naming the part, what it lacks, and what to use.
        MissingExtra: if a part needs a package that is not installed.
    """
    parts = list(_parts(spec))
    for part in parts:
        if part.extra is not None and not installed(part.extra[0]):
            raise MissingExtra(*part.extra, part.title)
    given = data.union(getattr(training, "gives", ()), *(part.gives for part in parts))
    if "condition" in spec:
        given |= {needs.CONDITION}
    around, own = Around(spec, training), {need for part in parts for need in part.needs}
    for need in [*MESSAGES, *sorted(own - MESSAGES.keys())]:
        for part in parts:
            if need in part.needs and need not in given:
                said = MESSAGES.get(need, UNKNOWN)
                raise ConfigError(
                    said.format(part=part, around=around, need=need)
                    if isinstance(said, str)
                    else said(part, around)
                )


def _parts(spec: Mapping[str, Any]) -> Iterator[Part]:
    """Give the components of a run at any depth, those inside of others first."""
    owner = registry.lookup("model", spec["model"]["name"])
    kinds = {**config.component_kinds(owner), "model": "model"}
    order = (
        "objective",
        "posterior",
        "prior",
        "network",
        "likelihood",
        "model",
        "condition",
        "corruption",
        "inputs",
    )
    for section in [section for section in order if section in spec]:
        for kind, name, component in config.parts(kinds.get(section, section), spec[section]):
            made = registry.made_by(component)
            wanted, given = (getattr(made, side, frozenset()) for side in ("needs", "gives"))
            yield Part(kind, name, wanted, given, getattr(made, "extra", None))
