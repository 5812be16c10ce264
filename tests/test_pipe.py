"""Sound from pipes: WAV and raw samples as they come, other formats read whole, and what is refused."""

import io
import os
import struct
import threading
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from cases import case
from sayso.errors import AudioError
from sayso.live.pipe import piped_chunks
from sayso.sound import audio

CLIP = sounds.clip("yes")


def piped(data: bytes) -> np.ndarray:
    """Send bytes through a real pipe and return the resulting samples at 16 kHz."""
    out, into = os.pipe()

    def send() -> None:
        with os.fdopen(into, "wb") as pipe:
            pipe.write(data)

    threading.Thread(target=send, daemon=True).start()
    with os.fdopen(out, "rb") as pipe:
        return np.concatenate([*piped_chunks(pipe, sounds.RATE), np.zeros(0, np.float32)])


def encoded(samples: np.ndarray, rate: int = sounds.RATE, kind: str = "WAV", subtype: str = "PCM_16") -> bytes:
    content = io.BytesIO()
    soundfile.write(content, samples, rate, format=kind, subtype=subtype)
    return content.getvalue()


def test_wav_of_16_and_32_bits_gives_its_samples() -> None:
    for subtype in ("PCM_16", "PCM_32"):
        with case(subtype):
            np.testing.assert_allclose(piped(encoded(CLIP, subtype=subtype)), CLIP, atol=2**-15)


def test_wav_of_another_rate_and_two_channels_gives_the_samples_of_the_file() -> None:
    clip = sounds.clip("yes", rate=44_100)
    file = encoded(np.stack([clip, -0.5 * clip], axis=1), 44_100)
    np.testing.assert_allclose(piped(file), audio.load(file, sounds.RATE), atol=1e-6)


def test_wav_of_undeclared_length_is_read_to_the_end_of_the_pipe() -> None:
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sounds.RATE)
        file.writeframes((CLIP * 32_768).astype("<i2").tobytes())
    header = bytearray(content.getvalue())
    header[4:8] = header[40:44] = (0x7FFFFFFF).to_bytes(4, "little")
    np.testing.assert_allclose(piped(bytes(header)), CLIP, atol=2**-14)


def test_raw_samples_are_16_bit_at_the_requested_rate() -> None:
    raw = (CLIP * 32_768).astype("<i2").tobytes()
    np.testing.assert_allclose(piped(raw), CLIP, atol=2**-14)
    assert len(piped(raw + b"\x01")) == len(CLIP)


def test_flac_is_read_whole() -> None:
    np.testing.assert_allclose(piped(encoded(CLIP, kind="FLAC")), CLIP, atol=2**-14)


def test_chunks_come_before_the_pipe_ends() -> None:
    out, into = os.pipe()
    with os.fdopen(out, "rb") as pipe, os.fdopen(into, "wb") as sender:
        sender.write(b"\0" * 3_200)
        sender.flush()
        assert len(next(piped_chunks(pipe, sounds.RATE))) == 800


def test_sound_that_cannot_be_read_is_refused() -> None:
    for data, message in (
        (b"", "standard input is empty"),
        (b"RIFF\0\0\0\0WAVE", "WAV that cannot be read as it comes"),
        (b"RIFF", "it ends too early"),
        (encoded(CLIP, subtype="PCM_U8"), "WAV of 8 bits; expected 16 or 32"),
        (encoded(CLIP, subtype="FLOAT"), "unknown format"),
    ):
        with case(message), pytest.raises(AudioError, match=message):
            piped(data)


def test_a_file_on_standard_input_with_a_chunk_beyond_its_end_is_refused(tmp_path: Path) -> None:
    # Unlike a pipe, a shell's `< file` can seek, and the chunk before the samples is skipped by seeking.
    header = b"RIFF" + struct.pack("<I", 40) + b"WAVE" + b"LIST" + struct.pack("<I", 2**32 - 1) + bytes(20)
    (tmp_path / "a.wav").write_bytes(header)
    with (tmp_path / "a.wav").open("rb") as file, pytest.raises(AudioError, match="cannot be read as it comes"):
        list(piped_chunks(file, sounds.RATE))
