"""Rules for evidence: experiments, verdict validation, protected paths, stray files. Pure."""
