"""Use cases. Knows only ports: the adapters behind them are chosen in `wiring`."""
