"""The egress proxy: network access by host name for commands in the sandbox."""
