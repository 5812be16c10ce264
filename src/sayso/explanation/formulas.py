"""What each kind of layer computes, forward and backward, in one sentence and one formula each.

The formulas are the results of the derivations in the layers' `backward`. L is the loss, x a layer's input and y its
output; d denotes the partial derivative. A formula is written as "dL/dx = W^T dL/dy".
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
        Its common name.
    does : str
        What it computes in the forward pass.
    forward : str
        The formula of its output.
    returns : str
        What it does to the gradient in the backward pass.
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
        "The weights that carry the signal forward also carry the error back, transposed.",
        "dL/dx = W^T dL/dy",
        {"weight": "dL/dW = dL/dy x^T", "bias": "dL/db = dL/dy"},
    ),
    Pointwise: Formulas(
        "pointwise layer",
        "At each frame, every output channel is a weighted sum of all input channels; all frames share the weights.",
        "y(t) = W x(t) + b",
        "At each frame the transposed weights carry the error back. As all frames share the weights, the gradient of a "
        "weight is a sum over all frames.",
        "dL/dx(t) = W^T dL/dy(t)",
        {"weight": "dL/dW = ∑_t dL/dy(t) x(t)^T", "bias": "dL/db = ∑_t dL/dy(t)"},
    ),
    Convolution: Formulas(
        "convolution over time",
        "Every output is a weighted sum over all channels and the frames around its own; all frames share the weights. "
        "s is the stride, P the padding.",
        "y(t) = ∑_i W_i x(s · t + i − P) + b",
        "Several outputs depend on an input, and the gradients from all of them are added.",
        "dL/dx(u) = ∑_i W_i^T dL/dy(t) , u = s · t + i − P",
        {"weight": "dL/dW_i = ∑_t dL/dy(t) x(s · t + i − P)^T", "bias": "dL/db = ∑_t dL/dy(t)"},
    ),
    Convolution2d: Formulas(
        "convolution over frequency and time",
        "Every output is a weighted sum over all channels and the bands and frames around its own; all positions share "
        "the weights. r and s are the strides over frequency and time, P the padding.",
        "y(f, t) = ∑_ji W_ji x(r · f + j, s · t + i − P) + b",
        "Several outputs depend on an input, and the gradients from all of them are added.",
        "dL/dx(g, u) = ∑_ji W_ji^T dL/dy(f, t) , g = r · f + j , u = s · t + i − P",
        {"weight": "dL/dW_ji = ∑_ft dL/dy(f, t) x(r · f + j, s · t + i − P)^T", "bias": "dL/db = ∑_ft dL/dy(f, t)"},
    ),
    DepthwiseConvolution: Formulas(
        "depthwise convolution over time",
        "Each channel c is filtered over time by its own kernel; channels do not mix. s is the stride, P the padding.",
        "y_c(t) = ∑_i w_ci x_c(s · t + i − P)",
        "Several outputs depend on an input, and the gradients from all of them are added, channel by channel.",
        "dL/dx_c(u) = ∑_i w_ci dL/dy_c(t) , u = s · t + i − P",
        {"weight": "dL/dw_ci = ∑_t dL/dy_c(t) x_c(s · t + i − P)"},
    ),
    TimeBlocks: Formulas(
        "filters over blocks of time",
        "Within each channel c, each block of frames is a linear function of a window of frames.",
        "Y_c = W_c^T X_c",
        "As in a dense layer; a frame in several windows gets the sum.",
        "dL/dX_c = W_c dL/dY_c",
        {"weight": "dL/dW_c = ∑ X_c (dL/dY_c)^T"},
    ),
    BatchNorm: Formulas(
        "batch normalisation",
        "Each channel is shifted and scaled: by its mean m and its standard deviation s during training, and by a "
        "learned scale γ and shift β.",
        "y = γ (x − m) / s + β",
        "m and s are constants here, so the gradient is only scaled.",
        "dL/dx = γ / s · dL/dy",
        {"scale": "dL/dγ = ∑ dL/dy (x − m) / s", "shift": "dL/dβ = ∑ dL/dy"},
    ),
    ReLU: Formulas(
        "ReLU",
        "Positive values pass; negative values become zero.",
        "y = max(x, 0)",
        "The gradient passes where the input was positive and is zero elsewhere.",
        "dL/dx = dL/dy where x > 0, else 0",
        {},
    ),
    Tanh: Formulas(
        "tanh",
        "Every value is mapped to the range from −1 to 1.",
        "y = tanh x",
        "The gradient is multiplied by the slope of the curve, which is small where the output is near −1 or 1.",
        "dL/dx = (1 − y^2) dL/dy",
        {},
    ),
    Dropout: Formulas(
        "dropout",
        "It sets random values to zero during training and does nothing in inference, as here.",
        "y = x",
        "The gradient passes unchanged.",
        "dL/dx = dL/dy",
        {},
    ),
    Residual: Formulas(
        "residual block",
        "The sum of two branches: f, the layers inside, and g, the shortcut around them.",
        "y = f(x) + g(x)",
        "The gradient goes back through the Jacobians J of both branches, and the results are added. Through the "
        "shortcut it reaches the lower layers whatever f does to it.",
        "dL/dx = J_f^T dL/dy + J_g^T dL/dy",
        {},
    ),
    StatisticsPooling: Formulas(
        "pooling over time",
        "The mean m and the standard deviation s of each channel over its T frames; the position in time is discarded.",
        "m = ∑_t x(t) / T , s^2 = ∑_t (x(t) − m)^2 / T",
        "The gradient is distributed over all frames: equally for the mean, and for the deviation in proportion to a "
        "frame's distance from the mean.",
        "dL/dx(t) = dL/dm / T + dL/ds (x(t) − m) / (s · T)",
        {},
    ),
    Merging: Formulas(
        "merging of classes",
        "Several classes count as one, such as the words that are all unknown speech: their probabilities are added.",
        "y_c = log ∑_k exp x_k over the class and its parts; elsewhere y = x",
        "Each member gets a share of the gradient in proportion to its probability.",
        "dL/dx_k = exp(x_k − y_c) dL/dy_c",
        {},
    ),
    Spectrum: Formulas(
        "spectrum of the coefficients",
        "The inverse cosine transform, with cosines C, turns the cepstral coefficients back into a spectrogram; the "
        "weights restore their relative sizes in speech.",
        "y(f, t) = ∑_k C_kf x_k(t) / (k + 1)",
        "The cosine transform turns the gradient of the bands into that of the coefficients.",
        "dL/dx_k(t) = ∑_f C_kf dL/dy(f, t) / (k + 1)",
        {},
    ),
    Stack: Formulas(
        "bands as channels",
        "Each band of each channel becomes a separate channel.",
        "y = x",
        "The gradient is reshaped back.",
        "dL/dx = dL/dy",
        {},
    ),
    Flatten: Formulas(
        "flattening",
        "The frames are concatenated to one vector.",
        "y = x",
        "The gradient is reshaped back.",
        "dL/dx = dL/dy",
        {},
    ),
}
"""Keyed by the kind of layer, in no particular order."""

BIAS = " + b"


def formulas_of(layer: Layer) -> Formulas:
    """Return the description of a layer, without the bias if it has none."""
    known = FORMULAS[type(layer)]
    if getattr(layer, "bias", True):
        return known
    parameters = {name: formula for name, formula in known.parameters.items() if name != "bias"}
    return Formulas(
        known.title, known.does, known.forward.removesuffix(BIAS), known.returns, known.backward, parameters
    )
