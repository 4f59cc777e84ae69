export { EventFile } from './event-file.js';
