"""Services: recognised words for smart homes and other programs, and a page for people."""
