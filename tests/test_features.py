import subprocess
import sys

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sayso.config import FeatureSettings
from sayso.features.filterbank import FeatureTables
from sayso.features.mfcc import FeatureStream, MfccExtractor
from sayso.features.standardizer import Standardizer
from sayso.nn import Spectrum

SETTINGS = {
    "sayso's own": FeatureSettings(),
    "customary": FeatureSettings(window=0.025, hop=0.010, fft_size=400, coefficients=13),
    "padded window": FeatureSettings(window=0.025, hop=0.010, fft_size=512, low_frequency=0, high_frequency=8_000),
    "log-mel": FeatureSettings(mel_bands=64, coefficients=0),
    "8 kHz": FeatureSettings(sample_rate=8_000, fft_size=256, high_frequency=3_800, mel_bands=23, coefficients=20),
    "odd transform": FeatureSettings(window=0.020, hop=0.007, fft_size=321, mel_bands=26, coefficients=13),
    # So many bands that some filters have no bin at all, and a last group of bands that is not full.
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
@pytest.mark.parametrize("chosen", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("seconds", [1.0, 1.337])
def test_equals_librosa(chosen, seconds):
    clips = sound(5, round(seconds * chosen.sample_rate))
    features = extractor_for(chosen)(clips)
    expected = librosa_features(clips, chosen)
    assert features.shape == expected.shape
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_a_clip_has_the_frames_and_the_width_that_the_settings_name():
    for chosen in (SETTINGS["sayso's own"], SETTINGS["log-mel"]):
        assert extractor_for(chosen)(sound(2, chosen.clip_samples)).shape == (2, chosen.frames, chosen.width)


def test_log_mel_without_coefficients_is_the_result():
    chosen = SETTINGS["log-mel"]
    extractor = extractor_for(chosen)
    log_mel = extractor.log_mel(sound(2, chosen.clip_samples))
    assert extractor.cepstra(log_mel) is log_mel


def test_a_network_finds_the_spectrum_in_the_coefficients_again():
    settings = FeatureSettings()
    extractor = MfccExtractor(settings, FeatureTables.from_settings(settings))
    log_mel = extractor.log_mel(np.random.default_rng(0).normal(0, 0.1, (2, 16_000)).astype(np.float32))
    weighed = extractor.cepstra(log_mel) * np.arange(1, settings.coefficients + 1, dtype=np.float32)
    # Inside a network time and batch come last.
    picture, _ = Spectrum().forward({}, weighed.T, None)
    np.testing.assert_allclose(picture[0], log_mel.T, rtol=1e-4, atol=1e-2)


def test_decibels_are_made_in_place():
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


@pytest.mark.parametrize("name", ["sayso's own", "log-mel", "8 kHz"])
def test_energies_times_widths_add_up_to_the_energy_of_a_frame(name):
    chosen = SETTINGS[name]
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
    # The widest filters are those at the top, whose outer half counts less and less.
    ratios = energies / power[..., within].sum(axis=-1)
    assert ratios.mean() == pytest.approx(1, abs=0.1)
    # Wherever in the spectrum the energy lies: a tone counts the same in any band, but for the rounding of the peaks.
    tones = np.array([np.sin(2 * np.pi * f * np.arange(chosen.clip_samples) / chosen.sample_rate)
                      for f in np.geomspace(400, 3_000, 40)], np.float32)  # fmt: skip
    heard = (extractor.energies(tones) @ extractor.band_widths).mean(axis=1)
    np.testing.assert_allclose(10 * np.log10(heard / heard.mean()), 0, atol=1.5)


@pytest.mark.filterwarnings("ignore:Empty filters")
def test_the_width_of_a_band_without_bins_is_a_number():
    extractor = extractor_for(SETTINGS["narrow bands"])
    assert (extractor.tables.mel.max(axis=1) == 0).any()
    energies = extractor.energies(sound(2, 16_000))
    assert np.isfinite(energies @ extractor.band_widths).all()


def test_digital_silence_is_the_floor():
    chosen = FeatureSettings(coefficients=0, floor=1e-8)
    np.testing.assert_allclose(extractor_for(chosen)(np.zeros((1, 16_000), np.float32)), -80, rtol=1e-6)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_features_of_a_clip_do_not_depend_on_its_neighbours_or_on_threads(threads):
    chosen = SETTINGS["customary"]
    clips = sound(23, chosen.clip_samples)
    extractor = extractor_for(chosen)
    together = extractor(clips, threads)
    np.testing.assert_array_equal(together, extractor(clips, threads))
    alone = np.concatenate([extractor(clip[None]) for clip in clips])
    # Not to the last bit: a transform of several frames may be rounded otherwise than one of a single frame.
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6 * np.abs(alone).max())


def test_a_frame_does_not_depend_on_what_comes_later():
    chosen = SETTINGS["sayso's own"]
    clips = sound(2, chosen.clip_samples)
    louder = clips.copy()
    louder[:, 8_000:] = 100 * clips[:, ::-1][:, 8_000:]
    extractor = extractor_for(chosen)
    before = 1 + (8_000 - chosen.fft_size) // chosen.hop_samples
    np.testing.assert_array_equal(extractor(clips)[:, :before], extractor(louder)[:, :before])


def test_clips_are_left_alone_and_may_be_views():
    chosen = SETTINGS["customary"]
    extractor = extractor_for(chosen)
    wide = sound(6, 2 * chosen.clip_samples)
    original = wide.copy()
    view = wide[::2, ::2]
    np.testing.assert_array_equal(extractor(view), extractor(np.ascontiguousarray(view)))
    np.testing.assert_array_equal(wide, original)


def test_no_clips_have_no_features():
    for threads in (1, 2):
        assert extractor_for(FeatureSettings())(np.empty((0, 16_000), np.float32), threads).shape == (0, 49, 40)


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        (np.zeros((1, 16_000)), r"float64 of shape \(1, 16000\); expected float32"),
        (np.zeros(16_000, np.float32), r"expected float32 of shape \(clips, samples\)"),
        (np.zeros((1, 511), np.float32), r"511 samples; expected at least the 512"),
    ],
)
def test_unusable_clips_are_refused(clips, message):
    with pytest.raises(ValueError, match=message):
        extractor_for(FeatureSettings())(clips)


