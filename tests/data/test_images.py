import io
import sys

import numpy as np
import pytest
from PIL import Image, ImageCms

from latentia.data import load
from latentia.data.packing.pack import pack
from latentia.data.raw import Options
from latentia.data.readers.arrangement import arrange
from latentia.data.readers.decode import as_bytes, decode, read_picture
from latentia.data.readers.formats import _LABELS as LABELS

KINDS = ["folder", "zip", "tar", "tar.gz", "tgz"]


def pixels(data):
    """What Pillow says of a file, channels first."""
    array = np.asarray(Image.open(io.BytesIO(data)))
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_labels_and_splits_from_folders(encoded, packed, kind):
    files = {}
    for part, count in (("test", 3), ("val", 2), ("train", 6)):
        for label in ("dog", "cat"):
            for number in range(count):
                files[f"root/{part}/{label}/{number}.png"] = encoded()
    data = load(packed(files, kind))
    assert data.x.shape == (22, 3, 8, 8)
    assert data.x.dtype == np.uint8
    assert data.x.flags.c_contiguous
    assert data.label_names == ("cat", "dog")
    assert data.given_test
    assert data.given_validation
    assert {name: len(at) for name, at in data.splits.items()} == {"train": 12, "validation": 4, "test": 6}
    ordered = [
        (f"root/{part}/{label}/{number}.png", code)
        for part, count in (("train", 6), ("val", 2), ("test", 3))
        for code, label in enumerate(("cat", "dog"))
        for number in range(count)
    ]
    for position, (name, code) in enumerate(ordered):
        np.testing.assert_array_equal(data.x[position], pixels(files[name]))
        assert data.labels[position] == code


@pytest.mark.parametrize("kind", KINDS)
def test_hidden_files_and_other_files_are_ignored(encoded, packed, kind):
    files = {f"a/{i}.png": encoded() for i in range(3)} | {f"b/{i}.PNG": encoded() for i in range(2)}
    extra = {"a/.hidden.png": b"x", "__MACOSX/a/._0.png": b"x", ".git/y.png": b"x", "a/notes.txt": b"x"}
    data = load(packed(files | extra, kind))
    assert len(data) == 5
    assert data.labels.tolist() == [0, 0, 0, 1, 1]
    assert not data.given_test


def test_names_of_folders():
    flat = arrange(["b.png", "a.png"])
    assert flat.order.tolist() == [1, 0]
    assert flat.labels is None
    assert flat.parts == {}
    single = arrange(["root/deep/cats/1.png", "root/deep/dogs/1.png"])
    assert single.label_names == ("cats", "dogs")
    mixed = arrange(["cats/1.png", "loose.png"])
    assert mixed.labels.tolist() == [0, -1]
    # A class that is called train is no split beside other classes.
    vehicles = arrange(["train/1.png", "bus/1.png", "car/1.png"])
    assert vehicles.label_names == ("bus", "car", "train")
    assert vehicles.parts == {}
    unlabelled = arrange(["Test/1.png", "Train/1.png", "Train/2.png"])
    assert unlabelled.labels is None
    assert unlabelled.parts["train"].tolist() == [0, 1]
    assert unlabelled.parts["test"].tolist() == [2]
    nested = arrange(["greek/alpha/1.png", "latin/a/1.png", "latin/b/1.png"])
    assert nested.label_names == ("greek", "latin")


def test_splits_without_training_images(encoded, packed, refused):
    path = packed({f"{part}/{i}.png": encoded() for part in ("test", "val") for i in range(5)})
    refused(path, path, "no training examples", "test", "validation")


@pytest.mark.parametrize(
    ("form", "suffix"),
    [("PNG", "png"), ("BMP", "bmp"), ("GIF", "gif"), ("PPM", "ppm"), ("TIFF", "tif"), ("JPEG", "jpeg")],
)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_formats(encoded, packed, form, suffix, mode):
    files = {f"{i}.{suffix}": encoded(6, 9, mode, form) for i in range(4)}
    data = load(packed(files))
    expected = 3 if mode == "RGB" else 1
    assert data.x.shape == (4, expected, 6, 9)
    for position, content in enumerate(files.values()):
        want = np.asarray(Image.open(io.BytesIO(content)).convert(mode))
        np.testing.assert_array_equal(
            data.x[position], want[None] if mode == "L" else want.transpose(2, 0, 1)
        )


def test_grey_becomes_colour_beside_colour(encoded, packed):
    files = {"0.png": encoded(mode="L"), "1.png": encoded(mode="RGB"), "2.png": encoded(mode="L")}
    data = load(packed(files))
    assert data.event == (3, 8, 8)
    for position in (0, 2):
        for channel in range(3):
            np.testing.assert_array_equal(data.x[position, channel], pixels(files[f"{position}.png"])[0])
    np.testing.assert_array_equal(data.x[1], pixels(files["1.png"]))


