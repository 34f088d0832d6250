"""The bytes of a WAV file → its samples, of one channel and at any rate."""

import io
import math
import struct
import warnings
import wave

import numpy as np

from temper.core.errors import InputError

MIN_SECONDS = 0.05  # the convolutions of most models need 25 ms for one step
RATES = range(1_000, 1_000_001)  # Hz
STREAMED = 0x7FFF_0000  # sizes from here on are those of a pipe, which is not known beforehand
FULL_SCALE = {"u": 2**7, "i2": 2**15, "i4": 2**31, "i8": 2**63}  # by dtype
OTHERS = {b"fLaC": "FLAC", b"OggS": "Ogg", b"ID3": "MP3", b"\xff\xfb": "MP3", b"FORM": "AIFF"}
CONVERT = "convert it: ffmpeg -i FILE -c:a pcm_s16le FILE.wav"


def is_wav(data: bytes) -> bool:
    """Say whether bytes begin as a WAV file does."""
    return data[:4] in (b"RIFF", b"RIFX", b"RF64") and data[8:12] == b"WAVE"


def read(data: bytes) -> tuple[np.ndarray, int]:
    """Return the samples of a WAV file, (samples,) float32, and how many there are per second.

    PCM of 8 to 64 bits is divided by its full scale, floats stay as they are, and of several
    channels the mean is taken.

    Raises:
        InputError: it is of another format, truncated, too short, or holds numbers that are none.
    """
    channels, rate = _decode(data)
    kind = channels.dtype.str[1:]
    scale = FULL_SCALE.get(kind, FULL_SCALE.get(kind[0], 1))
    values = channels.astype(np.float64)
    if kind[0] == "u":
        values -= scale
    if values.ndim == 2:
        values = values.mean(1)
    return (values / scale).astype(np.float32), rate


def resampled(samples: np.ndarray, rate: int, target: int) -> np.ndarray:
    """Return samples at another rate, by a polyphase filter (`scipy.signal.resample_poly`)."""
    if rate == target:
        return samples
    from scipy.signal import resample_poly

    divisor = math.gcd(rate, target)
    found = resample_poly(samples.astype(np.float64), target // divisor, rate // divisor)
    return np.asarray(found, dtype=np.float32)


def remarks(data: bytes) -> list[str]:
    """Say how `read` reads a clip: its rate, and what it leaves out.

    Raises:
        InputError: `read` would refuse it.
    """
    channels, rate = _decode(data)
    found = {
        f"at {rate:,} Hz": True,
        "of several channels: their mean is used": channels.ndim == 2,
        "without any sound": not np.ptp(channels),
    }
    return [text for text, applies in found.items() if applies]


def encode(samples: np.ndarray, rate: int) -> bytes:
    """Return samples between -1 and 1 as a WAV file of 16 bits."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes())
    return stream.getvalue()


def silence() -> bytes:
    """Return the shortest clip that `read` takes, which stands for any other."""
    return encode(np.zeros(math.ceil(MIN_SECONDS * 8000)), 8000)


def _decode(data: bytes) -> tuple[np.ndarray, int]:
    """Return the samples as the file has them, (samples,) or (samples, channels), and the rate."""
    from scipy.io import wavfile

    if not data:
        raise InputError("an empty file")
    if not is_wav(data):
        other = next((name for start, name in OTHERS.items() if data.startswith(start)), None)
        what = f"a file of {other}, not of WAV" if other else "not a WAV file"
        raise InputError(f"{what}, the one format that is read; {CONVERT}")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            rate, samples = wavfile.read(io.BytesIO(data))
    except Exception as error:  # scipy's parser raises anything
        is_damaged = isinstance(error, NameError | ArithmeticError | struct.error)
        reason = "its header is damaged" if is_damaged else " ".join(str(error).split())
        raise InputError(
            f"a WAV file of {len(data):,} bytes cannot be read: {reason:.200}; {CONVERT}"
        ) from None
    size = int.from_bytes(data[4:8], "big" if data[:4] == b"RIFX" else "little")
    if size < STREAMED and any("EOF" in str(warning.message) for warning in caught):
        raise InputError(f"a WAV file cut short: {len(data):,} of {size + 8:,} bytes")
    if rate not in RATES:
        raise InputError(f"a WAV file of {rate} Hz; {RATES[0]:,} to {RATES[-1]:,} can be read")
    if len(samples) < MIN_SECONDS * rate:
        raise InputError(
            f"a clip of {len(samples) / rate:.3f} s; at least {MIN_SECONDS} s are needed"
        )
    with np.errstate(over="ignore"):
        is_finite = samples.dtype.kind != "f" or np.isfinite(samples.astype(np.float32)).all()
    if not is_finite:
        raise InputError("a WAV file with samples that are no float32 numbers (NaN or infinite)")
    return samples, rate
