// What people do in a store. The shop is the one that ../browser.rs opens.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(import.meta.url);
const PASSWORD = process.env.PASSWORD;
const STORE = '/store/acme';
const NOTES = `${STORE}/field-notes`;

const PHONE = { width: 390, height: 844 };
const ANDROID = {
  userAgent: 'Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Mobile Safari/537.36',
  viewport: PHONE, isMobile: true, hasTouch: true,
};
const IPHONE = {
  userAgent: 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1',
  viewport: PHONE, isMobile: true, hasTouch: true,
};
const LINUX = {
  userAgent: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36',
  viewport: { width: 1280, height: 900 },
};
const MAC = { ...LINUX, userAgent: 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15' };

// A page on which whatever is not as it should be is remembered: errors, violations of the policy, other hosts.
async function visit(browser, url, device, options = {}) {
  const context = await browser.newContext({
    baseURL: url, locale: 'en-US', javaScriptEnabled: false, ...device, ...options,
  });
  const page = await context.newPage();
  page.wrong = [];
  page.on('pageerror', error => page.wrong.push(`error: ${error}`));
  page.on('console', message => {
    if (['error', 'warning'].includes(message.type())) page.wrong.push(`console: ${message.text()}`);
  });
  page.on('request', request => {
    if (new URL(request.url()).origin !== url) page.wrong.push(`another host: ${request.url()}`);
  });
  return page;
}

async function signIn(page, name = 'ada') {
  await page.fill('input[name=name]', name);
  await page.fill('input[name=password]', PASSWORD);
  await page.click('main button');
  await page.waitForLoadState(); // pictures too: whoever signs out before they are here gets none
}

async function signedIn(browser, url, device, options) {
  const page = await visit(browser, url, device, options);
  await page.goto(STORE);
  await signIn(page);
  assert.equal(new URL(page.url()).pathname, STORE);
  return page;
}

async function shot(page, name, options = {}) {
  const folder = process.env.APPDEPOT_SCREENSHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.waitForLoadState('networkidle');
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true, ...options });
}

const names = page => page.locator('.apps .name').allTextContents();
const sane = page => assert.deepEqual(page.wrong, []);

