"""A local GitHub for demo and tests: REST, smart HTTP, webhooks, pages. Reached over the wire only, never imported."""
