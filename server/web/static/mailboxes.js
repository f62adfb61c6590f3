// The choice of a mailbox: kept as it is on the server, and another page when it is changed.

import { ask, byId, mailbox } from "./page.js";

const LIST = "/api/bindpost/v1/mailboxes";
const SHOWN = 500; // as many as the server puts into the page
const GATHERING = 1000; // milliseconds for which changes are gathered

const choice = byId("mailbox");
let isWaiting = false;

/** Takes note that something changed: the choice is asked for anew, soon. */
export function renew() {
  if (!choice || isWaiting) return;
  isWaiting = true;
  setTimeout(load, GATHERING);
}

async function load() {
  isWaiting = false;
  const response = await ask(LIST);
  if (!response) return;
  const { mailboxes } = await response.json();
  const shown = mailboxes.slice(0, SHOWN);
  if (mailbox && !shown.some(({ name }) => name === mailbox)) shown.push({ name: mailbox });
  const options = shown.map(
    ({ name, unread }) => new Option(unread ? `${name} (${unread})` : name, name, false, name === mailbox),
  );
  choice.replaceChildren(choice.options[0], ...options);
}

choice?.addEventListener("change", () => {
  location.assign(choice.value ? `/?${new URLSearchParams({ mailbox: choice.value })}` : "/");
});
