"""A trained model for other programs: an ONNX graph, a C header, JSON with a JavaScript library, or a whole page."""