@pytest.mark.parametrize(
    "other",
    [
        FeatureSettings(mel_bands=41),
        FeatureSettings(fft_size=1024),
        FeatureSettings(coefficients=39),
        FeatureSettings(coefficients=0),
    ],
)
def test_tables_of_other_settings_are_refused(other):
    with pytest.raises(ValueError, match="feature table"):
        MfccExtractor(FeatureSettings(), FeatureTables.from_settings(other))


def test_tables_of_another_type_are_refused():
    tables = FeatureTables.from_settings(FeatureSettings())
    with pytest.raises(ValueError, match="window is float64"):
        MfccExtractor(FeatureSettings(), FeatureTables(tables.window.astype(np.float64), tables.mel, tables.cosine))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_stream_equals_a_batch_however_it_is_cut(data):
    chosen = SETTINGS[data.draw(st.sampled_from(["sayso's own", "customary", "8 kHz", "log-mel"]))]
    samples = sound(2, data.draw(st.integers(chosen.fft_size, 6_000)), seed=data.draw(st.integers(0, 9)))[1]
    sizes = data.draw(st.lists(st.integers(0, 1_500), max_size=20))
    extractor = extractor_for(chosen)
    stream = FeatureStream(extractor)
    pieces = np.split(samples, np.minimum(np.cumsum(np.array(sizes, int)), len(samples)))
    frames = np.concatenate([stream.push(piece) for piece in pieces])
    expected = extractor(samples[None])[0]
    assert frames.shape == expected.shape
    np.testing.assert_allclose(frames, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("size", [1, 160_000])
def test_a_stream_takes_single_samples_and_ten_seconds_at_once(size):
    chosen = SETTINGS["sayso's own"]
    extractor = extractor_for(chosen)
    samples = sound(2, max(size, 4_000))[1]
    stream = FeatureStream(extractor)
    frames = np.concatenate([stream.push(samples[start : start + size]) for start in range(0, len(samples), size)])
    expected = extractor(samples[None])[0]
    np.testing.assert_allclose(frames, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_a_stream_gives_each_frame_with_its_last_sample():
    chosen = SETTINGS["sayso's own"]
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


def test_a_feature_that_varies_by_rounding_only_is_only_centred():
    features = np.full((7, 49, 2), -100.3, np.float32)
    features[3:, :, 0] = np.nextafter(np.float32(-100.3), np.float32(0))
    features[3:, :, 1] = 5
    standardizer = Standardizer.fit(features)
    assert standardizer.deviation[0] == 1
    np.testing.assert_allclose(standardizer.apply(features)[..., 0], 0, atol=1e-4)


@pytest.mark.parametrize("shape", [(0, 49, 40), (49, 40)])
def test_features_that_cannot_be_fitted_are_refused(shape):
    with pytest.raises(ValueError, match="at least one frame"):
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


@pytest.mark.parametrize("name", ["window", "mel", "cosine"])
@pytest.mark.parametrize("value", [101.0, -3e38, np.nan])
def test_tables_with_absurd_numbers_are_refused(name, value):
    tables = FeatureTables.from_settings(FeatureSettings())
    getattr(tables, name).flat[3] = value
    with pytest.raises(ValueError, match=f"feature table {name} has numbers beyond ±100"):
        tables.check(FeatureSettings())
