"""The MCP server: people use Loopline from clients such as Claude Code, with their own rights."""
