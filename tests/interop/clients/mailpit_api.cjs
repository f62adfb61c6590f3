// The whole of npm's mailpit-api against bindpost: `node mailpit_api.cjs URL RELAYED_TO`.
"use strict";

const assert = require("node:assert/strict");
const { MailpitClient } = require("mailpit-api");

const [url, relay] = process.argv.slice(2);
const mailpit = new MailpitClient(url);
const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

const rich = {
  From: { Email: "from@example.test", Name: "Sender" },
  To: [{ Email: "to@example.test", Name: "Receiver" }, { Email: "second@example.test" }],
  Cc: [{ Email: "cc@example.test", Name: "Copy" }],
  Bcc: ["bcc@example.test"],
  ReplyTo: [{ Email: "reply@example.test", Name: "Answers" }],
  Subject: "Your code",
  Text: "The code is 4711",
  HTML: '<p>The <b>code</b> is 4711</p>\n<a href="https://example.test/">x</a><img src="cid:pic">',
  Attachments: [
    { Content: Buffer.from("words\n").toString("base64"), Filename: "words.txt" },
    { Content: PNG, Filename: "pic.png", ContentID: "pic", ContentType: "image/png" },
  ],
  Tags: ["Zeta", "alpha"],
  Headers: { "X-Custom": "yes" },
};

async function sending() {
  const { ID } = await mailpit.sendMessage(rich);
  assert.match(ID, /^[0-9A-Za-z]{22}$/);
  const sent = await mailpit.getMessageSummary(ID);
  assert.equal(sent.ID, ID);
  assert.deepEqual(sent.From, { Name: "Sender", Address: "from@example.test" });
  assert.deepEqual(sent.To, [
    { Name: "Receiver", Address: "to@example.test" },
    { Name: "", Address: "second@example.test" },
  ]);
  assert.deepEqual(sent.Cc, [{ Name: "Copy", Address: "cc@example.test" }]);
  assert.deepEqual(sent.Bcc, [{ Name: "", Address: "bcc@example.test" }]);
  assert.deepEqual(sent.ReplyTo, [{ Name: "Answers", Address: "reply@example.test" }]);
  assert.equal(sent.ReturnPath, "from@example.test");
  assert.deepEqual([sent.Subject, sent.Text, sent.HTML], [rich.Subject, rich.Text, rich.HTML]);
  assert.deepEqual(sent.Tags, ["alpha", "Zeta"]);
  await assert.rejects(
    mailpit.sendMessage({ From: { Email: "a@b.test" }, To: [{ Email: "nobody" }] }),
    /400 .*invalid To address: nobody/,
  );
  await assert.rejects(
    mailpit.sendMessage({ ...rich, Headers: { Subject: "x" } }),
    /cannot overwrite header/,
  );
  return sent;
}

async function reading(sent) {
  const headers = await mailpit.getMessageHeaders(sent.ID);
  assert.deepEqual(Object.keys(headers).sort(), [
    "Bcc", "Cc", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Reply-To",
    "Return-Path", "Subject", "To", "X-Custom", "X-Tags",
  ]);
  assert.deepEqual(headers["X-Custom"], ["yes"]);
  assert.match(await mailpit.getMessageSource(sent.ID), /^Return-Path: <from@example\.test>\r\n/);
  const [words] = sent.Attachments;
  const attached = await mailpit.getMessageAttachment(sent.ID, words.PartID);
  assert.deepEqual([attached.type, await attached.text()], ["text/plain", "words\n"]);
  const blank = await mailpit.getAttachmentThumbnail(sent.ID, words.PartID);
  assert.equal(blank.type, "image/jpeg");
  const [picture] = sent.Inline;
  assert.equal(picture.ContentID, "pic");
  const shown = await mailpit.getAttachmentThumbnail(sent.ID, picture.PartID);
  assert.equal(shown.type, "image/png"); // the picture itself: bindpost makes no thumbnails
  const path = `/api/v1/message/${sent.ID}/part/${picture.PartID}`;
  assert.equal(
    await mailpit.renderMessageHTML(sent.ID),
    rich.HTML.replace("cid:pic", path),
  );
  assert.match(
    await mailpit.renderMessageHTML(sent.ID, 1),
    /<a target="_blank" rel="noreferrer noopener" href=/,
  );
  assert.equal(await mailpit.renderMessageText(), rich.Text);
  const html = await mailpit.htmlCheck(sent.ID);
  assert.deepEqual(Object.keys(html), ["Warnings", "Platforms", "Total"]);
  assert.equal(html.Total.Nodes, 4);
  const [fewest] = html.Warnings;
  assert.ok(fewest.Score.Found > 0 && fewest.Results.length > 0);
  assert.ok(html.Platforms.windows.includes("Outlook"));
  await assert.rejects(mailpit.htmlCheck("0".repeat(22)), /404/);
  const link = "http://127.0.0.1:9/";
  const { ID: inside } = await mailpit.sendMessage({ From: rich.From, To: rich.To, Text: link });
  for (const follow of ["false", "true"]) {
    const { Errors, Links } = await mailpit.linkCheck(inside, follow);
    assert.equal(Errors, 1); // a private address is not asked
    assert.deepEqual(Links, [
      { URL: link, StatusCode: 451, Status: "Blocked private/reserved address" },
    ]);
  }
  await mailpit.deleteMessages({ IDs: [inside] });
  await assert.rejects(mailpit.spamAssassinCheck(sent.ID), /404/);
}

