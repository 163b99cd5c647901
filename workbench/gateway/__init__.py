"""The only process that can send an order."""
