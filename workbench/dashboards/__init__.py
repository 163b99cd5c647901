"""What the Voila notebooks show."""
