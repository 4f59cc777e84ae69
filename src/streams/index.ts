export { abortable, abortError, isAbortError } from './abort.js';
export { everyMs, everyN } from './every.js';
export { oneByOne } from './one-by-one.js';
export { fromWork } from './from-work.js';
export { integers, prefetch, type Load } from './prefetch.js';
export { progress, type Progress, type ProgressOptions } from './progress.js';
export { readAhead } from './read-ahead.js';
