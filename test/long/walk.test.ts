import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PseudoTerminal, whyNoTerminal } from '../support/pseudo-terminal.js';
import { describeUnless } from '../support/unless.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

interface Step {
  readonly commands: string;
  /** Lines that the page shows below the commands. */
  readonly shown: readonly string[];
}

/** What a reader of the page types, in order, and what is to be seen then. */
function stepsOf(page: string): readonly Step[] {
  const blocks = [...page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language, text]) => ({
    language,
    text: text!,
  }));
  return blocks.flatMap(({ language, text }, i) => {
    if (language !== 'sh') return [];
    const next = blocks[i + 1];
    const shown = next?.language === '' ? next.text.split('\n').filter((line) => line !== '') : [];
    return [{ commands: text.trim(), shown }];
  });
}

/**
 * Text whose numbers, times, sizes and ids may be others, without colours and spacing: what is the same in every run on
 * every machine.
 */
function withoutNumbers(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/★/g, ' ')
    .replace(/\b(?=[a-f]*\d)[\da-f]{8,}\b/g, '#')
    .replace(/(?:today|yesterday|[A-Z][a-z]{2} \d+) \d\d:\d\d/g, '#')
    .replace(/[+−]?\d[\d.,]*(?: × 10[⁻⁰¹²³⁴-⁹]+)?(?: (?:ms|s|min|h|bytes|kB|MB|GB|dB|million)\b)?/g, '#')
    .replace(/[│\s]+/g, ' ')
    .replace(/#(?: #)+/g, '#');
}

const page = await readFile(join(root, 'docs', 'walk.md'), 'utf8');
const steps = stepsOf(page);

function whyNoRclone(): string | undefined {
  try {
    execFileSync('rclone', ['version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'rclone is not installed';
  }
}

describeUnless(whyNoTerminal(), 'the walk of the documentation', () => {
  let folder: string;
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'walk ü ')));
    for (const name of ['home', 'walk']) await mkdir(join(folder, name));
    await execa('npm', ['run', '--silent', 'package', '--', '--pack-destination', folder], { cwd: root });
    const { PATH, PIPELINE_CACHE = join(homedir(), '.cache', 'mediator-sit') } = process.env;
    const network =
      /^(?:npm_config_(?:registry|cafile)|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|PIP_\w+|\w+_PROXY)$/i;
    const ours = Object.entries(process.env).filter(([name]) => network.test(name));
    // npm's own cache lies in the home, which is empty.
    env = { ...Object.fromEntries(ours), PATH, PIPELINE_CACHE, HOME: join(folder, 'home'), TERM: 'xterm' };
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('leads through all seven commands', () => {
    const typed = steps.map(({ commands }) => commands).join('\n');
    for (const name of ['init', 'plan', 'run', 'sweep', 'compare', 'playground', 'push'])
      expect(typed).toContain(`npx pipeline ${name} `);
    expect(steps.filter(({ shown }) => shown.length > 0).length).toBe(steps.length - 1);
  });

  it.for(steps)('$commands', async ({ commands, shown }, { skip }) => {
    const missing = commands.includes('pipeline push') ? whyNoRclone() : undefined;
    if (missing !== undefined) skip(missing);
    const terminal = new PseudoTerminal(`set -e\n${commands}`, { cwd: join(folder, 'walk'), env });
    const { code } = await terminal.ended;
    expect(code, terminal.text).toBe(0);
    const text = withoutNumbers(terminal.text);
    for (const line of shown) expect(text).toContain(withoutNumbers(line).trim());
  });
});
