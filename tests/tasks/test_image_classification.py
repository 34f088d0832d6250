"""Image augmentation is drawn from seed, epoch and row."""

import io

import numpy as np
import pytest
from PIL import Image

from temper.core.errors import InputError
from temper.params.train import Augmentation
from tests.helpers.samples import load, rows_of
from tests.helpers.workspace import ROOT


def test_augmentation_is_drawn_from_seed_epoch_and_row():
    """The same draw gives the same picture, and without augmentation pixels stay."""
    task, processor, config = load("recipes/sample-image_classification.yaml")
    image = rows_of(ROOT / "data/sample/image_classification/train.parquet", 1)[0]["image"]
    columns = task.encode({"image": [image], "label": [0]}, processor, mode="train")
    row = {name: values[0] for name, values in columns.items()}
    p = Augmentation(flip=True, crop=0.5, brightness=0.3, contrast=0.3)
    collate, plain = task.collator(processor, config, p), task.collator(processor, config)
    one, same, other = (
        collate([row | {"draw": draw}])["pixel_values"]
        for draw in ((1, 1, 0), (1, 1, 0), (1, 2, 0))
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    back = plain([row])["pixel_values"][0] * 0.25 + 0.5
    from temper.tasks.base.images import open_image

    expected = np.asarray(open_image(image)).transpose(2, 0, 1)
    np.testing.assert_allclose(back * 255, expected, atol=0.51)


@pytest.mark.parametrize(
    ("key", "off"), [("flip", False), ("crop", 1.0), ("brightness", 0.0), ("contrast", 0.0)]
)
def test_each_augmentation_changes_the_picture(key, off):
    """Pixels differ with any one of them, and stay with none."""
    from temper.tasks.image_classification import augment

    nothing = {"flip": False, "crop": 1.0, "brightness": 0.0, "contrast": 0.0}
    on = {"flip": True, "crop": 0.4, "brightness": 0.5, "contrast": 0.5}
    pixels = np.random.default_rng(1).integers(0, 255, (3, 16, 16), dtype=np.uint8)
    still = [augment(pixels, (i,), Augmentation(**nothing)) for i in range(4)]
    moved = [augment(pixels, (i,), Augmentation(**nothing | {key: on[key]})) for i in range(4)]
    assert all(np.array_equal(image, pixels) for image in still)
    assert any(not np.array_equal(image, pixels) for image in moved)
    assert nothing[key] == off


def test_images_of_several_sizes_are_refused_before_training():
    """Also where they are in other batches; to predict, each batch may have its own."""
    task, processor, _ = load("recipes/sample-image_classification.yaml")
    processor.do_resize = processor.do_center_crop = False

    def encode(mode, *size):
        stream = io.BytesIO()
        Image.new("RGB", size).save(stream, "PNG")
        task.encode({"image": [stream.getvalue()], "label": [0]}, processor, mode=mode)

    encode("train", 8, 6)
    encode("predict", 9, 6)
    encode("train", 8, 6)
    with pytest.raises(InputError, match="sizes, such as 8 x 6 and 9 x 6 pixels"):
        encode("train", 9, 6)
