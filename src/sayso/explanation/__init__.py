"""What goes on inside: one clip on its way through the network and back, and a small network while it learns."""
