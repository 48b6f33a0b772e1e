"""Secrets in what an agent wrote: recognized by their form (`patterns`), or known to this process (`own`)."""
