"""Promotion: bundle, gates, approval, signature."""
