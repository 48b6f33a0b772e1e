// Shows a run's transcript live, by server-sent events; polls every two seconds when those are refused.
// Output of agents is untrusted: it is added to the page as textContent, never as markup.

const POLL_MS = 2000;
const STREAM_RETRY_MS = 30000;
const panel = document.getElementById("transcript");
const calls = new Map(); // tool call id to the element that shows the call
let run = panel.dataset.run;
let last = "0-0";
let source = null;
let timer = 0;
let generation = 0; // incremented when a stream or poll ends, so that late responses are ignored

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

function folded(summary, body) {
  const details = element("details");
  details.append(element("summary", "", summary), element("pre", "", body));
  return details;
}

function article(entry) {
  const made = element("article", `entry kind-${entry.kind}${entry.failed ? " failed" : ""}`);
  made.dataset.testid = "entry";
  made.dataset.kind = entry.kind;
  if (entry.folded && entry.body && !entry.text) {
    made.append(folded(entry.label, entry.body));
    return made;
  }
  made.append(element("p", "label", entry.label));
  if (entry.text) made.append(element(entry.kind === "tool_call" ? "pre" : "p", "words", entry.text));
  if (entry.body) made.append(entry.folded ? folded("Details", entry.body) : element("pre", "", entry.body));
  return made;
}

function atBottom() {
  return panel.scrollHeight - panel.scrollTop - panel.clientHeight < 80;
}

function add(entry) {
  const stick = atBottom();
  const made = article(entry);
  if (entry.kind === "tool_call") calls.set(entry.call, made);
  const call = entry.kind === "tool_result" && calls.get(entry.call);
  if (call) call.append(made);
  else panel.append(made);
  last = entry.id;
  if (stick) panel.scrollTop = panel.scrollHeight;
}

function setStatus(text) {
  const live = document.getElementById("live");
  if (live && live.textContent !== text) live.textContent = text;
}

function stop() {
  generation += 1;
  source?.close();
  source = null;
  clearTimeout(timer);
}

function finish() {
  stop();
  run = "";
  setStatus("run finished");
}

function listen() {
  stop();
  if (!run || document.hidden) return;
  source = new EventSource(`/api/runs/${encodeURIComponent(run)}/events?after=${last}`);
  source.addEventListener("open", () => setStatus("live"));
  source.addEventListener("entry", (message) => add(JSON.parse(message.data)));
  source.addEventListener("end", finish);
  source.addEventListener("error", () => {
    setStatus("waiting for the server");
    if (source?.readyState === EventSource.CLOSED) poll(Date.now() + STREAM_RETRY_MS);
  });
}

async function poll(until) {
  stop();
  const mine = generation;
  try {
    const answer = await fetch(`/api/runs/${encodeURIComponent(run)}/entries?after=${last}`);
    const { entries, over } = await answer.json();
    if (mine !== generation) return;
    if (answer.ok) {
      entries.forEach(add);
      setStatus("polling every 2 seconds");
      if (over) return finish();
    }
  } catch {
    setStatus("waiting for the server");
  }
  if (mine !== generation) return;
  timer = setTimeout(() => (Date.now() > until ? listen() : poll(until)), POLL_MS);
}

function follow(page) {
  const next = page.getElementById("transcript")?.dataset.run;
  if (!("follow" in panel.dataset) || !next || next === panel.dataset.run) return;
  if (!panel.dataset.run) panel.replaceChildren(); // remove the hint that no run has started
  panel.dataset.run = run = next;
  last = "0-0";
  panel.append(element("h3", "divider", next));
  listen();
}

document.addEventListener("refreshed", (event) => follow(event.detail));
// Browsers limit connections per host to six, so a hidden tab closes its stream.
document.addEventListener("visibilitychange", () => (document.hidden ? stop() : listen()));
if (run) panel.append(element("h3", "divider", run));
listen();
