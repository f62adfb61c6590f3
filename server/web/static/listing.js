// A list that the server makes page by page: more as one scrolls, what is new on top.

import { byId, part } from "./page.js";
import { writeTimes } from "./times.js";

const AHEAD = 800; // pixels before the end of the list at which more is loaded
const NEAR_TOP = 200; // pixels within which the list counts as looked at from its top
const GATHERING = 150; // milliseconds for which news are gathered

export class Listing {
  /**
   * `rows` is the element that the rows are in, `scroller` the one that scrolls where the page
   * doesn't; `path` gives the page's path with its search, `settled` is told of every change.
   */
  constructor({ rows, scroller, path, settled }) {
    this.rows = rows;
    this.scroller = scroller;
    this.path = path;
    this.settled = settled;
    this.newest = Number(rows.dataset.sequence); // all that came up to here is in the list
    this.latest = this.newest; // the latest that was heard of
    this.loading = new AbortController();
    this.isLoading = false;
    this.isGathering = false;
    for (const place of [scroller, window]) {
      place.addEventListener("scroll", () => requestAnimationFrame(() => this.loadWhenNear()), { passive: true });
    }
    addEventListener("resize", () => this.loadWhenNear());
    byId("news").addEventListener("click", () => this.reload());
  }

  all() {
    return [...this.rows.querySelectorAll(".row")];
  }

  /** The row that keys act on: the one with the focus, the open one, or none. */
  current() {
    return document.activeElement?.closest?.(".row") ?? this.rows.querySelector(".row.open");
  }

  async fetch(values) {
    const { signal } = this.loading;
    const url = new URL(this.path(), location.href);
    for (const [name, value] of Object.entries(values)) url.searchParams.set(name, value);
    const found = await part(url, "rows", { signal });
    if (!found || signal.aborted) return undefined;
    const template = document.createElement("template");
    template.innerHTML = found.html;
    writeTimes(template.content);
    return template.content;
  }

  /** Loads the list anew: for another search, or when too much has happened. */
  async reload() {
    this.loading.abort();
    this.loading = new AbortController();
    this.isLoading = false;
    const upto = this.latest;
    const found = await this.fetch({});
    if (!found) return;
    this.newest = upto;
    const open = this.rows.querySelector(".row.open")?.id;
    this.rows.replaceChildren(found);
    this.scroller.scrollTop = 0;
    delete this.rows.dataset.older;
    byId("news").hidden = true;
    this.setOpen(open);
    await this.settle();
  }

  /** Brings everything in order after the list has changed. */
  async settle() {
    this.settled();
    await this.loadWhenNear();
  }

  async loadWhenNear() {
    const more = this.rows.querySelector(".more");
    if (!more || this.isLoading || !more.offsetParent) return;
    if (more.getBoundingClientRect().top > innerHeight + AHEAD) return;
    this.isLoading = true;
    const found = await this.fetch({ before: more.querySelector("a").dataset.next });
    this.isLoading = false;
    if (!found) return;
    more.replaceWith(found);
    await this.settle();
  }

  /** Takes note of news; they come in together with those right after. */
  expectNews(sequence) {
    if (sequence < this.newest) {
      this.newest = this.latest = sequence; // another store: the server began anew
      this.reload();
      return;
    }
    this.latest = Math.max(this.latest, sequence);
    if (this.isGathering) return;
    this.isGathering = true;
    setTimeout(() => {
      this.isGathering = false;
      this.loadNews();
    }, GATHERING);
  }

  async loadNews() {
    if ("older" in this.rows.dataset) {
      byId("news").hidden = false;
      return;
    }
    const upto = this.latest;
    const news = await this.fetch({ after: this.newest });
    if (!news) return;
    if (news.querySelector(".more")) {
      // More than a page: between it and the list there would be a gap.
      if (this.scroller.scrollTop < NEAR_TOP && scrollY < NEAR_TOP) await this.reload();
      else byId("news").hidden = false;
      return;
    }
    this.newest = Math.max(this.newest, upto);
    for (const row of news.querySelectorAll(".row")) {
      if (byId(row.id)) row.remove();
      else row.classList.add("fresh");
    }
    this.rows.prepend(news);
    await this.settle();
  }

  /** Marks the row of this element id as the open one, nothing for none. */
  setOpen(id) {
    for (const row of this.rows.querySelectorAll(".row.open")) {
      row.classList.remove("open");
      row.querySelector("a").removeAttribute("aria-current");
    }
    const row = id && byId(id);
    if (!row) return;
    row.classList.add("open");
    row.querySelector("a").setAttribute("aria-current", "true");
  }

  /** Moves the focus by one row, loading more at the end; gives the row. */
  async move(step) {
    const from = this.current();
    let to = from ? this.beside(from, step) : this.all()[0];
    if (!to && step > 0) {
      await this.loadWhenNear();
      to = from && this.beside(from, step);
    }
    to?.querySelector("a").focus({ preventScroll: true });
    to?.scrollIntoView({ block: "nearest" });
    return to;
  }

  beside(row, step) {
    const other = step > 0 ? row.nextElementSibling : row.previousElementSibling;
    return other?.matches(".row") ? other : undefined;
  }
}
