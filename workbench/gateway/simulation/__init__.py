"""Deterministic simulation of the order path: the real gateway, and everything around it failing by a seed."""