export async function sign_in(browser, url) {
  const page = await visit(browser, url, LINUX);
  await page.goto(`${NOTES}?platform=ios`);
  assert.match(page.url(), /\/-\/sign-in\?to=/);
  assert.equal(await page.locator('.home').textContent(), 'Acme Apps');
  await shot(page, 'sign-in');

  await page.fill('input[name=name]', 'ada');
  await page.fill('input[name=password]', 'wrong');
  await page.click('main button');
  assert.match(await page.locator('[role=alert]').textContent(), /do not match/);
  assert.equal(await page.inputValue('input[name=name]'), 'ada');
  assert.equal(await page.inputValue('input[name=password]'), '');
  page.wrong = []; // the console tells of the 403

  await signIn(page);
  assert.equal(page.url(), `${url}${NOTES}?platform=ios`);
  const [cookie] = await page.context().cookies();
  assert.ok(cookie.httpOnly && cookie.secure && cookie.sameSite === 'Lax' && cookie.path === STORE, JSON.stringify(cookie));

  await page.click('.person button');
  assert.match(page.url(), /\/-\/sign-in$/);
  assert.deepEqual(await page.context().cookies(), []);
  await page.goto(STORE);
  assert.match(page.url(), /\/-\/sign-in\?/);
  sane(page);

  // Nobody is led elsewhere.
  for (const to of ['https://evil.example/', '//evil.example/', `${STORE}//evil.example`]) {
    await page.goto(`${STORE}/-/sign-in?to=${encodeURIComponent(to)}`);
    await signIn(page);
    assert.equal(page.url(), `${url}${STORE}`);
    await page.click('.person button');
  }

  // Another site's form does nothing.
  const context = await browser.newContext({ baseURL: url });
  const answer = await context.request.post(`${STORE}/-/sign-in`, {
    headers: { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
    form: { name: 'ada', password: PASSWORD },
  });
  assert.equal(answer.status(), 400);
  assert.equal(answer.headers()['set-cookie'], undefined);
}

export async function browse(browser, url) {
  const page = await signedIn(browser, url, LINUX);
  const all = await names(page);
  assert.equal(all.length, 4);
  assert.deepEqual(all.slice(0, 3), ['Field Notes', 'Plant Console', 'Timesheet']);
  const card = page.locator('.app', { hasText: 'Field Notes' });
  assert.match(await card.textContent(), /1\.5\.0/);
  assert.match(await card.textContent(), /17\.3\skB/);
  assert.match(await card.textContent(), /Updated \w+ \d+, \d+/);

  await page.fill('input[name=q]', 'NOTES');
  await page.click('.find button');
  assert.deepEqual(await names(page), ['Field Notes']);
  await page.fill('input[name=q]', '');
  await page.selectOption('select[name=platform]', 'windows');
  await page.click('.find button');
  assert.deepEqual(await names(page), ['Plant Console']);
  await page.fill('input[name=q]', 'nowhere <b>');
  await page.click('.find button');
  assert.match(await page.locator('.message').textContent(), /Nothing found/);
  assert.equal(await page.inputValue('input[name=q]'), 'nowhere <b>');
  assert.match(await page.locator('footer a').getAttribute('href'), /^mailto:apps@acme\.example$/);
  await shot(page, 'empty');

  await page.goto(`${STORE}/nothing`);
  assert.match(await page.locator('h1').textContent(), /Not found/);
  assert.match(await page.locator('footer').textContent(), /apps@acme\.example/);
  page.wrong = page.wrong.filter(line => !line.includes('404'));
  sane(page);
}

export async function android(browser, url) {
  const page = await signedIn(browser, url, ANDROID);
  assert.deepEqual((await names(page)).slice(0, 1), ['Field Notes'], 'what fits comes first');
  assert.equal(await page.inputValue('select[name=platform]'), 'android');
  await shot(page, 'store-android');
  await page.click('.app:has-text("Field Notes")');
  await shot(page, 'store-phone', { fullPage: false });
  assert.match(await page.locator('.permissions').textContent(), /POST_NOTIFICATIONS\s+new in this version/);
  assert.equal(await page.locator('.new').count(), 1);
  assert.match(await page.locator('.details').first().textContent(), /Android 5\.0 or newer/);
  assert.equal(await page.locator('.code').count(), 0, 'no code on the phone itself');
  assert.equal(await page.locator('.history li').count(), 2);

  const [download] = await Promise.all([page.waitForEvent('download'), page.click('button:has-text("Install")')]);
  assert.equal(download.suggestedFilename(), 'field-notes-1.5.0.apk');
  const bytes = (await import('node:fs')).readFileSync(await download.path());
  assert.equal(bytes.length, 17262);

  // The address needs no cookie, and answers in parts.
  const bare = await browser.newContext();
  const part = await bare.request.get(download.url(), { headers: { range: 'bytes=100-199' } });
  assert.equal(part.status(), 206);
  assert.equal(part.headers()['content-type'], 'application/vnd.android.package-archive');
  assert.match(part.headers()['content-disposition'], /^attachment; filename="field-notes-1\.5\.0\.apk"/);
  assert.deepEqual(await part.body(), bytes.subarray(100, 200));

  const old = await visit(browser, url, { ...ANDROID, userAgent: ANDROID.userAgent.replace('Android 14', 'Android 4.4') });
  await old.goto(NOTES);
  await signIn(old);
  assert.ok(await old.locator('.identity button').isDisabled());
  assert.match(await old.locator('.why').textContent(), /Android 5\.0/);

  await page.goto(`${STORE}/timesheet`);
  assert.ok(await page.locator('.identity button').isDisabled());
  sane(page);
}

export async function iphone(browser, url) {
  const page = await signedIn(browser, url, IPHONE);
  assert.deepEqual(await names(page), ['Field Notes', 'Timesheet']);
  await page.click('.app:has-text("Field Notes")');
  await page.click('button:has-text("Install")');
  assert.match(page.url(), /\/install\/[0-9a-f]+-[0-9A-Za-z]+$/);
  await shot(page, 'install-iphone');
  const link = await page.locator('a.primary').getAttribute('href');
  const [, encoded] = link.match(/^itms-services:\/\/\?action=download-manifest&url=(.+)$/);
  const manifest = new URL(decodeURIComponent(encoded));
  assert.equal(manifest.origin, 'https://store.example');

  // As the installer does: no cookie, and whatever the manifest names.
  const bare = await browser.newContext({ baseURL: url });
  const here = address => address.replace('https://store.example', url);
  const answer = await bare.request.get(here(manifest.href));
  assert.equal(answer.status(), 200);
  const text = await answer.text();
  const urls = [...text.matchAll(/<key>kind<\/key>\s*<string>([^<]+)<\/string>\s*<key>url<\/key>\s*<string>([^<]+)</g)];
  const assets = Object.fromEntries(urls.map(([, kind, address]) => [kind, here(address)]));
  assert.deepEqual(Object.keys(assets), ['software-package', 'display-image', 'full-size-image']);
  const size = async address => {
    const png = await (await bare.request.get(address)).body();
    return [png.subarray(1, 4).toString(), png.readUInt32BE(16), png.readUInt32BE(20)];
  };
  assert.deepEqual(await size(assets['display-image']), ['PNG', 57, 57]);
  assert.deepEqual(await size(assets['full-size-image']), ['PNG', 512, 512]);
  const whole = await (await bare.request.get(assets['software-package'])).body();
  const half = await bare.request.get(assets['software-package'], { headers: { range: `bytes=${whole.length >> 1}-` } });
  assert.equal(half.status(), 206);
  assert.deepEqual(await half.body(), whole.subarray(whole.length >> 1));

  await page.goto(`${STORE}/timesheet`);
  await shot(page, 'expired');
  assert.equal(await page.locator('.identity button').textContent(), 'Expired');
  assert.match(await page.locator('.why').textContent(), /May 6, 2021/);

  const gone = await page.goto(`/install/${'0'.repeat(24)}-${'0'.repeat(48)}`);
  assert.equal(gone.status(), 410);
  assert.match(await page.locator('h1').textContent(), /no longer valid/);
  page.wrong = page.wrong.filter(line => !line.includes('410'));
  sane(page);
}

export async function desktop(browser, url) {
  const page = await signedIn(browser, url, LINUX);
  await shot(page, 'store');
  await page.goto(`${NOTES}?platform=android`);
  await shot(page, 'store-app', { fullPage: false });
  assert.ok(await page.locator('svg.code').isVisible());
  const address = `https://store.example${NOTES}`;
  assert.equal(await page.locator('a.address').getAttribute('href'), address);
  assert.deepEqual(await page.locator('.others a').allTextContents(), ['iOS']);
  await page.click('.others a');
  assert.match(await page.locator('.identity').textContent(), /iOS/);
  await page.goto(`${STORE}/plant-console`);
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('.identity button')]);
  assert.match(download.suggestedFilename(), /^plant-console-7\.2\.1\.msi$/);
  sane(page);

  const mac = await signedIn(browser, url, MAC);
  await mac.goto(`${NOTES}?platform=ios`);
  assert.equal(await mac.locator('.phone button').textContent(), 'This is an iPad: install here');
}

