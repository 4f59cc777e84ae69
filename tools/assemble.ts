import { readFile, writeFile } from 'node:fs/promises';
import wabt from 'wabt';

/** Writes the machine code of `resample.wat` into the file that resampling loads. */
const source = new URL('../src/data/images/resample.wat', import.meta.url);
const module = (await wabt()).parseWat('resample.wat', await readFile(source, 'utf8'), { simd: true });
module.validate();
const bytes = Buffer.from(module.toBinary({}).buffer).toString('base64');
const text = `/** Machine code of \`resample.wat\`, which \`npm run assemble\` writes. */\nexport const machineCode =\n  '${bytes}';\n`;
await writeFile(new URL('../src/data/images/resample-code.ts', import.meta.url), text);
