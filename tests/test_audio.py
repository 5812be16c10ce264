"""Reading sound: every format and fault that users meet, and chunks that equal the whole."""

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

from cases import case
from sayso.errors import AudioError
from sayso.sound import audio, libsndfile

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


def test_every_wav_encoding_can_be_read() -> None:
    for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"):
        with case(subtype):
            samples = audio.load(encoded(tone(RATE), subtype=subtype), RATE)
            assert samples.dtype == np.float32
            assert samples.shape == (8_000,)
            np.testing.assert_allclose(samples, tone(RATE), atol=0.03)


def test_every_rate_gives_the_same_tone() -> None:
    for rate in (8_000, 11_025, 22_050, 32_000, 44_100, 48_000, 96_000):
        with case(rate):
            samples = audio.load(encoded(tone(rate), rate, subtype="FLOAT"), RATE)
            assert abs(len(samples) - 8_000) <= 1
            # Without the ends, where the resampler's filter reaches beyond the sound.
            np.testing.assert_allclose(samples[500:7_500], tone(RATE)[500:7_500], atol=2e-3)


def test_channels_are_averaged() -> None:
    for channels in range(1, 9):
        with case(channels):
            weights = np.arange(1, channels + 1) / 8
            samples = audio.load(encoded(np.outer(tone(RATE), weights), subtype="FLOAT"), RATE)
            np.testing.assert_allclose(samples, tone(RATE) * weights.mean(), atol=1e-6)


