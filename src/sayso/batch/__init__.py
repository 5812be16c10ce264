"""Many files to rows, resumable."""
