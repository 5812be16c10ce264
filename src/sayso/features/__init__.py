"""Samples to standardised MFCC, for clips and for streams."""
