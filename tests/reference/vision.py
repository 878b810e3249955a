"""Makes the reference images of the `vision` room with Pillow.

    python3 -m venv venv && venv/bin/pip install pillow==13.0.0 && venv/bin/python vision.py

Everything is synthetic. `pattern(w, h)` is repeated in Rust by the test; the files hold what Pillow makes of it:
`resize-*.png` for the resize, `<name>.<format>` with `<name>-decoded.png` for the decoders.
"""

from pathlib import Path

import PIL
from PIL import Image

HERE = Path(__file__).parent / "vision"


def pattern(width, height):
    """A ramp in x, a ramp in y and a checker of 8 px: slow and sudden changes, another one in each channel."""
    image = Image.new("RGB", (width, height))
    image.putdata([
        (x * 255 // (width - 1), y * 255 // (height - 1), 255 * ((x // 8 + y // 8) % 2))
        for y in range(height)
        for x in range(width)
    ])
    return image


def squash(image, px):
    return image.convert("RGB").resize((px, px), Image.Resampling.BILINEAR)


def decoded(name):
    """Saves what Pillow reads in a file beside it, and says what the file is."""
    image = Image.open(HERE / name)
    print(name, image.format, image.mode, image.size, (HERE / name).stat().st_size, "bytes")
    image.convert("RGB").save(HERE / f"{name}-decoded.png", optimize=True)


def main():
    HERE.mkdir(exist_ok=True)
    print("Pillow", PIL.__version__)
    for width, height, px in [(97, 61, 32), (97, 61, 160), (500, 333, 160)]:
        squash(pattern(width, height), px).save(HERE / f"resize-{width}x{height}-{px}.png", optimize=True)
    source = pattern(97, 61)
    second = source.transpose(Image.Transpose.ROTATE_180)
    source.save(HERE / "baseline.jpg", quality=90)
    source.save(HERE / "progressive.jpg", quality=90, progressive=True)
    source.convert("CMYK").save(HERE / "cmyk.jpg", quality=90)
    source.convert("L").save(HERE / "grey.jpg", quality=90)
    source.save(HERE / "lossy.webp", quality=90)
    source.save(HERE / "animated.webp", lossless=True, save_all=True, append_images=[second])
    source.save(HERE / "animated.gif", save_all=True, append_images=[second])
    source.quantize(16).save(HERE / "palette.png", bits=4)
    source.convert("1").save(HERE / "bilevel.png")
    source.quantize(16).save(HERE / "palette.bmp")
    for name in ["baseline.jpg", "progressive.jpg", "cmyk.jpg", "grey.jpg", "lossy.webp", "animated.webp",
                 "animated.gif", "palette.png", "bilevel.png", "palette.bmp"]:
        decoded(name)


main()
