"""The Protocols that providers implement: one module per port, with its values."""
