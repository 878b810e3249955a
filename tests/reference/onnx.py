"""Runs an exported model with onnxruntime, as a user elsewhere would, and prints the probabilities as JSON.

    python3 -m venv venv && venv/bin/pip install onnxruntime==1.32.0 numpy==2.4.6 pillow==13.0.0
    weathervane export model --format onnx --out starter.onnx
    venv/bin/python tests/reference/onnx.py starter.onnx photo.jpg ...
    venv/bin/python tests/reference/onnx.py starter.onnx pixels.npy

Of images, Pillow makes the input by the card beside the model (`starter.onnx.json`). A `.npy` file is the input itself,
`[N, 3, px, px]` singles, already normalised: then only the network is compared. `tests/cli/onnx.rs` runs this with the
Python named in WEATHERVANE_ONNX_PYTHON.
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def pixels(path, card):
    """An image file as `[3, px, px]`."""
    want = card["input"]
    with Image.open(path) as image:
        square = image.convert("RGB").resize(want["size"], Image.Resampling.BILINEAR)
        square.getexif().update(image.getexif())
        square = ImageOps.exif_transpose(square)
    values = np.asarray(square, dtype=np.float32)
    return ((values - np.float32(want["mean"])) * np.float32(want["scale"])).transpose(2, 0, 1)


def main(model, *inputs):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    card = json.loads(session.get_modelmeta().custom_metadata_map["weathervane"])
    with open(f"{model}.json", encoding="utf-8") as file:
        assert json.load(file) == card, "the card beside the model is another one's"
    if inputs[0].endswith(".npy"):
        batch = np.load(inputs[0])
    else:
        batch = np.stack([pixels(path, card) for path in inputs])
    names = [output.name for output in session.get_outputs()]
    assert names == [head["name"] for head in card["heads"]], names
    outputs = session.run(names, {card["onnx"]["input"]["name"]: batch})
    print(json.dumps({
        "onnxruntime": onnxruntime.__version__,
        "heads": {name: output.tolist() for name, output in zip(names, outputs)},
    }))


main(*sys.argv[1:])
