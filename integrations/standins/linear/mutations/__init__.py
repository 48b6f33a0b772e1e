"""The root fields of `Mutation`, one file per kind of thing. Called by `execute` with the store's lock held."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from integrations.standins.linear.mutations import attachments, comments, issues, webhooks

MUTATIONS: dict[str, Callable[..., Any]] = {
    "issueCreate": issues.create,
    "issueUpdate": issues.update,
    "issueAddLabel": issues.add_label,
    "issueRemoveLabel": issues.remove_label,
    "issueArchive": issues.archive,
    "issueUnarchive": issues.unarchive,
    "issueDelete": issues.delete,
    "issueLabelCreate": issues.create_label,
    "commentCreate": comments.create,
    "commentUpdate": comments.update,
    "commentDelete": comments.delete,
    "reactionCreate": comments.react,
    "reactionDelete": comments.delete_reaction,
    "attachmentCreate": attachments.create,
    "attachmentUpdate": attachments.update,
    "attachmentDelete": attachments.delete,
    "attachmentLinkURL": attachments.link_url,
    "attachmentLinkGitHubPR": attachments.link_github_pr,
    "webhookCreate": webhooks.create,
    "webhookUpdate": webhooks.update,
    "webhookDelete": webhooks.delete,
}
