/** `950`, `32.9 million`, `1.2 billion`. */
export function formatLarge(value: number): string {
  if (value >= 1e9) return `${(value / 1e9).toFixed(2)} billion`;
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} million`;
  return value.toLocaleString('en-US');
}
