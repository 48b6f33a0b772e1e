"""Names and links that Linear derives from columns. Pure; read by resolvers, webhook payloads and the page."""

from __future__ import annotations

import re

from integrations.standins.linear.context import Context
from integrations.standins.linear.store import Row


def slug(title: str) -> str:
    """A title as it appears in an address or a branch: 'Retry the export!' is 'retry-the-export'. At most 50
    characters."""
    words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    return words[:50].rstrip("-")


def identifier(context: Context, issue: Row) -> str:
    """As `ENG-123`."""
    return f"{context.find('Team', issue['teamId'])['key']}-{issue['number']}"


def workspace_url(context: Context) -> str:
    """The address of the workspace's pages."""
    return f"{context.base_url}/{context.store.rows('Organization')[0]['urlKey']}"


def issue_url(context: Context, issue: Row) -> str:
    """The issue's page; the slug at the end is optional."""
    return f"{workspace_url(context)}/issue/{identifier(context, issue)}/{slug(issue['title'])}"


def profile_url(context: Context, user: Row) -> str:
    """The person's page; as plain text in a comment it is a mention."""
    return f"{workspace_url(context)}/profiles/{user['displayName']}"


def branch_name(context: Context, issue: Row) -> str:
    """The branch that Linear proposes to the caller: 'ana/eng-1-retry-the-export'."""
    return f"{slug(context.viewer['displayName'])}/{identifier(context, issue).lower()}-{slug(issue['title'])}"
