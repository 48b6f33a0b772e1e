"""Wire-level local Linear, GitHub and model, reached only through base URLs. Nothing in the product imports them."""
