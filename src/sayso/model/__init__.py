"""A trained model, its one file, and the models that ship."""
