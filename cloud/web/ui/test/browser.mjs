// Walks through the pages in a real browser, as an analyst at night would, and checks what is on the screen.
// Usage: node browser.mjs ADDRESS EMPTY CHROMIUM [DIRECTORY FOR SCREENSHOTS]
// ADDRESS serves the seeded plant, EMPTY a collector that nobody has set up yet.
// It prints one line a step, and ends with 1 and the reason when something is not as it should be.
import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [address, empty, executablePath, screenshots] = process.argv.slice(2);
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({ executablePath, headless: true, args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"] });

const looks = [
  { name: "dark", colorScheme: "dark", viewport: { width: 1440, height: 900 } },
  { name: "light", colorScheme: "light", viewport: { width: 1440, height: 900 } },
  { name: "dark-small", colorScheme: "dark", viewport: { width: 1024, height: 768 } },
  { name: "light-small", colorScheme: "light", viewport: { width: 1024, height: 768 } },
];

/** sees waits until a text can be seen. */
const sees = (page, text) => page.getByText(text).first().waitFor({ state: "visible", timeout: 10_000 });

/** settles waits until what is read is what is wanted: a page draws when its data has come. */
async function settles(read, wanted, message) {
  const end = Date.now() + 10_000;
  for (;;) {
    const found = await read();
    if (found === wanted || Date.now() > end) return assert.equal(found, wanted, message);
    await new Promise((again) => setTimeout(again, 50));
  }
}

/** told gives what an element tells, read aloud or in sight, with plain spaces. */
const told = async (element) => (await element.innerText()).replace(/\s+/g, " ").trim();

/** accessible fails on what axe calls serious or critical. */
async function accessible(page, where) {
  await page.evaluate(axe); // through the debugger: the pages' policy would refuse a script element, as it should
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const grave = violations.filter((v) => v.impact === "serious" || v.impact === "critical");
  const told = grave.map((v) => `${v.id}: ${v.help}\n  ${v.nodes.map((n) => `${n.target} ${n.failureSummary}`).join("\n  ")}`);
  assert.equal(grave.length, 0, `${where} is not accessible:\n${told.join("\n")}`);
}

async function walk(look) {
  const context = await browser.newContext({ viewport: look.viewport, colorScheme: look.colorScheme, timezoneId: "Europe/Berlin", locale: "en-GB" });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (m) => m.type() !== "info" && m.type() !== "log" && complaints.push(`${m.type()}: ${m.text()}`));
  page.on("pageerror", (e) => complaints.push(`error: ${e.stack}`));
  page.on("requestfailed", (r) => r.failure()?.errorText !== "net::ERR_ABORTED" && complaints.push(`failed: ${r.url()} ${r.failure()?.errorText}`));
  page.on("request", (r) => !r.url().startsWith(address) && !r.url().startsWith(empty) && complaints.push(`asked another origin: ${r.url()}`));

  const step = async (name, act) => {
    await act();
    if (look.viewport.width > 1250 || name === "incident") await accessible(page, `${look.name}: ${name}`);
    assert.deepEqual(complaints, [], `${look.name}: ${name}: the browser complains`);
    if (screenshots) await page.screenshot({ path: join(screenshots, `${look.name}-${name}.png`) });
    console.log(`ok ${look.name}: ${name}`);
  };
  const wide = async () => {
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(over <= 0, `the page is ${over} pixels wider than the window`);
  };

  await step("queue", async () => {
    await page.goto(address);
    await sees(page, "Compromised engineering station ENG-03 (10.20.0.33) stopped PLC-2 and wrote to PLC-3");
    await sees(page, "CRANE-2");
    await settles(() => page.getByRole("row").count(), 4);
    await wide();
  });
  await step("queue-filtered", async () => {
    await page.getByLabel("Severity").selectOption("high");
    await page.getByText("CRANE-2").waitFor({ state: "detached" });
    await page.getByText("SCAN-BOX").waitFor({ state: "detached" });
    await settles(() => page.getByRole("row").count(), 2);
    assert.match(page.url(), /severity=high/);
    await page.getByLabel("Site", { exact: true }).selectOption("harbour-terminal");
    await sees(page, "No incident matches these filters");
    await page.getByRole("link", { name: "Clear filters" }).first().click();
    await sees(page, "CRANE-2");
    await page.getByLabel("Search").fill("crane");
    await page.getByText("ENG-03").waitFor({ state: "detached" });
    await page.getByLabel("Search").fill("");
    await sees(page, "ENG-03");
    await page.getByLabel("Product name").selectOption("Spanwatch");
    await sees(page, "ENG-03");
  });
  await step("incident", async () => {
    await page.getByRole("link", { name: /ENG-03/ }).first().click();
    await sees(page, "What happened");
    await sees(page, "Tell the control room now: PLC-2 runs a program that nobody released.");
    await sees(page, "Could be reached next");
    await page.locator("canvas").first().waitFor();
    await settles(() => page.getByRole("button", { name: / to .*(High|Medium)/ }).count(), 5);
    // The time of the first contact, the gravest deed at its own time, the extent apart from it.
    assert.match(await told(page.getByRole("button", { name: /PLC Stop/ })), /^first 03:02:43 Control ENG-03 → PLC-2 gravest: PLC Stop at 03:03:22 \(done\) 15 messages High$/);
    assert.match(await told(page.getByRole("button", { name: /PLC-2 to PLC-4/ })), /gravest: Setup Communication at 03:04:46 \(done\) 2 conversations High$/);
    assert.match(await told(page.getByRole("button", { name: /ENG-03 to PLC-3/ })), /gravest: Write Multiple Registers at 03:00:18 \(done\) 9 messages High$/);
    assert.doesNotMatch(await told(page.getByRole("main")), /×/);
    await wide();
  });
  const incident = new URL(page.url()).pathname;
  await step("alert", async () => {
    await page.getByRole("button", { name: /PLC Stop/ }).click();
    await sees(page, "ENG-03 stopped PLC-2, downloaded a changed block OB1 into it and started it again.");
    await sees(page, "Request Download");
    await sees(page, "Change Operating Mode");
    await sees(page, "evidence/c4e8812fa06b.pcapng");
    assert.match(await told(page.getByRole("region", { name: "Alert", exact: true }).first()), /gravest: PLC Stop at 03:03:22 \(done\).* First contact 2026-03-14 03:02:43 Last activity 2026-03-14 03:04:11 In all 15 messages/);
    assert.match(page.url(), /alert=c4e8812fa06b/);
    await settles(() => page.locator("time").first().getAttribute("title"), "Local time: 14 Mar 2026, 03:58:04 CET");
  });
  await step("alert-by-link", async () => {
    await page.goto(`${address}${incident}?alert=8b52e6610c9f`);
    await sees(page, "1450 3200 820 0");
    await sees(page, "Modify Parameter");
    await page.getByLabel("Take ENG-03 off the network at its switch port; do not switch it off.").check();
    await page.keyboard.press("Escape");
    await sees(page, "What happened");
    assert.ok(await page.getByLabel("Take ENG-03 off the network at its switch port; do not switch it off.").isChecked(), "the tick is lost");
  });
  await step("device-in-graph", async () => {
    const canvas = page.locator(".canvas");
    await canvas.locator("canvas").first().waitFor();
    await page.getByRole("button", { name: /^PLC-3, Controller/ }).focus();
    await page.keyboard.press("Enter");
    await sees(page, "Open the device's page");
    await sees(page, "Alerts that name it");
    assert.match(await told(page.getByRole("button", { name: /PLC-3/ }).last()), /first 03:00:17 Write ENG-03 → PLC-3 gravest: Write Multiple Registers at 03:00:18 \(done\) 9 messages$/);
    assert.match(page.url(), /device=plc3/);
  });
  for (const [tab, text] of [["Alerts", "Same actor as the alert of 02:58:04 UTC"], ["Assets", "PLC-2 reads it; it is one hop behind"], ["Evidence", "PI Service _INSE"]]) {
    await step(`tab-${tab.toLowerCase()}`, async () => {
      await page.getByRole("tab", { name: new RegExp(tab) }).click();
      await sees(page, text);
      if (tab === "Alerts") assert.match(await told(page.getByRole("row", { name: /PLC Stop/ })), /^2026-03-14 03:02:43 .* gravest: PLC Stop at 03:03:22 \(done\) Control .* 15 messages /);
      await wide();
    });
  }
  await step("devices", async () => {
    await page.getByRole("link", { name: "Devices", exact: true }).click();
    await page.getByLabel("Site", { exact: true }).selectOption("northfield-water");
    await sees(page, "Pumping and treatment, line 1 to 3");
    await page.getByText("CRANE-2").waitFor({ state: "detached" });
    await settles(() => page.getByRole("row").count(), 12);
    await page.getByLabel("Type").selectOption("safety");
    await page.getByText("PLC-1").waitFor({ state: "detached" });
    await sees(page, "SIS-1");
    await page.getByLabel("Type").selectOption("");
    await sees(page, "HMI-LINE1");
    await wide();
  });
  await step("device", async () => {
    await page.getByRole("link", { name: "PLC-2", exact: true }).click();
    await sees(page, "s7comm: Read SZL 0x0011");
    await sees(page, "is asked by this device");
    await sees(page, "V2.9.4");
    await sees(page, "Controller became a client");
    assert.match(await told(page.getByRole("row", { name: /PLC Stop/ })), /^2026-03-14 03:02:43 .* gravest: PLC Stop at 03:03:22 \(done\) Control 15 messages Target$/);
    await settles(() => page.evaluate(() => document.activeElement?.tagName), "H1", "the new page's heading has no focus");
    await wide();
  });
  await step("overnight", async () => {
    await page.goto(address);
    await page.getByRole("link", { name: /CRANE-2/ }).click();
    // The deed's day is named, for it is not that of the first contact.
    assert.match(await told(page.getByRole("button", { name: /NVR to CRANE-2/ })), /^first 22:58:04 Read NVR → CRANE-2 gravest: Read Holding Registers at 2026-03-14 00:58:04 \(done\) 4 messages Low$/);
  });
  await step("wide-incident", async () => {
    await page.goto(address);
    await page.getByRole("link", { name: /SCAN-BOX/ }).click();
    await sees(page, "Possibly compromised device SCAN-BOX (172.16.0.66) tried to stop 2 controllers and identified 38 other controllers");
    await page.locator("canvas").first().waitFor();
    await wide();
  });
  await step("no-site", async () => {
    await page.goto(empty);
    await sees(page, "No site is set up yet");
    await sees(page, "spanwatch-agent enrol --collector HOST:PORT --token TOKEN");
    await wide();
  });
  await step("not-found", async () => {
    await page.goto(`${address}/incidents/abc`);
    await page.getByRole("link", { name: "Go to the incidents" }).click();
    await sees(page, "ENG-03");
    for (const id of ["9".repeat(300), "-1", "0", "abc", "4711"]) {
      await page.goto(`${address}/incidents/${id}`);
      await page.getByRole("heading", { level: 1, name: `There is no incident ${id}`, exact: true }).waitFor({ state: "visible", timeout: 10_000 });
      await settles(() => page.title(), "No such incident – Spanwatch");
      await wide();
      complaints.length = 0; // the browser notes the service's answer 404 itself
    }
  });
  await context.close();
}

try {
  for (const look of looks) await walk(look);
} catch (error) {
  if (screenshots) for (const c of browser.contexts()) for (const p of c.pages()) await p.screenshot({ path: join(screenshots, "failed.png"), fullPage: true });
  console.error(error.message ?? error);
  process.exitCode = 1;
} finally {
  await browser.close();
}
