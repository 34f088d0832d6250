"""WAV files become samples of one channel, or an error that says what to do."""

import io
import struct
import wave

import numpy as np
import pytest
from scipy.io import wavfile

from temper.core.errors import InputError
from temper.tasks.base import audio

RATE = 8000
TONE = np.sin(np.arange(1000) / 5) * 0.5  # (samples,)


def written(samples: np.ndarray, rate: int = RATE) -> bytes:
    """Write a WAV file by scipy: its dtype is the format."""
    stream = io.BytesIO()
    wavfile.write(stream, rate, samples)
    return stream.getvalue()


def of_24_bits(samples: np.ndarray) -> bytes:
    """Write a WAV file of 24 bits, which scipy does not write."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(3)
        file.setframerate(RATE)
        integers = np.round(samples * 2**23).astype("<i4")
        file.writeframes(b"".join(int(i).to_bytes(3, "little", signed=True) for i in integers))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "step"),
    [
        (written(np.round(TONE * 2**7 + 128).astype(np.uint8)), 2**-7),
        (written(np.round(TONE * 2**15).astype(np.int16)), 2**-15),
        (of_24_bits(TONE), 2**-23),
        (written(np.round(TONE * 2**31).astype(np.int32)), 2**-24),  # of float32
        (written(TONE.astype(np.float32)), 2**-24),
        (written(TONE), 2**-24),
    ],
    ids=["pcm8", "pcm16", "pcm24", "pcm32", "float32", "float64"],
)
def test_every_format_gives_the_samples_that_were_written(data, step):
    """Between -1 and 1, to half a step of the format."""
    samples, rate = audio.read(data)
    assert (samples.dtype, rate) == (np.float32, RATE)
    np.testing.assert_allclose(samples, TONE, atol=step / 2)


def test_of_several_channels_the_mean_is_taken():
    """A sound in one ear has half its loudness; the remark says so."""
    stereo = np.stack([TONE, np.zeros_like(TONE)], axis=1)
    data = written(np.round(stereo * 2**15).astype(np.int16))
    np.testing.assert_allclose(audio.read(data)[0], TONE / 2, atol=2**-15)
    assert audio.remarks(data) == ["at 8,000 Hz", "of several channels: their mean is used"]
    silent = written(np.zeros(1000, dtype=np.int16))
    assert audio.remarks(silent) == ["at 8,000 Hz", "without any sound"]


def test_what_is_encoded_is_read_back():
    """The form of listed clips."""
    samples, rate = audio.read(audio.encode(TONE, RATE))
    assert rate == RATE
    np.testing.assert_allclose(samples, TONE, atol=2**-14)


@pytest.mark.parametrize("rate", [4000, 11025, 16000, 44100])
def test_resampling_keeps_a_tone(rate):
    """A tone of 440 Hz at any rate is a tone of 440 Hz at 16 kHz, away from the ends."""
    seconds = np.arange(rate) / rate
    found = audio.resampled(np.sin(2 * np.pi * 440 * seconds).astype(np.float32), rate, 16000)
    assert len(found) == 16000
    expected = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    np.testing.assert_allclose(found[1000:-1000], expected[1000:-1000], atol=5e-3)


def test_unknown_chunks_and_the_sizes_of_a_pipe_do_no_harm():
    """What ffmpeg and editors write beside the samples."""
    data = written(np.round(TONE * 2**15).astype(np.int16))
    more = data + b"bext" + struct.pack("<I", 4) + b"abcd"
    more = more[:4] + struct.pack("<I", len(more) - 8) + more[8:]
    piped = data[:4] + b"\xff" * 4 + data[8:40] + b"\xff" * 4 + data[44:]
    for changed in (more, piped):
        np.testing.assert_array_equal(audio.read(changed)[0], audio.read(data)[0])


WHOLE = written(np.round(TONE * 2**15).astype(np.int16))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"fLaC" + b"\0" * 50, "of FLAC, not of WAV, .*ffmpeg -i FILE -c:a pcm_s16le FILE.wav"),
        (b"", "an empty file"),
        (b"RIFF", "not a WAV file"),
        (WHOLE[:1000], r"cut short: 1,000 of 2,044 bytes"),
        (WHOLE[:30], "a WAV file of 30 bytes cannot be read: its header is damaged; convert it"),
        (WHOLE[:4] + bytes(4) + WHOLE[8:], "its header is damaged"),
        (WHOLE[:22] + bytes(2) + WHOLE[24:], "its header is damaged"),
        (WHOLE[:20] + b"\x07\0" + WHOLE[22:], "MULAW.*ffmpeg"),
        (written(TONE[:100].astype(np.float32)), r"a clip of 0\.013 s; at least 0\.05 s"),
        (written(np.full(1000, np.nan, np.float32)), "no float32 numbers"),
        (written(np.full(1000, 1e300)), "no float32 numbers"),
        (written(np.zeros(1000, np.int16), 10), "10 Hz; 1,000 to 1,000,000"),
    ],
)
def test_what_cannot_be_read_is_one_line(data, says):
    """Another format, a damaged file, a clip that is too short for a model."""
    with pytest.raises(InputError, match=says):
        audio.read(data)
    with pytest.raises(InputError, match=says):
        audio.remarks(data)
