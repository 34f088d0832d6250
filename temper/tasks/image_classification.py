"""Images → one label. Pixels stay uint8 until the collator augments, scales and normalises."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.params.schema import Settings
from temper.tasks.base import Mode, Outputs, Task, label_predictions
from temper.tasks.base.arrays import IGNORE_INDEX, Batch, Collator, Rows
from temper.tasks.base.images import open_image
from temper.tasks.base.snippets import pipeline_snippet

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from temper.params.train import Augmentation


def build_task(settings: Settings) -> Task:
    return ImageClassification(settings)


class ImageClassification(Task):
    auto_model = "AutoModelForImageClassification"
    pipeline_tag = "image-classification"
    auto_processor = "AutoImageProcessor"
    processor_kwargs = MappingProxyType({"backend": "pil"})  # torchvision would change pixels

    def label_feature(self, raw: Mapping[str, Any]) -> Any:
        return raw[self.params.label]

    def encode(
        self, examples: Mapping[str, list], processor: Any, *, mode: Mode
    ) -> dict[str, list]:
        images = [open_image(data) for data in examples[self.params.image]]
        pixels = processor(images, do_rescale=False, do_normalize=False, return_tensors="np")
        rounded = np.clip(np.round(pixels["pixel_values"]), 0, 255).astype(np.uint8)
        columns: dict[str, list] = {
            "pixel_values": [image.tobytes() for image in rounded],
            "shape": [list(image.shape) for image in rounded],  # channels, height, width
            "length": [1] * len(images),
        }
        columns["full_length"] = columns["length"]
        if self.params.label in examples:
            columns["labels"] = examples[self.params.label]
        return columns

    def collator(
        self,
        processor: Any,
        config: "PretrainedConfig",
        augmentation: "Augmentation | None" = None,
    ) -> Collator:
        mean, deviation = (
            np.array(values, dtype=np.float32)[:, None, None]
            for values in (processor.image_mean, processor.image_std)
        )
        scale = np.float32(processor.rescale_factor if processor.do_rescale else 1)

        def collate(rows: Sequence[Mapping[str, Any]]) -> Batch:
            images = [
                np.frombuffer(row["pixel_values"], dtype=np.uint8).reshape(row["shape"])
                for row in rows
            ]
            if augmentation is not None:
                images = [
                    augment(i, r["draw"], augmentation) for i, r in zip(images, rows, strict=True)
                ]
            pixels = np.stack(images).astype(np.float32) * scale
            if processor.do_normalize:
                pixels = (pixels - mean) / deviation
            batch: Batch = {"pixel_values": pixels}  # (batch, channels, height, width), float32
            if "labels" in rows[0]:
                labels = [IGNORE_INDEX if row["labels"] is None else row["labels"] for row in rows]
                batch["labels"] = np.where(np.array(labels) < 0, IGNORE_INDEX, labels)
            return batch

        return collate

    def score(
        self,
        outputs: Sequence[np.ndarray],
        features: Rows,
        compute_metrics: Callable[..., dict[str, float]],
    ) -> dict[str, float]:
        names, positive = self.label_names, self.settings.evaluate.positive_label
        return compute_metrics(
            np.asarray(outputs, dtype=np.float64),
            np.asarray(features["labels"]),
            positive=names.index(positive) if positive in names else None,
        )

    def decode(self, outputs: Outputs, features: Rows, examples: Rows, processor: Any) -> list:
        """Return the logits of each example."""
        return list(outputs["logits"])

    def predict(
        self, outputs: Outputs, features: Rows, examples: Rows, processor: Any
    ) -> dict[str, list]:
        return label_predictions.prediction_columns(
            outputs["logits"], self.label_names, "class", 0.5
        )

    def snippet(self) -> str:
        return pipeline_snippet(self.pipeline_tag, '"image.png"')


def augment(pixels: np.ndarray, draw: Sequence[int], p: "Augmentation") -> np.ndarray:
    """Return an augmented copy of an image (channels, height, width), uint8.

    Args:
        pixels: the image.
        draw: seeds the random numbers, e.g. (seed, epoch, row).
        p: what may change, and by how much.
    """
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
