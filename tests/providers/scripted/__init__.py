"""Scripted: two toy agent runners with fixed replies. One uses the tools of the toolbox, the other runs a
command of its own in the sandbox, as a command-line agent would."""
