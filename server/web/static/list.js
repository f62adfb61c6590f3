// The list of messages: what is selected, read, gone; how many there are.

import { Listing } from "./listing.js";
import { byId, within } from "./page.js";

const RENEWED = 50;

const rows = byId("rows");
const field = byId("q");

export const listing = new Listing({ rows, scroller: rows, path, settled });
export const find = (id) => byId(`m-${id}`);
export const selected = () => listing.all().filter((row) => row.firstElementChild.checked);

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
  listing.settle();
}

/** Selects a row or lets go of it. */
export function toggle(row) {
  row.firstElementChild.checked = !row.firstElementChild.checked;
  showSelection();
}

/** Selects every row that is loaded, or none. */
export function selectAll(on) {
  for (const row of listing.all()) row.firstElementChild.checked = on;
  showSelection();
}

function showSelection() {
  let count = 0;
  for (const row of listing.all()) {
    const { checked } = row.firstElementChild;
    row.classList.toggle("checked", checked);
    count += checked;
  }
  rows.classList.toggle("selecting", count > 0);
  byId("bulk").hidden = count === 0;
  byId("actions").hidden = count > 0;
  byId("count").textContent = count ? `${count} selected` : byId("count").dataset.text;
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
  const list = listing.all();
  if (event.shiftKey && last?.isConnected) {
    const [from, to] = [list.indexOf(last), list.indexOf(row)].sort((a, b) => a - b);
    for (const other of list.slice(from, to + 1)) other.firstElementChild.checked = event.target.checked;
  }
  last = row;
  showSelection();
});
byId("count").dataset.text = byId("count").textContent;
listing.settle();
