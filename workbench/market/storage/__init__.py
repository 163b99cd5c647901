"""Where quotes are kept: append-only versions in files, named by the catalogue in the database."""
