"""Settings: every impossible value is refused with the setting's name, its value and what was expected."""

import dataclasses
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cases import case
from sayso import config
from sayso.config import (
    AugmentationSettings,
    DecisionSettings,
    FeatureSettings,
    Settings,
    TrainingSettings,
)
from sayso.config.odds import log_odds
from sayso.errors import SettingsError
from sayso.nn.architectures import DenseArchitecture, TdnnArchitecture

RECIPES = sorted((Path(config.__file__).parents[1] / "recipes").glob("*.toml"))

IMPOSSIBLE: list[tuple[type, str, Any, str]] = [
    (FeatureSettings, "sample_rate", 3_999, "between 4000 and 192000"),
    (FeatureSettings, "sample_rate", 192_001, "between 4000 and 192000"),
    (FeatureSettings, "clip", 0.0, "above 0 and at most 60"),
    (FeatureSettings, "clip", 60.1, "above 0 and at most 60"),
    (FeatureSettings, "clip", 0.031, "at least one transform"),
    (FeatureSettings, "window", 0.0, "positive"),
    (FeatureSettings, "window", 1.1, "no longer than the clip"),
    (FeatureSettings, "hop", 0.0, "positive and no longer than the window"),
    (FeatureSettings, "hop", 0.031, "positive and no longer than the window"),
    (FeatureSettings, "hop", 1e-6, "at least one sample"),
    (FeatureSettings, "fft_size", 479, "at least the window's 480 samples"),
    (FeatureSettings, "fft_size", 2**15 + 1, "at most 32768"),
    (FeatureSettings, "low_frequency", -1.0, "below high_frequency"),
    (FeatureSettings, "low_frequency", 7_600.0, "below high_frequency"),
    (FeatureSettings, "high_frequency", 8_000.5, "at most half the sample rate"),
    (FeatureSettings, "mel_bands", 0, "between 1 and 512"),
    (FeatureSettings, "mel_bands", 513, "between 1 and 512"),
    (FeatureSettings, "coefficients", -1, "between 0 and mel_bands"),
    (FeatureSettings, "coefficients", 41, "between 0 and mel_bands"),
    (FeatureSettings, "high_pass", -1.0, "between 0 and 1000 Hz"),
    (FeatureSettings, "high_pass", 1_001.0, "between 0 and 1000 Hz"),
    (FeatureSettings, "floor", 9e-31, "at least 1e-30"),
    (FeatureSettings, "floor", 1.0, "below 1"),
    (AugmentationSettings, "shift", -0.1, "between 0 and 1 second"),
    (AugmentationSettings, "shift", 1.1, "between 0 and 1 second"),
    (AugmentationSettings, "speed", -0.1, "between 0 and 0.5"),
    (AugmentationSettings, "speed", 0.6, "between 0 and 0.5"),
    (AugmentationSettings, "gain", -1.0, "between 0 and 60 dB"),
    (AugmentationSettings, "gain", 61.0, "between 0 and 60 dB"),
    (AugmentationSettings, "reverberation_probability", -0.1, "between 0 and 1"),
    (AugmentationSettings, "reverberation_probability", 1.1, "between 0 and 1"),
    (AugmentationSettings, "reverberation_time", (0.04, 0.5), "two rising numbers between 0.05 and 2 seconds"),
    (AugmentationSettings, "reverberation_time", (0.5, 2.1), "two rising numbers"),
    (AugmentationSettings, "reverberation_time", (0.5, 0.4), "two rising numbers"),
    (AugmentationSettings, "renewal", 0, "between 1 and 1000"),
    (AugmentationSettings, "renewal", 1_001, "between 1 and 1000"),
    (AugmentationSettings, "noise_probability", -0.1, "between 0 and 1"),
    (AugmentationSettings, "noise_probability", 1.1, "between 0 and 1"),
    (AugmentationSettings, "noise_speed", -0.1, "between 0 and 3"),
    (AugmentationSettings, "noise_speed", 3.1, "between 0 and 3"),
    (AugmentationSettings, "noise_pairs", -0.1, "between 0 and 1"),
    (AugmentationSettings, "noise_pairs", 1.1, "between 0 and 1"),
    (AugmentationSettings, "noise_snr", (-31.0, 0.0), "two rising numbers"),
    (AugmentationSettings, "noise_snr", (0.0, 101.0), "two rising numbers"),
    (AugmentationSettings, "noise_snr", (10.0, 5.0), "two rising numbers"),
    (AugmentationSettings, "time_masks", -1, "between 0 and 16"),
    (AugmentationSettings, "time_masks", 17, "between 0 and 16"),
    (AugmentationSettings, "time_mask_length", -0.1, "between 0 and 1 second"),
    (AugmentationSettings, "time_mask_length", 1.1, "between 0 and 1 second"),
    (AugmentationSettings, "frequency_masks", -1, "between 0 and 16"),
    (AugmentationSettings, "frequency_masks", 17, "between 0 and 16"),
    (AugmentationSettings, "frequency_mask_bands", -1, "between 0 and 512"),
    (AugmentationSettings, "frequency_mask_bands", 513, "between 0 and 512"),
    (TrainingSettings, "epochs", 0, "between 1 and 10000"),
    (TrainingSettings, "epochs", 10_001, "between 1 and 10000"),
    (TrainingSettings, "patience", -1, "0 or more"),
    (TrainingSettings, "batch_size", 1, "between 2 and 65536"),
    (TrainingSettings, "batch_size", 65_537, "between 2 and 65536"),
    (TrainingSettings, "shard_size", -1, "between 0 and 65536"),
    (TrainingSettings, "shard_size", 65_537, "between 0 and 65536"),
    (TrainingSettings, "unknown_draws", 0.0, "between 0.1 and 10"),
    (TrainingSettings, "unknown_draws", 10.5, "between 0.1 and 10"),
    (TrainingSettings, "learning_rate", 0.0, "above 0"),
    (TrainingSettings, "learning_rate", 10.1, "above 0 and at most 10"),
    (TrainingSettings, "warmup", -0.1, "at least 0 and below 1"),
    (TrainingSettings, "warmup", 1.0, "at least 0 and below 1"),
    (TrainingSettings, "momentum", -0.1, "at least 0 and below 1"),
    (TrainingSettings, "momentum", 1.0, "at least 0 and below 1"),
    (TrainingSettings, "weight_decay", -0.1, "between 0 and 1"),
    (TrainingSettings, "weight_decay", 1.1, "between 0 and 1"),
    (TrainingSettings, "label_smoothing", -0.1, "at least 0 and below 1"),
    (TrainingSettings, "label_smoothing", 1.0, "at least 0 and below 1"),
    (TrainingSettings, "average_decay", -0.1, "at least 0 and below 1"),
    (TrainingSettings, "average_decay", 1.0, "at least 0 and below 1"),
    (TrainingSettings, "unknown_classes", 0, "between 1 and 10000"),
    (TrainingSettings, "silence_draws", 0.05, "between 0.1 and 10"),
    (AugmentationSettings, "faint", 61.0, "between 0 and 60 dB"),
    (AugmentationSettings, "equalizer", -1.0, "between 0 and 60 dB"),
    (AugmentationSettings, "clipping", 61.0, "between 0 and 60 dB"),
    (AugmentationSettings, "faint_probability", 1.1, "between 0 and 1"),
    (AugmentationSettings, "equalizer_probability", 1.1, "between 0 and 1"),
    (AugmentationSettings, "band_probability", -0.1, "between 0 and 1"),
    (AugmentationSettings, "clipping_probability", 1.1, "between 0 and 1"),
    (TrainingSettings, "seed", -1, "0 or more"),
    (TrainingSettings, "seed", 2**63, "0 or more, below"),
    (TrainingSettings, "distillation", -0.1, "between 0 and 1"),
    (TrainingSettings, "distillation", 1.1, "between 0 and 1"),
    (DecisionSettings, "step", 0.0, "between 0.01 and 1 second"),
    (DecisionSettings, "step", 1.1, "between 0.01 and 1 second"),
    (DecisionSettings, "smoothing", 0, "between 1 and 100"),
    (DecisionSettings, "smoothing", 101, "between 1 and 100"),
    (DecisionSettings, "threshold", 1.0, "above 0 and below 1"),
    (DecisionSettings, "words", {"yes": 1.0}, "above 0 and below 1"),
    (DecisionSettings, "words", {"yes": 0.5, "no": 0.0}, "above 0 and below 1"),
    (DecisionSettings, "anywhere", ("lamp", ""), "none of them empty"),
    (DecisionSettings, "ease", -0.1, "between 0 and 20"),
    (DecisionSettings, "hysteresis", -0.1, "between 0 and 20"),
    (DecisionSettings, "refractory", -0.1, "between 0 and 60 seconds"),
    (DecisionSettings, "refractory", 61.0, "between 0 and 60 seconds"),
    (DecisionSettings, "newest", -0.1, "between 0 and 60 seconds"),
    (DecisionSettings, "newest", 61.0, "between 0 and 60 seconds"),
]

