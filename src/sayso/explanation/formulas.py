"""What each kind of layer computes and how it carries a gradient back, in one sentence and one formula each.

The formulas are the results of the derivations that stand in the layers' `backward`. L is the loss, x a layer's input
and y its output; d stands for the partial derivative. A formula is written as "dL/dx = W^T dL/dy".
"""

from dataclasses import dataclass

from sayso.nn import (
    BatchNorm,
    Convolution,
    Convolution2d,
    Dense,
    DepthwiseConvolution,
    Dropout,
    Flatten,
    Layer,
    Merging,
    Pointwise,
    ReLU,
    Residual,
    Spectrum,
    Stack,
    StatisticsPooling,
    Tanh,
    TimeBlocks,
)


@dataclass(frozen=True)
class Formulas:
    """One kind of layer in words and formulas.

    Attributes
    ----------
    title : str
        What people call it.
    does : str
        What it does going forward.
    forward : str
        The formula of its output.
    returns : str
        What it does to a gradient on the way back.
    backward : str
        The formula of the gradient of its input.
    parameters : dict of str
        The formula of the gradient of each parameter, by the parameter's name.
    """

    title: str
    does: str
    forward: str
    returns: str
    backward: str
    parameters: dict[str, str]


FORMULAS: dict[type[Layer], Formulas] = {
    Dense: Formulas(
        "dense layer",
        "Every output is a weighted sum of all inputs.",
        "y = W x + b",
        "The weights that carried the signal forward carry the error back, each the other way.",
        "dL/dx = W^T dL/dy",
        {"weight": "dL/dW = dL/dy x^T", "bias": "dL/db = dL/dy"},
    ),
    Pointwise: Formulas(
        "pointwise layer",
        "At each moment, every output channel is a weighted sum of all input channels; the weights are the same at all "
        "moments.",
        "y(t) = W x(t) + b",
        "At each moment the weights carry the error back the other way. As all moments share the weights, their wishes "
        "are added up.",
        "dL/dx(t) = W^T dL/dy(t)",
        {"weight": "dL/dW = ∑_t dL/dy(t) x(t)^T", "bias": "dL/db = ∑_t dL/dy(t)"},
    ),
    Convolution: Formulas(
        "convolution over time",
        "Every output is a weighted sum of what all channels held around its moment; the weights are the same at all "
        "moments. s is the stride, P the padding.",
        "y(t) = ∑_i W_i x(s · t + i − P) + b",
        "An input was seen by several outputs, and the gradient from each of them is added up.",
        "dL/dx(u) = ∑_i W_i^T dL/dy(t) , u = s · t + i − P",
        {"weight": "dL/dW_i = ∑_t dL/dy(t) x(s · t + i − P)^T", "bias": "dL/db = ∑_t dL/dy(t)"},
    ),
    Convolution2d: Formulas(
        "convolution over frequency and time",
        "Every output is a weighted sum of what all channels held around its band and moment; the weights are the same "
        "everywhere in the picture. r and s are the strides over frequency and time, P the padding.",
        "y(f, t) = ∑_ji W_ji x(r · f + j, s · t + i − P) + b",
        "An input was seen by several outputs, and the gradient from each of them is added up.",
        "dL/dx(g, u) = ∑_ji W_ji^T dL/dy(f, t) , g = r · f + j , u = s · t + i − P",
        {"weight": "dL/dW_ji = ∑_ft dL/dy(f, t) x(r · f + j, s · t + i − P)^T", "bias": "dL/db = ∑_ft dL/dy(f, t)"},
    ),
    DepthwiseConvolution: Formulas(
        "depthwise convolution over time",
        "Each channel c is filtered over time by a short kernel of its own; channels do not mix. s is the stride, P "
        "the padding.",
        "y_c(t) = ∑_i w_ci x_c(s · t + i − P)",
        "An input was seen by several outputs, and the gradient from each of them is added up, channel by channel.",
        "dL/dx_c(u) = ∑_i w_ci dL/dy_c(t) , u = s · t + i − P",
        {"weight": "dL/dw_ci = ∑_t dL/dy_c(t) x_c(s · t + i − P)"},
    ),
    TimeBlocks: Formulas(
        "filters over blocks of time",
        "Within each channel c, each block of moments is a weighted sum of the moments of a window.",
        "Y_c = W_c^T X_c",
        "As in a dense layer; a moment that several windows hold gets the sum.",
        "dL/dX_c = W_c dL/dY_c",
        {"weight": "dL/dW_c = ∑ X_c (dL/dY_c)^T"},
    ),
    BatchNorm: Formulas(
        "batch normalisation",
        "Each channel is moved and scaled: by its mean m and its deviation s over the training, and by a scale γ and a "
        "shift β that were learned.",
        "y = γ (x − m) / s + β",
        "m and s are constants here, so the gradient is merely scaled.",
        "dL/dx = γ / s · dL/dy",
        {"scale": "dL/dγ = ∑ dL/dy (x − m) / s", "shift": "dL/dβ = ∑ dL/dy"},
    ),
    ReLU: Formulas(
        "ReLU",
        "What is positive passes; what is negative becomes nought.",
        "y = max(x, 0)",
        "The gradient passes where the signal passed, and nowhere else.",
        "dL/dx = dL/dy where x > 0, else 0",
        {},
    ),
    Tanh: Formulas(
        "tanh",
        "Every number is squashed to between −1 and 1.",
        "y = tanh x",
        "The gradient is scaled by the slope of the curve: where the output is near −1 or 1, little comes through.",
        "dL/dx = (1 − y^2) dL/dy",
        {},
    ),
    Dropout: Formulas(
        "dropout",
        "It silences random numbers while a network trains, and does nothing when the network is used, as here.",
        "y = x",
        "The gradient passes unchanged.",
        "dL/dx = dL/dy",
        {},
    ),
    Residual: Formulas(
        "residual block",
        "The sum of two ways: f through the layers inside, and g, the shortcut around them.",
        "y = f(x) + g(x)",
        "The gradient goes back both ways, through the Jacobians J, and what arrives is added up. The shortcut lets it "
        "reach the lower layers whatever f does to it.",
        "dL/dx = J_f^T dL/dy + J_g^T dL/dy",
        {},
    ),
    StatisticsPooling: Formulas(
        "pooling over time",
        "Of each channel, the mean m and the standard deviation s over its T moments are kept: from here on the "
        "network no longer knows when something was heard.",
        "m = ∑_t x(t) / T , s^2 = ∑_t (x(t) − m)^2 / T",
        "The gradient is spread over all moments: alike for the mean, and for the deviation the more, the further a "
        "moment lies from the mean.",
        "dL/dx(t) = ( dL/dm + dL/ds (x(t) − m) / s ) / T",
        {},
    ),
    Merging: Formulas(
        "merging of classes",
        "Several classes count as one, as do the words that all are unknown speech: their probabilities are added up.",
        "y_c = log ∑_k exp x_k over the class and its parts; elsewhere y = x",
        "Each member takes its share of the gradient: as much of it as it has of the probability.",
        "dL/dx_k = exp(x_k − y_c) dL/dy_c",
        {},
    ),
    Spectrum: Formulas(
        "spectrum of the coefficients",
        "The cosines C that the cepstral coefficients stand for are added up to the picture of frequency and time that "
        "they describe, each weighed as it is in speech.",
        "y(f, t) = ∑_k C_kf x_k(t) / (k + 1)",
        "The gradient of the bands is turned into that of the coefficients by the cosine transform itself.",
        "dL/dx_k(t) = ∑_f C_kf dL/dy(f, t) / (k + 1)",
        {},
    ),
    Stack: Formulas(
        "bands as channels",
        "Each band of each channel becomes a channel of its own.",
        "y = x",
        "Each number's gradient goes back to where the number came from.",
        "dL/dx = dL/dy",
        {},
    ),
    Flatten: Formulas(
        "flattening",
        "The frames are laid end to end as one long list of numbers.",
        "y = x",
        "Each number's gradient goes back to where the number came from.",
        "dL/dx = dL/dy",
        {},
    ),
}
"""Keyed by the kind of layer; the order of the keys means nothing."""

BIAS = " + b"


def formulas_of(layer: Layer) -> Formulas:
    """Return what is to be said of a layer; a bias that it lacks is not mentioned."""
    known = FORMULAS[type(layer)]
    if getattr(layer, "bias", True):
        return known
    parameters = {name: formula for name, formula in known.parameters.items() if name != "bias"}
    return Formulas(
        known.title, known.does, known.forward.removesuffix(BIAS), known.returns, known.backward, parameters
    )
