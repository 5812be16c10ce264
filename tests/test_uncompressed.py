"""Where sound ends, whatever its header says; scale and channels; and a high-pass that streams."""

import io
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from cases import case
from sayso.errors import AudioError
from sayso.sound import audio
from sayso.sound.high_pass import HighPass, high_passed_clip

RATE = sounds.RATE
CLIP = sounds.clip("no")


def encoded(form: str = "WAV", subtype: str = "PCM_16", samples: np.ndarray = CLIP, rate: int = RATE) -> bytes:
    content = io.BytesIO()
    soundfile.write(content, samples, rate, format=form, subtype=subtype)
    return content.getvalue()


def sized(content: bytes, data: int, riff: int | None = None) -> bytes:
    """Return a WAV file with another length of its data, and of itself."""
    at = content.index(b"data") + 4
    changed = content[:at] + struct.pack("<I", data) + content[at + 4 :]
    return changed if riff is None else changed[:4] + struct.pack("<I", riff) + changed[8:]


def test_sounds_that_are_joined_are_read_one_after_the_other(tmp_path: Path) -> None:
    for form, subtype in (
        ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"), ("FLAC", "PCM_16"), ("WAV", "PCM_16"),
        ("WAV", "IMA_ADPCM"), ("AIFF", "PCM_24"), ("AU", "ULAW"), ("CAF", "PCM_16"), ("RF64", "FLOAT"),
    ):  # fmt: skip
        with case(form, subtype):
            one, other = encoded(form, subtype), encoded(form, subtype, CLIP[::-1])
            parts = [audio.load(part, RATE) for part in (one, other, one)]
            np.testing.assert_array_equal(audio.load(one + other + one, RATE), np.concatenate(parts))
            (tmp_path / "joined").write_bytes(one + other)
            assert audio.info(tmp_path / "joined").seconds == pytest.approx(sum(map(len, parts[:2])) / RATE)


def test_a_joined_sound_of_another_rate_is_an_error_that_names_the_bytes() -> None:
    for form in ("WAV", "FLAC"):
        with case(form), pytest.raises(AudioError, match=r"another sound after the first .*\d+ bytes.*split it there"):
            audio.load(encoded(form) + encoded(form, rate=8_000), RATE)


def test_a_length_that_counts_the_header_is_no_error() -> None:
    content = encoded()
    size = len(content)
    for excess in (1, 8, 36, 44):
        with case(excess):
            np.testing.assert_array_equal(
                audio.load(sized(content, size - 44 + excess, size - 8 + excess), RATE), audio.load(content, RATE)
            )
    with case("the length of the whole file is right"):
        assert len(audio.load(sized(content, size + 5_000, riff=size - 8), RATE)) == len(CLIP)
    for missing in (2, 100, 5_000):
        with (
            case("missing", missing),
            pytest.raises(AudioError, match=f"declares {size - 44} bytes, not {size - 44 - missing}"),
        ):
            audio.load(content[:-missing], RATE)


def test_what_is_there_before_a_sound_breaks_off_is_read() -> None:
    read = []
    with pytest.raises(AudioError, match="truncated"):
        read.extend(iter(audio.read_chunks(encoded()[:-10_000], RATE, 0.1)))
    assert 0 <= len(CLIP) - 5_000 - sum(map(len, read)) < 0.1 * RATE


def test_mp3_within_wav_and_chunks_behind_the_sound_are_no_error(tmp_path: Path) -> None:
    content = encoded()
    cover = b"id3 " + struct.pack("<I", 301) + bytes(302)
    unknown = b"xyz " + struct.pack("<I", 10) + b"0123456789"
    for name, tail in (("cover", cover), ("unknown", unknown), ("both", unknown + cover), ("tag", b"TAG" + bytes(125))):
        with case(name):
            np.testing.assert_array_equal(audio.load(content + tail, RATE), audio.load(content, RATE))
    if form := content.index(b"data"):
        with case("empty, with a chunk behind"), pytest.raises(AudioError, match="holds no samples"):
            audio.load(content[:form] + b"data\0\0\0\0" + unknown, RATE)


def test_a_file_that_grew_or_is_beyond_four_gigabytes_is_read_on(tmp_path: Path) -> None:
    content = encoded()
    with case("grew"):
        assert len(audio.load(sized(content, 1_000), RATE)) == len(CLIP)
    # 4 GiB and the clip, at 768 kHz in 64 channels so that it is soon read; its header declares the clip alone.
    path, size = tmp_path / "large.wav", 2**32 + 128 * 6_000
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 64, 768_000, 768_000 * 128, 128, 16)
    with path.open("wb") as file:
        file.write(b"RIFF" + struct.pack("<I", 36 + size % 2**32) + b"WAVE" + form)
        file.write(b"data" + struct.pack("<I", size % 2**32))
        file.seek(44 + size - 2)
        file.write(b"\x01\x00")
    with path.open("rb") as file, case("beyond 4 GiB"):
        chunks = audio.read_chunks(file, 768_000, 0.5)
        next(chunks)
        # Behind the declared length it goes on.
        assert sum(len(next(chunks)) for _ in range(20)) > 100 * 6_000
        chunks.close()


@pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux tells it")
def test_a_file_that_declares_no_length_is_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "killed.wav"
    with path.open("wb") as file:
        file.write(sized(encoded(), 0)[:44])
        file.truncate(300_000_000)
    script = (
        "import re, sys; from pathlib import Path; from sayso.sound import audio\n"
        "print(sum(map(len, audio.read_chunks(sys.argv[1], 16_000, 60.0))))\n"
        # Unlike what getrusage returns, this starts anew with the program.
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
    )
    run = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
    samples, peak = map(int, run.stdout.split())
    assert samples == (300_000_000 - 44) // 2
    assert peak < 200_000


def test_channels_that_cancel_are_not_averaged() -> None:
    hiss = sounds.hiss(len(CLIP), np.random.default_rng(0), 1e-3)
    for name, channels, expected in (
        ("inverted", [CLIP, -CLIP], CLIP),
        ("inverted and fainter", [CLIP, -0.7 * CLIP], CLIP),
        ("inverted, with an offset", [CLIP + 0.1, 0.1 - 0.9 * CLIP], CLIP + 0.1),
        ("inverted, with a third", [CLIP, -0.9 * CLIP, 0 * CLIP], CLIP),
        ("the same", [CLIP, CLIP], CLIP),
        ("one silent", [CLIP, 0 * CLIP], CLIP / 2),
        ("one of eight", [CLIP, *[hiss] * 7], (CLIP + 7 * hiss) / 8),
    ):
        stereo = np.stack(channels, axis=1)
        for chunk in (0.013, 0.1, 2.0):
            with case(name, chunk):
                content = encoded("WAV", "FLOAT", stereo)
                read = np.concatenate(list(audio.read_chunks(content, RATE, chunk)))
                np.testing.assert_allclose(read, expected, atol=1e-6)
        with case(name, "array"):
            np.testing.assert_allclose(audio.from_array(stereo, RATE, RATE), expected, atol=1e-6)
    with case("from a later second on"):
        quiet = np.stack(
            [np.concatenate([sounds.hiss(3 * RATE, np.random.default_rng(n), 1e-4), (-1) ** n * CLIP]) for n in (0, 1)]
        )
        for chunk in (0.03, 1.0, 2.0):
            read = np.concatenate(list(audio.read_chunks(encoded("WAV", "FLOAT", quiet.T), RATE, chunk)))
            np.testing.assert_allclose(np.abs(read[-len(CLIP) :]), np.abs(CLIP), atol=5e-3)


def test_a_channel_can_be_chosen() -> None:
    content = encoded(samples=np.stack([0 * CLIP, CLIP, -CLIP], axis=1))
    np.testing.assert_allclose(audio.load(content, RATE, channel=2), CLIP, atol=1e-4)
    with pytest.raises(AudioError, match="has 3 channels, and no channel 4"):
        audio.load(content, RATE, channel=4)


def test_integers_that_were_left_in_floats_or_in_wider_integers_have_the_scale_of_their_values() -> None:
    whole = np.rint(CLIP * 32_767)
    for name, content in (
        ("whole numbers", encoded("WAV", "FLOAT", whole.astype(np.float32))),
        ("not whole", encoded("AU", "DOUBLE", whole * 0.9 + 0.3)),
        ("in 32 bits", encoded("WAV", "PCM_32", whole.astype(np.int32))),
        ("in 32 bits, through libsndfile", encoded("W64", "FLOAT", whole.astype(np.float32))),
        ("after silence", encoded("WAV", "FLOAT", np.concatenate([np.zeros(3 * RATE), whole]).astype(np.float32))),
    ):
        for chunk in (0.1, 2.0):
            with case(name, chunk):
                read = np.concatenate(list(audio.read_chunks(content, RATE, chunk)))[-len(CLIP) :]
                np.testing.assert_allclose(read, CLIP, atol=0.05)
                assert np.corrcoef(read, CLIP)[0, 1] > 0.999
    damaged = np.concatenate([CLIP, CLIP])
    damaged[-5] = 5_000
    with case("a single huge value is damage"), pytest.raises(AudioError, match="absurdly large"):
        audio.load(encoded("WAV", "FLOAT", damaged), RATE)


def test_a_high_pass_removes_offset_and_hum_and_does_not_depend_on_the_chunks() -> None:
    times = np.arange(4 * RATE) / RATE
    voice = (0.1 * np.sin(2 * np.pi * 500 * times)).astype(np.float32)
    for name, disturbance in (("offset", 0.2 + 0 * times), ("hum", 0.1 * np.sin(2 * np.pi * 10 * times))):
        with case(name):
            disturbed = (voice + disturbance).astype(np.float32)
            whole = high_passed_clip(disturbed, 60.0, RATE)
            np.testing.assert_allclose(whole[RATE:], high_passed_clip(voice, 60.0, RATE)[RATE:], atol=0.004)
            for size in (1, 37, 1_600, RATE):
                parts = [disturbed[start : start + size] for start in range(0, 3_200, size)]
                stream = HighPass(60.0, RATE)
                joined = np.concatenate([stream.push(part) for part in parts])
                np.testing.assert_array_equal(joined[:3_200], whole[:3_200])
    assert high_passed_clip(voice, 0.0, RATE) is voice


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_that_nobody_writes_to_is_refused_where_files_are_expected(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    for read in (audio.load, audio.read_chunks):
        with case(read.__name__), pytest.raises(AudioError, match="a pipe or a device, not a regular file"):
            list(read(tmp_path / "a.wav", RATE, only_files=True))
