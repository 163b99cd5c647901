"""One folder a broker."""
