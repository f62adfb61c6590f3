// Keyboard shortcuts: one table makes them work and makes the sheet that tells them.

const PAUSE = 1000; // milliseconds within which the second key of a pair must come

function isTyping(target) {
  return target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]");
}

/**
 * Listens for keys. `bindings` is a list of [keys, what it does, run]; `keys` holds names as
 * KeyboardEvent has them, alternatives apart by spaces; "g i" is written as "g+i".
 */
export function listenForKeys(bindings, sheet) {
  const table = new Map(bindings.flatMap(([keys, , run]) => keys.split(" ").map((key) => [key, run])));
  let first = "";
  let since = 0;

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (isTyping(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const pair = event.timeStamp - since < PAUSE ? `${first}+${event.key}` : "";
    const run = table.get(pair) ?? table.get(event.key);
    first = event.key;
    since = event.timeStamp;
    if (run && run(event) !== false) event.preventDefault();
  });

  sheet.replaceChildren(...bindings.flatMap(([keys, does]) => describe(keys, does)));
}

const NAMES = { Delete: "Del", Escape: "Esc", ArrowDown: "\u2193", ArrowUp: "\u2191" };

function describe(keys, does) {
  const term = document.createElement("dt");
  const shown = keys.split(" ");
  // A row of digits is told by its ends.
  const isRange = shown.length > 2;
  for (const key of isRange ? [shown[0], shown.at(-1)] : shown) {
    if (term.firstChild) term.append(isRange ? " to " : " or ");
    for (const part of key.split("+")) {
      const kbd = document.createElement("kbd");
      kbd.textContent = NAMES[part] ?? part;
      term.append(kbd, " ");
    }
  }
  const detail = document.createElement("dd");
  detail.textContent = does;
  return [term, detail];
}
