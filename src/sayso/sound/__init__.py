"""Read any sound file, pipe or address as float32 mono at the wanted rate; find the speech in it; noise."""
