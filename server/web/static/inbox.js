// The inbox's script: what happens on clicks, keys, typing, and when the stream tells of a change.

import * as list from "./list.js";
import * as mailboxes from "./mailboxes.js";
import * as message from "./message.js";
import { follow } from "./live.js";
import { byId, confirmed, mailbox, note, send, startPage, within } from "./page.js";

const API = within("/api/bindpost/v1/messages");
const STREAM = within("/api/bindpost/v1/stream");
const KINDS = ["ready", "reset", "added", "marked", "tagged", "deleted"];
const STEP = 250; // milliseconds between two steps in which changes are shown
const TYPING = 150; // milliseconds without a key after which the search begins

let total = Number(byId("count").dataset.total);
let unread = Number(document.querySelector("#unread .number").textContent);
const plural = (count) => `${count} message${count === 1 ? "" : "s"}`;

/** The messages that a command means: the selected ones, or the one that is looked at. */
function meant() {
  const one = list.listing.current()?.dataset.id ?? message.openId();
  return list.selection() ?? (one ? { ids: [one] } : null);
}

async function setRead(choice, read) {
  if (!choice || !(await send("PATCH", API, { ...choice, read }))) return;
  list.selectAll(false);
}

async function discard(choice) {
  if (!choice) return;
  if (!choice.ids) return discardFound(choice);
  const { ids } = choice;
  const next = ids.includes(message.openId()) ? neighbour(ids) : null;
  const done = await send("DELETE", API, { ids });
  if (!done) return;
  list.remove(ids);
  note(`${plural(done.deleted)} deleted`);
  if (!ids.includes(message.openId())) return;
  if (next?.isConnected && matchMedia("(min-width: 56rem)").matches) openRow(next);
  else message.close();
}

/** Deletes more than what is loaded, so it asks first. */
async function discardFound(choice) {
  const what = `${list.howMany()} messages`;
  if (!(await confirmed(`Delete ${what}? They can't be brought back.`))) return;
  const done = await send("DELETE", API, choice);
  if (!done) return;
  list.selectAll(false);
  note(`${plural(done.deleted)} deleted`);
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
  if (list.selection()) list.selectAll(false);
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
  "unread-this": () => setRead({ ids: [message.openId()] }, false),
  "delete-this": () => discard({ ids: [message.openId()] }),
};

function showUnread() {
  document.querySelector("#unread .number").textContent = unread;
  byId("unread").hidden = !unread;
  byId("icon").href = unread ? "/static/icon-unread.svg" : "/static/icon.svg";
  const title = document.querySelector("#pane article")?.dataset.title ?? "Inbox";
  document.title = `${unread ? `(${unread}) ` : ""}${title} - bindpost`;
}

let heard = []; // changes that are not shown yet
let shown = 0; // when the last ones were

/** Takes note of a change; a thousand within a second are shown in a few steps. */
function hear(change) {
  heard.push(change);
  if (heard.length === 1) setTimeout(showHeard, Math.max(0, shown + STEP - performance.now()));
}

function showHeard() {
  const changes = heard;
  heard = [];
  shown = performance.now();
  const idsOf = (kind) => changes.filter((one) => one.kind === kind).flatMap(({ ids }) => ids);
  const last = changes.at(-1);
  unread = last.unread;
  list.showCount(last.total);
  showUnread();
  if (!message.openId() && total !== last.total) message.showNothing();
  total = last.total;
  if (changes.some(({ kind }) => kind !== "ready")) mailboxes.renew();
  for (const { kind, ids, read } of changes) if (kind === "marked") list.mark(ids, read);
  const tagged = idsOf("tagged");
  if (tagged.length) list.renew([...new Set(tagged)]);
  const deleted = idsOf("deleted");
  if (deleted.length) forget(deleted);
  if (changes.some(({ kind }) => kind === "reset")) list.listing.reload();
  const added = changes.findLast(({ kind }) => kind === "added");
  if (added) list.listing.expectNews(added.sequence);
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
    list.selectAll(false);
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
    return void openRow(list.listing.current() ?? list.listing.firstInView());
  }],
  ["/", "search", () => byId("q").select()],
  ["r", "mark read", () => void setRead(meant(), true)],
  ["u", "mark unread", () => void setRead(meant(), false)],
  ["x", "select, or let go", () => list.listing.current() && list.toggle(list.listing.current())],
  ["Delete #", "delete", () => void discard(meant())],
  ["Escape", "let go of the selection, close the message", leave],
  ["1 2 3 4 5 6 7 8", "show a view of the message", ({ key }) => message.showView(Number(key))],
]);
showUnread();
follow(STREAM, KINDS, Number(byId("rows").dataset.sequence), hear);
