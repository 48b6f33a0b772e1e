// Polls the page every two seconds and replaces the regions marked `data-live` that changed. The server returns 304
// while nothing has changed. The templates escape all text; this script builds no markup.

const PERIOD_MS = 2000;
const seen = new Map([...document.querySelectorAll("[data-live]")].map((region) => [region.id, region.innerHTML]));
const connection = document.getElementById("connection");

function ago(seconds) {
  if (seconds < 10) return "just now";
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} days ago`;
}

function writeAges() {
  for (const time of document.querySelectorAll("time[data-age]")) {
    const text = ago((Date.now() - Date.parse(time.dateTime)) / 1000);
    if (time.textContent !== text) time.textContent = text;
    time.title = time.dateTime;
  }
}

function swap(region, fresh) {
  const open = new Set([...region.querySelectorAll("details[open]")].map((one) => one.dataset.key));
  const focused = region.contains(document.activeElement) ? document.activeElement.id : "";
  region.replaceChildren(...fresh.childNodes);
  for (const one of region.querySelectorAll("details")) one.open = open.has(one.dataset.key);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

function show(page) {
  for (const [id, html] of seen) {
    const region = document.getElementById(id);
    const fresh = page.getElementById(id);
    if (!region || !fresh) return location.reload(); // a different page: an error page, or the end of one
    if (fresh.innerHTML === html) continue;
    seen.set(id, fresh.innerHTML);
    swap(region, fresh);
  }
  writeAges();
  document.dispatchEvent(new CustomEvent("refreshed", { detail: page }));
}

async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(10000) });
    if (answer.redirected) return location.reload(); // the session has ended
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answer.ok) show(page);
    connection.textContent = answer.ok ? "" : page.querySelector("#problem p")?.textContent ?? answer.statusText;
  } catch {
    connection.textContent = "The dashboard does not respond, retrying.";
  }
}

async function keepCurrent() {
  await refresh();
  setTimeout(keepCurrent, PERIOD_MS);
}

writeAges();
setInterval(writeAges, 1000);
setTimeout(keepCurrent, PERIOD_MS);
document.addEventListener("visibilitychange", refresh);
