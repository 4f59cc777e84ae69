import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { environmentVariables } from '../../src/base/environment-variables.js';

const read = (path: string) => readFileSync(path, 'utf8');
/** Instructions of the Dockerfile, a line each. */
const instructions = read('Dockerfile')
  .replaceAll(/^#.*\n/gm, '')
  .replaceAll(/\\\n\s*/g, '')
  .split('\n')
  .filter((line) => line !== '');
const manifest = JSON.parse(read('package.json')) as {
  readonly engines: { readonly node: string };
  readonly bin: { readonly pipeline: string };
  readonly scripts: { readonly build: string };
};
const variables = new Map(
  instructions
    .filter((line) => line.startsWith('ENV '))
    .flatMap((line) => [...line.matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name!, value!] as const)),
);

describe('the image', () => {
  test('has a Node that the workflow tests, and that the package allows', () => {
    const [, node] = /^ARG NODE=(\d+)$/m.exec(read('Dockerfile'))!;
    const workflow = parse(read('.github/workflows/ci.yml')) as {
      readonly jobs: {
        readonly all: { readonly strategy: { readonly matrix: { readonly node: number[] } } };
      };
    };
    expect(workflow.jobs.all.strategy.matrix.node).toContain(Number(node));
    expect(Number(node)).toBeGreaterThanOrEqual(parseInt(manifest.engines.node.slice(2), 10));
  });

  test('copies what there is, and runs the command of the package', () => {
    const copied = instructions.flatMap(
      (line) => /^COPY (?!--from=library)(?:--from=build )?(.*) \S+$/.exec(line)?.[1]!.split(' ') ?? [],
    );
    const made = ['node_modules', 'dist'];
    const given = copied
      .map((path) => path.replace(/^\/build\//, ''))
      .filter((path) => path !== '.' && !made.includes(path.split('/')[0]!));
    expect(given.filter((path) => !existsSync(path))).toEqual([]);
    const allowed = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'));
    expect(allowed.filter((line) => !existsSync(line.slice(1)))).toEqual([]);
    expect(given.filter((path) => !allowed.includes(`!${path}`))).toEqual([]);
    expect(read('Dockerfile')).toContain(
      `/opt/mediator-sit/${manifest.bin.pipeline} /usr/local/bin/pipeline`,
    );
    expect(instructions).toContain('ENTRYPOINT ["pipeline"]');
  });

  test('is built from all that the build runs', () => {
    const run = manifest.scripts.build.match(/\btools\/\S+/g)!;
    expect(run).not.toEqual([]);
    const allowed = read('.dockerignore').split('\n');
    expect(run.filter((path) => !allowed.includes(`!${path}`))).toEqual([]);
  });

  test('sets variables that the program reads, and lets the driver give NVML', () => {
    const ours = [...variables.keys()].filter((name) => name.startsWith('PIPELINE_'));
    expect(ours.filter((name) => !(environmentVariables as readonly string[]).includes(name))).toEqual([]);
    expect(variables.get('NVIDIA_DRIVER_CAPABILITIES')).toContain('utility');
  });

  test('is what Compose and the clusters run, with volumes where it writes', () => {
    const { services } = parse(read('compose.yaml')) as {
      readonly services: { readonly pipeline: { readonly volumes: readonly string[] } };
    };
    const mounted = services.pipeline.volumes.map((volume) => /:(\/\w+)(?::ro)?$/.exec(volume)![1]);
    for (const name of ['PIPELINE_RUNS', 'PIPELINE_CACHE']) expect(mounted).toContain(variables.get(name));
    for (const file of ['kubeflow.yaml', 'vertex-ai.yaml']) {
      const text = read(join('docs', 'clusters', file));
      expect(parseAllDocuments(text).flatMap(({ errors }) => errors)).toEqual([]);
      expect(text).toMatch(/image(?:Uri)?: REGISTRY\/mediator-sit\n\s+args: \[run, pipelines\//);
      expect(text).not.toContain('command:');
    }
  });
});