KINDS: dict[str, type] = {
    "features": FeatureSettings,
    "augmentation": AugmentationSettings,
    "training": TrainingSettings,
    "decision": DecisionSettings,
}


def test_impossible_values_are_refused() -> None:
    for kind, name, value, expected in IMPOSSIBLE:
        with case(kind.__name__, name, value):
            with pytest.raises(SettingsError) as caught:
                kind(**{name: value})
            message = str(caught.value)
            assert message.startswith(f"{name} is {value!r}; expected ")
            assert expected in message


def test_every_setting_with_a_range_has_a_case() -> None:
    tested = {(kind, name) for kind, name, _, _ in IMPOSSIBLE}
    choices = {(TrainingSettings, name) for name in ("optimizer", "schedule", "unknown_by_word")}
    choices |= {(DecisionSettings, name) for name in ("alone", "patient")}
    every = {(kind, part.name) for kind in KINDS.values() for part in dataclasses.fields(kind)}
    assert tested | choices == every


def test_values_that_are_not_finite_are_refused() -> None:
    for table, kind in KINDS.items():
        names = [part.name for part in dataclasses.fields(kind) if isinstance(part.default, float)]
        for name, value in itertools.product(names, (math.nan, math.inf, -math.inf, 10**400)):
            with case(table, name, value), pytest.raises(SettingsError, match=table):
                Settings.from_dict({table: {name: value}})


