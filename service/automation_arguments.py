"""The arguments of `loopline automations`. Called by the command line."""

from __future__ import annotations

import argparse


def add_automations(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> list[argparse.ArgumentParser]:
    """Add the command with its parts; returns those that read settings."""
    automations = commands.add_parser("automations", help="list, run or add automations, or show their history")
    parts = automations.add_subparsers(dest="part")
    listing = parts.add_parser("list", help="list them with their next start, and declarations that cannot be used")
    listing.add_argument("repository", nargs="?", default="", metavar="OWNER/NAME")
    request = parts.add_parser("run", help="start a run now")
    request.add_argument("repository", metavar="OWNER/NAME")
    request.add_argument("name", help="the automation")
    adding = parts.add_parser("add", help="copy a shipped automation into this checkout; without a name, list them")
    adding.add_argument("name", nargs="?", default="", help="the automation, as ci-triage")
    history = parts.add_parser("history", help="list the runs that have ended, with their results and costs")
    history.add_argument("repository", nargs="?", default="", metavar="OWNER/NAME")
    history.add_argument("name", nargs="?", default="", help="only this automation")
    return [automations, listing, request, history]
