"""Features equal librosa's, in a batch and in a stream; tables and clips that do not fit are refused."""

import itertools
import subprocess
import sys

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases import case
from sayso.config import FeatureSettings
from sayso.features.filterbank import FeatureTables
from sayso.features.mfcc import FeatureStream, MfccExtractor
from sayso.features.standardizer import Standardizer
from sayso.nn import Spectrum

SETTINGS = {
    "default": FeatureSettings(),
    "textbook": FeatureSettings(window=0.025, hop=0.010, fft_size=400, coefficients=13),
    "padded window": FeatureSettings(window=0.025, hop=0.010, fft_size=512, low_frequency=0, high_frequency=8_000),
    "log-mel": FeatureSettings(mel_bands=64, coefficients=0),
    "8 kHz": FeatureSettings(sample_rate=8_000, fft_size=256, high_frequency=3_800, mel_bands=23, coefficients=20),
    "odd transform": FeatureSettings(window=0.020, hop=0.007, fft_size=321, mel_bands=26, coefficients=13),
    # Enough bands that some filters cover no bin, and that the last group of bands is not full.
    "narrow bands": FeatureSettings(window=0.016, hop=0.010, fft_size=256, mel_bands=101, coefficients=20),
}


def extractor_for(chosen):
    return MfccExtractor(chosen, FeatureTables.from_settings(chosen))


