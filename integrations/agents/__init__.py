"""Agent runners, one folder each, and their shared modules: transcripts and spinning detection."""
