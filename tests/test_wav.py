"""WAV that is recorded: readable at any moment, of any length, and nothing wrapped."""

import io
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from sayso.live import wav
from sayso.live.wav import WavWriter
from sayso.sound import audio


def test_what_is_written_is_read_by_all_readers_and_again_the_same(tmp_path: Path) -> None:
    clip = (sounds.clip("yes") * 32_768).round() / np.float32(32_768)
    writer = WavWriter(tmp_path / "a.wav", sounds.RATE)
    for part in np.array_split(clip, 9):
        writer.write(part)
    writer.close()
    np.testing.assert_array_equal(soundfile.read(tmp_path / "a.wav", dtype="float32")[0], clip)
    np.testing.assert_array_equal(audio.load(tmp_path / "a.wav", sounds.RATE), clip)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getnframes(), file.getframerate(), file.getnchannels()) == (len(clip), sounds.RATE, 1)


def test_while_it_is_written_it_can_be_read_up_to_the_last_second(tmp_path: Path) -> None:
    writer = WavWriter(tmp_path / "a.wav", sounds.RATE)
    for number in range(35):
        writer.write(np.full(sounds.RATE // 10, 0.25, np.float32))
        seconds = (number + 1) / 10
        assert seconds - 1 < soundfile.info(tmp_path / "a.wav").frames / sounds.RATE <= seconds
    writer.close()
    assert soundfile.info(tmp_path / "a.wav").frames == 3.5 * sounds.RATE


def test_beyond_the_largest_size_it_becomes_rf64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wav, "LARGEST", 20_000)
    writer = WavWriter(tmp_path / "a.wav", sounds.RATE)
    ramp = np.arange(-16_000, 16_000, dtype=np.float32) / 32_768
    for part in np.array_split(ramp, 20):
        writer.write(part)
    writer.close()
    content = (tmp_path / "a.wav").read_bytes()
    assert content[:4] == b"RF64"
    assert struct.unpack("<Q", content[20:28]) == (len(content) - 8,)
    assert soundfile.info(tmp_path / "a.wav").format == "RF64"
    np.testing.assert_array_equal(soundfile.read(io.BytesIO(content), dtype="float32")[0], ramp)
    np.testing.assert_array_equal(audio.load(tmp_path / "a.wav", sounds.RATE), ramp)
