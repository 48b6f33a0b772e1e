"""Scripted: two toy agent runners that know their lines. One uses the tools that it is offered, the other runs a
command of its own in the sandbox, as a command-line agent would."""
