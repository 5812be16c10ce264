"""A folder of words on disk becomes labelled clips in memory."""
