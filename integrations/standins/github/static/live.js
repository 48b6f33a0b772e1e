// Shows what changed on the server without touching what is being typed: only elements marked data-live are replaced.
"use strict";

async function refresh() {
  const version = await (await fetch("/_version")).text();
  if (version === document.body.dataset.version) return;
  const answer = await fetch(document.body.dataset.path);
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const old of document.querySelectorAll("[data-live]")) {
    const renewed = fresh.getElementById(old.id);
    if (renewed && renewed.innerHTML !== old.innerHTML) old.replaceWith(renewed);
  }
  document.body.dataset.version = fresh.body.dataset.version;
}

async function watch() {
  if (!document.hidden) await refresh().catch(() => {}); // the server may be restarting
  setTimeout(watch, 1500);
}

document.querySelector("#login")?.addEventListener("change", (event) => event.target.form.submit());
watch();
