"""The indicators, a file each. `workbench.indicators.registry` finds what is declared here."""
