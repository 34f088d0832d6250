"""Images → one label. Pixels stay uint8 until the collator augments, scales and normalises."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.core.errors import InputError
from temper.tasks.base import Mode, arrays
from temper.tasks.base.arrays import Batch, Columns, Features
from temper.tasks.base.images import open_image, pixels_of
from temper.tasks.base.single_label import SingleLabelTask

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from temper.params.train import Augmentation


class ImageClassification(SingleLabelTask):
    auto_model = "AutoModelForImageClassification"
    pipeline_tag = "image-classification"
    auto_processor = "AutoImageProcessor"
    pipeline_input = '"image.png"'
    processor_kwargs = MappingProxyType({"backend": "pil"})  # torchvision would change pixels
    _shapes: Sequence[Sequence[int]] = ()  # that of the first image of the data

    def encode(self, examples: Columns, processor: Any, *, mode: Mode) -> Columns:
        columns: Columns = {"pixel_values": [], "shape": []}
        for data in examples[self.params.image]:  # one decoded image is in memory at a time
            image = open_image(data)
            pixels = processor(image, do_rescale=False, do_normalize=False, return_tensors="np")
            rounded = np.clip(np.round(pixels["pixel_values"][0]), 0, 255).astype(np.uint8)
            columns["pixel_values"].append(rounded.tobytes())
            columns["shape"].append(list(rounded.shape))  # channels, height, width
        if mode == "predict":
            _check_shapes(columns["shape"])
        else:
            self._shapes = [*self._shapes, *columns["shape"]][:1]
            _check_shapes([*self._shapes, *columns["shape"]])
        columns["length"] = columns["full_length"] = [1] * len(columns["shape"])
        if self.params.label in examples:
            columns["labels"] = examples[self.params.label]
        return columns

    def augmented(self, row: Mapping[str, Any], p: "Augmentation") -> Mapping[str, Any]:
        pixels = augment(pixels_of(row), row["draw"], p)
        return {**row, "pixel_values": pixels.tobytes()}

    def collate(self, rows: Features, processor: Any, config: "PretrainedConfig") -> Batch:
        """Return scaled and normalized pixels, (batch, channels, height, width) float32."""
        mean, deviation = (
            np.array(values, dtype=np.float32)[:, None, None]
            for values in (processor.image_mean, processor.image_std)
        )
        scale = np.float32(processor.rescale_factor if processor.do_rescale else 1)
        _check_shapes([row["shape"] for row in rows])
        pixels = np.stack([pixels_of(row) for row in rows]).astype(np.float32) * scale
        if processor.do_normalize:
            pixels = (pixels - mean) / deviation
        batch: Batch = {"pixel_values": pixels}
        if "labels" in rows[0]:
            batch["labels"] = arrays.label_ids(row["labels"] for row in rows)
        return batch


def _check_shapes(shapes: Sequence[Sequence[int]]) -> None:
    first = next(iter(shapes), None)
    other = next((shape for shape in shapes if shape != first), None)
    if first is not None and other is not None:
        raise InputError(
            "the model's image processor makes images of several sizes, such as "
            f"{first[2]} x {first[1]} and {other[2]} x {other[1]} pixels; one size is needed: "
            "size: {height: …, width: …} or do_center_crop in preprocessor_config.json"
        )


def augment(pixels: np.ndarray, draw: Sequence[int], p: "Augmentation") -> np.ndarray:
    """Return an augmented copy of an image (channels, height, width), uint8; `draw` is the seed."""
    from PIL import Image, ImageEnhance

    random = np.random.default_rng(draw)
    image = Image.fromarray(pixels.transpose(1, 2, 0))
    if p.flip and random.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if p.crop < 1:
        side = np.sqrt(random.uniform(p.crop, 1))
        width, height = (max(1, round(size * side)) for size in image.size)
        left, top = (
            int(random.integers(0, size - cropped + 1))
            for size, cropped in zip(image.size, (width, height), strict=True)
        )
        box = (left, top, left + width, top + height)
        image = image.resize(image.size, Image.Resampling.BILINEAR, box=box)
    for strength, enhancer in (
        (p.brightness, ImageEnhance.Brightness),
        (p.contrast, ImageEnhance.Contrast),
    ):
        if strength:
            image = enhancer(image).enhance(random.uniform(1 - strength, 1 + strength))
    return np.asarray(image).transpose(2, 0, 1)
