import { createRequire, syncBuiltinESMExports } from 'node:module';

// Preloaded into a process: counts the files under a folder that it opens, and says so at its end.
const fs = createRequire(import.meta.url)('node:fs');
const under = process.env.COUNT_UNDER;
let files = 0;
const count = (path) => {
  if (String(path).startsWith(under)) files++;
};
for (const [owner, names] of [
  [fs, ['openSync', 'readFileSync', 'open', 'readFile', 'createReadStream']],
  [fs.promises, ['open', 'readFile']],
])
  for (const name of names) {
    const original = owner[name];
    owner[name] = (path, ...rest) => {
      count(path);
      return original(path, ...rest);
    };
  }
syncBuiltinESMExports();
process.on('exit', () => {
  process.stderr.write(`\n${JSON.stringify({ files, milliseconds: Math.round(process.uptime() * 1000) })}\n`);
});
