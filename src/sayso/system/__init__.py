"""What sayso needs from the machine: atomic files, worker processes, memory, text safe for a terminal."""
