import { existsSync } from 'node:fs';
import { chmod, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { splitWords } from '../../src/cli/completion/scripts.js';
import { writeRun } from '../runner/runs/synthetic-runs.js';
import { nodeProgram } from '../support/programs.js';

/** A shell of this machine, where it and `script`, which gives it a terminal, are installed. */
function shellPath(name: string): string | undefined {
  const found = (program: string) =>
    (process.env.PATH ?? '')
      .split(delimiter)
      .map((folder) => join(folder, program))
      .find((path) => existsSync(path));
  const path = found(name);
  const usable =
    path !== undefined &&
    (name === 'fish' || (process.platform === 'linux' && found('script') !== undefined));
  return usable ? path : undefined;
}
const [bash, zsh, fish] = ['bash', 'zsh', 'fish'].map(shellPath);

let folder: string;
let env: Record<string, string>;

/** `pipeline` as a user has it: completes for real, and otherwise prints the words that it was given. */
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'completion ü ')));
  const command = [process.execPath, ...nodeProgram('src/cli/main.ts')].map((word) => `'${word}'`).join(' ');
  await writeFile(
    join(folder, 'pipeline'),
    `#!/bin/sh
case "$1" in
complete|completion) exec ${command} "$@" ;;
*) printf '<'; printf '%s|' "$@"; printf '>\\n' ;;
esac
`,
  );
  await writeFile(join(folder, 'npx'), '#!/bin/sh\n[ "$1" = --no-install ] && shift\nexec "$@"\n');
  for (const name of ['pipeline', 'npx']) await chmod(join(folder, name), 0o755);
  await writeFile(
    join(folder, 'mine.yaml'),
    `name: mine
stages:
  pictures: { uses: images, path: photos, size: 32 }
  coder: { uses: autoencoder, images: pictures, channels: [8], steps: 5 }
  latents: { uses: encode, images: pictures, autoencoder: coder }
  train: { uses: train, latents: latents, model: { name: SiT-S/2 }, steps: 5
`,
  );
  await writeFile(join(folder, 'mine.lock.yaml'), '# lies beside the pipeline\n');
  await writeRun(join(folder, 'runs'), 'mine', new Date('2026-03-01T10:00:00Z'));
  await writeRun(join(folder, 'runs'), 'mine', new Date('2026-04-01T10:00:00Z'));
  env = {
    PATH: `${folder}${delimiter}${process.env.PATH}`,
    PIPELINE_RUNS: join(folder, 'runs'),
    TERM: 'dumb',
    HISTFILE: '',
  };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Types lines into a shell that has a terminal; gives what `pipeline` said it was given for each. */
