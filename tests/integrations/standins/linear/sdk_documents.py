"""Documents with the fields that clients of Linear's agent API select."""

from __future__ import annotations

SESSION = """query($id: String!) {
  agentSession(id: $id) {
    id
    status
    url
    startedAt
    endedAt
    dismissedAt
    plan
    externalLinks { label url }
    appUser { id }
    creator { id }
    issue { id }
    comment { id }
    sourceComment { id }
    activities(first: 50) {
      nodes {
        id
        createdAt
        ephemeral
        signal
        signalMetadata
        user { id }
        sourceComment { id }
        content {
          ... on AgentActivityThoughtContent { body }
          ... on AgentActivityActionContent { action parameter result }
          ... on AgentActivityElicitationContent { body }
          ... on AgentActivityResponseContent { body }
          ... on AgentActivityErrorContent { body }
          ... on AgentActivityPromptContent { body }
        }
      }
    }
  }
}"""
CREATE_ACTIVITY = """mutation($input: AgentActivityCreateInput!) {
  agentActivityCreate(input: $input) { success lastSyncId agentActivity { id agentSession { id } } }
}"""
UPDATE_SESSION = """mutation($id: String!, $input: AgentSessionUpdateInput!) {
  agentSessionUpdate(id: $id, input: $input) { success lastSyncId agentSession { id status } }
}"""
OPEN_ON_ISSUE = """mutation($input: AgentSessionCreateOnIssue!) {
  agentSessionCreateOnIssue(input: $input) { success lastSyncId agentSession { id status } }
}"""
OPEN_ON_COMMENT = """mutation($input: AgentSessionCreateOnComment!) {
  agentSessionCreateOnComment(input: $input) { success lastSyncId agentSession { id status } }
}"""
PROMPT = """mutation($input: AgentActivityCreatePromptInput!) {
  agentActivityCreatePrompt(input: $input) { success lastSyncId agentActivity { id } }
}"""
SESSIONS = "query { agentSessions(first: 10) { nodes { id status issue { identifier } } } }"
