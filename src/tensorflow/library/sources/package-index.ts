import type { Wheel } from '../release.js';
import type { HttpClient } from '../../../http/http-client.js';

const accept = 'application/vnd.pypi.simple.v1+json, text/html;q=0.5';

/**
 * The address of a wheel according to a Python package index (its simple API: PEP 691 as JSON, or PEP 503 as HTML).
 *
 * @throws Error when the index cannot be read or does not have the wheel.
 */
export async function findInIndex(
  http: HttpClient,
  index: string,
  wheel: Wheel,
  signal: AbortSignal | undefined,
): Promise<string> {
  const response = await http.get(`${index}/${wheel.package}/`, { accept }, signal);
  const body = await response.text();
  const isJson = (response.headers.get('content-type') ?? '').includes('json');
  const link = isJson ? linkInJson(body, wheel.filename) : linkInHtml(body, wheel.filename);
  if (link === undefined) throw new Error(`it does not list ${wheel.filename}`);
  return new URL(link, response.url).href;
}

export function linkInJson(body: string, filename: string): string | undefined {
  const page = JSON.parse(body) as { files?: { filename: string; url: string }[] };
  return page.files?.find((file) => file.filename === filename)?.url;
}

export function linkInHtml(body: string, filename: string): string | undefined {
  for (const [, quoted, apostrophed] of body.matchAll(/<a\s[^>]*?href\s*=\s*(?:"([^"]*)"|'([^']*)')/gi)) {
    const link = (quoted ?? apostrophed ?? '').replaceAll('&amp;', '&');
    if (decodeURIComponent(link.split(/[?#]/)[0]!.split('/').at(-1)!) === filename) return link;
  }
  return undefined;
}
