"""The research kernel: what a notebook imports, magics, rich output."""
