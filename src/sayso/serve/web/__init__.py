"""A local page on which words are recorded, taught and tried, with the microphone of the browser."""
