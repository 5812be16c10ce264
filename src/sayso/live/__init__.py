"""The microphone, and live recognition of its sound."""
