"""A trained model, its file format, and the models that come with sayso."""
