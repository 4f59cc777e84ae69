import { type CST, parse, Parser } from 'yaml';

/** Levels of lists and maps in each other that a file may have: pipelines have about ten. */
export const mostLevels = 200;

/** The tokens of a YAML text, which are found without recursion. */
export function tokensOf(text: string): readonly CST.Token[] {
  return Array.from(new Parser().parse(text));
}

/**
 * The offset of the first list or map that is nested deeper than `mostLevels`. What composes such a text needs a stack
 * that it does not have, and may end the process; this needs none.
 */
export function tooDeepAt(tokens: readonly CST.Token[]): number | undefined {
  const open: [token: CST.Token | null | undefined, level: number][] = tokens.map((token) => [
    token.type === 'document' ? token.value : undefined,
    1,
  ]);
  let first: number | undefined;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [token, level] = next;
    if (!token || !('items' in token)) continue;
    if (level > mostLevels) first = Math.min(first ?? Infinity, token.offset);
    else for (const { key, value } of token.items) open.push([key, level + 1], [value, level + 1]);
  }
  return first;
}

/** Parses a text as `parse` of the YAML library does. @throws RangeError where the text is nested too deeply */
export function parseNested(text: string): unknown {
  if (tooDeepAt(tokensOf(text)) !== undefined) throw new RangeError(`More than ${mostLevels} levels.`);
  return parse(text, { logLevel: 'silent' });
}
