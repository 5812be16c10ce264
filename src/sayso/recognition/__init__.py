"""The only path from sound to words."""
