"""What `README.md` says of a codec or a pipeline that was exported to diffusers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latentia.export.diffusers import Exported
from latentia.export.pipelines import STEPS, Pipeline
from latentia.runs.diffusers import DC, KL, LTX, VQ
from latentia.runs.run import Run


def card(run: Run, made: Exported) -> str:
    """Say what the folder is, and how to use it.

    Args:
        run: the run.
        made: what became files.

    Returns:
        Markdown.
    """
    cls, strides = made.counterpart.cls, run.model.strides
    encoded = {KL: "latent_dist.mean", VQ: "latents", DC: "latent", LTX: "latent_dist.mean"}[made.counterpart]
    shape = "x".join(map(str, run.event))
    low, high = run.image_range
    sides = f"sides are multiples of {strides[0]}"
    use = [
        "from diffusers.image_processor import VaeImageProcessor",
        "",
        f'codec = {cls}.from_pretrained("FOLDER").eval()',
        f"processor = VaeImageProcessor(vae_scale_factor={strides[0]})",
        f"z = codec.encode(processor.preprocess(image)).{encoded}",
        "images = processor.postprocess(codec.decode(z).sample.detach())",
    ]
    if made.counterpart is LTX:
        time, side, _ = strides
        sides = f"clips have 1 + {time} k frames, height and width are multiples of {side}"
        use = [
            "",
            f'codec = {cls}.from_pretrained("FOLDER").eval()',
            f"z = codec.encode(clips).{encoded}  # clips: (batch, channels, frames, height, width)",
            "mean, std = (each.view(1, -1, 1, 1, 1) for each in (codec.latents_mean, codec.latents_std))",
            "scaled = (z - mean) / std  # of mean 0 and deviation 1, for a model of latents",
            "clips = codec.decode(scaled * std + mean).sample.detach()",
        ]
    return "\n".join(
        [
            "---",
            "library_name: diffusers",
            "tags: [latentia, autoencoder, latent-space]",
            "---",
            "",
            f"# {cls} for {'clips' if made.counterpart is LTX else 'pictures'} of {run.event[0]} channels, "
            f"trained on {shape}",
            "",
            "```python",
            f"from diffusers import {cls}",
            *use,
            "```",
            "",
            f"Pixels go in and come out from -1 (stored as {low:g}) to 1 ({high:g}); {sides}, and the latent "
            f"has {run.latent[0]} channels.",
            "",
            f"Scale of the latents: {scale_line(made)}.",
            "",
        ]
    )


def scale_line(made: Exported) -> str:
    """Say how the latents are scaled.

    Args:
        made: what becomes files.

    Returns:
        A clause.
    """
    factor = f"scaling_factor {made.config['scaling_factor']:.6g}"
    if made.latents is None:
        return f"as they were in the folder that training began at, as the encoder was frozen; {factor}"
    over = f"over {made.latents.examples:,} of {made.latents.of:,} training examples"
    if made.counterpart is LTX:
        return f"latents_mean and latents_std of each channel {over}, beside the weights; {factor}"
    if made.counterpart is KL:
        return f"mean 0 and deviation 1 in each channel {over}, by the weights; {factor}, no shift_factor"
    return f"{factor}, one over their deviation {over}"


def summary(config: Mapping[str, Any]) -> str:
    """Say in a few words what a configuration describes.

    Args:
        config: of any of the classes.

    Returns:
        The class and its channels.
    """
    levels = config.get("block_out_channels") or config.get("encoder_block_out_channels")
    return f"{config['_class_name']} of channels {' '.join(map(str, levels or ()))}"


def pipeline_card(run: Run, codec: Run, made: Pipeline) -> str:
    """Say what the folder is, and how to use it.

    Args:
        run: the diffusion.
        codec: its codec.
        made: what became files.

    Returns:
        Markdown.
    """
    shape, latent = ("x".join(map(str, each)) for each in (codec.event, run.latent))
    first = "batch_size=4, " if made.denoiser == "unet" else "class_labels=[0] * 4, "
    guided = "guidance_scale=2.0, " if made.labels else "guidance_scale=1.0, " * (not first.startswith("b"))
    known = f"Classes, by number: {', '.join(made.labels)}." if made.labels else "No classes."
    return "\n".join(
        [
            "---",
            "library_name: diffusers",
            "tags: [latentia, diffusion, latent-space]",
            "---",
            "",
            f"# {made.cls}: pictures of {shape} by a diffusion of latents of {latent}",
            "",
            "```python",
            f"from diffusers import {made.cls}",
            "",
            f'pipeline = {made.cls}.from_pretrained("FOLDER")',
            f"images = pipeline({first}{guided}num_inference_steps=50).images",
            "```",
            "",
            f"{known} The number of steps divides {STEPS:,}. The latents are in the scale of the denoiser, "
            "by the codec's weights; `scaling_factor` is 1.",
            "",
        ]
    )
