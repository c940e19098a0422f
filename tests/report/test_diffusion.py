"""What a report shows of diffusions: the way from noise, guidance, and what of a prior alone."""

import numpy as np
import pytest

import latentia
from latentia import api
from latentia.cli import main
from latentia.core.errors import ConfigError, RunError
from latentia.report import build
from latentia.report.facets import diffusion
from latentia.report.latents import shown
from tests.report.reading import Page

pytestmark = pytest.mark.usefixtures("few_points")
SMALL = {"name": "denoiser_mlp", "width": 16, "blocks": 1}
TRAINING = {"epochs": 1, "validate_every": 1}


@pytest.fixture(scope="module")
def drawing(vae, tmp_path_factory):
    """A run over the latents of the VAE, which was told the label."""
    root = tmp_path_factory.mktemp("drawing")
    latentia.encode(vae.folder.path, None, root / "moments", latents="moments")
    prior = {"name": "diffusion", "denoiser": SMALL, "steps": 6}
    return api.train(
        str(root / "moments"), out=root / "run", model={"name": "conditional_diffusion"}, prior=prior,
        training=TRAINING,
    )  # fmt: skip


@pytest.fixture(scope="module")
def quick():
    """Fewer maps and pictures: what is shown is what these tests are about."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diffusion, "GUIDANCE", (1, 4))
        patch.setattr(diffusion, "CLASSES", 2)
        yield


def page_of(runs, out, **given):
    page = Page(build(runs, out / "report.html", points=60, quiet=True, **given).read_text(encoding="utf-8"))
    names = {path.stem for path in (out / "figures").glob("*.png")}
    return [values["id"] for tag, values in page.tags if tag == "section"], names, page.text


def test_a_codec_with_a_run_over_its_latents(vae, drawing, quick, tmp_path):
    vae.sampler("diffusion", fit_steps=5, denoiser=SMALL)
    try:
        sections, names, text = page_of([vae], tmp_path, partner=drawing)
    finally:
        (vae.folder.samplers / "diffusion.safetensors").unlink()
    assert "samplers" in sections and "reconstructions" in sections
    assert {"by-sampler", "denoising-diffusion", "denoising-run", "guidance-run-1", "guidance-run-4"} <= names
    assert "real data" in text and "guidance 4" in text


def test_a_prior_alone_has_no_section_of_what_it_does_not_do(drawing, quick, tmp_path):
    sections, names, text = page_of([drawing], tmp_path)
    assert sections == ["samples", "samplers", "map", "figures", "curves", "data", "repeat", "glossary"]
    assert {"latents-drawn", "denoising-run"} <= names and "by-sampler" not in names
    assert "no reconstructions" in text and "MSE" not in text and "collapse" not in text.lower()


def test_a_prior_alone_with_its_codec_shows_pictures(vae, drawing, quick, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(
            [
                "report",
                str(drawing.folder.path),
                "--with",
                str(vae.folder.path),
                "-o",
                str(tmp_path / "r.html"),
            ]
        )
    assert not ended.value.code, capsys.readouterr().err
    assert {"by-sampler", "denoising-run", "guidance-run-4"} <= {
        path.stem for path in (tmp_path / "figures").glob("*.png")
    }


def test_a_joint_diffusion_is_shown_on_its_way(trained, quick, tmp_path):
    prior = {"name": "diffusion", "denoiser": SMALL, "steps": 4}
    run = trained("joint", "digits", "vae", 3, prior=prior)
    sections, names, _ = page_of([run], tmp_path)
    assert (
        "samplers" in sections
        and "denoising-prior" in names
        and not any("guidance" in name for name in names)
    )


def test_a_diffusion_fitted_to_a_conditional_run_is_shown_with_guidance(trained, quick, tmp_path):
    run = trained("conditional", "digits", "conditional_vae", 3)
    run.sampler("diffusion", fit_steps=5, denoiser=SMALL, steps=4)
    _, names, _ = page_of([run], tmp_path)
    assert {"denoising-diffusion", "guidance-diffusion-1", "guidance-diffusion-4"} <= names


def test_guidance_of_rows_of_a_table_is_shown_label_by_label_over_data_of_it(
    trained, mixed_table, quick, tmp_path
):
    run = trained("rows", str(mixed_table), "conditional_vae", 2, data={"label": "kind"})
    run.sampler("diffusion", fit_steps=5, denoiser=SMALL, steps=4)
    _, names, text = page_of([run], tmp_path)
    assert {"guidance-diffusion-1", "guidance-diffusion-2"} <= names  # of the first two labels
    known = run.dataset.labels[run.dataset.splits["train"]]
    for number, name in enumerate("ab"):
        assert f"Rows under the condition {name}, guidance 1 and 3" in text
        assert f"over data of {name}. Grey: {(known == number).sum():,} training rows." in text


def test_runs_that_do_not_belong_together_are_refused(vae, plane, drawing, tmp_path):
    with pytest.raises(ConfigError, match="draws arrays of 3, and the latents of this run are of 2"):
        build([plane], tmp_path / "report.html", partner=drawing)
    with pytest.raises(RunError, match="about one run"):
        build([vae, plane], tmp_path / "report.html", partner=drawing)


def test_grids_are_shown_with_their_channels_below_each_other():
    z = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    assert shown(z).shape == (2, 1, 12, 5)
    np.testing.assert_array_equal(shown(z)[1, 0, 4:8], z[1, 1])
    assert shown(z[:, 0]).shape == (2, 20)