def sound(clips, samples, seed=0):
    """Noise from a whisper to full scale, with a hum and a second half of digital silence in the first clip."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((clips, samples)) * np.logspace(-4, -0.6, clips)[:, None]
    hum = 0.1 * np.sin(np.arange(samples) * 0.05)
    noise[0, samples // 2 :] = 0
    noise[1:] += hum
    return noise.astype(np.float32)


def librosa_features(clips, chosen):
    energies = librosa.feature.melspectrogram(
        y=clips,
        sr=chosen.sample_rate,
        n_fft=chosen.fft_size,
        win_length=chosen.window_samples,
        hop_length=chosen.hop_samples,
        n_mels=chosen.mel_bands,
        fmin=chosen.low_frequency,
        fmax=chosen.high_frequency,
        center=False,
    )
    log_mel = librosa.power_to_db(energies, ref=1.0, amin=chosen.floor, top_db=None)
    if chosen.coefficients:
        return librosa.feature.mfcc(S=log_mel, n_mfcc=chosen.coefficients).swapaxes(-1, -2)
    return log_mel.swapaxes(-1, -2)


@pytest.mark.filterwarnings("ignore:Empty filters")
def test_features_equal_librosas():
    for (what, chosen), seconds in itertools.product(SETTINGS.items(), (1.0, 1.337)):
        with case(what, f"{seconds} s"):
            clips = sound(5, round(seconds * chosen.sample_rate))
            features = extractor_for(chosen)(clips)
            expected = librosa_features(clips, chosen)
            assert features.shape == expected.shape
            assert features.dtype == np.float32
            np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_a_clip_has_the_number_of_frames_and_the_width_of_its_settings():
    for what in ("default", "log-mel"):
        chosen = SETTINGS[what]
        with case(what):
            assert extractor_for(chosen)(sound(2, chosen.clip_samples)).shape == (2, chosen.frames, chosen.width)


def test_without_coefficients_the_log_mel_energies_are_the_features():
    chosen = SETTINGS["log-mel"]
    extractor = extractor_for(chosen)
    log_mel = extractor.log_mel(sound(2, chosen.clip_samples))
    assert extractor.cepstra(log_mel) is log_mel


def test_the_spectrum_layer_inverts_the_cosine_transform():
    settings = FeatureSettings()
    extractor = MfccExtractor(settings, FeatureTables.from_settings(settings))
    log_mel = extractor.log_mel(np.random.default_rng(0).normal(0, 0.1, (2, 16_000)).astype(np.float32))
    weighted = extractor.cepstra(log_mel) * np.arange(1, settings.coefficients + 1, dtype=np.float32)
    # Inside a network time and batch come last.
    spectrum, _ = Spectrum().forward({}, weighted.T, None)
    np.testing.assert_allclose(spectrum[0], log_mel.T, rtol=1e-4, atol=1e-2)


def test_decibels_are_computed_in_place():
    chosen = FeatureSettings(floor=1e-6)
    extractor = extractor_for(chosen)
    clips = sound(3, chosen.clip_samples)
    energies = extractor.energies(clips)
    assert energies.dtype == np.float32
    assert energies.shape == (3, chosen.frames, chosen.mel_bands)
    expected = 10 * np.log10(np.maximum(energies.astype(np.float64), 1e-6))
    decibels = extractor.decibels(energies)
    assert decibels is energies
    np.testing.assert_allclose(decibels, expected, rtol=1e-5)
    np.testing.assert_array_equal(decibels, extractor.log_mel(clips))


def test_energies_times_band_widths_sum_to_the_energy_of_a_frame():
    for what in ("default", "log-mel", "8 kHz"):
        with case(what):
            check_energies(SETTINGS[what])


def check_energies(chosen):
    extractor = extractor_for(chosen)
    samples = np.random.default_rng(0).standard_normal((20, chosen.clip_samples)).astype(np.float32)
    energies = extractor.energies(samples).astype(np.float64) @ extractor.band_widths
    spectra = np.stack([
        np.fft.rfft(samples[:, start : start + chosen.fft_size] * extractor.tables.window)
        for start in range(0, samples.shape[1] - chosen.fft_size + 1, chosen.hop_samples)
    ], axis=1)  # fmt: skip
    power = np.square(np.abs(spectra))
    frequencies = np.fft.rfftfreq(chosen.fft_size, 1 / chosen.sample_rate)
    within = (frequencies >= chosen.low_frequency) & (frequencies <= chosen.high_frequency)
    # Not exactly: the widest filters are at the top, and their outer half has a falling weight.
    ratios = energies / power[..., within].sum(axis=-1)
    assert ratios.mean() == pytest.approx(1, abs=0.1)
    # Wherever in the spectrum the energy is: a tone counts the same in any band, except for the rounding of the peaks.
    tones = np.array([np.sin(2 * np.pi * f * np.arange(chosen.clip_samples) / chosen.sample_rate)
                      for f in np.geomspace(400, 3_000, 40)], np.float32)  # fmt: skip
    energies = (extractor.energies(tones) @ extractor.band_widths).mean(axis=1)
    np.testing.assert_allclose(10 * np.log10(energies / energies.mean()), 0, atol=1.5)


@pytest.mark.filterwarnings("ignore:Empty filters")
def test_the_width_of_a_band_without_bins_is_finite():
    extractor = extractor_for(SETTINGS["narrow bands"])
    assert (extractor.tables.mel.max(axis=1) == 0).any()
    energies = extractor.energies(sound(2, 16_000))
    assert np.isfinite(energies @ extractor.band_widths).all()


def test_digital_silence_is_the_floor():
    chosen = FeatureSettings(coefficients=0, floor=1e-8)
    np.testing.assert_allclose(extractor_for(chosen)(np.zeros((1, 16_000), np.float32)), -80, rtol=1e-6)


def test_features_of_a_clip_do_not_depend_on_its_neighbours_or_on_threads():
    chosen = SETTINGS["textbook"]
    clips = sound(23, chosen.clip_samples)
    extractor = extractor_for(chosen)
    alone = np.concatenate([extractor(clip[None]) for clip in clips])
    for threads in (1, 2, 3):
        with case(threads):
            together = extractor(clips, threads)
            np.testing.assert_array_equal(together, extractor(clips, threads))
            # Not to the last bit: a transform of several frames may be rounded differently from one of a single frame.
            np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6 * np.abs(alone).max())


def test_a_frame_does_not_depend_on_what_comes_later():
    chosen = SETTINGS["default"]
    clips = sound(2, chosen.clip_samples)
    louder = clips.copy()
    louder[:, 8_000:] = 100 * clips[:, ::-1][:, 8_000:]
    extractor = extractor_for(chosen)
    before = 1 + (8_000 - chosen.fft_size) // chosen.hop_samples
    np.testing.assert_array_equal(extractor(clips)[:, :before], extractor(louder)[:, :before])


def test_clips_are_not_modified_and_may_be_views():
    chosen = SETTINGS["textbook"]
    extractor = extractor_for(chosen)
    wide = sound(6, 2 * chosen.clip_samples)
    original = wide.copy()
    view = wide[::2, ::2]
    np.testing.assert_array_equal(extractor(view), extractor(np.ascontiguousarray(view)))
    np.testing.assert_array_equal(wide, original)


def test_an_empty_array_of_clips_gives_an_empty_array_of_features():
    for threads in (1, 2):
        assert extractor_for(FeatureSettings())(np.empty((0, 16_000), np.float32), threads).shape == (0, 49, 40)


def test_unusable_clips_are_refused():
    for clips, message in (
        (np.zeros((1, 16_000)), r"float64 of shape \(1, 16000\); expected float32"),
        (np.zeros(16_000, np.float32), r"expected float32 of shape \(clips, samples\)"),
        (np.zeros((1, 511), np.float32), r"511 samples; expected at least the 512"),
    ):
        with case(message), pytest.raises(ValueError, match=message):
            extractor_for(FeatureSettings())(clips)


def test_tables_of_other_settings_are_refused():
    for changed in ({"mel_bands": 41}, {"fft_size": 1024}, {"coefficients": 39}, {"coefficients": 0}):
        other = FeatureTables.from_settings(FeatureSettings(**changed))
        with case(changed), pytest.raises(ValueError, match="feature table"):
            MfccExtractor(FeatureSettings(), other)


def test_tables_of_another_type_are_refused():
    tables = FeatureTables.from_settings(FeatureSettings())
    with pytest.raises(ValueError, match="window is float64"):
        MfccExtractor(FeatureSettings(), FeatureTables(tables.window.astype(np.float64), tables.mel, tables.cosine))


@settings(max_examples=60)
@given(data=st.data())
def test_a_stream_equals_a_batch_however_it_is_cut(data):
    chosen = SETTINGS[data.draw(st.sampled_from(["default", "textbook", "8 kHz", "log-mel"]))]
    samples = sound(2, data.draw(st.integers(chosen.fft_size, 6_000)), seed=data.draw(st.integers(0, 9)))[1]
    sizes = data.draw(st.lists(st.integers(0, 1_500), max_size=20))
    extractor = extractor_for(chosen)
    stream = FeatureStream(extractor)
    pieces = np.split(samples, np.minimum(np.cumsum(np.array(sizes, int)), len(samples)))
    frames = np.concatenate([stream.push(piece) for piece in pieces])
    expected = extractor(samples[None])[0]
    assert frames.shape == expected.shape
    np.testing.assert_allclose(frames, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_a_stream_takes_single_samples_and_ten_seconds_at_once():
    chosen = SETTINGS["default"]
    extractor = extractor_for(chosen)
    for size in (1, 160_000):
        with case(size):
            samples = sound(2, max(size, 4_000))[1]
            stream = FeatureStream(extractor)
            starts = range(0, len(samples), size)
            frames = np.concatenate([stream.push(samples[start : start + size]) for start in starts])
            expected = extractor(samples[None])[0]
            np.testing.assert_allclose(frames, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_a_stream_returns_each_frame_with_its_last_sample():
    chosen = SETTINGS["default"]
    stream = FeatureStream(extractor_for(chosen))
    samples = sound(2, 16_000)[1]
    assert len(stream.push(samples[: chosen.fft_size - 1])) == 0
    assert len(stream.push(samples[:1])) == 1
    assert len(stream.push(samples[: chosen.hop_samples - 1])) == 0
    assert len(stream.push(samples[:1])) == 1


def test_a_stream_refuses_other_samples():
    stream = FeatureStream(extractor_for(FeatureSettings()))
    with pytest.raises(ValueError, match="int16 of shape"):
        stream.push(np.zeros(100, np.int16))
    with pytest.raises(ValueError, match=r"of shape \(1, 100\); expected float32 of shape \(samples,\)"):
        stream.push(np.zeros((1, 100), np.float32))


def test_standardized_features_have_zero_mean_and_unit_deviation():
    rng = np.random.default_rng(0)
    features = (rng.standard_normal((50, 49, 3)) * [1, 20, 300] + [0, -500, 1e4]).astype(np.float32)
    standardizer = Standardizer.fit(features)
    standardised = standardizer.apply(features)
    assert standardizer.mean.dtype == standardizer.deviation.dtype == standardised.dtype == np.float32
    np.testing.assert_allclose(standardised.mean(axis=(0, 1), dtype=np.float64), 0, atol=1e-4)
    np.testing.assert_allclose(standardised.std(axis=(0, 1), dtype=np.float64), 1, atol=1e-4)


def test_a_feature_that_is_constant_to_rounding_is_only_centred():
    features = np.full((7, 49, 2), -100.3, np.float32)
    features[3:, :, 0] = np.nextafter(np.float32(-100.3), np.float32(0))
    features[3:, :, 1] = 5
    standardizer = Standardizer.fit(features)
    assert standardizer.deviation[0] == 1
    np.testing.assert_allclose(standardizer.apply(features)[..., 0], 0, atol=1e-4)


def test_features_that_cannot_be_fitted_are_refused():
    for shape in ((0, 49, 40), (49, 40)):
        with case(shape), pytest.raises(ValueError, match="at least one frame"):
            Standardizer.fit(np.zeros(shape, np.float32))


def test_extraction_from_stored_tables_does_not_import_librosa(tmp_path):
    tables = FeatureTables.from_settings(FeatureSettings())
    np.savez(tmp_path / "tables.npz", window=tables.window, mel=tables.mel, cosine=tables.cosine)
    program = """
import sys, numpy
from sayso.config import FeatureSettings
from sayso.features.filterbank import FeatureTables
from sayso.features.mfcc import MfccExtractor
assert not any(name.startswith("scipy") for name in sys.modules)
extractor = MfccExtractor(FeatureSettings(), FeatureTables(**numpy.load(sys.argv[1])))
extractor(numpy.zeros((1, 16_000), numpy.float32))
assert "librosa" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "tables.npz")], check=True)


def test_tables_with_absurd_numbers_are_refused():
    for name, value in itertools.product(("window", "mel", "cosine"), (101.0, -3e38, np.nan)):
        tables = FeatureTables.from_settings(FeatureSettings())
        getattr(tables, name).flat[3] = value
        message = f"feature table {name} has numbers beyond ±100"
        with case(name, value), pytest.raises(ValueError, match=message):
            tables.check(FeatureSettings())
