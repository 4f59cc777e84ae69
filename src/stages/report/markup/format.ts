const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** A whole number with its thousands apart: `3,781`. */
export function formatCount(value: number): string {
  return grouped.format(value);
}

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

/** A time: `0.4 s`, `12 s`, `2 min 04 s`, `1 h 03 min`. */
export function formatDuration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${twoDigits(whole % 60)} s`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)} h ${twoDigits(minutes % 60)} min`;
}

/** A count and its noun: `1 sample`, `81 samples`. */
export function counted(count: number, plural: string, singular = plural.replace(/s$/, '')): string {
  return `${formatCount(count)} ${count === 1 ? singular : plural}`;
}

/** A name in camelCase as words: `learningRate` is `learning rate`. */
export function asWords(name: string): string {
  return name.replace(
    /([a-z\d])([A-Z])/g,
    (_, before: string, after: string) => `${before} ${after.toLowerCase()}`,
  );
}

/** With a capital at the start. */
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

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}
