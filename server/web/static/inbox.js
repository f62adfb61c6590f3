// The inbox's script: what happens on clicks, keys, typing, and when the stream tells of a change.

import * as list from "./list.js";
import * as mailboxes from "./mailboxes.js";
import * as message from "./message.js";
import { follow } from "./live.js";
import { byId, confirmed, mailbox, note, send, startPage, within } from "./page.js";

const API = within("/api/bindpost/v1/messages");
const STREAM = within("/api/bindpost/v1/stream");
const KINDS = ["ready", "reset", "added", "marked", "tagged", "deleted"];
const TYPING = 150; // milliseconds without a key after which the search begins

let total = Number(byId("count").dataset.total);
let unread = Number(document.querySelector("#unread .number").textContent);
const plural = (count) => `${count} message${count === 1 ? "" : "s"}`;

/** The messages that a command means: the selected ones, or the one that is looked at. */
function meant() {
  const selected = list.selected().map((row) => row.dataset.id);
  const one = list.listing.current()?.dataset.id ?? message.openId();
  return selected.length ? selected : one ? [one] : [];
}

async function setRead(ids, read) {
  if (!ids.length || !(await send("PATCH", API, { ids, read }))) return;
  list.selectAll(false);
}

async function discard(ids) {
  if (!ids.length) return;
  const next = ids.includes(message.openId()) ? neighbour(ids) : null;
  const done = await send("DELETE", API, { ids });
  if (!done) return;
  list.remove(ids);
  note(`${plural(done.deleted)} deleted`);
  if (!ids.includes(message.openId())) return;
  if (next?.isConnected && matchMedia("(min-width: 56rem)").matches) openRow(next);
  else message.close();
}

/** Gives the row that is read next when these are gone. */
function neighbour(ids) {
  let row = document.querySelector(".row.open")?.nextElementSibling;
  while (row && ids.includes(row.dataset.id)) row = row.nextElementSibling;
  return row?.matches(".row") ? row : null;
}

async function discardAll() {
  const which = mailbox ? `all messages of the mailbox ${mailbox}` : "all messages";
  if (!(await confirmed(`Delete ${which}? They can't be brought back.`))) return;
  const done = await send("DELETE", API, { all: true });
  if (done) note(`${plural(done.deleted)} deleted`);
}

function openRow(row) {
  row?.querySelector("a").focus({ preventScroll: true });
  return row && message.open(row.querySelector("a").href);
}

/** Goes along the list; where a message is open beside it, the next one opens. */
async function go(step) {
  const row = await list.listing.move(step);
  if (row && message.openId()) openRow(row);
}

function goWithArrow(step) {
  if (!document.activeElement?.closest?.(".row")) return false;
  return void go(step);
}

function leave() {
  if (list.selected().length) list.selectAll(false);
  else if (message.openId()) message.close();
}

const COMMANDS = {
  "select-all": () => list.selectAll(true),
  "select-none": () => list.selectAll(false),
  "read-all": () => send("PATCH", API, { all: true, read: true }),
  "delete-all": discardAll,
  "read": () => setRead(meant(), true),
  "unread": () => setRead(meant(), false),
  "delete": () => discard(meant()),
  "unread-this": () => setRead([message.openId()], false),
  "delete-this": () => discard([message.openId()]),
};

function showUnread() {
  document.querySelector("#unread .number").textContent = unread;
  byId("unread").hidden = !unread;
  byId("icon").href = unread ? "/static/icon-unread.svg" : "/static/icon.svg";
  const title = document.querySelector("#pane article")?.dataset.title ?? "Inbox";
  document.title = `${unread ? `(${unread}) ` : ""}${title} - bindpost`;
}

function hear(change) {
  unread = change.unread;
  list.showCount(change.total);
  showUnread();
  if (!message.openId() && total !== change.total) message.showNothing();
  total = change.total;
  if (change.kind !== "ready") mailboxes.renew();
  if (change.kind === "added") list.listing.expectNews(change.sequence);
  else if (change.kind === "marked") list.mark(change.ids, change.read);
  else if (change.kind === "tagged") list.renew(change.ids);
  else if (change.kind === "deleted") forget(change.ids);
  else if (change.kind === "reset") list.listing.reload();
}

function forget(ids) {
  list.remove(ids);
  const gone = document.querySelector("#pane article");
  if (!gone || !ids.includes(gone.dataset.id) || gone.querySelector(".gone")) return;
  const notice = document.createElement("p");
  notice.className = "defect gone";
  notice.textContent = "This message was deleted.";
  gone.querySelector(".head").prepend(notice);
}

let typing;
byId("q").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    const url = new URL(location.href);
    url.searchParams.delete("before");
    if (byId("q").value) url.searchParams.set("q", byId("q").value);
    else url.searchParams.delete("q");
    history.replaceState(null, "", url);
    list.listing.reload();
  }, TYPING);
});
document.querySelector(".search").addEventListener("submit", (event) => {
  event.preventDefault();
  byId("rows").querySelector("a")?.focus();
});
byId("rows").addEventListener("click", (event) => {
  const link = event.target.closest(".row a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  message.open(link.href);
});
addEventListener("click", ({ target }) => COMMANDS[target.closest?.("[data-do]")?.dataset.do]?.());
addEventListener("message", showUnread);

startPage([
  ["j", "next message", () => void go(1)],
  ["k", "previous message", () => void go(-1)],
  ["ArrowDown", "next message, within the list", () => goWithArrow(1)],
  ["ArrowUp", "previous message, within the list", () => goWithArrow(-1)],
  ["Enter o", "open", ({ key }) => {
    if (key === "Enter" && document.activeElement !== document.body) return false;
    return void openRow(list.listing.current() ?? list.listing.all()[0]);
  }],
  ["/", "search", () => byId("q").select()],
  ["r", "mark read", () => void setRead(meant(), true)],
  ["u", "mark unread", () => void setRead(meant(), false)],
  ["x", "select, or let go", () => list.listing.current() && list.toggle(list.listing.current())],
  ["Delete #", "delete", () => void discard(meant())],
  ["Escape", "let go of the selection, close the message", leave],
  ["1 2 3 4 5 6 7", "show a view of the message", ({ key }) => message.showView(Number(key))],
]);
showUnread();
follow(STREAM, KINDS, Number(byId("rows").dataset.sequence), hear);
