// A stream of what happens. All tabs of a browser share one connection to it, since a browser opens
// six to a server and a seventh tab would hang: the tab that gets the lock listens, and tells the
// others.

/**
 * Calls `tell({kind, sequence, ...})` for each event of a stream behind `after`, until the page
 * goes. `kinds` are the names of the stream's events.
 */
export function follow(url, kinds, after, tell) {
  let last = after;
  const take = (change) => {
    last = change.sequence;
    tell(change);
  };
  const others = new BroadcastChannel(url);
  others.onmessage = ({ data }) => data.sequence > last && take(data);

  const listen = () => new Promise(() => {
    const source = new EventSource(`${url}${url.includes("?") ? "&" : "?"}after=${last}`);
    for (const kind of kinds) {
      source.addEventListener(kind, ({ data, lastEventId }) => {
        const change = { ...JSON.parse(data), kind, sequence: Number(lastEventId) };
        take(change);
        others.postMessage(change);
      });
    }
    addEventListener("pagehide", () => source.close());
    addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
  });
  // Locks exist only where the page is secure, as on 127.0.0.1; elsewhere each tab listens itself.
  if (navigator.locks) navigator.locks.request(url, listen).catch(() => {});
  else listen();
}
