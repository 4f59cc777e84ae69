import stringWidth from 'string-width';

/**
 * Text whose lines are at most `width` columns wide, broken between words. What goes on below starts where the last
 * column of the line does, columns being two spaces or more apart. A word that is wider stays whole.
 */
export function wrap(text: string, width: number): string {
  return text
    .split('\n')
    .map((line) => (stringWidth(line) <= width ? line : wrapLine(line, width)))
    .join('\n');
}

function wrapLine(line: string, width: number): string {
  const [columns] = /^ *(?:\S+(?: \S+)*? {2,})*/.exec(line)!;
  const [first = '', ...words] = line.slice(columns.length).split(' ');
  const fits = columns.trim() === '' || stringWidth(columns + first) <= width;
  const indent = ' '.repeat(fits && stringWidth(columns) <= width / 2 ? stringWidth(columns) : 2);
  const lines = fits ? [columns + first] : [columns.trimEnd(), indent + first];
  for (const word of words) {
    const longer = `${lines.at(-1)!} ${word}`;
    if (stringWidth(longer) <= width) lines[lines.length - 1] = longer;
    else lines.push(indent + word);
  }
  return lines.join('\n');
}
