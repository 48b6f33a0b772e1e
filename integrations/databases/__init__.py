"""Queries of databases by agents: read-only, in a child process."""
