// The message beside the list: opened, seen from another side, closed; the address goes along.

import { byId, part, within } from "./page.js";
import { writeTimes } from "./times.js";
import { listing } from "./list.js";

const pane = byId("pane");
let opening = new AbortController();
let scroll = 0; // where the list was on a screen that has room for one of both

export const openId = () => pane.querySelector("article")?.dataset.id;
const hasRoomForOne = () => matchMedia("(max-width: 55.99rem)").matches;

/** What has the focus in the message, as a selector of the same thing after it is made anew. */
function focused() {
  const { activeElement: element } = document;
  if (!pane.contains(element)) return "";
  if (element.dataset.show) return `[data-show="${element.dataset.show}"]`;
  return element.id ? `#${element.id}` : "";
}

/**
 * Shows what an address of /view/ stands for; `push` makes it a step that one can go back.
 * `body` is a form's, which is then sent.
 */
export async function open(href, { push = true, focus = false, body } = {}) {
  opening.abort();
  opening = new AbortController();
  const options = { signal: opening.signal, ...(body && { method: "POST", body }) };
  const found = await part(href, "message", options);
  if (!found) return;
  if (!document.body.classList.contains("reading")) scroll = scrollY;
  const had = focused();
  pane.innerHTML = found.html;
  writeTimes(pane);
  document.body.classList.add("reading");
  listing.setOpen(`m-${openId()}`);
  if (push) history.pushState(null, "", href);
  pane.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest" });
  if (had) pane.querySelector(had)?.focus();
  else if (focus || hasRoomForOne()) byId("subject").focus({ preventScroll: true });
  if (hasRoomForOne()) scrollTo(0, 0);
  else pane.scrollTop = 0;
  dispatchEvent(new Event("message"));
}

/** Shows what stands beside the list when no message is open: how to go on. */
export async function showNothing() {
  pane.replaceChildren();
  const found = await part(within("/"), "nothing");
  if (!found || openId()) return;
  pane.innerHTML = found.html;
  document.body.classList.toggle("vacant", pane.querySelector(".big") === null);
}

/** Goes back to the list. */
export function close({ push = true } = {}) {
  opening.abort();
  const row = document.querySelector(".row.open");
  showNothing();
  document.body.classList.remove("reading");
  listing.setOpen();
  const q = new URLSearchParams(location.search).get("q");
  if (push) history.pushState(null, "", within("/", q ? { q } : {}));
  scrollTo(0, scroll);
  row?.querySelector("a").focus({ preventScroll: true });
  dispatchEvent(new Event("message"));
}

/** Shows one of the views by its place, from 1. */
export function showView(number) {
  pane.querySelectorAll(".tabs a")[number - 1]?.click();
}

function setWidth(button) {
  const { width } = button.dataset;
  pane.querySelector("iframe").className = `mail ${width && `narrow w${width}`}`;
  for (const other of button.parentElement.children) {
    other.setAttribute("aria-pressed", String(other === button));
  }
}

pane.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = event.target.closest("a[data-show], a[data-remote], a[data-filter], a.back");
  if (event.target.dataset.width !== undefined) setWidth(event.target);
  if (!link) return;
  event.preventDefault();
  if (link.matches(".back")) close();
  else open(link.href, { push: false });
});
pane.addEventListener("submit", async (event) => {
  if (!event.target.matches("[data-post]")) return;
  event.preventDefault();
  const { target: form, submitter: button } = event;
  if (button.ariaDisabled === "true") return; // asked already, and it keeps the focus meanwhile
  button.ariaDisabled = "true";
  await open(form.action, { push: false, body: new URLSearchParams(new FormData(form)) });
  button.ariaDisabled = "false";
});
addEventListener("popstate", () => {
  if (location.pathname.startsWith("/view/")) open(location.href, { push: false });
  else close({ push: false });
});