async function type(shell: string, setUp: string, lines: readonly string[]): Promise<string[]> {
  const running = execa('script', ['-qec', shell, '/dev/null'], {
    cwd: folder,
    env,
    reject: false,
    timeout: 230_000,
  });
  let output = '';
  running.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const until = async (test: () => boolean) => {
    while (!test()) {
      if (running.exitCode !== null) throw new Error(`The shell ended: ${output}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const said = () => [...output.matchAll(/^<(.*)\|>\r?$/gm)].map(([, words]) => words!);
  running.stdin.write(`${setUp}; pipeline is ready\n`);
  await until(() => said().length === 1);
  for (const [i, line] of lines.entries()) {
    running.stdin.write(`${line}\n`);
    await until(() => said().length === i + 2);
  }
  running.stdin.write('exit\n');
  await running;
  return said().slice(1);
}

const typed = [
  'pipeline stat\t',
  'pipeline run mi\t--until pic\t',
  'pipeline run mine.yaml --set stages.train.sched\tcos\t',
  'pipeline run mine.yaml --set=stages.latents.shardS\tx',
  'pipeline compare mine/2026-04\t',
  'pipeline status --state int\t',
  'npx pipeline run mine.yaml --until pic\t',
];
const completed = [
  'status',
  'run|mine.yaml|--until|pictures',
  'run|mine.yaml|--set|stages.train.schedule=cosine',
  'run|mine.yaml|--set=stages.latents.shardSize=x',
  'compare|mine/2026-04-01T10-00-00',
  'status|--state|interrupted',
  'run|mine.yaml|--until|pictures',
];

/** Each key takes the start of a process: the other shells need not be asked everything that bash was. */
const some = [1, 2, 4, 6];
const typedElsewhere = some.map((i) => typed[i]!);
const completedElsewhere = some.map((i) => completed[i]!);

describe('completion of the Tab key', () => {
  it('works in bash', { timeout: 240_000 }, async ({ skip }) => {
    if (bash === undefined) skip('there is no bash: apt-get install bash');
    expect(await type('bash --norc --noprofile -i', 'source <(pipeline completion bash)', typed)).toEqual(
      completed,
    );
  });

  it('works in zsh', { timeout: 240_000 }, async ({ skip }) => {
    if (zsh === undefined) skip('there is no zsh: apt-get install zsh');
    const setUp = 'autoload -U compinit; compinit -u -D; source <(pipeline completion zsh)';
    expect(await type('zsh -f -i', setUp, typedElsewhere)).toEqual(completedElsewhere);
  });

  it('works in fish', { timeout: 240_000 }, async ({ skip }) => {
    if (fish === undefined) skip('there is no fish: apt-get install fish');
    const { stdout } = await execa('pipeline', ['completion', 'fish'], {
      cwd: folder,
      env,
      preferLocal: false,
    });
    await writeFile(join(folder, 'pipeline.fish'), stdout);
    for (const [i, line] of typedElsewhere.entries()) {
      // What stands before the last Tab key, and the word that it must offer.
      const [before] = line
        .replace(/mi\t/, 'mine.yaml ')
        .replace(/--forc\t/, '--force ')
        .replace(/sched\t/, 'schedule=')
        .split('\t');
      const word = completedElsewhere[i]!.split('|').at(-1)!.replace(/=x$/, '=');
      const asked = await execa(
        'fish',
        ['--no-config', '-c', 'source pipeline.fish; complete -C $argv[1]', before!],
        {
          cwd: folder,
          env,
        },
      );
      expect(
        asked.stdout.split('\n').map((offer) => offer.split('\t')[0]),
        before,
      ).toContain(word);
    }
  });

  it('offers something where nothing is typed yet', async () => {
    for (const shell of ['zsh', 'fish']) {
      const asked = ['complete', shell, '--', 'run', 'mine.yaml', '--until', ''];
      const { stdout, exitCode } = await execa(join(folder, 'pipeline'), asked, { cwd: folder, env });
      const offered = stdout.split('\n').map((offer) => offer.split('\t')[0]);
      expect([exitCode, offered]).toEqual([0, ['pictures', 'coder', 'latents', 'train']]);
    }
  });

  it('knows what the value of each option and each argument may be', async () => {
    const offers = async (...words: string[]) => {
      const { stdout } = await execa(join(folder, 'pipeline'), ['complete', 'zsh', '--', ...words], {
        cwd: folder,
        env,
      });
      return stdout.split('\n').map((offer) => offer.split('\t')[0]!);
    };
    expect(await offers('sweep', 'mine.yaml', '--grid', 'stages.train.sched')).toEqual([
      'stages.train.schedule=',
    ]);
    expect(await offers('calibrate', 'mine.yaml', '--stage', 'tr')).toEqual(['train']);
    expect(await offers('accept', 'mine.yaml', 'co')).toEqual(['coder']);
    expect(await offers('calibrate', 'mine.yaml', '--write', '')).toEqual([':pipelines']);
    for (const words of [
      ['init', ''],
      ['evaluate', ''],
      ['evaluate', 'a.npz', '--reference', ''],
      ['push', ''],
    ])
      expect([words, await offers(...words)]).toEqual([words, [':files']]);
    expect(await offers('export', '')).toEqual(expect.arrayContaining(['train', ':files']));
  }, 120_000);

  it('takes the words of a line apart as a shell does, and runs nothing in them', () => {
    expect(splitWords('pipeline run "a b.yaml" c\\ d \'$(e)\' f')).toEqual([
      'pipeline',
      'run',
      'a b.yaml',
      'c d',
      '$(e)',
      'f',
    ]);
    expect(splitWords('pipeline run ')).toEqual(['pipeline', 'run', '']);
  });
});
