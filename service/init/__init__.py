"""`loopline init`: a guided set-up with few questions, which can be interrupted and continued.

`flow` asks and acts in order, `dialog` asks, `settings_file` writes `.env`, `proposal` proposes `WORKFLOW.md`,
`app_page` creates an app by manifest, `reach` tests the webhook URL.
"""

from __future__ import annotations
