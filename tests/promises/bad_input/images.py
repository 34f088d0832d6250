"""Images that cannot be read, or that say nothing."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.promises.bad_input import BadInput


def png(pixels: np.ndarray, file_format: str = "PNG") -> bytes:
    """Encode pixels without loss."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, file_format)
    return stream.getvalue()


def picture(value: int) -> bytes:
    return png(np.full((8, 8), value, dtype=np.uint8))


def images(name: str, files: dict[str, bytes], *says: str):
    """Return a case of images in folders that are their labels."""
    return BadInput(
        name=name,
        recipe="sample-image_classification",
        files={f"own/{file}": content for file, content in files.items()},
        changes={
            "data.files": {"train": "own"},
            "data.glob": "**/*.*",
            "data.split": {"validation": 0.0, "test": 0.0, "seed": 1},
            "evaluate.positive_label": "b",
            "train.metric_for_best_model": "loss",
        },
        says=says,
    )


def rows(name: str, value: object, *says: str):
    """Return a case of a Parquet file with something else in its image column."""

    def write(path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table({"image": [value, value], "label": ["a", "b"]})
        pq.write_table(table, path)

    content: Callable[[Path], None] = write
    case = images(name, {}, "own.parquet", "train row 1, column 'image'", *says)
    changes = {"data.files": {"train": "own.parquet"}, "data.glob": "*"}
    return BadInput(
        name=name,
        recipe=case.recipe,
        says=case.says,
        files={"own.parquet": content},
        changes={**case.changes, **changes},
    )


NOISE = png(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8))
PHOTO = png(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8), "JPEG")
WIDE = png(np.full((8, 8), 70_000, dtype=np.int32), "TIFF")
CASES = [
    images(
        "all_alike",
        {"a/1.png": picture(255), "b/2.png": picture(255)},
        "own: train: all 2 images have the same pixels",
    ),
    images(
        "all_white_in_16_bits",
        {
            "a/1.png": png(np.full((8, 8), 0xFF00, dtype=np.uint16)),
            "b/2.png": png(np.full((8, 8), 0xFFFF, dtype=np.uint16)),
        },
        "all 2 images have the same pixels",
    ),
    images(
        "cut_off",
        {"a/1.png": NOISE[:200], "b/2.png": picture(255)},
        "train row 1, column 'image'",
        "200 bytes",
    ),
    images(
        "later_one_cut_off",
        {"a/1.png": picture(1), "a/2.png": picture(2), "b/3.png": NOISE[:200]},
        "own: train row 3, column 'image'",
        "200 bytes",
    ),
    images(
        "later_jpeg_cut_off",
        {"a/1.png": picture(1), "a/2.png": picture(2), "b/3.jpg": PHOTO[:1000]},
        "own: train row 3, column 'image'",
        "1000 bytes",
    ),
    BadInput(
        name="folders_without_glob",
        recipe="sample-image_classification",
        files={"own/a/1.png": picture(1)},
        changes={"data.files": {"train": "own"}},
        says=("data.glob '*'", "contains a", "*/*"),
    ),
    images("empty_file", {"a/1.png": b"", "b/2.png": picture(9)}, "a/1.png", "an empty file"),
    images("text_file", {"a/1.png": b"hello", "b/2.png": picture(9)}, "a/1.png", "not an image"),
    images("vector_graphics", {"a/1.svg": b"<svg/>", "b/2.png": picture(9)}, "'.svg'", ".png"),
    rows("path_for_image", "a/1.png", "expected the bytes of an image", "'a/1.png'"),
    rows("number_for_image", 7, "expected the bytes of an image", "7"),
    rows("no_image", b"", "an empty file"),
    rows("32_bits", WIDE, "32-bit", "8 or 16 bits"),
]
