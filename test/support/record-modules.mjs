// Preloaded into a process (`--import`): writes to the file that RECORD_MODULES names what the process has loaded when it
// ends, a line each: ES modules, CommonJS modules and shared libraries.
import { appendFileSync } from 'node:fs';
import module, { register } from 'node:module';

const file = process.env.RECORD_MODULES;
const hook = `
  import { appendFileSync } from 'node:fs';
  export async function load(url, context, next) {
    appendFileSync(${JSON.stringify(file)}, url + '\\n');
    return next(url, context);
  }`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);
process.on('exit', () => {
  const loaded = [...Object.keys(module._cache), ...process.report.getReport().sharedObjects];
  appendFileSync(file, `${loaded.join('\n')}\n`);
});
