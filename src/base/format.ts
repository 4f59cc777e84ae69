/** A whole number with its thousands apart: `3,802`. */
export function formatCount(value: number): string {
  return value.toFixed(0).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** The noun of so many. */
export const plural = (count: number, noun: string, ofMany = `${noun}s`): string =>
  count === 1 ? noun : ofMany;

/** `1 step`, `3,802 steps`. */
export function counted(count: number, noun: string, ofMany?: string): string {
  return `${formatCount(count)} ${plural(count, noun, ofMany)}`;
}

/** A time for people: `0.4 s`, `12 s`, `2 min 04 s`, `1 h 03 min`. */
export function formatDuration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${twoDigits(whole % 60)} s`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)} h ${twoDigits(minutes % 60)} min`;
}

/** A name in camelCase as words: `learningRate` is `learning rate`, `memoryMiB` is `memory MiB`. */
export function asWords(name: string): string {
  return name.replace(
    /([a-z\d])([KMGT]iB$|[A-Z])/g,
    (_, before: string, after: string) => `${before} ${after.length > 1 ? after : after.toLowerCase()}`,
  );
}

/** A large count in few characters: `7.44 million`, `1.2 billion`; exact below a million. */
export function formatLarge(value: number): string {
  if (value < 1e6) return formatCount(value);
  const [divisor, word] = value < 999.5e6 ? [1e6, 'million'] : [1e9, 'billion'];
  const scaled = value / divisor;
  return `${scaled < 999.5 ? trimmed(scaled.toPrecision(3)) : formatCount(scaled)} ${word}`;
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

/** A share of a whole: `12.3 %`. */
export function formatPercent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** Formats a rate: `12.3 steps/s`, and `7.2 steps/min` where it is slower than one a second. */
export function formatRate(perSecond: number, unit: string): string {
  const [rate, time] = perSecond < 1 ? [perSecond * 60, 'min'] : [perSecond, 's'];
  const digits = rate < 9.995 ? 2 : rate < 99.95 ? 1 : 0;
  return `${digits === 0 ? formatCount(rate) : rate.toFixed(digits)} ${unit}/${time}`;
}

/** A label of an axis, as short as it can be: `0.05`, `2`, `10⁻⁴`, `5·10⁻⁴`, `12k`. @param digits that tell ticks apart */
export function formatTick(value: number, digits = 6): string {
  const size = Math.abs(value);
  const sign = value < 0 ? '−' : '';
  const plain = (part: number): string => {
    const rounded = Number(part.toPrecision(digits));
    return rounded >= 1000 && Number.isInteger(rounded) ? formatCount(rounded) : String(rounded);
  };
  if (size === 0) return '0';
  if (size >= 1e-3 && size < 1e4) return sign + plain(size);
  if (size >= 1e4 && size < 1e6) return `${sign}${plain(size / 1e3)}k`;
  if (size >= 1e6 && size < 1e9) return `${sign}${plain(size / 1e6)}M`;
  const [mantissa, exponent] = trimmedExponential(size, digits);
  return `${sign}${mantissa === '1' ? '' : `${mantissa}·`}10${superscript(exponent)}`;
}

/** Text with a capital at the start. */
export function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function trimmedExponential(value: number, digits: number): [mantissa: string, exponent: number] {
  const [mantissa, exponent] = value.toExponential(digits - 4).split('e') as [string, string];
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

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}

/** A value of a configuration as people write it: texts without quotes. */
export const asText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** Joins names: `a`, `a and b`, `a, b and c`. */
export const inWords = (names: readonly string[], conjunction: 'and' | 'or' = 'and'): string =>
  [names.slice(0, -1).join(', '), ...names.slice(-1)].filter((part) => part !== '').join(` ${conjunction} `);

/** A text as a word of a command: in quotes where the shell would take it otherwise. */
export function shellWord(text: string): string {
  return /^[\p{L}\p{N}_./@%+:,=-]+$/u.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
