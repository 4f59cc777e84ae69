import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const places = [
  process.env.CHROMIUM_PATH,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
];

/** A browser of the system; nothing where there is none. */
export const browserPath = places.find((path) => path !== undefined && existsSync(path));

/** Why pages cannot be shown here; nothing where they can. */
export const whyNoBrowser =
  browserPath === undefined
    ? 'there is no Chromium: apt-get install chromium, or name one in CHROMIUM_PATH'
    : undefined;

/** What a browser shows of a page on disk. */
export interface Shown {
  readonly headings: readonly string[];
  /** Width in pixels of every picture, 0 for one that cannot be shown, and its text alternative. */
  readonly pictures: readonly { readonly width: number; readonly alternative: string }[];
  /** Errors and requests to anywhere else. */
  readonly complaints: readonly string[];
  /** Whether anything is wider than the window. */
  readonly overflows: boolean;
}

/** Opens a page in a headless browser. */
export async function show(path: string, width: number): Promise<Shown> {
  const browser = await chromium.launch({
    executablePath: browserPath!,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking'],
  });
  try {
    const page = await browser.newPage({ viewport: { width, height: 900 } });
    const complaints: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    const url = pathToFileURL(path).href;
    page.on('request', (request) => {
      if (request.url() !== url && !request.url().startsWith('data:')) complaints.push(request.url());
    });
    await page.goto(url);
    return {
      headings: await page.locator('h1, h2').allTextContents(),
      pictures: await page.evaluate<Shown['pictures']>(
        '[...document.images].map((image) => ({ width: image.naturalWidth, alternative: image.alt }))',
      ),
      complaints,
      overflows: await page.evaluate('document.documentElement.scrollWidth > innerWidth'),
    };
  } finally {
    await browser.close();
  }
}
