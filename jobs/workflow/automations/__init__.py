"""The rules of a repository's automations. Pure."""
