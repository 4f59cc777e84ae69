/**
 * Splits the part of a command line before the cursor into words, as a shell would: quotes and backslashes are taken
 * away, nothing is expanded. The last word is the one that is being typed: empty after a space.
 */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word = '';
  let quote: '"' | "'" | undefined;
  for (let i = 0; i < line.length; i++) {
    const character = line[i]!;
    if (character === '\\' && quote !== "'" && i + 1 < line.length) word += line[++i]!;
    else if (character === quote) quote = undefined;
    else if (quote === undefined && (character === '"' || character === "'")) quote = character;
    else if (quote !== undefined || !/\s/.test(character)) word += character;
    else if (word !== '') {
      words.push(word);
      word = '';
    }
  }
  return [...words, word];
}
