export { abortable, abortError, isAbortError } from './abort.js';
export { everyMs, everyN } from './every.js';
export { prefetch, type Load } from './prefetch.js';
export { progress, type Progress, type ProgressOptions } from './progress.js';
