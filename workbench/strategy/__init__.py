"""How a strategy is written: Strategy, Param, rules as expressions."""
