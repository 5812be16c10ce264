"""From recordings to a model: preparing, augmenting, epochs, teaching, sweeps."""
