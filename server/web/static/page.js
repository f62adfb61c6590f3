// What every page has: the theme's switch, the keys of all pages, notes that go by, parts of pages.

import { listenForKeys } from "./keys.js";
import { writeTimes } from "./times.js";

const THEMES = ["auto", "light", "dark"];
const NOTE_SHOWN = 4000; // milliseconds
const NOTE_LIMIT = 3;

/** The mailbox that this page shows, empty for all mail or the only one that there is. */
export const mailbox = new URLSearchParams(location.search).get("mailbox") ?? "";

/** Gives a path with values in its query, and the mailbox among them. */
export function within(path, values = {}) {
  const query = new URLSearchParams(mailbox ? { mailbox, ...values } : values);
  return `${query}` ? `${path}?${query}` : path;
}

/** Gives the element of an id. */
export const byId = (id) => document.getElementById(id);

/** Shows a sentence for some seconds; it is read out, too. */
export function note(text) {
  const line = document.createElement("p");
  line.textContent = text;
  byId("toasts").append(line);
  while (byId("toasts").children.length > NOTE_LIMIT) byId("toasts").firstChild.remove();
  setTimeout(() => line.remove(), NOTE_SHOWN);
}

/** Asks the server; gives the answer, or tells what went wrong and gives undefined. */
export async function ask(path, options = {}) {
  try {
    const response = await fetch(path, options);
    if (response.ok) return response;
    note(await response.text());
  } catch (error) {
    if (error.name !== "AbortError") note("bindpost does not answer; is it still running?");
  }
  return undefined;
}

/** Sends JSON; gives the answer's, or undefined. */
export async function send(method, path, body) {
  const headers = { "Content-Type": "application/json" };
  const response = await ask(path, { method, headers, body: JSON.stringify(body) });
  return response?.json();
}

/** Gets a part of a page, which the server has made and escaped; undefined if it can't be had. */
export async function part(path, name, options) {
  const url = new URL(path, location.href);
  url.searchParams.set("part", name);
  const response = await ask(url, options);
  return response && { html: await response.text(), response };
}

/** Asks before something that can't be undone; gives whether it shall be done. */
export function confirmed(text) {
  const dialog = byId("question");
  byId("question-text").textContent = text;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

function showTheme() {
  byId("theme-name").textContent = document.documentElement.dataset.theme ?? "auto";
}

function switchTheme() {
  const root = document.documentElement;
  const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "auto") + 1) % THEMES.length];
  if (next === "auto") delete root.dataset.theme;
  else root.dataset.theme = next;
  try {
    if (next === "auto") localStorage.removeItem("theme");
    else localStorage.setItem("theme", next);
  } catch {
    // Without storage it holds for this page.
  }
  showTheme();
}

/** Puts the parts of a page together that all have; `bindings` are the page's own keys. */
export function startPage(bindings = []) {
  const openSheet = () => byId("sheet").showModal();
  // By the bar's link: it keeps the mailbox, and is not there for who may not go.
  const go = (path) => () => document.querySelector(`.bar nav a[href^="${path}"]`)?.click();
  byId("theme").addEventListener("click", switchTheme);
  byId("help").addEventListener("click", openSheet);
  listenForKeys(
    [
      ...bindings,
      ["g+i", "go to the inbox", go("/")],
      ["g+e", "go to the events", go("/events")],
      ["g+p", "go to the path", go("/path")],
      ["g+f", "go to the faults", go("/faults")],
      ["t", "switch the theme", switchTheme],
      ["?", "show this sheet", openSheet],
    ],
    byId("sheet").querySelector("dl"),
  );
  showTheme();
  writeTimes();
  setInterval(writeTimes, 30_000);
}
