"""Download the public data sets: completely, verified, and unpacked safely."""
