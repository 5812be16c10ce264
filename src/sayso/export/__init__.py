"""A trained model for other programs: an ONNX graph, a C header, or JSON with a JavaScript library."""
