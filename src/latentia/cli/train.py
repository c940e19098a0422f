"""The verb `train`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from latentia.core.errors import ConfigError, shell
from latentia.core.hints import here


def run_options(function: click.decorators.FC) -> click.decorators.FC:
    """Add the common settings of a run as flags; `sweep` has the same."""
    for option in reversed(
        (
            click.option(
                "--model",
                help="vae (the default), autoencoder, conditional_vae, vqvae, hierarchical_vae, "
                "markovian_vae, semi_supervised_vae, denoising_autoencoder, masked_autoencoder, gmvae, rae; "
                "diffusion or conditional_diffusion over the latents that encode stored.",
            ),
            click.option(
                "--network",
                help="mlp, conv, resnet, or a lecture's network; grid for latents that keep height and "
                "width; kl_codec, deep_codec or hyper_codec for photographs; causal3d for clips; "
                "ladder_mlp or ladder_conv for a hierarchical_vae.",
            ),
            click.option(
                "--likelihood",
                help="bernoulli, gaussian_optimal, discretised_logistic, ..., or a loss: mse, bce, l1.",
            ),
            click.option("--latent-dim", type=int, help="Dimensions of the latent."),
            click.option("--hidden", help="Widths of the hidden layers, such as 512,256."),
            click.option("--beta", type=float, help="Weight of the KL term."),
            click.option("--epochs", type=int, help="Passes over the training data."),
            click.option("--max-minutes", type=float, help="Stop after this time, to be resumed."),
            click.option("--batch-size", type=int, help="Examples in a step."),
            click.option("--lr", type=float, help="Peak learning rate."),
            click.option("--size", help="Resize images: one number, or HEIGHT,WIDTH; see --fit."),
            click.option(
                "--fit",
                help="How other shapes come to --size: crop (the default, around the middle), pad, stretch; "
                "short: their shorter side, for data.crop.",
            ),
            click.option("--label", help="The column or array of the labels; none for no labels."),
            click.option(
                "--start",
                help="Begin at the weights of this folder: of diffusers, or of a model of latentia.",
            ),
            click.option("--seed", type=int, help="Seed of weights, order and noise."),
            click.option("--device", help="cpu, cuda, ..., or auto."),
            click.option(
                "--threads", type=int, help="Threads on a CPU; as many as the work feeds by default."
            ),
            click.option("--precision", help="float32, bfloat16, or auto."),
            click.option(
                "--skip-bad", is_flag=True, default=None, help="Leave out files that cannot be read."
            ),
        )
    ):
        function = option(function)
    return function


@click.command("train", short_help="Train an autoencoder or a VAE.")
@click.argument("words", nargs=-1, metavar="[SOURCE] [SECTION.KEY=VALUE]...")
@run_options
@click.option("--out", type=click.Path(path_type=Path), help="The run folder.")
@click.option("--overwrite", is_flag=True, help="Train anew where --out holds a run, which is removed.")
@click.option("--resume", type=click.Path(path_type=Path), metavar="RUN", help="Go on with a run.")
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="A run file (TOML).")
@click.option("--quiet", is_flag=True, help="Print errors alone.")
def command(
    words: tuple[str, ...],
    out: Path | None,
    overwrite: bool,
    resume: Path | None,
    config: Path | None,
    quiet: bool,
    **flags: Any,
) -> None:
    """Train on SOURCE: digits (the default), clothing or sprites, which are built in; an IDX, npy, npz, csv,
    xlsx, parquet, mat, h5, wav, nii or dcm file, a folder, zip or tar of images or of tables, or
    hf:owner/name.

    Every setting of a run file can be given as SECTION.KEY=VALUE, such as objective.beta=4,
    training.clip=1 or objective.schedule=cyclical; SECTION=NAME chooses a part, such as
    objective=beta_tc, prior=vamp, posterior=iaf or condition=factors. 'latentia settings'
    lists all there are.
    """  # noqa: D205
    from latentia.core.processes import join
    from latentia.runs import session

    processes = join()
    say = session.silent if quiet or not processes.first else click.echo
    if quiet or not processes.first:
        os.environ["TQDM_DISABLE"] = "1"  # reading images shows a bar, too
    given = {name: value for name, value in flags.items() if value is not None}
    if resume is not None:
        processes.together(lambda: _only_changeable(words, out, overwrite, config, given))
        ended = session.resume(resume, given, quiet=quiet, say=say)
    else:
        source, settings = processes.together(lambda: gather(words, config, given))
        ended = session.start(source, settings, out=out, overwrite=overwrite, quiet=quiet, say=say)
    path = shell(ended.folder.path)
    if ended.interrupted:
        if processes.first:
            click.echo(here(f"interrupted, and saved; go on with: latentia train --resume {path}"), err=True)
        click.get_current_context().exit(128 + ended.interrupted)
    if not ended.finished:
        say(here(f"out of time, and saved; go on with: latentia train --resume {path} --max-minutes N"))
        return
    session.check_learned(ended)
    say(here(f"done; see it with: latentia report {path}"))


def gather(
    words: tuple[str, ...], run_file: Path | None, given: dict[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Merge a run file, flags and overrides, the later ones winning.

    Args:
        words: the source, if any, and the overrides.
        run_file: the run file, if any.
        given: the flags that were given.

    Returns:
        The source and the nested settings.
    """
    from latentia.assembly import SHORT, expand
    from latentia.core import config

    settings = config.read_toml(run_file) if run_file else {}
    lists = ("hidden", "size")
    expand(
        {name: config.parse_value(value) if name in lists else value for name, value in given.items()},
        settings,
    )
    overrides = list(words)
    source = None
    if overrides and ("=" not in overrides[0] or Path(overrides[0]).exists()):
        source = overrides.pop(0)
    for word in overrides:
        path, value = config.parse_override(word)
        config.put(settings, SHORT.get(".".join(path), path), value)
    recorded = settings.get("data", {}).pop("source", None)
    return source or recorded or "digits", settings


def _only_changeable(
    words: tuple[str, ...], out: Path | None, overwrite: bool, config: Path | None, given: dict[str, Any]
) -> None:
    from latentia.runs.session import CHANGEABLE

    fixed = [f"--{name.replace('_', '-')}" for name in given if name not in CHANGEABLE]
    fixed += list(words)
    fixed += ["--out"] if out else []
    fixed += ["--overwrite"] if overwrite else []
    fixed += ["--config"] if config else []
    if fixed:
        raise ConfigError(
            f"{fixed[0]} does not go with --resume: a run keeps its settings; only --epochs, --max-minutes, "
            "--device, --threads and --quiet may be given"
        )
