"""Every kind of picture file: right values, or one line that says what is wrong."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cxrlens.errors import UnreadableImageError
from cxrlens.radiograph import Radiograph
from cxrlens.sources import ReadLimits, read_radiograph
from cxrlens.sources.filetype import sniff

RNG = np.random.default_rng(0)
GREY = np.outer(np.linspace(20, 235, 40), np.ones(30)).round().astype(np.uint8)
GREY[5:12, 4:9] = 250  # a mark off centre, so that turns show


def saved(path: Path, image: Image.Image, **options: object) -> Radiograph:
    image.save(path, **options)  # type: ignore[arg-type]
    return read_radiograph(path)


def refusal(path: Path) -> UnreadableImageError:
    with pytest.raises(UnreadableImageError) as caught:
        read_radiograph(path)
    line = str(caught.value)
    assert str(path) in line
    assert "\n" not in line
    return caught.value


@pytest.mark.parametrize(("suffix", "kind"), [("png", "PNG"), ("tif", "TIFF"), ("bmp", "BMP"), ("gif", "GIF")])
def test_lossless_grey_of_8_bits_comes_back_exactly(tmp_path: Path, suffix: str, kind: str) -> None:
    r = saved(tmp_path / f"x.{suffix}", Image.fromarray(GREY))
    assert (r.file_format, r.bit_depth, r.tint) == (kind, 8, 0.0)
    np.testing.assert_allclose(r.pixels, GREY / 255, atol=1e-7)


def test_lossless_webp_comes_back_exactly(tmp_path: Path) -> None:
    r = saved(tmp_path / "x.webp", Image.fromarray(GREY).convert("RGB"), lossless=True)
    assert r.file_format == "WEBP"
    np.testing.assert_allclose(r.pixels, GREY / 255, atol=1e-6)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_is_what_pillow_decodes(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "x.jpg"
    r = saved(path, Image.fromarray(GREY).convert(mode), quality=90)
    assert r.colour_mode == {"L": "grey", "RGB": "rgb"}[mode]
    np.testing.assert_allclose(r.pixels, np.asarray(Image.open(path).convert("L")) / 255, atol=2.5 / 255)


def test_type_is_told_by_content_not_by_name(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "x.png")
    for name in ("x.jpg", "x.dcm", "x"):
        (tmp_path / name).write_bytes((tmp_path / "x.png").read_bytes())
        assert read_radiograph(tmp_path / name).file_format == "PNG"


def test_16_bit_grey_png_keeps_its_depth(tmp_path: Path) -> None:
    values = RNG.integers(0, 65536, (9, 11)).astype(np.uint16)
    values[0, 0] = 65535
    r = saved(tmp_path / "x.png", Image.fromarray(values))
    assert r.bit_depth == 16
    np.testing.assert_allclose(r.pixels, values / 65535, atol=1e-6)


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_narrow_values_in_16_bit_samples_fill_the_range(tmp_path: Path, bits: int) -> None:
    full = (1 << bits) - 1
    values = np.linspace(0, full, 99).round().astype(np.uint16).reshape(9, 11)
    r = saved(tmp_path / "x.png", Image.fromarray(values))
    np.testing.assert_allclose(r.pixels, values / full, atol=1e-6)
    assert f"{bits}-bit" in " ".join(r.notes)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_colour_is_not_cut_to_8(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    values = np.full((6, 7), 30000, np.uint16)
    values[2:, 3:] = 30100  # less than one step of 8 bits
    values[0, 0] = 65535
    assert cv2.imwrite(str(path), np.dstack([values] * 3))
    r = read_radiograph(path)
    assert (r.bit_depth, r.colour_mode) == (16, "rgb")
    assert r.pixels[3, 4] - r.pixels[1, 1] == pytest.approx(100 / 65535, rel=1e-3)


def test_float_tiff_in_range_is_kept_and_out_of_range_is_stretched(tmp_path: Path) -> None:
    unit = np.linspace(0.2, 0.7, 20, dtype=np.float32).reshape(4, 5)
    np.testing.assert_array_equal(saved(tmp_path / "a.tif", Image.fromarray(unit)).pixels, unit)
    r = saved(tmp_path / "b.tif", Image.fromarray(unit * 2000 - 1024))
    assert (r.pixels.min(), r.pixels.max()) == (0.0, 1.0)
    assert "stretched" in " ".join(r.notes)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_float_tiff_with_pixels_that_are_no_numbers_is_refused(tmp_path: Path, value: float) -> None:
    pixels = np.full((4, 5), 0.5, np.float32)
    pixels[1, 2] = value
    Image.fromarray(pixels).save(tmp_path / "x.tif")
    assert "1 pixel(s) that are NaN or infinite" in str(refusal(tmp_path / "x.tif"))


def test_white_is_zero_tiff_of_16_bits_is_inverted(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 20).astype(np.uint16).reshape(4, 5)
    r = saved(tmp_path / "x.tif", Image.fromarray(values), tiffinfo={262: 0})
    np.testing.assert_allclose(r.pixels, 1 - values / 65535, atol=1e-6)


def test_constant_picture_is_readable(tmp_path: Path) -> None:
    assert set(saved(tmp_path / "x.png", Image.new("L", (8, 8), 128)).pixels.ravel()) == {np.float32(128 / 255)}


def test_colour_becomes_luma_and_tint_is_its_saturation(tmp_path: Path) -> None:
    sepia = np.zeros((16, 16, 3), np.uint8)
    sepia[:] = (200, 150, 100)
    r = saved(tmp_path / "x.png", Image.fromarray(sepia))
    assert r.tint == pytest.approx(0.5)  # (200 - 100) / 200
    np.testing.assert_allclose(r.pixels, (0.299 * 200 + 0.587 * 150 + 0.114 * 100) / 255, atol=1 / 255)
    assert saved(tmp_path / "grey.png", Image.fromarray(GREY).convert("RGB")).tint == 0.0


def test_red_and_blue_are_not_swapped_whatever_the_path_of_decoding(tmp_path: Path) -> None:
    red = Image.new("RGB", (32, 32), (255, 0, 0))
    for name, options in (("x.png", {}), ("x.jpg", {"quality": 95}), ("x.bmp", {}), ("x.tif", {})):
        assert saved(tmp_path / name, red, **options).pixels.mean() == pytest.approx(0.299, abs=0.01), name
    assert saved(tmp_path / "c.tif", red.convert("CMYK")).pixels.mean() == pytest.approx(0.299, abs=0.01)
    assert saved(tmp_path / "p.png", red.convert("P", palette=Image.Palette.ADAPTIVE)).pixels.mean() == pytest.approx(
        0.299, abs=0.01
    )


@pytest.mark.parametrize(
    ("mode", "stored"), [("RGBA", "rgba"), ("LA", "grey"), ("P", "palette"), ("CMYK", "cmyk"), ("1", "grey")]
)
def test_mode_as_stored_is_told(tmp_path: Path, mode: str, stored: str) -> None:
    name = "x.tif" if mode == "CMYK" else "x.png"
    r = saved(tmp_path / name, Image.fromarray(GREY).convert(mode))
    assert r.colour_mode == stored
    if mode != "1":
        np.testing.assert_allclose(r.pixels, GREY / 255, atol=0.03)


def test_transparent_pixels_are_black(tmp_path: Path) -> None:
    rgba = np.full((4, 4, 4), 200, np.uint8)
    rgba[..., 3] = 255
    rgba[0, 0, 3] = 0
    r = saved(tmp_path / "x.png", Image.fromarray(rgba))
    assert r.pixels[0, 0] == 0
    assert r.pixels[1, 1] == pytest.approx(200 / 255, abs=1e-3)
    assert "transparent" in r.notes[0]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_exif_orientation_is_applied_as_pillow_does(tmp_path: Path, orientation: int, suffix: str) -> None:
    from PIL import ImageOps

    path = tmp_path / f"x.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    r = saved(path, Image.fromarray(GREY), exif=exif)
    reference = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("L")) / 255
    assert r.pixels.shape == reference.shape
    np.testing.assert_allclose(r.pixels, reference, atol=0.01)
    assert bool(r.notes) == (orientation > 1)


def test_zero_bytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.png").touch()
    assert "empty" in refusal(tmp_path / "x.png").fault


def test_text_named_png_is_refused_as_text(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("patient,finding\n" * 40)
    assert "text" in refusal(tmp_path / "x.png").fault


def test_download_error_pages_and_pointers_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("<!DOCTYPE html><html>" + "x" * 200)
    (tmp_path / "b.png").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert "web page" in refusal(tmp_path / "a.png").fault
    assert "Git LFS" in refusal(tmp_path / "b.png").fault


def test_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.png"
    Image.fromarray(GREY).save(path)

    def refuse(self: Path) -> bytes:  # simulated, since an administrator may read everything
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert "cannot be opened (Permission denied)" in refusal(path).fault


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "none.png").fault
    assert "folder" in refusal(tmp_path).fault


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif", "webp"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.98])
def test_truncated_file_is_refused_never_half_grey(tmp_path: Path, suffix: str, share: float) -> None:
    noise = RNG.integers(0, 256, (120, 100)).astype(np.uint8)
    path = tmp_path / f"x.{suffix}"
    Image.fromarray(noise).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refusal(path)


@pytest.mark.parametrize("colour", ["L", "RGB"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_cut_anywhere_before_its_last_block_is_refused(tmp_path: Path, colour: str, progressive: bool) -> None:
    noise = Image.fromarray(RNG.integers(0, 256, (64, 64)).astype(np.uint8)).convert(colour)
    path = tmp_path / "x.jpg"
    noise.save(path, progressive=progressive)
    data = path.read_bytes()
    for cut in range(len(data) // 2, len(data) - 20, 61):
        path.write_bytes(data[:cut])
        refusal(path)


def test_damaged_png_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.fromarray(RNG.integers(0, 256, (60, 60)).astype(np.uint8)).save(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    refusal(path)


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    ihdr = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", ihdr) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def webp_header(width: int, height: int) -> bytes:
    body = b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + body


@pytest.mark.parametrize("make", [png_header, webp_header])
def test_bomb_of_50000_by_50000_is_refused_without_taking_memory(tmp_path: Path, make: object) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(make(50000 if make is png_header else 16383, 50000 if make is png_header else 16383))  # type: ignore[operator]
    tracemalloc.start()
    error = refusal(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "more than the limit" in error.fault
    assert peak < 5_000_000


def test_limits_are_the_callers(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.fromarray(GREY).save(path)
    read_radiograph(path, ReadLimits(max_pixels=GREY.size))
    for limits in (ReadLimits(max_pixels=GREY.size - 1), ReadLimits(max_bytes=10)):
        with pytest.raises(UnreadableImageError, match="more than the limit"):
            read_radiograph(path, limits)


@pytest.mark.parametrize(
    ("suffix", "word"), [("gif", "animation"), ("webp", "animation"), ("png", "animation"), ("tif", "pages")]
)
def test_files_of_several_pictures_are_refused(tmp_path: Path, suffix: str, word: str) -> None:
    frames = [Image.fromarray(RNG.integers(0, 256, (20, 20)).astype(np.uint8)) for _ in range(3)]
    frames[0].save(tmp_path / f"x.{suffix}", save_all=True, append_images=frames[1:])
    error = refusal(tmp_path / f"x.{suffix}")
    assert "3 " in error.fault
    assert word in error.fault


def test_tiff_with_a_thumbnail_is_one_picture(tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    first = Image.fromarray(GREY)
    small = first.resize((10, 12))
    small.encoderinfo = {"tiffinfo": {254: 1}}  # type: ignore[attr-defined]
    first.save(path, save_all=True, append_images=[small])
    with Image.open(path) as check:
        check.seek(1)
        assert check.tag_v2[254] == 1, "the test's file must hold a marked thumbnail"  # type: ignore[attr-defined]
    np.testing.assert_allclose(read_radiograph(path).pixels, GREY / 255, atol=1e-7)


def one_line_or_pixels(path: Path) -> bool:
    try:
        return read_radiograph(path, ReadLimits(max_pixels=1_000_000)).pixels.ndim == 2
    except UnreadableImageError as error:
        return "\n" not in str(error)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data", "ignore:Truncated File Read")
@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\0", b"BM", b"GIF89a", b"RIFF\0\0\0\0WEBP"]),
    st.binary(max_size=400),
)
def test_hostile_bytes_give_one_line_or_pixels_never_another_error(
    tmp_path_factory: object, head: bytes, body: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "hostile"  # type: ignore[attr-defined]
    path.write_bytes(head + body)
    assert one_line_or_pixels(path)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_flipped_bytes_in_a_real_file_give_one_line_or_pixels(tmp_path_factory: object, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF"]))
    buffer = io.BytesIO()
    Image.fromarray(GREY).save(buffer, kind)
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "flipped"  # type: ignore[attr-defined]
    path.write_bytes(bytes(content))
    assert one_line_or_pixels(path)


def test_a_frame_far_larger_than_its_gif_is_refused_in_one_line(tmp_path: Path) -> None:
    """Found by the test on hostile bytes: 25 bytes whose frame claims 179 million pixels."""
    path = tmp_path / "frame.gif"
    path.write_bytes(b"GIF89a" + b"\x00" * 7 + b"," + b"\x00" * 5 + b"\x0c\x00\xe4")
    assert "GIF" in refusal(path).fault


def test_text_that_starts_like_a_bitmap_is_no_bitmap() -> None:
    assert sniff(b"BMI,weight,height\n1,2,3\n" * 10) == ""
