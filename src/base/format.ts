import { formatCount } from './text.js';

export { asWords, counted, formatCount, formatDuration } from './text.js';

/** A large count in few characters: `7.44 million`; exact below 100,000. */
export function formatLarge(value: number): string {
  const [divisor, word] = value >= 1e9 ? [1e9, 'billion'] : [1e6, 'million'];
  return value < 1e5 ? formatCount(value) : `${trimmed((value / divisor).toPrecision(3))} ${word}`;
}

/** A measured value with four significant digits, very small and large ones by powers of ten: `0.1018`, `1.168 × 10⁻⁸`. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'not a number' : value > 0 ? '∞' : '−∞';
  const size = Math.abs(value);
  if (value === 0) return '0';
  if (Number.isInteger(value) && size < 1e9) return formatCount(value).replace('-', '−');
  if (size >= 1e-3 && size < 1e4) return trimmed(value.toPrecision(4)).replace('-', '−');
  const [mantissa, exponent] = value.toExponential(3).split('e') as [string, string];
  return `${trimmed(mantissa).replace('-', '−')} × 10${superscript(Number(exponent))}`;
}

/** A label of an axis, as short as it can be: `0.05`, `2`, `10⁻⁴`, `5·10⁻⁴`, `12k`. */
export function formatTick(value: number): string {
  const size = Math.abs(value);
  const sign = value < 0 ? '−' : '';
  if (size === 0) return '0';
  if (size >= 1e-3 && size < 1e4) return sign + formatPlain(size);
  if (size >= 1e4 && size < 1e6) return `${sign}${formatPlain(size / 1e3)}k`;
  if (size >= 1e6 && size < 1e9) return `${sign}${formatPlain(size / 1e6)}M`;
  const [mantissa, exponent] = trimmedExponential(size);
  return `${sign}${mantissa === '1' ? '' : `${mantissa}·`}10${superscript(exponent)}`;
}

/** Text with a capital at the start. */
export function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function formatPlain(value: number): string {
  return value >= 1000 ? formatCount(value) : String(Number(value.toPrecision(6)));
}

function trimmedExponential(value: number): [mantissa: string, exponent: number] {
  const [mantissa, exponent] = value.toExponential(2).split('e') as [string, string];
  return [trimmed(mantissa), Number(exponent)];
}

function trimmed(digits: string): string {
  return digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits;
}

function superscript(exponent: number): string {
  return String(exponent).replace(/./g, (character) =>
    character === '-' ? '⁻' : '⁰¹²³⁴⁵⁶⁷⁸⁹'.charAt(Number(character)),
  );
}

/** A size for people, in decimal units as download pages use them: `274 MB`, `5.4 GB`. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit > 0 && value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]!}`;
}
