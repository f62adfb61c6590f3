// Relative times: "3 min ago" with the moment itself as the title.

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const NUMBERS = new Intl.DateTimeFormat("en-CA");
const SECONDS = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const FULL = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];

function ago(moment, now) {
  const seconds = Math.round((moment - now) / 1000);
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return RELATIVE.format(Math.trunc(seconds / size), unit);
  }
  return Math.abs(seconds) < 10 ? "just now" : RELATIVE.format(seconds, "second");
}

/** For a list: minutes while it is fresh, the clock today, the date before. */
function short(moment, now) {
  const seconds = (now - moment) / 1000;
  if (seconds < 60) return "now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (moment.toDateString() === now.toDateString()) return CLOCK.format(moment);
  return (moment.getFullYear() === now.getFullYear() ? DAY : DATE).format(moment);
}

/** Writes every time below an element anew. */
export function writeTimes(root = document) {
  const now = new Date();
  for (const element of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(element.dateTime);
    element.title = FULL.format(moment);
    if ("short" in element.dataset) element.textContent = short(moment, now);
    if ("day" in element.dataset) element.textContent = NUMBERS.format(moment);
    if ("clock" in element.dataset) element.textContent = SECONDS.format(moment);
    if ("long" in element.dataset) element.textContent = `${ago(moment, now)}, ${DATE.format(moment)} ${CLOCK.format(moment)}`;
  }
}