FORMATS = {
    ".wav": ("WAV", "PCM_16"),
    ".wave": ("WAVEX", "PCM_16"),
    ".w64": ("W64", "PCM_16"),
    ".rf64": ("RF64", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".oga": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".aiff": ("AIFF", "PCM_16"),
    ".aif": ("AIFF", "PCM_16"),
    ".aifc": ("AIFF", "ULAW"),
    ".au": ("AU", "PCM_16"),
    ".caf": ("CAF", "PCM_16"),
}


def test_every_format_that_is_promised_can_be_read(tmp_path: Path) -> None:
    assert set(FORMATS) <= libsndfile.SUFFIXES
    for suffix, (form, subtype) in FORMATS.items():
        with case(suffix):
            path = tmp_path / f"sound{suffix}"
            soundfile.write(path, tone(RATE), RATE, format=form, subtype=subtype)
            samples = audio.load(path, RATE)
            assert len(samples) == 8_000
            assert np.corrcoef(samples, tone(RATE))[0, 1] > 0.99
            assert audio.info(path) == (0.5, RATE)


@settings(max_examples=40)
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


def test_a_stream_of_undeclared_length_is_read_to_its_end() -> None:
    for declared in (0, 0x7FFF_FFFF, 0x7FFF_F000, 0x7FFF_FFDB, 0x8000_0000, 0xFFFF_FFDB, 0xFFFF_FFFF):
        with case(hex(declared)):
            content = wav(declared)
            assert len(audio.load(content, RATE)) == 8_000
            assert audio.info(content).seconds == 0.5


def test_a_flac_stream_of_undeclared_length_is_read_to_its_end() -> None:
    content = bytearray(encoded(tone(RATE, 2.5), format="FLAC"))
    content[21] &= 0xF0  # the 36 bits of STREAMINFO that hold the number of samples
    content[22:26] = bytes(4)
    assert len(audio.load(bytes(content), RATE)) == 40_000
    assert audio.info(bytes(content)).seconds == 2.5


def test_an_mp3_of_variable_rate_without_a_length_is_no_error() -> None:
    quiet_then_noisy = np.concatenate([np.zeros(80_000), np.random.default_rng(0).uniform(-0.5, 0.5, 80_000)])
    buffer = io.BytesIO()
    soundfile.write(buffer, quiet_then_noisy, RATE, format="MP3", bitrate_mode="VARIABLE", compression_level=0.0)
    content = buffer.getvalue()
    headless = content[content.index(content[:2], 4) :]  # the first frame holds the length
    assert audio.info(headless).seconds == pytest.approx(10, abs=0.2)
    assert len(audio.load(headless, RATE)) == pytest.approx(160_000, abs=3_000)


def test_a_sound_that_declares_too_little_is_read_to_its_end() -> None:
    assert len(audio.load(wav(declared=4_000), RATE)) == 8_000


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    plain = [(form, "PCM_16") for form in ("WAV", "RF64", "W64", "AIFF", "AU", "FLAC", "CAF")]
    for form, subtype in (*plain, ("WAV", "IMA_ADPCM"), ("WAVEX", "PCM_24")):
        with case(form, subtype):
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


def test_an_absurd_length_allocates_no_memory() -> None:
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


def test_a_missing_file_a_folder_and_an_empty_file_are_refused(tmp_path: Path) -> None:
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


def test_a_file_without_samples_is_refused() -> None:
    for samples in (0, 1):  # one sample at 48 kHz is none at 16 kHz
        with case(samples):
            content = encoded(np.zeros(samples), 48_000)
            with pytest.raises(AudioError, match="holds no samples"):
                audio.load(content, RATE)
            with pytest.raises(AudioError, match="holds no samples"):
                list(audio.read_chunks(content, RATE))


def test_a_file_that_is_not_sound_is_refused_in_one_line(tmp_path: Path) -> None:
    for content in (b"R", b"hello\n" * 500, bytes(5_000), np.random.default_rng(0).bytes(5_000)):
        for name in ("noise.wav", "noise.raw", "noise.mp3"):
            with case(name, content[:8]):
                (tmp_path / name).write_bytes(content)
                with pytest.raises(AudioError, match=rf"{name} is not a sound file") as caught:
                    audio.load(tmp_path / name, RATE)
                assert "\n" not in str(caught.value)


def test_samples_that_are_not_sound_are_refused() -> None:
    for value in (np.nan, np.inf, -np.inf, 1e30):
        with case(value):
            samples = tone(RATE, 2).astype(np.float64)
            samples[20_000] = value
            with pytest.raises(AudioError, match="NaN, infinite"):
                audio.load(encoded(samples, subtype="DOUBLE"), RATE)
            with pytest.raises(AudioError, match="NaN, infinite"):
                audio.from_array(samples, RATE, RATE)


@pytest.mark.filterwarnings("error")
def test_samples_that_are_not_sound_cause_no_warnings_on_the_way(tmp_path: Path) -> None:
    signalling = struct.pack("<I", 0x7FA00000)
    for value in (signalling, struct.pack("<f", np.nan), struct.pack("<f", np.inf), struct.pack("<f", 3e38)):
        for channels in (1, 2):
            samples = np.zeros((4_000, channels), np.float32)
            soundfile.write(tmp_path / "odd.wav", samples, RATE, "FLOAT")
            content = bytearray((tmp_path / "odd.wav").read_bytes())
            content[-800:-796] = value
            content[-404:-400] = struct.pack("<f", -np.inf)
            (tmp_path / "odd.wav").write_bytes(content)
            with case(value, channels), pytest.raises(AudioError, match="NaN, infinite"):
                audio.load(tmp_path / "odd.wav", RATE)


def test_absurd_rates_are_refused() -> None:
    for rate in (1, 999, 768_001, 2_000_000):
        with case(rate):
            with pytest.raises(AudioError, match=f"rate of {rate} Hz; expected 1000 to 768000"):
                audio.load(encoded(tone(RATE), rate), RATE)
            with pytest.raises(AudioError, match="rate of"):
                audio.from_array(tone(RATE), rate, RATE)


def test_absurd_channel_counts_are_refused() -> None:
    with pytest.raises(AudioError, match="65 channels"):
        audio.load(encoded(np.zeros((10, 65))), RATE)
    with pytest.raises(AudioError, match=r"16000 channels.*\(n, channels\)"):
        audio.from_array(np.zeros((2, 16_000)), RATE, RATE)


def test_arrays_of_every_type_are_taken() -> None:
    for dtype in ("int16", ">i2", "int32", "float16", "float32", "float64"):
        with case(dtype):
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


def test_arrays_that_are_not_sound_are_refused() -> None:
    for samples, message in (
        ([], "no samples"),
        (np.zeros((0, 2)), "no samples"),
        (np.zeros((5, 0)), "no samples"),
        (0.5, "0 dimensions"),
        (np.zeros((2, 2, 2)), "3 dimensions"),
        (np.full(9, 2**40), "integers up to 1099511627776; expected 32 bits"),
        (np.zeros(9, bool), "bool"),
        (np.zeros(9, complex), "complex128"),
        (np.array(["a"]), "values"),
        ([[1.0], [1.0, 2.0]], "do not form a regular array"),
    ):
        with case(samples), pytest.raises(AudioError, match=message):
            audio.from_array(samples, RATE, RATE)


def test_a_rate_of_nan_is_refused() -> None:
    with pytest.raises(AudioError, match="rate of nan"):
        audio.from_array(tone(RATE), float("nan"), RATE)


def test_a_header_that_points_to_before_the_beginning_prints_nothing(tmp_path: Path) -> None:
    content = io.BytesIO()
    soundfile.write(content, np.zeros(900), 16_000, format="AIFF", subtype="PCM_16")
    (tmp_path / "damaged.aiff").write_bytes(content.getvalue()[:36] + b"\xff" * 4 + content.getvalue()[40:])
    # In a separate process: libsndfile's binding prints what it cannot raise.
    script = (
        "import sys; from pathlib import Path; from sayso.sound import audio; path = Path(sys.argv[1])\n"
        "for source in (path, path.read_bytes(), path.open('rb')):\n"
        "    try: audio.load(source, 16_000)\n"
        "    except audio.AudioError as error: print('refused')\n"
    )
    run = subprocess.run([sys.executable, "-c", script, tmp_path / "damaged.aiff"], capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("refused\n" * 3, "")