export async function keyboard(browser, url) {
  const page = await visit(browser, url, ANDROID, { isMobile: false, hasTouch: false });
  const tab = async () => {
    await page.keyboard.press('Tab');
    const outline = await page.locator(':focus').evaluate(node => {
      const style = getComputedStyle(node);
      return { seen: style.outlineStyle !== 'none' || node.matches('.skip'), text: node.textContent.trim(), name: node.name };
    });
    assert.ok(outline.seen, `the focus is seen on ${outline.text || outline.name}`);
    return outline;
  };
  const until = async test => {
    for (let count = 0; count < 30; count += 1) {
      const at = await tab();
      if (test(at)) return;
    }
    assert.fail('not reached by keyboard');
  };
  await page.goto(NOTES);
  assert.equal((await tab()).text, 'Skip to content');
  await until(at => at.name === 'name');
  await page.keyboard.type('bob');
  await until(at => at.name === 'password');
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press('Enter');
  await page.waitForURL(`${url}${NOTES}`);
  await until(at => at.text === 'Install');
  const [download] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('Enter')]);
  assert.equal(download.suggestedFilename(), 'field-notes-1.5.0.apk');
  sane(page);
}

export async function hostile(browser, url) {
  const page = await signedIn(browser, url, LINUX, { javaScriptEnabled: true });
  const evil = (await names(page)).at(-1);
  assert.equal(evil, '<img src=x onerror=alert(1)> "Evil" & \'Co\'');
  await page.click('.app >> nth=-1');
  assert.equal(await page.locator('h1').textContent(), evil);
  await shot(page, 'hostile');
  assert.ok((await page.title()).startsWith(evil));
  assert.equal(await page.locator('main script, main img:not(.icon, .screenshots img), main a[href^="javascript"]').count(), 0);
  assert.match(await page.locator('.notes').textContent(), /<script>document\.title='owned'<\/script>/);
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('.phone button')]);
  assert.match(download.suggestedFilename(), /^[a-z0-9.-]+\.apk$/);
  sane(page);
}

