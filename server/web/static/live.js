// The stream of changes. All tabs of a browser share one connection, since a browser opens six to a
// server and a seventh tab would hang: the tab that gets the lock listens, and tells the others.

const URL = "/api/bindpost/v1/stream";
const KINDS = ["ready", "reset", "added", "marked", "deleted"];

/** Calls `tell({kind, sequence, ...})` for each change behind `after`, until the page goes. */
export function follow(after, tell) {
  let last = after;
  const take = (change) => {
    if (change.sequence <= last && change.kind !== "ready" && change.kind !== "reset") return;
    last = Math.max(change.kind === "reset" ? 0 : last, change.sequence);
    tell(change);
  };
  const others = new BroadcastChannel("bindpost");
  others.onmessage = ({ data }) => take(data);

  const listen = () => new Promise(() => {
    const source = new EventSource(`${URL}?after=${last}`);
    for (const kind of KINDS) {
      source.addEventListener(kind, ({ data }) => {
        const change = { ...JSON.parse(data), kind };
        take(change);
        others.postMessage(change);
      });
    }
    addEventListener("pagehide", () => source.close());
    addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
  });
  // Locks exist only where the page is secure, as on 127.0.0.1; elsewhere each tab listens itself.
  if (navigator.locks) navigator.locks.request("bindpost-stream", listen).catch(() => {});
  else listen();
}
