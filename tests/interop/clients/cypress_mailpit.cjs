// The commands of npm's cypress-mailpit against bindpost: `node cypress_mailpit.cjs URL`. The
// package is the real one; Cypress, which is a browser's weight, is the few functions below.
"use strict";

const assert = require("node:assert/strict");
const { readFileSync } = require("node:fs");
const path = require("node:path");

const [url] = process.argv.slice(2);
const commands = {};

globalThis.Cypress = {
  expose: (name) => (name === "MAILPIT_URL" ? url : undefined),
  config: () => 4000,
  Commands: { add: (name, _options, command) => (commands[name] = command) },
};
globalThis.cy = {
  wrap: async (value) => value,
  env: async () => ({}),
  wait: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
  // As cy.request: follows redirects, JSON in and out, fails on a status of 400 and more.
  async request({ method, url: to, qs, body }) {
    const target = new URL(to);
    for (const [name, value] of Object.entries(qs ?? {})) target.searchParams.set(name, value);
    const response = await fetch(target, {
      method,
      body: body === undefined ? undefined : JSON.stringify(body),
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${response.status} ${text}`);
    const type = response.headers.get("content-type") ?? "";
    return { status: response.status, body: type.includes("json") ? JSON.parse(text) : text };
  },
};

(async () => {
  // The package's files are modules without saying so: a bundler reads them for Cypress.
  const folder = path.join(process.env.NODE_PATH, "cypress-mailpit", "dist");
  const source = readFileSync(path.join(folder, "src", "MailpitCommands.js"), "utf-8");
  const { MailpitCommands } = await import(
    `data:text/javascript;base64,${Buffer.from(source).toString("base64")}`
  );
  const own = new MailpitCommands();
  for (const name of [...MailpitCommands.parentCypressCommands, ...MailpitCommands.childCypressCommands])
    commands[name] = own[name].bind(own);

  await commands.mailpitDeleteAllEmails();
  const { ID } = await commands.mailpitSendMail({
    subject: "From Cypress",
    attachments: [{ Content: "aGk=", FileName: "hi.txt" }],
  });
  await commands.mailpitSendMail({ subject: "Another", to: [{ Email: "bob@example.com", Name: "" }] });
  assert.equal((await commands.mailpitGetAllMails()).count, 2);
  assert.equal((await commands.mailpitGetAllMails(0, 1)).messages.length, 1);
  const mail = await commands.mailpitGetMail(ID);
  assert.equal((await commands.mailpitGetMail()).Subject, "Another");
  assert.equal(await commands.mailpitGetSubject(mail), "From Cypress");
  assert.equal(await commands.mailpitGetFromAddress(mail), "from@example.com");
  assert.deepEqual(await commands.mailpitGetRecipientAddress(mail), ["jane@example.com"]);
  assert.deepEqual(await commands.mailpitGetAttachments(mail), ["hi.txt"]);
  assert.equal(await commands.mailpitGetMailHTMlBody(mail), "<p>hello from mailpit</p>");
  assert.equal(await commands.mailpitGetMailTextBody(mail), "hello from mailpit");
  assert.equal((await commands.mailpitGetEmailsBySubject("Cypress")).messages_count, 1);
  assert.equal((await commands.mailpitGetEmailsByTo("bob@example.com")).messages_count, 1);
  assert.equal((await commands.mailpitSearchEmails("hello")).messages_count, 2);
  await commands.mailpitHasEmailsBySubject("Cypress");
  await commands.mailpitHasEmailsByTo("jane@example.com");
  await commands.mailpitHasEmailsBySearch("from:from@example.com");
  await commands.mailpitNotHasEmailsBySubject("nothing");
  await commands.mailpitNotHasEmailsByTo("nobody@example.com");
  await commands.mailpitNotHasEmailsBySearch("tag:nothing");
  await commands.mailpitSetAllEmailStatusAsUnRead();
  assert.equal((await commands.mailpitGetAllMails()).unread, 2);
  await commands.mailpitSetStatusAsRead(mail);
  assert.equal((await commands.mailpitGetAllMails()).unread, 1);
  await commands.mailpitSetAllEmailStatusAsRead();
  assert.equal((await commands.mailpitGetAllMails()).unread, 0);
  await commands.mailpitSetStatusAsUnRead([mail]);
  assert.equal((await commands.mailpitGetAllMails()).unread, 1);
  await assert.rejects(commands.mailpitGetMailSpamAssassinSummary(mail), /404/);
  await commands.mailpitDeleteEmailsBySearch("subject:Another");
  assert.equal((await commands.mailpitGetAllMails()).total, 1);
  await commands.mailpitDeleteAllEmails();
  assert.equal((await commands.mailpitGetAllMails()).total, 0);
})();
