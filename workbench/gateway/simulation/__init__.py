"""Deterministic simulation of the order path: the real gateway, and all around it failing by a seed."""
