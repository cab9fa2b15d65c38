/** Opens pages in a real browser and prints as JSON what came of each: `deno run -A browser.ts CHROMIUM [--FLAG ...] URL EXPRESSION ...`,
 * with flags of the browser. A program of its own, since the browser's driver looks around in the machine more than tests may. */
import { chromium } from "playwright-core";

const [executablePath, ...rest] = Deno.args;
const flags = rest.filter((arg) => arg.startsWith("--"));
const steps = rest.slice(flags.length);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", ...flags] });
const answers: unknown[] = [];
try {
  const page = await browser.newPage();
  for (let at = 0; at < steps.length; at += 2) {
    await page.goto(steps[at]);
    answers.push(await page.evaluate(steps[at + 1]));
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(answers));
