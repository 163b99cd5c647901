"""A notebook as a document: its cells, its parameters, a run of it by papermill."""
