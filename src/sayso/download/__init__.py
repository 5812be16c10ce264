"""The public data sets: fetched whole, verified, unpacked safely."""
