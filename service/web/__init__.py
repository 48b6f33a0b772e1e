"""The web process: webhooks and health."""
