"""Every setting of sayso, as frozen dataclasses that refuse impossible values when constructed.

Times are in seconds and frequencies in hertz; counts of samples and frames are derived from them. In a TOML file each
dataclass is one table, and an unknown key is an error.
"""

from sayso.config.bounds import MOST_PARAMETERS, check_network
from sayso.config.features import FeatureSettings
from sayso.config.labels import COMMANDS, LONGEST_LABEL, MOST_LABELS, SILENCE, UNKNOWN, check_labels
from sayso.config.reading import build
from sayso.config.settings import Settings, network_named, recipe, recipes
from sayso.config.tables import AugmentationSettings, DecisionSettings, TrainingSettings

__all__ = [
    "COMMANDS",
    "LONGEST_LABEL",
    "MOST_LABELS",
    "MOST_PARAMETERS",
    "SILENCE",
    "UNKNOWN",
    "AugmentationSettings",
    "DecisionSettings",
    "FeatureSettings",
    "Settings",
    "TrainingSettings",
    "build",
    "check_labels",
    "check_network",
    "network_named",
    "recipe",
    "recipes",
]