def saved(image, form="PNG", **settings):
    file = io.BytesIO()
    image.save(file, form, **settings)
    return file.getvalue()


def test_modes():
    black_and_white = Image.fromarray(np.eye(4, dtype=bool))
    assert decode(saved(black_and_white)).tolist() == (np.eye(4, dtype=int)[None] * 255).tolist()
    deep = Image.fromarray(np.array([[0, 257, 65535], [128, 129, 32768]], dtype=np.uint16))
    assert decode(saved(deep)).tolist() == [[[0, 257, 65535], [128, 129, 32768]]]
    assert as_bytes(read_picture(saved(deep), Options())).tolist() == [[[0, 1, 255], [0, 1, 128]]]
    clear = Image.fromarray(np.array([[[9, 9, 9, 0], [10, 20, 30, 255]]], dtype=np.uint8), "RGBA")
    assert decode(saved(clear)).tolist() == [[[255, 10]], [[255, 20]], [[255, 30]]]
    grey_alpha = Image.fromarray(np.array([[[7, 0], [7, 255]]], dtype=np.uint8), "LA")
    assert decode(saved(grey_alpha)).tolist() == [[[255, 7]]]
    indexed = Image.new("P", (2, 2))
    assert decode(saved(indexed)).shape == (1, 2, 2)  # a palette of greys
    indexed.putpalette([9, 8, 7])
    assert decode(saved(indexed))[:, 0, 0].tolist() == [9, 8, 7]
    assert decode(saved(Image.new("CMYK", (4, 4)), "JPEG")).shape == (3, 4, 4)
    frames = [Image.new("L", (3, 3), tone) for tone in (10, 200)]
    animation = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert set(decode(animation).ravel()) == {10}
    floats = np.array([[-0.5, 2], [1e-3, 7]], dtype=np.float32)
    assert decode(saved(Image.fromarray(floats), "TIFF")).tolist() == [floats.tolist()]
    floats[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        decode(saved(Image.fromarray(floats), "TIFF"))


def test_orientation_of_a_camera_is_applied(encoded):
    image = Image.open(io.BytesIO(encoded(4, 6, "L")))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    assert decode(saved(image, "PNG", exif=exif)).tolist() == [np.rot90(np.asarray(image), -1).tolist()]
    assert decode(saved(image, "JPEG", exif=exif)).shape == (1, 6, 4)


def swapped(named="swap"):
    """Make a profile of a space whose red is sRGB's blue."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace(b"rXYZ", b"....").replace(b"bXYZ", b"rXYZ").replace(b"....", b"bXYZ")
    return profile.replace("sRGB".encode("utf-16-be"), named.encode("utf-16-be"))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_pixels_of_another_colour_profile_become_srgb(form):
    red = Image.new("RGB", (8, 8), (250, 10, 10))
    lossless = {"quality": 95, **({"lossless": True} if form == "WEBP" else {})}
    plain = decode(saved(red, form, **lossless))
    assert abs(plain[:, 0, 0].astype(int) - (250, 10, 10)).max() < 4
    turned = decode(saved(red, form, icc_profile=swapped(), **lossless)).astype(int)
    assert abs(turned[::-1] - plain).max() < 4
    for profile in (swapped("sRGB"), swapped()[:300], b"no profile"):  # called sRGB, or damaged
        np.testing.assert_array_equal(decode(saved(red, form, icc_profile=profile, **lossless)), plain)


def test_profiles_leave_alpha_and_grey_alone():
    clear = Image.fromarray(np.array([[[9, 9, 9, 0], [250, 10, 10, 255]]], dtype=np.uint8), "RGBA")
    found = decode(saved(clear, icc_profile=swapped()))[:, 0].T.astype(int)
    assert found[0].tolist() == [255, 255, 255]
    assert abs(found[1] - (10, 10, 250)).max() < 3
    assert decode(saved(Image.new("L", (2, 2), 77), icc_profile=swapped())).tolist() == [[[77, 77]] * 2]
    assert decode(saved(Image.new("CMYK", (4, 4)), "JPEG", icc_profile=swapped())).shape == (3, 4, 4)


def test_postscript_in_disguise_is_refused():
    with pytest.raises(ValueError, match="not an image"):
        decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n")


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_simplejpeg_equals_pillow(encoded, monkeypatch, subsampling, mode):
    pytest.importorskip("simplejpeg")
    files = [
        encoded(h, w, mode, "JPEG", subsampling=subsampling, quality=q)
        for h, w, q in ((32, 32, 75), (17, 23, 90), (1, 1, 50), (64, 31, 20))
    ]
    fast = [decode(data) for data in files]
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    for data, image in zip(files, fast):
        np.testing.assert_array_equal(decode(data), image)


@pytest.mark.parametrize("kind", ["folder", "zip", "tar.gz"])
def test_a_corrupt_image_is_named_and_may_be_skipped(encoded, packed, refused, kind):
    files = {f"{label}/{i}.png": encoded() for label in "ab" for i in range(4)}
    good = dict(files)
    files["a/2.png"] = files["a/2.png"][:60]
    files["b/3.png"] = b"not an image"
    path = packed(files, kind)
    refused(path, path, "a/2.png", "image 3 of 8", "--skip-bad")
    data = load(path, skip_bad=True)
    assert data.skipped == ("a/2.png", "b/3.png")
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1]
    for position, name in enumerate(name for name in files if name not in data.skipped):
        np.testing.assert_array_equal(data.x[position], pixels(good[name]))
    assert "2 unreadable left out" in data.summary()
    refused(path, "a/2.png")  # what was kept with skip_bad does not hide the fault


def test_skipping_keeps_the_given_splits(encoded, packed):
    files = {f"{part}/{i}.png": encoded() for part in ("train", "test") for i in range(5)}
    files["train/1.png"] = files["test/4.png"] = b""
    data = load(packed(files), skip_bad=True, validation=0)
    assert data.splits["train"].tolist() == [0, 1, 2, 3]
    assert data.splits["test"].tolist() == [4, 5, 6, 7]


def test_truncated_jpeg_is_named(encoded, packed, refused):
    whole = encoded(64, 64, "RGB", "JPEG")
    path = packed({"0.jpg": whole, "1.jpg": whole[: len(whole) // 2]})
    refused(path, "1.jpg", "truncated", "--skip-bad")


def test_nothing_but_corrupt_images(packed, refused):
    path = packed({"0.png": b"x", "1.png": b"y"})
    refused(path, path, "none of its 2 images", "0.png", skip_bad=True)


def test_a_dangling_link_is_named(encoded, packed, refused):
    path = packed({f"{i}.png": encoded() for i in range(3)})
    (path / "gone.png").symlink_to(path / "nowhere.png")
    (path / "loop").symlink_to(path)
    refused(path, "gone.png", "--skip-bad")
    assert len(load(path, skip_bad=True)) == 3


def test_a_zip_member_with_a_wrong_checksum_is_named(encoded, packed, refused):
    content = encoded()
    path = packed({"0.png": encoded(), "1.png": content, "2.png": encoded()}, "zip")
    raw = path.read_bytes()
    at = raw.index(content) + len(content) // 2
    path.write_bytes(raw[:at] + bytes([raw[at] ^ 255]) + raw[at + 1 :])
    refused(path, "1.png", "CRC", "--skip-bad")


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tgz"])
def test_a_truncated_archive(encoded, packed, refused, kind):
    path = packed({f"{i}.png": encoded(32, 32) for i in range(20)}, kind)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(path, path)


def test_archives_that_are_none(tmp_path, refused):
    for name in ("a.zip", "a.tar", "a.tar.gz"):
        (tmp_path / name).write_bytes(b"hello")
        refused(tmp_path / name, tmp_path / name, "cannot be read")


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_archives_without_images(packed, refused, kind):
    path = packed({"readme.txt": b"hello"}, kind)
    refused(path, path, "no images")


def test_mixed_sizes_name_two_files_and_the_fix(encoded, packed, refused):
    path = packed({"a.png": encoded(8, 8), "b.png": encoded(8, 8), "c.png": encoded(10, 12)})
    refused(path, "'a.png' is 8x8", "'c.png' is 10x12", "--size")
    data = load(path, size=6)
    assert data.x.shape == (3, 3, 6, 6)
    assert load(path, size=(4, 7)).x.shape == (3, 3, 4, 7)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_size_scales_to_cover_and_cuts_the_middle(packed, form):
    """A wide image of three bands keeps the middle one; the edges feel their neighbours."""
    bands = np.repeat(np.array([[0, 128, 255]], dtype=np.uint8), 20, axis=1).repeat(20, axis=0)
    data = load(
        packed({f"{i}.{form.lower()}": saved(Image.fromarray(bands), form) for i in range(2)}), size=10
    )
    assert data.x.shape == (2, 1, 10, 10)
    middle = data.x[..., 2:-2].astype(int)
    assert np.abs(middle - 128).max() <= (0 if form == "PNG" else 3)


@pytest.mark.parametrize("count", [0, 1])
def test_zero_or_one_image(encoded, packed, refused, count):
    path = packed({f"{i}.png": encoded() for i in range(count)})
    refused(path, path, "1 example" if count else "empty folder")


def test_folder_without_images(packed, refused):
    path = packed({"notes.md": b"hello", "deep/other.bin": b"x"})
    refused(path, path, "holds no images")


def test_folder_that_may_not_be_read(encoded, packed, refused):
    path = packed({f"{i}.png": encoded() for i in range(3)})
    path.chmod(0)
    try:
        if list_is_possible(path):
            pytest.skip("permissions do not bind this user")
        refused(path, path, "Permission denied")
    finally:
        path.chmod(0o755)


def list_is_possible(path):
    try:
        return list(path.iterdir()) is not None
    except PermissionError:
        return False


def test_every_ending_of_a_picture_is_read_and_the_rest_is_counted(rng, packed):
    forms = {
        "jfif": "JPEG",
        "JPE": "JPEG",
        "jp2": "JPEG2000",
        "j2k": "JPEG2000",
        "avif": "AVIF",
        "tga": "TGA",
    }
    forms |= {
        "ico": "ICO",
        "pcx": "PCX",
        "apng": "PNG",
        "sgi": "SGI",
        "dib": "DIB",
        "qoi": "QOI",
        "0001": "PNG",
    }
    files = {}
    for number, (ending, form) in enumerate({**forms, "": "PNG", "none": "JPEG"}.items()):
        name = f"{number:02}" + f".{ending}" * (ending not in ("", "none"))
        files[name] = saved(Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)), form)
    rest = {
        "labels.csv": b"file,label\n",
        "README": b"hello",
        "a.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n",
        "b.csv": b"",
    }
    for kind in ("folder", "zip", "tar"):
        data = load(packed(files | rest, kind))
        assert data.x.shape == (len(forms) + 2, 3, 16, 16)
        assert data.left_out == {f".csv files{LABELS}": 2, "other file": 1, ".eps file": 1}
    assert f"left out: 2 .csv files{LABELS}, 1 other file, 1 .eps file" in data.summary()


def test_a_file_that_is_added_beside_the_pictures_is_counted(encoded, packed, monkeypatch, tmp_path):
    monkeypatch.setenv("LATENTIA_CACHE", str(tmp_path / "kept"))
    path = packed({f"{i}.png": encoded() for i in range(4)})
    assert not load(path).left_out
    (path / "labels.csv").write_text("file,label")
    assert load(path).left_out == {f".csv file{LABELS}": 1}


def turned(before=0, xmp=False):
    """Write a JPEG of 4x6 pixels that is to be turned, after so many bytes of another segment."""
    exif = Image.Exif()
    exif[0x0112] = 6
    mark = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    how = {"xmp": mark} if xmp else {"exif": exif}
    data = saved(Image.fromarray(np.zeros((4, 6, 3), np.uint8)), "JPEG", **how)
    between = b"\xff\xed" + (before + 2).to_bytes(2, "big") + b"\0" * before if before else b""
    return data[:2] + between + data[2:]


@pytest.mark.parametrize(
    "data", [turned(), turned(6000), turned(60000), turned(xmp=True), turned(6000, True)]
)
@pytest.mark.parametrize("fast", [True, False])
def test_orientation_is_applied_wherever_it_stands(data, fast, monkeypatch):
    if not fast:
        monkeypatch.setitem(sys.modules, "simplejpeg", None)
    assert decode(data).shape == (3, 6, 4)


def test_cut_pictures_are_said_and_fit_keeps_them(packed, tmp_path):
    wide = np.zeros((40, 120), np.uint8)
    wide[:, :30] = 255
    files = {
        f"{i:02}.{'png' if i % 2 else 'jpg'}": saved(Image.fromarray(wide), "PNG" if i % 2 else "JPEG")
        for i in range(12)
    }
    source = packed(files | {"99.png": saved(Image.fromarray(wide[:40, :40]))})
    cut = load(source, size=20)
    assert cut.x[:-1].max() <= 3
    assert cut.left_out == {"pictures' sides (fit=pad or stretch keeps them)": 12}
    for number, fit in enumerate(("crop", "pad", "stretch")):
        data = load(source, size=20, fit=fit)
        pack(source, tmp_path / str(number), size=20, fit=fit)
        again = load(tmp_path / str(number))
        assert again.left_out == data.left_out
        for split, rows in data.splits.items():
            np.testing.assert_array_equal(again.x[again.splits[split]], data.x[rows])
    assert (load(source, size=20, fit="stretch").x[0, 0, :, 0] > 250).all()
    assert (load(source, size=20, fit="pad").x[0, 0, 9:11, 0] > 250).all()