export async function languages(browser, url) {
  for (const [locale, word] of [
    ['en-GB', 'Sign in'], ['es-ES', 'Iniciar sesión'], ['fr-FR', 'Se connecter'], ['de-DE', 'Anmelden'],
    ['it-IT', 'Accedi'], ['pt-BR', 'Entrar'], ['zh-CN', '登录'], ['ru-RU', 'Войти'],
  ]) {
    const page = await visit(browser, url, LINUX, { locale });
    await page.goto(STORE);
    assert.equal(await page.locator('h1').textContent(), word);
    assert.equal(await page.locator('html').getAttribute('lang'), locale.slice(0, 2));
    await signIn(page);
    await page.goto(NOTES);
    if (locale === 'de-DE') await shot(page, 'app-german');
    sane(page);
    await page.context().close();
  }
}

// Nobody signs in here.
export async function password(browser, url) {
  const page = await visit(browser, url, ANDROID);
  await page.goto(`${STORE}/beta`);
  assert.equal(await page.locator('h1').textContent(), 'Password');
  assert.ok(!(await page.content()).includes('Field Notes'));
  await shot(page, 'password');
  await page.fill('input[name=password]', 'sesame');
  await page.click('main button');
  assert.match(await page.locator('[role=alert]').textContent(), /not the password/);
  page.wrong = []; // the console tells of the 403
  await page.fill('input[name=password]', 'open sesame');
  await page.click('main button');
  assert.equal(page.url(), `${url}${STORE}/beta`);
  const [cookie] = await page.context().cookies();
  assert.ok(cookie.httpOnly && cookie.secure && cookie.path === `${STORE}/beta`, JSON.stringify(cookie));
  assert.match(await page.locator('.terms').textContent(), /Tell nobody/);
  await shot(page, 'publication');

  await page.click('button:has-text("Install")');
  assert.equal(page.url(), `${url}${STORE}/beta`, 'the terms come first');
  for (const [form, file] of [['.identity form', 'field-notes-1.5.0.apk'], ['.history form', 'field-notes-1.4.2.apk']]) {
    await page.check(`${form} input[name=agree]`);
    const [download] = await Promise.all([page.waitForEvent('download'), page.click(`${form} button`)]);
    assert.equal(download.suggestedFilename(), file);
  }
  sane(page);
}

export async function accessible(browser, url) {
  const axe = require('axe-core').source;
  for (const colorScheme of ['light', 'dark']) {
    for (const [size, device] of [['wide', LINUX], ['narrow', { ...ANDROID, viewport: { width: 320, height: 640 } }]]) {
      // The pages have no scripts, and their policy allows none; the checker is let in past it.
      const options = { colorScheme, javaScriptEnabled: true, bypassCSP: true };
      const page = await visit(browser, url, device, options);
      const check = async what => {
        const name = `${what}-${size}-${colorScheme}`;
        await shot(page, name);
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => axe.run(document, {
          runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
        }));
        const found = violations.map(({ id, impact, nodes }) => [id, impact, nodes.map(node => node.html)]);
        assert.deepEqual(found, [], name);
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(width <= device.viewport.width, `${name} is ${width} pixels wide`);
      };
      await page.goto(`${STORE}/beta`);
      await check('password');
      await page.fill('input[name=password]', 'open sesame');
      await page.click('main button');
      await check('publication');
      await page.goto(STORE);
      await check('sign-in');
      await page.fill('input[name=name]', 'ada');
      await page.fill('input[name=password]', 'wrong');
      await page.click('main button');
      await check('sign-in-failed');
      await signIn(page);
      await check('store');
      await page.goto(`${STORE}?q=nowhere`);
      await check('empty');
      await page.goto(NOTES);
      await check('app');
      await page.goto(`${STORE}/timesheet`);
      await check('disabled');
      await page.goto(`${STORE}/nothing`);
      await check('not-found');
      await page.context().close();
    }
  }
  const page = await signedIn(browser, url, IPHONE, { javaScriptEnabled: true, bypassCSP: true });
  await page.goto(NOTES);
  await page.click('button:has-text("Install")');
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run(document));
  assert.deepEqual(violations.map(({ id, impact }) => [id, impact]), []);
}
