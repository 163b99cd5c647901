"""Features, labels, splits, training, model export."""
