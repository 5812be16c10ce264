"""Inside a network: one clip on its way forward and backward, and a small network while it learns."""
