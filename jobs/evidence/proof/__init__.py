"""The proof by experiment: which variations of a change its checks run in, and what the results mean. Pure."""
