"""The version of sayso, and nothing else."""

__version__ = "0.1.0"
