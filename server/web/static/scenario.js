// A scenario's page: run and stop it, and show anew what the server has made of each step.

import { ask, byId, part, startPage } from "./page.js";
import { followRuns } from "./runs.js";
import { writeTimes } from "./times.js";

const place = byId("run");
const { name, after } = place.dataset;
const toggled = new Map(); // what somebody has opened or closed, by its id
let asking = false;
let stale = false;
let sending = false;

/** Puts the newest state in; what comes while it is asked for is shown by one more look. */
async function refresh() {
  stale = true;
  if (asking) return;
  asking = true;
  while (stale) {
    stale = false;
    const found = await part(`/path/${name}`, "scenario");
    if (found) show(found.html);
  }
  asking = false;
}

function show(html) {
  const focused = place.contains(document.activeElement) ? document.activeElement : undefined;
  const key = focused && keyOf(focused);
  place.innerHTML = html;
  for (const [id, open] of toggled) {
    const details = byId(id);
    if (details) details.open = open;
  }
  if (key) [...place.querySelectorAll(FOCUSABLE)].find((one) => keyOf(one) === key)?.focus();
  writeTimes(place);
}

const FOCUSABLE = "a, button, summary, [tabindex]";

/** What stays the same of a link, a button or a fold when the page is made anew. */
function keyOf(element) {
  if (element.matches("button")) return "button"; // Run becomes Stop, and Stop Run again
  return element.getAttribute("href") ?? element.closest("[id]").id + element.tagName;
}

function tell(told) {
  if (told.scenario !== name) return;
  if (["verdict", "ended"].includes(told.kind)) {
    byId("said").textContent = [told.phase, told.words].filter(Boolean).join(" ");
  }
  refresh();
}

place.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (sending) return;
  sending = true;
  const action = new URL(event.target.action).pathname.split("/").at(-1);
  await ask(`/api/bindpost/v1/scenarios/${name}/${action}`, { method: "POST" });
  sending = false;
  refresh();
});
place.addEventListener("click", ({ target }) => {
  const details = target.closest("summary")?.parentElement;
  if (details) toggled.set(details.id, !details.open);
});
startPage([
  ["r", "run the scenario", () => byId("start")?.click()],
  ["s", "stop it", () => byId("stop")?.click()],
]);
followRuns(after, tell);
