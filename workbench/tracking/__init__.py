"""MLflow runs and models, and the ledger of trials."""
