"""Live kernel, supervisor, strategy runtime."""
