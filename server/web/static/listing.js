// A list that the server makes page by page: more as one scrolls, what is new on top.

import { byId, part } from "./page.js";
import { writeTimes } from "./times.js";

const AHEAD = 800; // pixels before the end of the list at which more is loaded
const NEAR_TOP = 200; // pixels within which the list counts as looked at from its top
const GATHERING = 150; // milliseconds for which news are gathered
const KEPT = 400; // rows in the document; of more, those far from the view become gaps
const FOLDED = 50; // rows that become one gap
const FAR = 2000; // pixels beside the view within which no row becomes one

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
    this.gaps = new Map(); // what stands for rows that were there: {before, after, ids, isFilling}
    for (const place of [scroller, window]) {
      place.addEventListener("scroll", () => requestAnimationFrame(() => this.loadAround()), { passive: true });
    }
    addEventListener("resize", () => this.loadAround());
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
    this.gaps.clear();
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
    await this.loadAround();
  }

  async loadAround() {
    await this.fillWhenNear();
    await this.loadWhenNear();
    this.fold();
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

  /** Puts gaps of the same height in place of rows that are far from the view. */
  fold() {
    const rows = this.all();
    let excess = rows.length - KEPT;
    if (excess <= 0) return;
    const far = chunksOf(rows)
      .map((chunk) => ({ chunk, distance: distance(chunk[0], chunk.at(-1)) }))
      .filter(({ chunk, distance }) => distance > FAR && !chunk.some(isInUse))
      .sort((one, other) => other.distance - one.distance);
    for (const { chunk } of far) {
      if (excess <= 0) return;
      this.replaceByGap(chunk);
      excess -= chunk.length;
    }
  }

  replaceByGap(chunk) {
    const [first, last] = [chunk[0], chunk.at(-1)];
    const cursors = chunk.map((row) => Number(row.dataset.cursor)); // events are in order of time
    const gap = document.createElement(first.localName);
    gap.className = "gap";
    gap.style.height = `${last.getBoundingClientRect().bottom - first.getBoundingClientRect().top}px`;
    this.gaps.set(gap, {
      before: Math.max(...cursors) + 1,
      after: Math.min(...cursors) - 1,
      ids: chunk.map((row) => row.dataset.id),
      isFilling: false,
    });
    first.before(gap);
    for (const row of chunk) row.remove();
  }

  async fillWhenNear() {
    for (const gap of this.gaps.keys()) {
      if (gap.isConnected && distance(gap, gap) < AHEAD) await this.fill(gap);
    }
  }

  /** Brings back the rows that a gap stands for. */
  async fill(gap) {
    const known = this.gaps.get(gap);
    if (known.isFilling) return;
    known.isFilling = true;
    const { before, after } = known;
    const found = await this.fetch({ before, after });
    known.isFilling = false;
    // A search that ran out of time has not seen all of them; it is asked again.
    if (!found || found.querySelector(".more") || !gap.isConnected) return;
    for (const row of found.querySelectorAll(".row")) if (byId(row.id)) row.remove();
    gap.replaceWith(found);
    this.gaps.delete(gap);
    this.settled();
  }

  /** The ids of all messages that are loaded, in order, also of those in gaps. */
  ids() {
    return [...this.rows.children].flatMap(
      (child) => this.gaps.get(child)?.ids ?? (child.matches(".row") ? [child.dataset.id] : []),
    );
  }

  /** Lets gaps forget messages that have gone. */
  forget(ids) {
    const gone = new Set(ids);
    for (const [gap, known] of this.gaps) {
      const left = known.ids.filter((id) => !gone.has(id));
      if (left.length === known.ids.length) continue;
      gap.style.height = `${(parseFloat(gap.style.height) * left.length) / known.ids.length}px`;
      known.ids = left;
      if (left.length) continue;
      gap.remove();
      this.gaps.delete(gap);
    }
  }

  /** Takes note of news; they come in together with those right after. */
  expectNews(sequence) {
    if (sequence < this.newest) {
      this.newest = this.latest = sequence; // another store: the server began anew
      this.reload();
      return;
    }
    this.latest = Math.max(this.latest, sequence);
    if (this.isGathering || !byId("news").hidden) return;
    this.isGathering = true;
    setTimeout(async () => {
      const upto = this.latest;
      await this.loadNews();
      this.isGathering = false;
      if (this.latest > upto) this.expectNews(this.latest);
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
    let to = from ? this.beside(from, step) : this.firstInView();
    if (from && !to) {
      const other = step > 0 ? from.nextElementSibling : from.previousElementSibling;
      if (this.gaps.has(other)) await this.fill(other);
      else if (step > 0) await this.loadWhenNear();
      to = this.beside(from, step);
    }
    to?.querySelector("a").focus({ preventScroll: true });
    to?.scrollIntoView({ block: "nearest" });
    return to;
  }

  /** The first row that is seen, at least in part. */
  firstInView() {
    const { top } = this.scroller.getBoundingClientRect();
    return this.all().find((row) => row.getBoundingClientRect().bottom > Math.max(top, 0));
  }

  beside(row, step) {
    const other = step > 0 ? row.nextElementSibling : row.previousElementSibling;
    return other?.matches(".row") ? other : undefined;
  }
}

const isInUse = (row) => row.matches(".open") || row.contains(document.activeElement);

/** Cuts rows into pieces that may become gaps: neighbours, and no more than a gap stands for. */
function chunksOf(rows) {
  const chunks = [];
  for (const row of rows) {
    const chunk = chunks.at(-1);
    const isNext = chunk?.at(-1).nextElementSibling === row;
    if (isNext && chunk.length < FOLDED) chunk.push(row);
    else chunks.push([row]);
  }
  return chunks;
}

/** Gives how many pixels what lies between two elements is away from the view; 0 inside it. */
function distance(first, last) {
  const { bottom } = last.getBoundingClientRect();
  return Math.max(-bottom, first.getBoundingClientRect().top - innerHeight, 0);
}
