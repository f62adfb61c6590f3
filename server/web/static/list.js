// The list of messages: more as one scrolls, new ones on top, marks, removals, the selection.

import { byId, part } from "./page.js";
import { writeTimes } from "./times.js";

const AHEAD = 800; // pixels before the end of the list at which more is loaded
const NEAR_TOP = 200; // pixels within which the list counts as looked at from its top
const GATHERING = 150; // milliseconds for which news are gathered

const rows = byId("rows");
const field = byId("q");
let newest = Number(rows.dataset.sequence); // all changes up to this one are in the list
let latest = newest; // the latest change that was heard of
let listing = new AbortController();
let isLoading = false;
let isGathering = false;

export const all = () => [...rows.querySelectorAll(".row")];
export const find = (id) => byId(`m-${id}`);
export const selected = () => all().filter((row) => row.firstElementChild.checked);

/** The row that keys act on: the one with the focus, the open one, or none. */
export function current() {
  return document.activeElement?.closest?.(".row") ?? rows.querySelector(".row.open");
}

function address(values) {
  const url = new URL("/", location.href);
  if (field.value) url.searchParams.set("q", field.value);
  for (const [name, value] of Object.entries(values)) url.searchParams.set(name, value);
  return url;
}

function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  writeTimes(template.content);
  return template.content;
}

/** Loads the list anew: for another search, or when too much has happened. */
export async function reload() {
  listing.abort();
  listing = new AbortController();
  const upto = latest;
  const found = await part(address({}), "rows", { signal: listing.signal });
  if (!found) return;
  newest = upto;
  const open = rows.querySelector(".row.open")?.dataset.id;
  rows.replaceChildren(parse(found.html));
  rows.scrollTop = 0;
  delete rows.dataset.older;
  byId("news").hidden = true;
  if (open) setOpen(open);
  await settle();
}

/** Brings the list in order after it has changed. */
async function settle() {
  const more = rows.querySelector(".more");
  const none = byId("none");
  none.textContent = all().length || more || !field.value ? "" : "Nothing found.";
  none.hidden = !none.textContent;
  showSelection();
  await loadWhenNear();
}

async function loadWhenNear() {
  const more = rows.querySelector(".more");
  if (!more || isLoading || !more.offsetParent) return;
  if (more.getBoundingClientRect().top > innerHeight + AHEAD) return;
  isLoading = true;
  const { signal } = listing;
  const before = more.firstElementChild.dataset.next;
  const found = await part(address({ before }), "rows", { signal });
  isLoading = false;
  if (!found || signal.aborted) return;
  more.replaceWith(parse(found.html));
  await settle();
}

/** Takes note of a change that added messages; they come in together with those right after. */
export function expectNews(sequence) {
  latest = Math.max(latest, sequence);
  if (isGathering) return;
  isGathering = true;
  setTimeout(() => {
    isGathering = false;
    loadNews();
  }, GATHERING);
}

async function loadNews() {
  if ("older" in rows.dataset) {
    byId("news").hidden = false;
    return;
  }
  const upto = latest;
  const { signal } = listing;
  const found = await part(address({ after: newest }), "rows", { signal });
  if (!found || signal.aborted) return;
  const news = parse(found.html);
  if (news.querySelector(".more")) {
    // More than a page: between it and the list there would be a gap.
    if (rows.scrollTop < NEAR_TOP && scrollY < NEAR_TOP) await reload();
    else byId("news").hidden = false;
    return;
  }
  newest = Math.max(newest, upto);
  for (const row of news.querySelectorAll(".row")) {
    if (find(row.dataset.id)) row.remove();
    else row.classList.add("fresh");
  }
  rows.prepend(news);
  await settle();
}

/** Shows the read flags that messages have now. */
export function mark(ids, read) {
  for (const row of ids.map(find)) {
    if (!row) continue;
    row.classList.toggle("read", read);
    row.classList.toggle("unread", !read);
    row.querySelector(".state").textContent = read ? "" : "Unread: ";
  }
}

/** Takes messages out of the list; the focus goes to a neighbour. */
export function remove(ids) {
  for (const row of ids.map(find)) {
    if (!row) continue;
    const hadFocus = row.contains(document.activeElement);
    const neighbour = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    if (hadFocus) neighbour?.querySelector("a")?.focus();
  }
  settle();
}

/** Marks the row whose message is open, null for none. */
export function setOpen(id) {
  for (const row of rows.querySelectorAll(".row.open")) {
    row.classList.remove("open");
    row.querySelector("a").removeAttribute("aria-current");
  }
  const row = id && find(id);
  if (!row) return;
  row.classList.add("open");
  row.querySelector("a").setAttribute("aria-current", "true");
}

/** Moves the focus by one row, loading more at the end; gives the row. */
export async function move(step) {
  const from = current();
  const list = all();
  let to = from ? list[list.indexOf(from) + step] : list[0];
  if (!to && step > 0) {
    await loadWhenNear();
    to = from && all()[all().indexOf(from) + step];
  }
  to?.querySelector("a").focus({ preventScroll: true });
  to?.scrollIntoView({ block: "nearest" });
  return to;
}

/** Selects a row or lets go of it. */
export function toggle(row) {
  row.firstElementChild.checked = !row.firstElementChild.checked;
  showSelection();
}

/** Selects every row that is loaded, or none. */
export function selectAll(on) {
  for (const row of all()) row.firstElementChild.checked = on;
  showSelection();
}

function showSelection() {
  const count = selected().length;
  for (const row of all()) row.classList.toggle("checked", row.firstElementChild.checked);
  rows.classList.toggle("selecting", count > 0);
  byId("bulk").hidden = count === 0;
  byId("actions").hidden = count > 0;
  const element = byId("count");
  element.textContent = count ? `${count} selected` : element.dataset.text ?? element.textContent;
}

/** Shows how much there is. */
export function showCount(total) {
  byId("count").dataset.text = `${total} message${total === 1 ? "" : "s"}`;
  showSelection();
}

let last = null; // the row that was selected last, where a range begins

rows.addEventListener("click", (event) => {
  const row = event.target.closest(".row");
  if (!row || event.target !== row.firstElementChild) return;
  const list = all();
  if (event.shiftKey && last?.isConnected) {
    const [from, to] = [list.indexOf(last), list.indexOf(row)].sort((a, b) => a - b);
    for (const other of list.slice(from, to + 1)) other.firstElementChild.checked = event.target.checked;
  }
  last = row;
  showSelection();
});
for (const scroller of [rows, window]) {
  scroller.addEventListener("scroll", () => requestAnimationFrame(loadWhenNear), { passive: true });
}
addEventListener("resize", () => loadWhenNear());
byId("news").addEventListener("click", reload);
byId("count").dataset.text = byId("count").textContent;
settle();
