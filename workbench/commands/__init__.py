"""The groups of the `workbench` command, a module each."""
