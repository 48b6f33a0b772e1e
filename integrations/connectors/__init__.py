"""Connectors: the client of the operator's MCP servers (Model Context Protocol).

`servers` reads the operator's file, `tools` compares tools with the accepted ones; both are pure and used by every
process. The other modules import the SDK `mcp` (0.8 s, 56 MB) and run in the connectors process alone.
"""
