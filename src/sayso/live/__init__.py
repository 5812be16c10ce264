"""The microphone, and what is done with what it hears."""
