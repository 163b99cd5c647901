"""Quotes on their way to accounts and strategies: replayed tick by tick, or streamed."""
