"""Environments of repositories: the files that their setup commands create, built once and shared read-only by runs."""
