"""Reading sound: every format and fault a user may bring, chunks equal to the whole, and the rule that fits a clip."""

import io
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from sayso.errors import AudioError
from sayso.sound import audio, libsndfile
from sayso.sound.speech import fit_window

RATE = 16_000


def tone(rate: int, seconds: float = 0.5, frequency: float = 440.0, amplitude: float = 0.5) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def encoded(samples: np.ndarray, rate: int = RATE, **form: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, **{"format": "WAV", **form})
    return buffer.getvalue()


def wav(declared: int, samples: int = 8_000, riff: int | None = None) -> bytes:
    """Return a 16-bit WAV file whose data chunk declares any number of bytes."""
    data = (20_000 * tone(RATE, samples / RATE)).astype("<i2").tobytes()
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    size = min(36 + declared, 0xFFFF_FFFF) if riff is None else riff
    return b"RIFF" + struct.pack("<I", size) + b"WAVE" + form + b"data" + struct.pack("<I", declared) + data


class Pipe(io.BytesIO):
    """A file that can only be read onwards, like standard input."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation("seek")


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"])
def test_every_wav_encoding(subtype: str) -> None:
    samples = audio.load(encoded(tone(RATE), subtype=subtype), RATE)
    assert samples.dtype == np.float32
    assert samples.shape == (8_000,)
    np.testing.assert_allclose(samples, tone(RATE), atol=0.03)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 32_000, 44_100, 48_000, 96_000])
def test_every_rate_gives_the_same_tone(rate: int) -> None:
    samples = audio.load(encoded(tone(rate), rate, subtype="FLOAT"), RATE)
    assert abs(len(samples) - 8_000) <= 1
    # Off the ends, where the resampler's filter reaches beyond the sound.
    np.testing.assert_allclose(samples[500:7_500], tone(RATE)[500:7_500], atol=2e-3)


@pytest.mark.parametrize("channels", range(1, 9))
def test_channels_are_averaged(channels: int) -> None:
    weights = np.arange(1, channels + 1) / 8
    samples = audio.load(encoded(np.outer(tone(RATE), weights), subtype="FLOAT"), RATE)
    np.testing.assert_allclose(samples, tone(RATE) * weights.mean(), atol=1e-6)


@pytest.mark.parametrize(
    ("suffix", "form", "subtype"),
    [
        (".wav", "WAV", "PCM_16"),
        (".wave", "WAVEX", "PCM_16"),
        (".w64", "W64", "PCM_16"),
        (".rf64", "RF64", "PCM_16"),
        (".flac", "FLAC", "PCM_16"),
        (".ogg", "OGG", "VORBIS"),
        (".oga", "OGG", "VORBIS"),
        (".opus", "OGG", "OPUS"),
        (".mp3", "MP3", "MPEG_LAYER_III"),
        (".aiff", "AIFF", "PCM_16"),
        (".aif", "AIFF", "PCM_16"),
        (".aifc", "AIFF", "ULAW"),
        (".au", "AU", "PCM_16"),
        (".caf", "CAF", "PCM_16"),
    ],
)
def test_every_suffix_that_is_promised_can_be_read(tmp_path: Path, suffix: str, form: str, subtype: str) -> None:
    path = tmp_path / f"sound{suffix}"
    soundfile.write(path, tone(RATE), RATE, format=form, subtype=subtype)
    samples = audio.load(path, RATE)
    assert len(samples) == 8_000
    assert np.corrcoef(samples, tone(RATE))[0, 1] > 0.99
    assert audio.duration(path) == 0.5


def test_all_promised_suffixes_are_tested() -> None:
    cases = test_every_suffix_that_is_promised_can_be_read.pytestmark[0].args[1]
    assert {case[0] for case in cases} == libsndfile.SUFFIXES


def test_path_text_bytes_and_file_are_alike(tmp_path: Path) -> None:
    content = encoded(tone(44_100), 44_100)
    path = tmp_path / "Klänge mit Leerzeichen.WAV"
    path.write_bytes(content)
    wanted = audio.load(path, RATE)
    np.testing.assert_array_equal(audio.load(str(path), RATE), wanted)
    np.testing.assert_array_equal(audio.load(content, RATE), wanted)
    np.testing.assert_array_equal(audio.load(Pipe(content), RATE), wanted)
    with path.open("rb") as file:
        file.read(10)
        np.testing.assert_array_equal(audio.load(file, RATE), wanted)
        assert not file.closed


@settings(max_examples=40, deadline=None)
@given(
    rate=st.sampled_from([8_000, 11_025, 16_000, 44_100, 48_000]),
    count=st.integers(100, 60_000),
    chunk=st.floats(0.003, 2.0),
    channels=st.integers(1, 3),
)
def test_chunks_joined_equal_the_whole(rate: int, count: int, chunk: float, channels: int) -> None:
    noise = np.random.default_rng(count).uniform(-0.5, 0.5, (count, channels))
    content = encoded(noise, rate, subtype="FLOAT")
    chunks = list(audio.read_chunks(content, RATE, chunk))
    assert all(len(part) > 0 and part.dtype == np.float32 for part in chunks)
    np.testing.assert_allclose(np.concatenate(chunks), audio.load(content, RATE), atol=1e-6)
    np.testing.assert_allclose(audio.from_array(noise, rate, RATE), audio.load(content, RATE), atol=1e-6)


def test_a_long_file_needs_little_memory(tmp_path: Path) -> None:
    tracemalloc = pytest.importorskip("tracemalloc")
    path = tmp_path / "long.flac"
    with soundfile.SoundFile(path, "w", 48_000, 2) as file:
        for _ in range(120):
            file.write(np.zeros((48_000, 2)))
    tracemalloc.start()
    total = sum(len(chunk) for chunk in audio.read_chunks(path, RATE))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == 120 * RATE
    assert peak < 5e6  # the whole would be 46 MB


def test_closing_the_chunks_early_closes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(encoded(tone(RATE, 3)))
    with path.open("rb") as file:
        chunks = audio.read_chunks(file, RATE)
        assert len(next(chunks)) == RATE
        chunks.close()
        assert not file.closed


@pytest.mark.parametrize("declared", [0, 0x7FFF_FFFF, 0x7FFF_F000, 0x7FFF_FFDB, 0x8000_0000, 0xFFFF_FFDB, 0xFFFF_FFFF])
def test_a_stream_of_undeclared_length_is_read_whole(declared: int) -> None:
    content = wav(declared)
    assert len(audio.load(content, RATE)) == 8_000
    assert audio.duration(content) == 0.5


def test_a_flac_stream_of_undeclared_length_is_read_whole() -> None:
    content = bytearray(encoded(tone(RATE, 2.5), format="FLAC"))
    content[21] &= 0xF0  # the 36 bits of STREAMINFO that hold the number of samples
    content[22:26] = bytes(4)
    assert len(audio.load(bytes(content), RATE)) == 40_000
    assert audio.duration(bytes(content)) == 2.5


def test_an_mp3_of_variable_rate_without_a_length_is_no_error() -> None:
    quiet_then_noisy = np.concatenate([np.zeros(80_000), np.random.default_rng(0).uniform(-0.5, 0.5, 80_000)])
    buffer = io.BytesIO()
    soundfile.write(buffer, quiet_then_noisy, RATE, format="MP3", bitrate_mode="VARIABLE", compression_level=0.0)
    content = buffer.getvalue()
    headless = content[content.index(content[:2], 4) :]  # the first frame holds the length
    assert audio.duration(headless) == pytest.approx(10, abs=0.2)
    assert len(audio.load(headless, RATE)) == pytest.approx(160_000, abs=3_000)


def test_a_sound_that_declares_too_little_is_no_error() -> None:
    assert len(audio.load(wav(declared=4_000), RATE)) == 2_000


@pytest.mark.parametrize(
    ("form", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "IMA_ADPCM"),
        ("WAVEX", "PCM_24"),
        ("RF64", "PCM_16"),
        ("W64", "PCM_16"),
        ("AIFF", "PCM_16"),
        ("AU", "PCM_16"),
        ("FLAC", "PCM_16"),
        ("CAF", "PCM_16"),
    ],
)
def test_a_truncated_file_is_refused(tmp_path: Path, form: str, subtype: str) -> None:
    content = encoded(np.random.default_rng(0).uniform(-0.5, 0.5, 40_000), format=form, subtype=subtype)
    path = tmp_path / "cut.wav"
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(AudioError, match=r"cut\.wav.*(truncated|damaged)"):
        audio.load(path, RATE)
    with pytest.raises(AudioError, match=r"cut\.wav.*(truncated|damaged)"):
        list(audio.read_chunks(path, RATE))


def test_one_missing_sample_is_noticed() -> None:
    with pytest.raises(AudioError, match="declares 16002 bytes, not 16000"):
        audio.load(wav(declared=16_002), RATE)


def test_an_absurd_length_claims_no_memory() -> None:
    tracemalloc = pytest.importorskip("tracemalloc")
    tracemalloc.start()
    with pytest.raises(AudioError, match="truncated"):
        audio.load(wav(declared=0x7000_0000), RATE)
    flac = bytearray(encoded(tone(RATE), format="FLAC"))
    flac[22:26] = b"\xff" * 4
    with pytest.raises(AudioError, match="truncated"):
        audio.load(bytes(flac), RATE)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6


def test_missing_folder_and_empty_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"cannot read .*missing\.wav: No such file"):
        audio.load(tmp_path / "missing.wav", RATE)
    with pytest.raises(AudioError, match="cannot read"):
        audio.load(tmp_path, RATE)
    with pytest.raises(AudioError, match="cannot read"):
        audio.load("zero\0.wav", RATE)
    empty = tmp_path / "empty.wav"
    empty.touch()
    with pytest.raises(AudioError, match=r"empty\.wav is empty \(0 bytes\)"):
        audio.load(empty, RATE)
    with pytest.raises(AudioError, match="empty"):
        audio.load(b"", RATE)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.wav"
    path.write_bytes(encoded(tone(RATE)))
    path.chmod(0)
    with pytest.raises(AudioError, match=r"cannot read .*secret\.wav: Permission denied"):
        audio.load(path, RATE)


def test_a_closed_or_text_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(encoded(tone(RATE)))
    with path.open("rb") as file:
        pass
    with pytest.raises(AudioError, match="closed"):
        audio.load(file, RATE)
    with path.open(encoding="latin-1") as text, pytest.raises(AudioError, match='mode "rb"'):
        audio.load(text, RATE)


@pytest.mark.parametrize("samples", [0, 1])
def test_a_file_without_samples_is_refused(samples: int) -> None:
    content = encoded(np.zeros(samples), 48_000)  # one sample at 48 kHz is none at 16 kHz
    with pytest.raises(AudioError, match="holds no samples"):
        audio.load(content, RATE)
    with pytest.raises(AudioError, match="holds no samples"):
        list(audio.read_chunks(content, RATE))


@pytest.mark.parametrize("content", [b"R", b"hello\n" * 500, bytes(5_000), np.random.default_rng(0).bytes(5_000)])
@pytest.mark.parametrize("name", ["noise.wav", "noise.raw", "noise.mp3"])
def test_what_is_no_sound_is_refused(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AudioError, match=rf"{name} is no sound file") as caught:
        audio.load(path, RATE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_samples_that_are_no_sound_are_refused(value: float) -> None:
    samples = tone(RATE, 2).astype(np.float64)
    samples[20_000] = value
    with pytest.raises(AudioError, match="NaN, infinite"):
        audio.load(encoded(samples, subtype="DOUBLE"), RATE)
    with pytest.raises(AudioError, match="NaN, infinite"):
        audio.from_array(samples, RATE, RATE)


@pytest.mark.parametrize("rate", [1, 999, 768_001, 2_000_000])
def test_absurd_rates_are_refused(rate: int) -> None:
    with pytest.raises(AudioError, match=f"rate of {rate} Hz; expected 1000 to 768000"):
        audio.load(encoded(tone(RATE), rate), RATE)
    with pytest.raises(AudioError, match="rate of"):
        audio.from_array(tone(RATE), rate, RATE)


def test_absurd_channel_counts_are_refused() -> None:
    with pytest.raises(AudioError, match="65 channels"):
        audio.load(encoded(np.zeros((10, 65))), RATE)
    with pytest.raises(AudioError, match=r"16000 channels.*\(n, channels\)"):
        audio.from_array(np.zeros((2, 16_000)), RATE, RATE)


@pytest.mark.parametrize("dtype", ["int16", ">i2", "int32", "float16", "float32", "float64"])
def test_arrays_of_every_type(dtype: str) -> None:
    scale = 2.0 ** (8 * np.dtype(dtype).itemsize - 1) if np.dtype(dtype).kind == "i" else 1.0
    stereo = np.stack([tone(RATE), np.zeros(8_000)], axis=1)
    samples = audio.from_array((stereo * scale).astype(dtype), RATE, RATE)
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples, tone(RATE) / 2, atol=2e-4)


def test_an_array_is_neither_changed_nor_shared() -> None:
    given_samples = tone(RATE)
    given_samples.flags.writeable = False
    strided = np.repeat(given_samples, 2)[::2]
    for samples in (given_samples, strided):
        taken = audio.from_array(samples, RATE, RATE)
        assert not np.shares_memory(taken, samples)
        assert len(audio.from_array(samples, 8_000, RATE)) == 16_000


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([], "no samples"),
        (np.zeros((0, 2)), "no samples"),
        (np.zeros((5, 0)), "no samples"),
        (0.5, "0 dimensions"),
        (np.zeros((2, 2, 2)), "3 dimensions"),
        (np.zeros(9, np.uint8), "uint8"),
        (np.zeros(9, np.int64), "int64"),
        (np.zeros(9, complex), "complex128"),
        (np.array(["a"]), "values"),
        ([[1.0], [1.0, 2.0]], "no regular array"),
    ],
)
def test_arrays_that_are_no_sound_are_refused(samples: object, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        audio.from_array(samples, RATE, RATE)


def test_a_rate_that_is_no_number_is_refused() -> None:
    with pytest.raises(AudioError, match="rate of nan"):
        audio.from_array(tone(RATE), float("nan"), RATE)


@given(count=st.integers(1, 300), length=st.integers(1, 300), seed=st.integers(0, 9))
def test_fit_cuts_or_pads_to_the_length(count: int, length: int, seed: int) -> None:
    samples = np.random.default_rng(seed).uniform(-1, 1, count).astype(np.float32)
    window, start = fit_window(samples, length)
    assert window.shape == (length,)
    assert window.dtype == np.float32
    surrounded = np.pad(samples, length)
    np.testing.assert_array_equal(window, surrounded[length + start : 2 * length + start])
    if count <= length / 2:
        assert abs((length - count) + 2 * start) <= 1  # in the middle, give or take the odd sample


@settings(deadline=None)
@given(
    position=st.integers(0, 24_000),
    length=st.integers(800, 8_000),
    offset=st.floats(-0.5, 0.5),
    noise=st.floats(0, 0.001),
)
def test_fit_puts_a_word_in_the_middle(position: int, length: int, offset: float, noise: float) -> None:
    samples = np.random.default_rng(position).normal(offset, noise, 32_000)
    samples[position : position + length] += tone(RATE, length / RATE)
    _, start = fit_window(samples.astype(np.float32), RATE)
    wanted = np.clip(position + length / 2 - RATE / 2, -RATE / 4, 32_000 - 3 * RATE / 4)  # a quarter beyond either end
    assert abs(start - wanted) <= 0.02 * length + 1


def test_fit_is_not_misled_by_rumble() -> None:
    samples = np.zeros(48_000, np.float32)
    samples[:16_000] = 0.5 * np.sin(2 * np.pi * 20 * np.arange(16_000) / RATE)
    samples[30_000:34_000] = tone(RATE, 0.25, amplitude=0.1)
    assert fit_window(samples, RATE)[1] == pytest.approx(24_000, abs=200)


def test_fit_chooses_the_louder_of_two_words_and_centres_it() -> None:
    samples = np.zeros(80_000, np.float32)
    samples[8_000:12_000] = tone(RATE, 0.25, amplitude=0.3)
    samples[60_000:64_000] = tone(RATE, 0.25, amplitude=0.4)
    assert fit_window(samples, RATE)[1] == pytest.approx(54_000, abs=40)


def test_fit_centres_one_of_two_equal_words() -> None:
    samples = np.zeros(80_000, np.float32)
    samples[8_000:12_000] = samples[60_000:64_000] = tone(RATE, 0.25)
    start = fit_window(samples, RATE)[1]
    assert min(abs(start - 2_000), abs(start - 54_000)) <= 40


@pytest.mark.parametrize("level", [0.0, 0.25])
def test_fit_takes_the_middle_of_silence(level: float) -> None:
    assert fit_window(np.full(48_000, level, np.float32), RATE)[1] == 16_000


def test_a_header_that_leads_to_before_the_beginning_is_met_in_silence(tmp_path: Path) -> None:
    content = io.BytesIO()
    soundfile.write(content, np.zeros(900), 16_000, format="AIFF", subtype="PCM_16")
    (tmp_path / "damaged.aiff").write_bytes(content.getvalue()[:36] + b"\xff" * 4 + content.getvalue()[40:])
    # In a process of its own: the library that reads sound prints what it cannot raise.
    script = (
        "import sys; from pathlib import Path; from sayso.sound import audio; path = Path(sys.argv[1])\n"
        "for source in (path, path.read_bytes(), path.open('rb')):\n"
        "    try: audio.load(source, 16_000)\n"
        "    except audio.AudioError as error: print('refused')\n"
    )
    run = subprocess.run([sys.executable, "-c", script, tmp_path / "damaged.aiff"], capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("refused\n" * 3, "")
