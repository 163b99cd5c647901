"""The compiled core: order matching and accounts, for backtest, replay and paper alike."""
