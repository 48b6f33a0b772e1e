// The board's script: moves cards and writes comments through /graphql, and shows again what changed.

const $ = (id) => document.getElementById(id);
const board = $("board"), panel = $("issue"), content = $("issue-content");
const shown = new WeakMap();
let opened = document.body.dataset.open;
let dragged = null;
let pressed = false;
let waiting = false;
let last = Promise.resolve(), next = null;

function say(text) {
  $("status").textContent = text;
}

async function graphql(query, variables) {
  const answer = await fetch("/graphql", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await answer.json();
  if (errors) throw new Error(errors[0].extensions?.userPresentableMessage ?? errors[0].message);
  return data;
}

/** Runs a write and says what went wrong. */
async function attempt(write) {
  try {
    await write();
    say("");
    return true;
  } catch (error) {
    say(error.message);
    return false;
  }
}

// --- showing ---------------------------------------------------------------------------------------------------------

/** Puts `html` into `place` when it differs, keeping focus, folds and scroll where they were. */
function replace(place, html) {
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  localize(fresh.content);
  if (shown.get(place) === html) return;
  const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
  const folds = [...place.querySelectorAll("details")].map((fold) => fold.open);
  const typed = new Map([...place.querySelectorAll("input[id]")].map((input) => [input.id, input.value]));
  place.replaceChildren(fresh.content);
  for (const [id, value] of typed) if ($(id)) $(id).value = value;
  shown.set(place, html);
  place.querySelectorAll("details").forEach((fold, index) => (fold.open = folds[index] ?? false));
  if (focused) $(focused)?.focus();
}

function localize(root) {
  for (const time of root.querySelectorAll("time")) {
    const moment = new Date(time.dateTime);
    time.textContent = moment.toLocaleString([], { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
    time.title = moment.toLocaleString();
  }
}

async function fragment(path) {
  const answer = await fetch(path);
  return answer.ok ? answer.text() : null;
}

/** Runs loads one after the other, because an answer that comes late must not replace a newer one. */
function inOrder(work) {
  const done = last.then(work);
  last = done.catch(() => {});
  return done;
}

/** Shows the server's state at the time of the call or later. */
function refresh() {
  next ??= inOrder(() => {
    next = null;
    return load();
  });
  return next;
}

async function load() {
  if (dragged || pressed) return void (waiting = true);
  const [columns, issue] = await Promise.all([
    fragment(`/_page/board?team=${encodeURIComponent(document.body.dataset.team)}`),
    opened ? fragment(`/_page/issue/${encodeURIComponent(opened)}`) : null,
  ]);
  if (dragged || pressed) return void (waiting = true);
  if (columns !== null) replace(board, columns);
  if (issue !== null) replace(content, issue);
  mark();
}

function mark() {
  for (const card of board.querySelectorAll(".card")) card.classList.toggle("open", card.dataset.identifier === opened);
}

// --- opening a card --------------------------------------------------------------------------------------------------

const open = (identifier) => inOrder(() => show(identifier));

async function show(identifier) {
  const html = await fragment(`/_page/issue/${encodeURIComponent(identifier)}`);
  if (html === null) return say(`There is no issue ${identifier}.`);
  opened = identifier;
  $("issue-name").textContent = identifier;
  replace(content, html);
  panel.hidden = false;
  panel.scrollTop = 0;
  document.body.classList.add("reading");
  $("issue-title").focus({ preventScroll: true });
  mark();
}

function close() {
  const card = board.querySelector(`[data-open="${CSS.escape(opened)}"]`);
  opened = "";
  panel.hidden = true;
  document.body.classList.remove("reading");
  mark();
  card?.focus();
}

function leave() {
  close();
  history.pushState(null, "", `/?team=${document.body.dataset.team}`);
}

board.addEventListener("click", (event) => {
  if (event.target.closest("select, label") || event.metaKey || event.ctrlKey) return;
  const card = event.target.closest(".card");
  if (!card) return;
  event.preventDefault();
  history.pushState(null, "", card.querySelector("[data-open]").href);
  open(card.dataset.identifier);
});
$("close").addEventListener("click", leave);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !panel.hidden && !$("create").open) leave();
});
window.addEventListener("popstate", () => {
  const found = location.pathname.match(/\/issue\/([^/]+)/);
  if (found) open(decodeURIComponent(found[1]));
  else if (opened) close();
});

// --- moving a card ---------------------------------------------------------------------------------------------------

function move(id, stateId) {
  const query = "mutation($id: String!, $stateId: String!) { issueUpdate(id: $id, input: { stateId: $stateId }) { success } }";
  return attempt(() => graphql(query, { id, stateId })).then(refresh);
}

