"""A small library of feed-forward networks, written from scratch in NumPy: the heart of heed.

Layers, losses, optimisers and schedules know nothing of sound; start reading with `layer`, `dense`, `chain` and `loss`.
"""

from heed.nn.activations import ReLU, Tanh
from heed.nn.architectures import ARCHITECTURES, Architecture, DenseArchitecture, TdnnArchitecture
from heed.nn.batch_norm import BatchNorm
from heed.nn.chain import Chain
from heed.nn.convolution import Convolution, Convolution2d, DepthwiseConvolution
from heed.nn.dense import Dense, Flatten, Pointwise
from heed.nn.dropout import Dropout
from heed.nn.layer import Layer
from heed.nn.loss import one_hot, softmax, softmax_cross_entropy
from heed.nn.merging import Merging
from heed.nn.network import Network
from heed.nn.optimizers import SGD, AdamW, Optimizer
from heed.nn.parameters import Parameter, Parameters
from heed.nn.pooling import StatisticsPooling
from heed.nn.residual import Residual
from heed.nn.schedules import Constant, CosineWithWarmup, OneCycle, Schedule, StepDecay
from heed.nn.spectrum import Spectrum, Stack
from heed.nn.time_blocks import TimeBlocks

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
