// The list of messages: what is selected, read, gone; how many there are.

import { Listing } from "./listing.js";
import { byId, within } from "./page.js";

const RENEWED = 50;

const rows = byId("rows");
const field = byId("q");

export const listing = new Listing({ rows, scroller: rows, path, settled });
export const find = (id) => byId(`m-${id}`);

const chosen = new Set(); // the ids of what is selected
let everything = null; // or all that the search finds: {search, before, count, except}

function path() {
  return within("/", field.value ? { q: field.value } : {});
}

function settled() {
  const none = byId("none");
  const isEmpty = !rows.firstElementChild;
  none.textContent = isEmpty && field.value ? "Nothing found." : "";
  none.hidden = !none.textContent;
  showSelection();
}

/** What is selected, as the API wants to be told; null if nothing is. */
export function selection() {
  if (!everything) return chosen.size ? { ids: [...chosen] } : null;
  const { search, before, except } = everything;
  return { ...(search ? { search } : { all: true }), before, except: [...except] };
}

function isSelected(row) {
  if (!everything) return chosen.has(row.dataset.id);
  return Number(row.dataset.cursor) < everything.before && !everything.except.has(row.dataset.id);
}

function select(id, on) {
  const set = everything ? everything.except : chosen;
  if (on === !everything) set.add(id);
  else set.delete(id);
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

/** Shows messages as the server has them now; only so many, since each is asked for by itself. */
export async function renew(ids) {
  for (const row of ids.map(find).filter(Boolean).slice(0, RENEWED)) {
    const cursor = Number(row.dataset.cursor);
    const found = await listing.fetch({ after: cursor - 1, before: cursor + 1 });
    const anew = found?.querySelector(".row");
    if (!anew || !row.isConnected) continue;
    anew.classList.toggle("open", row.classList.contains("open"));
    row.replaceWith(anew);
  }
}

/** Takes messages out of the list; the focus goes to a neighbour. */
export function remove(ids) {
  for (const row of ids.map(find)) {
    if (!row) continue;
    const hadFocus = row.contains(document.activeElement);
    const neighbour = listing.beside(row, 1) ?? listing.beside(row, -1);
    row.remove();
    if (hadFocus) neighbour?.querySelector("a").focus();
  }
  for (const id of ids) chosen.delete(id);
  listing.forget(ids);
  listing.settle();
}

/** Selects a row or lets go of it. */
export function toggle(row) {
  select(row.dataset.id, !isSelected(row));
  showSelection();
}

/** Selects nothing, or all that the search finds, loaded or not, but for what comes later. */
export function selectAll(on) {
  chosen.clear();
  everything = null;
  if (on && rows.querySelector(".more")) everything = whatIsFound();
  else if (on) for (const id of listing.ids()) chosen.add(id);
  showSelection();
}

function whatIsFound() {
  const isOlder = "older" in rows.dataset;
  const newest = isOlder ? Number(listing.all()[0].dataset.cursor) : listing.newest;
  const count = field.value || isOlder ? NaN : Number(byId("count").dataset.total);
  return { search: field.value.trim(), before: newest + 1, count, except: new Set() };
}

function showSelection() {
  for (const row of listing.all()) {
    const is = isSelected(row);
    row.firstElementChild.checked = is;
    row.classList.toggle("checked", is);
  }
  const hasAny = selection() !== null;
  rows.classList.toggle("selecting", hasAny);
  byId("bulk").hidden = !hasAny;
  byId("actions").hidden = hasAny;
  byId("count").textContent = hasAny ? `${howMany()} selected` : byId("count").dataset.text;
}

/** Says how many are selected; of a search that is not yet at its end nobody has counted them. */
export function howMany() {
  if (!everything) return String(chosen.size);
  const { count, except } = everything;
  if (Number.isNaN(count)) return except.size ? `All found but ${except.size}` : "All found";
  return String(count - except.size);
}

/** Shows how much there is. */
export function showCount(total) {
  byId("count").dataset.total = total;
  byId("count").dataset.text = `${total} message${total === 1 ? "" : "s"}`;
  showSelection();
}

let last = null; // the id of what was selected last, where a range begins

rows.addEventListener("click", (event) => {
  const row = event.target.closest(".row");
  if (!row || event.target !== row.firstElementChild) return;
  const on = event.target.checked;
  const ids = listing.ids();
  const ends = [ids.indexOf(last), ids.indexOf(row.dataset.id)].sort((a, b) => a - b);
  if (event.shiftKey && ends[0] !== -1) for (const id of ids.slice(ends[0], ends[1] + 1)) select(id, on);
  else select(row.dataset.id, on);
  last = row.dataset.id;
  showSelection();
});
byId("count").dataset.text = byId("count").textContent;
listing.settle();
