/**
 * Scaffolds what has a place of its own, ready to type check, test and run:
 *
 *   npm run new -- stage NAME    a kind of stage: folder, schema, entry in the registry, test
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { execa } from 'execa';

const [what, name = ''] = process.argv.slice(2);
if (what !== 'stage' || !/^[a-z][a-zA-Z0-9]*$/.test(name)) {
  console.error(
    `Expected \`npm run new -- stage NAME\`, NAME in camelCase; found \`${process.argv.slice(2).join(' ')}\`.`,
  );
  process.exit(2);
}
const schema = `schemas/stages/${name}.schema.json`;
if (existsSync(schema) || existsSync(`src/stages/${name}`)) {
  console.error(`There is a stage kind ${name} already: ${schema}. Choose another name.`);
  process.exit(2);
}

const Name = name[0]!.toUpperCase() + name.slice(1);
const registry = 'src/stages/registry.ts';
const files: Readonly<Record<string, string>> = {
  [schema]: `{
  "$schema": "http://json-schema.org/draft-07/schema#",
  "title": "${Name}Config",
  "description": "Counts to a number.",
  "examples": [{ "uses": "${name}", "count": 10 }],
  "type": "object",
  "additionalProperties": false,
  "required": ["uses", "count"],
  "properties": {
    "uses": { "description": "Kind of the stage.", "const": "${name}", "examples": ["${name}"] },
    "runtime": { "$ref": "../definitions.schema.json#/definitions/stageRuntime" },
    "count": {
      "description": "Number to count to.",
      "type": "integer",
      "minimum": 1,
      "unit": "numbers",
      "examples": [10]
    },
    "by": {
      "description": "Distance between numbers.",
      "type": "integer",
      "minimum": 1,
      "default": 1,
      "examples": [2]
    }
  }
}
`,
  [`src/stages/${name}/kind.ts`]: `import type { ${Name}Config } from '../../generated/index.js';
import type { StageKind } from '../../runner/stage.js';
import { runLater } from '../shared/run-later.js';
import { stepReachesCount } from './checks.js';

export const stage: StageKind<${Name}Config> = {
  name: '${name}',
  codeVersion: 1,
  figures: ['numbers'],
  dependsOnPrecision: false,
  dependsOnSeed: false,
  externalInputs: () => [],
  checks: [stepReachesCount],
  // A stage that takes longer has \`measure\` in place of it: the speed of this machine.
  isQuick: true,
  timing: ({ count, by }) => Promise.resolve({ amount: count / by, like: {} }),
  describe: ({ count, by }) => Promise.resolve([{ label: 'numbers', value: String(Math.floor(count / by)) }]),
  run: runLater(() => import('./run.js')),
};
`,
  [`src/stages/${name}/checks.ts`]: `import { code } from '../../runner/diagnostics.js';
import type { StageCheck } from '../shared/check.js';

/** There is a number to count. */
export const stepReachesCount: StageCheck<'${name}'> = ({ id, config: { count, by } }, context) => {
  if (by <= count) return;
  context.report(id, {
    at: 'by',
    code: 'out-of-range',
    message: \`Expected at most \${code(\`count: \${count}\`)}; \${code(by)} was found.\`,
    remedy: 'Use a smaller number.',
  });
};
`,
  [`src/stages/${name}/run.ts`]: `import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Observable } from 'rxjs';
import { abortable, fromWork } from '../../base/streams.js';
import type { ${Name}Config } from '../../generated/index.js';
import type { StageContext, StageEvent } from '../../runner/stage.js';

/** Writes the numbers to \`numbers.txt\`. */
export function run({ count, by }: ${Name}Config, context: StageContext): Observable<StageEvent> {
  return fromWork<StageEvent>(async (tell, signal) => {
    const numbers = Array.from({ length: Math.floor(count / by) }, (_, i) => (i + 1) * by);
    await writeFile(join(context.directory, 'numbers.txt'), numbers.join('\\n'), { signal });
    tell({ type: 'progress', done: numbers.length, total: numbers.length, unit: 'numbers' });
    tell({ type: 'summary', values: { numbers: numbers.length } });
  }).pipe(abortable<StageEvent>(context.signal));
}
`,
  [`test/stages/${name}.test.ts`]: `import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { stage } from '../../src/stages/${name}/kind.js';
import { runStage } from '../support/run-stage.js';

it('counts', async () => {
  const { directory, summary } = await runStage(stage, { count: 7, by: 2 });
  expect(summary).toEqual({ numbers: 3 });
  expect(await readFile(join(directory, 'numbers.txt'), 'utf8')).toBe('2\\n4\\n6');
});
`,
};

for (const [file, text] of Object.entries(files)) {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
}
const listed = (await readFile(registry, 'utf8'))
  .replace(/(?=\n\n\/\*\* The one list of kinds)/, `\nimport { stage as ${name} } from './${name}/kind.js';`)
  .replace(/(const kinds: readonly \w+<never>\[\] = \[[^\]]*?),?(\s*\];)/, `$1, ${name}$2`);
await writeFile(registry, listed);

const options = { preferLocal: true, stdio: 'inherit' } as const;
await execa('tsx', ['schemas/generate.mjs'], options);
await execa('prettier', ['--log-level', 'warn', '--write', registry, ...Object.keys(files)], options);
console.log(`The kind ${name} counts, until you make it do what it is for:

  ${[...Object.keys(files), registry].join('\n  ')}

Then \`npm run generate\` after each change of its schema, \`npx vitest run test/stages/${name}.test.ts\`, and its row in
the table of README.md.`);
