/** The first 20 of some names, one a line, and how many more there are. */
export function listSome(names: readonly string[], limit = 20): string {
  const rest = names.length - limit;
  const lines = rest > 0 ? [...names.slice(0, limit), `and ${rest} more`] : names;
  return lines.map((line) => `\n  ${line}`).join('');
}
