"""How good a model is, on clips and on streams."""
