// The event viewer's script: filters as one types, new events on top, one event beside the list.

import { Listing } from "./listing.js";
import { follow } from "./live.js";
import { byId, part, startPage } from "./page.js";
import { writeTimes } from "./times.js";

const STREAM = "/api/bindpost/v1/events/stream";
const EXPORT = "/api/bindpost/v1/events/export";
const TYPING = 200; // milliseconds without a key after which the filter holds

const form = byId("filters");
const pane = byId("pane");
const rows = byId("rows");
const listing = rows && new Listing({ rows, scroller: byId("scroller"), path, settled });

/** The filters that are set, as a query. */
function query() {
  const given = [...new FormData(form)].filter(([, value]) => value.trim());
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

function path() {
  return `/events${query()}`;
}

function settled() {
  const none = byId("none");
  none.hidden = Boolean(rows.querySelector(".row, .more"));
  none.textContent = query() ? "No such events." : "Nothing was logged yet.";
}

async function open(href, { push = true } = {}) {
  const found = await part(href, "event");
  if (!found) return;
  pane.innerHTML = found.html;
  writeTimes(pane);
  document.body.classList.add("reading");
  const { cursor, title } = pane.firstElementChild.dataset;
  listing.setOpen(`e-${cursor}`);
  document.title = `${title} - bindpost`;
  if (push) history.pushState(null, "", href);
  pane.scrollTop = 0;
  if (matchMedia("(max-width: 55.99rem)").matches) byId("subject").focus();
}

function close({ push = true } = {}) {
  const row = rows.querySelector(".row.open");
  pane.replaceChildren();
  document.body.classList.remove("reading");
  listing.setOpen();
  document.title = "Events - bindpost";
  if (push) history.pushState(null, "", path());
  row?.querySelector("a").focus({ preventScroll: true });
}

async function go(step) {
  const row = await listing.move(step);
  if (row && pane.firstElementChild) await open(row.querySelector("a").href);
}

let typing;
function filter() {
  clearTimeout(typing);
  typing = setTimeout(() => {
    if (!form.checkValidity()) return;
    if (!pane.firstElementChild) history.replaceState(null, "", path());
    for (const link of document.querySelectorAll("#exports a")) {
      const values = new URLSearchParams(query());
      values.set("format", link.dataset.format);
      link.href = `${EXPORT}?${values}`;
    }
    listing.reload();
  }, TYPING);
}

function startViewer() {
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  rows.addEventListener("click", (event) => {
    const link = event.target.closest(".row")?.querySelector("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    link.focus({ preventScroll: true });
    open(link.href);
  });
  pane.addEventListener("click", (event) => {
    if (!event.target.closest("a.back, a.close")) return;
    event.preventDefault();
    close();
  });
  addEventListener("popstate", () => {
    if (location.pathname !== "/events") open(location.href, { push: false });
    else close({ push: false });
  });
  settled();
  follow(STREAM, ["message"], Number(rows.dataset.sequence), ({ sequence }) => listing.expectNews(sequence));
  listing.loadWhenNear();
}

startPage([
  ["j", "next event", () => void go(1)],
  ["k", "previous event", () => void go(-1)],
  ["Enter o", "open", ({ key }) => {
    if (key === "Enter" && document.activeElement !== document.body) return false;
    const row = listing.current() ?? listing.all()[0];
    return void (row && open(row.querySelector("a").href));
  }],
  ["/", "search in the descriptions", () => byId("q").select()],
  ["Escape", "close the event", () => pane.firstElementChild && close()],
]);
if (listing) startViewer();
