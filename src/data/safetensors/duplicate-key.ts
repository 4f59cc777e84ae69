/**
 * The first key that the outermost object of a JSON text has twice, which `JSON.parse` would pass over.
 *
 * @param text valid JSON of an object.
 */
export function duplicateKey(text: string): string | undefined {
  const seen = new Set<string>();
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '{' || character === '[') depth++;
    else if (character === '}' || character === ']') depth--;
    else if (character === '"') {
      const end = stringEnd(text, at);
      if (depth === 1 && isKey(text, end)) {
        const key = JSON.parse(text.slice(at, end)) as string;
        if (seen.has(key)) return key;
        seen.add(key);
      }
      at = end - 1;
    }
  }
  return undefined;
}

/** Where the string that opens at `start` ends, past its closing quote. */
function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function isKey(text: string, end: number): boolean {
  let at = end;
  while (/\s/.test(text[at] ?? '')) at++;
  return text[at] === ':';
}
