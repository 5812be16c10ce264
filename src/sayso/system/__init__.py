"""What sayso asks of the machine: whole files, worker processes, memory, text fit for a terminal."""
