"""Services: recognised words for smart homes and other programs."""
