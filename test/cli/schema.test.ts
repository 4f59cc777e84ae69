import { readFile, realpath } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { startPipeline } from '../support/tiny-pipeline.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const schema = async (...args: string[]): Promise<string> => {
  const { stdout, exitCode } = await startPipeline(root, ['schema', ...args]);
  expect(exitCode).toBe(0);
  return stdout;
};

it('prints the file that recipes name in their first line', async () => {
  expect(JSON.parse(await schema())).toEqual(
    JSON.parse(await readFile(`${root}schemas/editor.schema.json`, 'utf8')),
  );
  expect(await realpath(await schema('--path'))).toBe(`${root}schemas/editor.schema.json`);
  expect(await realpath(await schema('train', '--path'))).toBe(`${root}schemas/stages/train.schema.json`);
});

it('has all of it in one file that any validator takes', async () => {
  const text = await schema();
  const { definitions } = JSON.parse(text) as { definitions: object };
  const references = [...text.matchAll(/"\$ref":"([^"]*)"/g)].map(([, reference]) => reference);
  expect(new Set(references)).toEqual(
    new Set(Object.keys(definitions).map((name) => `#/definitions/${name}`)),
  );
  const validate = new Ajv({ strict: true, strictTypes: false, strictRequired: false, allowUnionTypes: true })
    // What editors know beside JSON Schema.
    .addVocabulary(['enumDescriptions', 'errorMessage', 'patternErrorMessage'])
    .compile(JSON.parse(text) as object);
  const quickstart = parse(await readFile(`${root}pipelines/quickstart.yaml`, 'utf8')) as {
    stages: Record<string, Record<string, unknown>>;
  };
  expect(validate(quickstart), JSON.stringify(validate.errors)).toBe(true);
  quickstart.stages.train!.stepz = 3;
  expect(validate(quickstart)).toBe(false);
  // What only our own validator knows is said in words, which editors show beside the key.
  expect(text).toContain('Images to draw. Unit: images.');
  expect(text).toContain('Names a stage of kind autoencoder.');
  expect(text).toContain('Latents per step, over all workers. Unit: latents. Default: 256.');
});

it('refuses a kind that there is none of', async () => {
  const { exitCode, stderr } = await startPipeline(root, ['schema', 'trian']);
  expect([exitCode, stderr]).toEqual([2, 'error: There is no schema of trian.\n  Did you mean train?']);
});
