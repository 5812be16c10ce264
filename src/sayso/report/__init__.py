"""Plots and pages for people to read."""
