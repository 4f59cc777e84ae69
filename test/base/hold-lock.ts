import { acquireLock } from '../../src/base/file-lock.js';

// Holds the lock that is named until it is killed.
await acquireLock(process.argv[2]!);
console.log('held');
setInterval(() => undefined, 1000);