async function searching(sent) {
  await mailpit.sendMessage({ From: { Email: "other@b.test" }, To: [{ Email: "x@b.test" }] });
  const find = async (query) => {
    const found = await mailpit.searchMessages({ query });
    assert.equal(found.messages_count, found.messages.length);
    return found.messages.map((message) => message.ID);
  };
  for (const query of [
    "from:sender", "to:to@example.test", "cc:copy", "bcc:bcc@", "reply-to:answers",
    "addressed:second", 'subject:"your code"', "tag:zeta", "is:tagged", "is:read",
    "has:attachment", "has:inline", "larger:1k", "4711 -is:unread", "words.txt",
    "after:2020-01-01 from:sender",
  ]) assert.deepEqual(await find(query), [sent.ID], query);
  assert.deepEqual(await find("before:2020-01-01"), []);
  const all = await mailpit.listMessages(0, 1);
  assert.deepEqual([all.total, all.unread, all.count, all.messages_count], [2, 1, 1, 2]);
  assert.deepEqual(all.tags, ["alpha", "Zeta"]);
  const waited = await mailpit.waitForMessage({ query: "subject:code" });
  assert.equal(waited.ID, sent.ID);
  assert.equal((await mailpit.waitForMessages({ count: 2, exact: true })).count, 2);
}

async function changing(sent) {
  await mailpit.setReadStatus();
  assert.equal((await mailpit.listMessages()).unread, 2);
  await mailpit.setReadStatus({ Read: true, Search: "from:sender" });
  assert.equal((await mailpit.listMessages()).unread, 1);
  await mailpit.setReadStatus({ Read: false, IDs: [sent.ID] });
  assert.equal((await mailpit.listMessages()).unread, 2);
  await assert.rejects(mailpit.setReadStatus({ IDs: [sent.ID], Search: "x" }), /not both/);

  assert.equal(await mailpit.setTags({ IDs: [sent.ID], Tags: ["one two", "b"] }), "ok");
  assert.deepEqual(await mailpit.getTags(), ["b", "one two"]);
  assert.equal(await mailpit.renameTag("one two", "a.b"), "ok");
  await assert.rejects(mailpit.renameTag("b", "A.B"), /tag already exists/);
  assert.equal(await mailpit.deleteTag("b"), "ok");
  await assert.rejects(mailpit.deleteTag("b"), /tag not found/);
  assert.deepEqual(await mailpit.getTags(), ["a.b"]);
}

async function telling(sent) {
  const info = await mailpit.getInfo();
  assert.match(info.Version, /^v\d/);
  assert.deepEqual([info.Messages, info.Unread, info.Tags], [2, 2, { "a.b": 1 }]);
  const ui = await mailpit.getConfiguration();
  assert.deepEqual([ui.MessageRelay.Enabled, ui.MessageRelay.SMTPServer], [true, relay]);
  await assert.rejects(mailpit.getChaosTriggers(), /400 .*Chaos is not enabled/);
  await assert.rejects(mailpit.setChaosTriggers({}), /400 .*Chaos is not enabled/);
}

async function deleting(sent) {
  assert.equal(await mailpit.deleteMessagesBySearch({ query: "from:other" }), "ok");
  assert.deepEqual((await mailpit.listMessages()).messages.map((one) => one.ID), [sent.ID]);
  assert.equal(await mailpit.deleteMessages({ IDs: [sent.ID] }), "ok");
  await mailpit.sendMessage(rich);
  assert.equal(await mailpit.deleteMessages(), "ok"); // sends no body
  assert.equal((await mailpit.listMessages()).total, 0);
}

async function releasing() {
  const { ID } = await mailpit.sendMessage(rich); // which stays until it is sent
  assert.equal(await mailpit.releaseMessage(ID, { To: ["released@example.test"] }), "ok");
}

(async () => {
  const sent = await sending();
  await reading(sent);
  await searching(sent);
  await changing(sent);
  await telling(sent);
  await deleting(sent);
  await releasing();
})();
