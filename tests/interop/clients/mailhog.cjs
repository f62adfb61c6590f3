// The whole of npm's mailhog against bindpost: `node mailhog.cjs URL RELAYED_TO [release]`. The inbox
// has one message by SMTP: see MAIL in test_api_clients.py.
"use strict";

const assert = require("node:assert/strict");
const client = require("mailhog");

const [url, relay, last] = process.argv.slice(2);
const { hostname, port } = new URL(url);
const mailhog = client({ host: hostname, port });

(async () => {
  const all = await mailhog.messages(0, 10);
  assert.deepEqual([all.total, all.count, all.start], [1, 1, 0]);
  const [mail] = all.items;
  assert.equal(mail.subject, "Grüße");
  assert.equal(mail.from, "Sender <from@example.test>");
  assert.equal(mail.to, "to@example.test");
  assert.equal(mail.text, "Zeichen: ä\r\n");
  assert.equal(mail.html, "<p>ä</p>\r\n");
  assert.equal(mail.attachments[0].name, "a.bin");
  assert.ok(mail.deliveryDate > new Date(2020, 1));
  assert.equal(mail.date.toISOString(), "2026-03-01T11:30:05.000Z");
  for (const latest of [
    mailhog.latestFrom("FROM@example.test"),
    mailhog.latestTo("blind@example.test"),
    mailhog.latestContaining("zeichen"),
  ]) assert.equal((await latest).ID, mail.ID);
  assert.equal((await mailhog.search("nobody", "to")).total, 0);

  if (!last) return deleting(mail);
  const [host, smtp] = relay.split(":");
  await mailhog.releaseMessage(mail.ID, { host, port: smtp, email: "released@example.test" });
  await assert.rejects(
    mailhog.releaseMessage(mail.ID, { host: "evil.example", port: "25", email: "x@y.test" }),
  );
})();

async function deleting(mail) {
  assert.equal((await mailhog.deleteMessage(mail.ID)).statusCode, 200);
  assert.equal((await mailhog.messages()).total, 0);
  assert.equal((await mailhog.deleteAll()).statusCode, 200);
}
