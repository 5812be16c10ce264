"""Layers as plain values and back: nothing but known layers with possible settings comes out of a description."""

import json
from dataclasses import replace

import pytest

from cases import case
from nn_cases import CASES, name
from sayso.nn import Dropout, Pointwise, Residual, Tanh
from sayso.nn.serialization import MAX_LAYERS, layer_from_dict, layer_to_dict

BAD_DESCRIPTIONS: list[object] = [
    {},
    {"kind": "Chain", "layers": []},
    {"kind": "__class__"},
    {"kind": ["Dense"], "units": 3},
    {"kind": "Dense"},
    {"kind": "Dense", "units": 3.0},
    {"kind": "Dense", "units": True},
    {"kind": "Dense", "units": "3"},
    {"kind": "Dense", "units": None},
    {"kind": "Dense", "units": 0},
    {"kind": "Dense", "units": -5},
    {"kind": "Dense", "units": 3, "bias": 1},
    {"kind": "Dense", "units": 3, "color": "red"},
    {"kind": "Dropout", "rate": 1.5},
    {"kind": "Dropout", "rate": float("nan")},
    {"kind": "BatchNorm", "epsilon": -1.0},
    {"kind": "BatchNorm", "epsilon": float("inf")},
    {"kind": "ReLU", "slope": 0.1},
    "Dense",
    None,
    ["Dense", 3],
    {"kind": "Pointwise", "units": "3"},
    {"kind": "TimeWindow", "kernel": 3},
    {"kind": "Convolution", "channels": 3},
    {"kind": "Convolution", "channels": 0, "kernel": 3},
    {"kind": "Convolution", "channels": "3", "kernel": 3},
    {"kind": "Convolution", "channels": 3, "kernel": 3, "bias": "yes"},
    {"kind": "Convolution", "channels": 3, "kernel": [3]},
    {"kind": "DepthwiseConvolution", "kernel": "3"},
    {"kind": "DepthwiseConvolution", "kernel": 3.0},
    {"kind": "DepthwiseConvolution", "kernel": True},
    {"kind": "DepthwiseConvolution", "kernel": 0},
    {"kind": "DepthwiseConvolution", "kernel": 3, "stride": -1},
    {"kind": "DepthwiseConvolution", "kernel": 3, "stride": 0},
    {"kind": "DepthwiseConvolution", "kernel": 3, "dilation": 0},
    {"kind": "DepthwiseConvolution", "kernel": 3, "padding": -1},
    {"kind": "DepthwiseConvolution", "kernel": 3, "channels": 4},
    {"kind": "StatisticsPooling", "epsilon": 0},
    {"kind": "Merging", "into": 1, "parts": 0},
    {"kind": "Merging", "into": -1, "parts": 2},
    {"kind": "Merging", "into": 1},
    {"kind": "Residual"},
    {"kind": "Residual", "layers": None},
    {"kind": "Residual", "layers": 3},
    {"kind": "Residual", "layers": "Dense"},
    {"kind": "Residual", "layers": {"kind": "ReLU"}},
    {"kind": "Residual", "layers": [3]},
    {"kind": "Residual", "layers": ["Dense"]},
    {"kind": "Residual", "layers": [None]},
    {"kind": "Residual", "layers": [[]]},
    {"kind": "Residual", "layers": [{}]},
    {"kind": "Residual", "layers": [{"kind": "ReLU"}], "shortcut": "ReLU"},
    {"kind": "Residual", "layers": [{"kind": "ReLU"}], "shortcut": None},
    {"kind": "Residual", "layers": [{"kind": "ReLU"}], "weight": []},
    {"kind": "Residual", "layers": [{"kind": "Chain", "layers": []}]},
    {"kind": "Residual", "layers": [{"kind": "Dense", "units": "3"}]},
    {"kind": "Residual", "layers": [{"kind": "Residual", "layers": [{"kind": "eval"}]}]},
    {"kind": "Dense", "units": [{"kind": "ReLU"}]},
    {"kind": "Dense", "units": 3, "bias": [{"kind": "ReLU"}]},
]


def test_layers_survive_a_round_trip_through_json() -> None:
    for layer, _ in (pair for pairs in CASES.values() for pair in pairs):
        with case(name(layer)):
            assert layer_from_dict(json.loads(json.dumps(layer_to_dict(layer)))) == layer


def test_a_whole_number_is_accepted_for_a_float() -> None:
    assert layer_from_dict(layer_to_dict(replace(Dropout(), rate=0))) == Dropout(0.0)


def test_bad_descriptions_are_refused() -> None:
    kinds = "layer|Dense|Pointwise|Convolution|Dropout|BatchNorm|ReLU|Residual|StatisticsPooling|Merging"
    for description in BAD_DESCRIPTIONS:
        with case(description), pytest.raises(ValueError, match=kinds):
            layer_from_dict(description)


def test_endlessly_nested_descriptions_are_refused() -> None:
    description: dict = {"kind": "ReLU"}
    for _ in range(1000):
        description = {"kind": "Residual", "layers": [description]}
    with pytest.raises(ValueError, match=r"layer|Residual"):
        layer_from_dict(description)


def test_too_many_layers_are_refused() -> None:
    description = {"kind": "Residual", "layers": [{"kind": "ReLU"}] * (MAX_LAYERS - 1)}
    layer_from_dict(description)
    description["layers"] *= 2
    with pytest.raises(ValueError, match="more than 1000 layers"):
        layer_from_dict(description)


def test_the_description_of_a_residual_is_a_list_of_plain_values() -> None:
    assert layer_to_dict(Residual((Pointwise(3), Tanh()))) == {
        "kind": "Residual",
        "layers": [{"kind": "Pointwise", "units": 3, "bias": True}, {"kind": "Tanh"}],
        "shortcut": [],
    }
