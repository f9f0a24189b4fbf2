// Runs one journey: node run.mjs JOURNEY URL CHROMIUM. Fails with what went wrong.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import * as journeys from './journeys.mjs';

const [journey, url, executablePath] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), 'appdepot-browser-'));
const browser = await chromium.launch({
  executablePath,
  args: [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
    `--disk-cache-dir=${profile}`,
  ],
});
try {
  await journeys[journey](browser, url);
} finally {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
}
