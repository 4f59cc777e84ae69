/** A whole number with its thousands apart: `3,802`. */
export function formatCount(value: number): string {
  return value.toFixed(0).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 step`, `3,802 steps`. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${formatCount(count)} ${count === 1 ? noun : plural}`;
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

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}
