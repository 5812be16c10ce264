"""Feed-forward networks, written from scratch in NumPy and independent of sound.

Layers, losses, optimisers, schedules and a training step; start reading with `layer`, `dense`, `chain` and `loss`.
"""

from sayso.nn.activations import ReLU, Tanh
from sayso.nn.architectures import ARCHITECTURES, Architecture, DenseArchitecture, TdnnArchitecture
from sayso.nn.batch_norm import BatchNorm
from sayso.nn.chain import Chain
from sayso.nn.convolution import Convolution, Convolution2d, DepthwiseConvolution
from sayso.nn.dense import Dense, Flatten, Pointwise
from sayso.nn.dropout import Dropout
from sayso.nn.layer import Layer
from sayso.nn.loss import one_hot, softmax, softmax_cross_entropy
from sayso.nn.merging import Merging
from sayso.nn.network import Network
from sayso.nn.optimizers import SGD, AdamW, Optimizer
from sayso.nn.parameters import Parameter, Parameters
from sayso.nn.pooling import StatisticsPooling
from sayso.nn.residual import Residual
from sayso.nn.schedules import Constant, CosineWithWarmup, OneCycle, Schedule, StepDecay
from sayso.nn.spectrum import Spectrum, Stack
from sayso.nn.time_blocks import TimeBlocks

__all__ = [
    "ARCHITECTURES",
    "SGD",
    "AdamW",
    "Architecture",
    "BatchNorm",
    "Chain",
    "Constant",
    "Convolution",
    "Convolution2d",
    "CosineWithWarmup",
    "Dense",
    "DenseArchitecture",
    "DepthwiseConvolution",
    "Dropout",
    "Flatten",
    "Layer",
    "Merging",
    "Network",
    "OneCycle",
    "Optimizer",
    "Parameter",
    "Parameters",
    "Pointwise",
    "ReLU",
    "Residual",
    "Schedule",
    "Spectrum",
    "Stack",
    "StatisticsPooling",
    "StepDecay",
    "Tanh",
    "TdnnArchitecture",
    "TimeBlocks",
    "one_hot",
    "softmax",
    "softmax_cross_entropy",
]
