"""Any sound file, pipe or address as float32 mono at the wanted rate; where in it the speech lies; noise."""