def test_ranges_that_are_not_finite_are_refused() -> None:
    values = ((math.nan, 0.5), (0.5, math.nan), (-math.inf, 0.5), (0.5, math.inf))
    for name, value in itertools.product(("noise_snr", "reverberation_time"), values):
        with case(name, value), pytest.raises(SettingsError, match=name):
            AugmentationSettings(**{name: value})


def test_invalid_tables_are_refused() -> None:
    for content, message in (
        ({"trainings": {}}, r"unknown table \[trainings\]; known are features, .*network"),
        ({"training": {"epoch": 3}}, r"unknown setting training\.epoch; known are epochs, "),
        ({"network": {"units": 3}}, r"unknown setting network\.units; known are hidden, "),
        ({"network": {"name": "lstm"}}, r"network\.name is 'lstm'; known networks are dense"),
        ({"network": {"name": 3}}, r"network\.name is 3; known networks"),
        ({"network": "dense"}, "network is 'dense'; expected a table"),
        ({"training": 3}, "training is 3; expected a table"),
        ({"training": {"epochs": "3"}}, r"training\.epochs is '3'; expected a value of type int"),
        ({"training": {"epochs": 3.0}}, r"training\.epochs is 3\.0; expected a value of type int"),
        ({"training": {"epochs": True}}, r"training\.epochs is True; expected a value of type int"),
        ({"training": {"warmup": False}}, r"training\.warmup is False; expected a value of type float"),
        ({"training": {"optimizer": "sdg"}}, r"training\.optimizer is 'sdg'; expected one of 'adamw', 'adam', 'sgd'"),
        ({"training": {"schedule": ["step"]}}, r"training\.schedule is \['step'\]; expected one of 'one-cycle'"),
        (
            {"augmentation": {"noise_snr": [1.0]}},
            r"augmentation\.noise_snr is \[1\.0\]; expected a value of type tuple",
        ),
        ({"augmentation": {"noise_snr": [1, "2"]}}, r"augmentation\.noise_snr is '2'; expected a value of type float"),
        ({"augmentation": {"noise_snr": 1.0}}, r"augmentation\.noise_snr is 1\.0; expected a value of type tuple"),
        (
            {"augmentation": {"reverberation_time": [0.5, 0.1]}},
            r"augmentation: reverberation_time is \(0\.5, 0\.1\); expected two rising numbers",
        ),
        ({"augmentation": {"renewal": 2.5}}, r"augmentation\.renewal is 2\.5; expected a value of type int"),
        ({"training": {"shard_size": 64.0}}, r"training\.shard_size is 64\.0; expected a value of type int"),
        ({"network": {"hidden": 64}}, r"network\.hidden is 64; expected a value of type tuple"),
        ({"network": {"hidden": [64, 1.5]}}, r"network\.hidden is 1\.5; expected a value of type int"),
        ({"network": {"batch_norm": 1}}, r"network\.batch_norm is 1; expected a value of type bool"),
        ({"network": {"activation": "sine"}}, r"network\.activation is 'sine'; expected one of 'relu', 'tanh'"),
        ({"network": {"hidden": [64, 0]}}, "network: .*0 units; expected at least 1"),
        ({"network": {"dropout": 1.0}}, r"network: .*rate 1\.0; expected at least 0 and below 1"),
        ({"network": {"dropout": math.nan}}, "network: .*rate nan"),
        (
            {"network": {"hidden": [10**9]}},
            r"network: it has 1,966,000,000,002 parameters; expected at most 10,000,000",
        ),
        ({"features": {"hop": 0.05}}, r"features: hop is 0\.05; expected"),
    ):
        with case(content), pytest.raises(SettingsError, match=message):
            Settings.from_dict(content)


