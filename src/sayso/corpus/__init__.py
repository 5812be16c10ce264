"""Read a folder of words into labelled clips in memory."""