function delegate(id, user) {
  const query = "mutation($id: String!, $user: String) { issueUpdate(id: $id, input: { delegateId: $user }) { success } }";
  return attempt(() => graphql(query, { id, user: user || null })).then(refresh);
}

document.addEventListener("change", (event) => {
  if (event.target.dataset.delegate) delegate(event.target.dataset.delegate, event.target.value);
  if (event.target.dataset.move) move(event.target.dataset.move, event.target.value);
  if (event.target.name === "person") event.target.form.submit();
});
board.addEventListener("dragstart", (event) => {
  dragged = event.target.closest(".card");
  event.dataTransfer.setData("text/plain", dragged.dataset.identifier);
  event.dataTransfer.effectAllowed = "move";
  dragged.classList.add("dragged");
});
board.addEventListener("dragover", (event) => {
  const column = event.target.closest(".column");
  if (!dragged || !column) return;
  event.preventDefault();
  for (const other of board.querySelectorAll(".column")) other.classList.toggle("target", other === column);
});
board.addEventListener("drop", (event) => {
  const column = event.target.closest(".column");
  if (!dragged || !column) return;
  event.preventDefault();
  const id = dragged.dataset.id;
  column.querySelector("ul").append(dragged);
  settle();
  move(id, column.dataset.state);
});
board.addEventListener("dragend", () => {
  settle();
  pressed = false;
  catchUp();
});

// An element that is replaced between press and release gets no click.
document.addEventListener("pointerdown", () => (pressed = true));
for (const name of ["pointerup", "pointercancel"]) {
  document.addEventListener(name, () => setTimeout(() => ((pressed = false), catchUp())));
}

function catchUp() {
  if (waiting) refresh();
  waiting = false;
}

function settle() {
  dragged?.classList.remove("dragged");
  dragged = null;
  for (const column of board.querySelectorAll(".target")) column.classList.remove("target");
}

// --- writing ---------------------------------------------------------------------------------------------------------

$("comment").addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = $("comment-text").value;
  const query = "mutation($input: CommentCreateInput!) { commentCreate(input: $input) { success } }";
  if (!(await attempt(() => graphql(query, { input: { issueId: opened, body } })))) return;
  $("comment-text").value = "";
  await refresh();
  panel.scrollTo({ top: panel.scrollHeight, behavior: "smooth" });
});
$("comment-text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("comment").requestSubmit();
});

content.addEventListener("click", async (event) => {
  const { react, comment, mine } = event.target.closest("[data-react]")?.dataset ?? {};
  if (!react) return;
  event.target.closest("details")?.removeAttribute("open");
  const add = "mutation($input: ReactionCreateInput!) { reactionCreate(input: $input) { success } }";
  const take = "mutation($id: String!) { reactionDelete(id: $id) { success } }";
  await attempt(() => (mine ? graphql(take, { id: mine }) : graphql(add, { input: { commentId: comment, emoji: react } })));
  await refresh();
});

// --- agent sessions --------------------------------------------------------------------------------------------------

/** Writes in the session's thread, which is a prompt to the agent. */
function prompt(parentId, body) {
  const query = "mutation($input: CommentCreateInput!) { commentCreate(input: $input) { success } }";
  return attempt(() => graphql(query, { input: { issueId: opened, parentId, body } }));
}

content.addEventListener("click", async (event) => {
  const { stop, reply, body } = event.target.closest("button")?.dataset ?? {};
  if (stop) {
    const query = "mutation($input: AgentActivityCreatePromptInput!) { agentActivityCreatePrompt(input: $input) { success } }";
    const input = { agentSessionId: stop, signal: "stop", content: { body: "Stop" } };
    await attempt(() => graphql(query, { input }));
  } else if (body) await prompt(reply, body);
  else return;
  await refresh();
});
content.addEventListener("submit", async (event) => {
  event.preventDefault();
  const input = event.target.querySelector("input");
  if (await prompt(event.target.dataset.reply, input.value)) input.value = "";
  await refresh();
});

$("new").addEventListener("click", () => $("create").showModal());
$("create").addEventListener("close", async () => {
  const form = $("create").querySelector("form");
  if ($("create").returnValue === "create") {
    const { title, description } = Object.fromEntries(new FormData(form));
    const query = "mutation($input: IssueCreateInput!) { issueCreate(input: $input) { success } }";
    await attempt(() => graphql(query, { input: { teamId: document.body.dataset.teamId, title, description } }));
    refresh();
  }
  form.reset();
  $("create").returnValue = "";
});

localize(document);
if (opened) open(opened);
new EventSource("/_page/events").addEventListener("message", refresh);