def test_layers_over_frequency_require_coefficients() -> None:
    spectral = TdnnArchitecture(spectral_channels=(4,), spectral_kernels=(5,), spectral_strides=(2,))
    Settings(network=spectral)
    with pytest.raises(SettingsError, match=r"expect MFCC; set features\.coefficients above 0"):
        Settings(FeatureSettings(coefficients=0), spectral)


def test_the_size_of_the_network_is_checked_for_the_input_of_these_features() -> None:
    wide = DenseArchitecture(hidden=(2_000,))
    Settings(network=wide)
    with pytest.raises(SettingsError, match="parameters; expected at most"):
        Settings(features=FeatureSettings(clip=60.0), network=wide)


def test_derived_sizes_follow_from_seconds_and_hertz() -> None:
    features = FeatureSettings()
    assert (features.clip_samples, features.window_samples, features.hop_samples) == (16_000, 480, 320)
    assert features.frames == 1 + (16_000 - 512) // 320
    assert FeatureSettings(coefficients=13).width == 13
    assert FeatureSettings(coefficients=0).width == features.mel_bands


def test_a_toml_file_changes_only_the_settings_it_mentions(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(
        '[training]\nepochs = 3\nwarmup = 0\n[augmentation]\nnoise_snr = [5, 10]\n[network]\nname = "dense"\n'
        "hidden = [8, 4]\n",
        encoding="utf-8",
    )
    settings = Settings.from_toml(path)
    assert settings == Settings(
        training=TrainingSettings(epochs=3, warmup=0.0),
        augmentation=AugmentationSettings(noise_snr=(5.0, 10.0)),
        network=DenseArchitecture(hidden=(8, 4)),
    )
    assert type(settings.training.warmup) is float
    path.write_text("")
    assert Settings.from_toml(path) == Settings()


def toml(content: dict[str, dict[str, Any]]) -> str:
    """Write nested plain values as TOML."""

    def value(item: Any) -> str:
        if isinstance(item, bool):
            return str(item).lower()
        if isinstance(item, tuple | list):
            return f"[{', '.join(map(value, item))}]"
        return f'"{item}"' if isinstance(item, str) else repr(item)

    return "\n".join(
        line
        for table, settings in content.items()
        for line in (f"[{table}]", *(f"{key} = {value(item)}" for key, item in settings.items()))
    )


def test_settings_survive_a_round_trip_through_plain_values_and_toml(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    for settings in (Settings(), *map(Settings.from_toml, RECIPES)):
        with case(settings):
            assert settings.to_dict()["network"]["name"] == settings.network.name
            assert Settings.from_dict(settings.to_dict()) == settings
            path.write_text(toml(settings.to_dict()), encoding="utf-8")
            assert Settings.from_toml(path) == settings


def test_a_file_that_is_not_toml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    repeated, huge, deep = b"[training]\nepochs = 3\nepochs = 4", b"epochs = 1" + 5_000 * b"0", 9_999 * b"a=["
    for content in (b"epochs = = 3", b"\xff\x00", repeated, huge, deep):
        path.write_bytes(content)
        with case(content[:40]), pytest.raises(SettingsError, match=r"settings\.toml is not valid TOML"):
            Settings.from_toml(path)


def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read settings from .*missing\.toml: No such file"):
        Settings.from_toml(tmp_path / "missing.toml")
    with pytest.raises(SettingsError, match=r"cannot read settings from .*: Is a directory"):
        Settings.from_toml(tmp_path)


def test_an_error_in_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[training]\nepochs = 0")
    with pytest.raises(SettingsError, match=r"mine\.toml: training: epochs is 0; expected between 1 and 10000"):
        Settings.from_toml(path)


def test_recipes_parse_and_are_found_by_name() -> None:
    for path in RECIPES:
        with case(path.stem):
            Settings.from_toml(path)
            assert config.recipe(path.stem) == path


def test_a_file_takes_precedence_over_a_recipe_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("quickstart").write_text("")
    assert config.recipe("quickstart") == Path("quickstart")


def test_an_unknown_recipe_is_refused() -> None:
    for name in ("nothing", "x" * 300):
        message = rf"settings.* {name}: .*(recipes are: .*quickstart|too long)"
        with case(name), pytest.raises(SettingsError, match=message):
            config.recipe(name)


def test_a_network_is_found_by_name() -> None:
    assert config.network_named("dense") == DenseArchitecture()
    with pytest.raises(SettingsError, match=r"network\.name is 'tiny'; known networks are dense"):
        config.network_named("tiny")


def test_absurd_values_give_one_short_line(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    for content, message in (
        ("[training]\nepochs = 0x" + "f" * 5_000, "training: epochs is a int too large to show; expected between"),
        ("[training]\nlearning_rate = 0x" + "f" * 5_000, "learning_rate is a int too large to show"),
        ("[training]\nseed = 0b" + "1" * 20_000, "training: seed is a int too large"),
        ("[decision]\nwords = {yes = 0o" + "7" * 9_000 + "}", "words.yes is a int too large"),
        ("[network]\nname = 0x" + "f" * 5_000, "network.name is a int too large"),
        ("[network]\nname = 'tdnn'\nstem = 0x" + "f" * 5_000, "network"),
        ("training = '" + "x" * 9_000 + "'", "training is 'xxx"),
        ("[training]\noptimizer = [" + "1," * 9_000 + "]", r"training.optimizer is \[1, 1"),
        ("[training]\nepochs = " + "9" * 5_000, "is not valid TOML"),
        ("[training]\nepochs = " + "[" * 9_000, "is not valid TOML: it is nested too deeply"),
    ):
        path.write_text(content)
        with case(content[:30]), pytest.raises(SettingsError, match=message) as caught:
            Settings.from_toml(path)
        assert len(str(caught.value)) < 600
        assert "\n" not in str(caught.value)


def test_settings_of_any_editor_are_read(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32"):
        path.write_text("# für später\n[training]\nepochs = 7\n", encoding)
        with case(encoding):
            assert Settings.from_toml(path).training.epochs == 7
    path.write_text("[training]\nepochs = 7\n", "utf-16-le")  # without a mark
    with pytest.raises(SettingsError, match="is not valid TOML"):
        Settings.from_toml(path)


def test_the_sensitivity_shifts_all_thresholds_alike_in_log_odds() -> None:
    settings = DecisionSettings(threshold=0.8, words={"yes": 0.9})
    assert settings.at_sensitivity(0.5).threshold == pytest.approx(0.8)
    for sensitivity in (0.0, 0.3, 0.9, 1.0):
        with case(sensitivity):
            shifted = settings.at_sensitivity(sensitivity)
            nats = 6 * (0.5 - sensitivity)
            assert log_odds(np.array([shifted.threshold, shifted.words["yes"]])) == pytest.approx(
                log_odds(np.array([0.8, 0.9])) + nats
            )
    for sensitivity in (-0.1, 1.1, float("nan")):
        with case(sensitivity), pytest.raises(SettingsError, match="expected a number from 0 to 1"):
            settings.at_sensitivity(sensitivity)
