// The path page: states, also of other nodes, anew every two seconds, a walk when asked for, one listener bound again;
// the list of scenarios anew when a run begins or ends.

import { ask, byId, note, part, startPage } from "./page.js";
import { followRuns } from "./runs.js";
import { writeTimes } from "./times.js";

const PERIOD = 2000; // milliseconds

const place = byId("listeners");
const button = byId("walk");
const nodes = byId("nodes"); // there may be none
const scenarios = byId("scenario-list"); // there may be none
let walked = "walked" in place.dataset;
let shown = "";
let nodesShown = "";

function show(html) {
  if (html === shown) return;
  shown = html;
  const focused = document.activeElement?.dataset?.rebind;
  place.innerHTML = html;
  if (focused !== undefined) place.querySelector(`[data-rebind="${focused}"]`)?.focus();
  writeTimes(place);
}

/** Shows the nodes as they are known now, if that has changed. */
async function refreshNodes() {
  if (document.hidden) return;
  const response = await fetch("/path?part=nodes").catch(() => undefined);
  const html = response?.ok ? await response.text() : nodesShown;
  if (html === nodesShown) return;
  nodesShown = html;
  nodes.innerHTML = html;
  writeTimes(nodes);
}

/** A drawing that was walked stays until a listener's state is another than it was then. */
async function refresh() {
  if (document.hidden) return;
  const response = await fetch("/path?part=listeners").catch(() => undefined);
  if (!response?.ok) return;
  const html = await response.text();
  if (walked && states(html) === states(place.innerHTML)) return;
  walked = false;
  show(html);
}

function states(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  return [...page.querySelectorAll(".listener")].map((listener) => listener.className).join();
}

async function walk() {
  button.textContent = "Walking ...";
  button.setAttribute("aria-disabled", "true");
  const found = await part("/path?walk", "listeners");
  button.textContent = "Walk the paths";
  button.removeAttribute("aria-disabled");
  if (!found) return;
  walked = true;
  show(found.html);
}

async function rebind(number) {
  note("Binding ...");
  const response = await ask(`/api/bindpost/v1/listeners/${number}/rebind`, { method: "POST" });
  if (response) note(`The listener is ${(await response.json()).state}.`);
  walked = false;
  await refresh();
}

async function listScenarios({ kind }) {
  if (!["begun", "ended"].includes(kind)) return;
  const found = await part("/path", "scenarios");
  if (!found) return;
  const focused = scenarios.contains(document.activeElement) && document.activeElement;
  const link = focused && `a[href="${focused.getAttribute("href")}"]`;
  scenarios.innerHTML = found.html;
  if (link) scenarios.querySelector(link)?.focus();
  writeTimes(scenarios);
}

button.addEventListener("click", (event) => {
  event.preventDefault();
  if (!button.hasAttribute("aria-disabled")) walk();
});
place.addEventListener("click", ({ target }) => {
  if (target.dataset.rebind !== undefined) rebind(target.dataset.rebind);
});
startPage([["w", "walk the paths", () => button.click()]]);
setInterval(refresh, PERIOD);
if (nodes) setInterval(refreshNodes, PERIOD);
if (scenarios) followRuns(scenarios.dataset.after, listScenarios);
