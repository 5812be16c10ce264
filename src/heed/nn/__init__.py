"""A small library of feed-forward networks, written from scratch in NumPy: the heart of heed.

Layers, losses, optimisers and schedules know nothing of sound; start reading with `layer`, `dense`, `chain` and `loss`.
"""

from heed.nn.activations import ReLU, Tanh
from heed.nn.architectures import ARCHITECTURES, Architecture, DenseArchitecture
from heed.nn.batch_norm import BatchNorm
from heed.nn.chain import Chain
from heed.nn.dense import Dense, Flatten
from heed.nn.dropout import Dropout
from heed.nn.layer import Layer
from heed.nn.loss import one_hot, softmax, softmax_cross_entropy
from heed.nn.network import Network
from heed.nn.optimizers import SGD, AdamW, Optimizer
from heed.nn.parameters import Parameter, Parameters
from heed.nn.schedules import Constant, CosineWithWarmup, OneCycle, Schedule, StepDecay

__all__ = [
    "ARCHITECTURES",
    "SGD",
    "AdamW",
    "Architecture",
    "BatchNorm",
    "Chain",
    "Constant",
    "CosineWithWarmup",
    "Dense",
    "DenseArchitecture",
    "Dropout",
    "Flatten",
    "Layer",
    "Network",
    "OneCycle",
    "Optimizer",
    "Parameter",
    "Parameters",
    "ReLU",
    "Schedule",
    "StepDecay",
    "Tanh",
    "one_hot",
    "softmax",
    "softmax_cross_entropy",
]
