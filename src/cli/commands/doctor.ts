import { existsSync } from 'node:fs';
import { access, constants, statfs } from 'node:fs/promises';
import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { dirname, resolve } from 'node:path';
import { Chalk } from 'chalk';
import type { UserError } from '../../base/errors.js';
import { asUserError } from '../../base/files.js';
import { counted, formatBytes } from '../../base/format.js';
import { runsRootOf } from '../../runner/runs-root.js';
import { type EngineReport, engineReport } from '../../tensorflow/engine.js';
import { libraryFacts } from '../../tensorflow/install/facts.js';
import { featureNetwork, isNetwork, locateNetwork } from '../../tensorflow/install/feature-network.js';
import { verifyLibrary } from '../../tensorflow/install/install.js';
import { setupWith } from '../../tensorflow/install/platform.js';
import { exitCodes, say, type Services, shortPath, usesColor } from '../services.js';

/** One line of the doctor's findings. */
interface Finding {
  readonly label: string;
  readonly value: string;
}

/** `pipeline doctor`: what this machine offers, and what is missing. Gives the exit code. */
export async function doctor(options: { readonly runs?: string }, services: Services): Promise<number> {
  const { stdout, env } = services;
  const { bold, red } = new Chalk({ level: usesColor(stdout, env) ? 1 : 0 });
  const library = libraryFacts({ env });
  const damage = library.found === undefined ? [] : await verifyLibrary(library.found);
  const network = locateNetwork(env);
  // What is damaged may end the process that loads it.
  const engine = damage.length === 0 ? await engineReport() : undefined;
  const networkProblems =
    network === undefined || (await isNetwork(network))
      ? []
      : [
          {
            message: `${network} is not ${featureNetwork.name}: its SHA-256 is another.`,
            remedy: `Run \`${setupWith('--features')}\`, which fetches it again.`,
          },
        ];
  const ofEngine =
    engine?.kind === 'wasm' && env.PIPELINE_BACKEND === 'wasm'
      ? []
      : unique([
          ...library.problems,
          ...damage.map((path) => ({
            message: `${path} is not what was unpacked: its SHA-256 differs from the one recorded beside it.`,
            remedy: `Run \`${setupWith('--verify')}\`, which fetches it again.`,
          })),
          ...(engine?.problems ?? []),
        ]);
  const runsRoot = runsRootOf(process.cwd(), options.runs, env);
  const existing = nearestExisting(runsRoot);
  const problems = [...ofEngine, ...networkProblems, ...(await problemsOfFolder(existing))];
  const findings: Finding[] = [
    { label: 'Node', value: `${process.version}, ${process.platform} ${process.arch}` },
    { label: 'Processor', value: processor() },
    { label: 'Memory', value: `${formatBytes(freemem())} free of ${formatBytes(totalmem())}` },
    {
      label: 'GPU',
      value: gpu(library.driver),
    },
    {
      label: 'Computes on',
      value: library.suited === undefined ? 'nothing' : `${library.suited.build}: ${library.suited.reason}`,
    },
    { label: 'TensorFlow', value: libraryLine(library) },
    { label: 'Features', value: networkLine(network) },
    ...(engine === undefined ? [] : engineFindings(engine)),
    { label: 'Runs', value: `${shortPath(runsRoot)}, ${formatBytes(await freeSpace(existing))} free` },
  ];
  const width = Math.max(...findings.map(({ label }) => label.length));
  for (const { label, value } of findings) say(stdout, `${bold(label.padEnd(width))}  ${value}\n`);
  for (const { message, remedy } of problems)
    say(stdout, `\n${red('missing:')} ${message}\n${remedy === undefined ? '' : `  ${remedy}\n`}`);
  if (problems.length === 0) say(stdout, '\nNothing is missing.\n');
  return problems.length === 0 ? exitCodes.done : exitCodes.failed;
}

function processor(): string {
  return `${cpus()[0]?.model.trim() ?? 'unknown'}, ${counted(availableParallelism(), 'thread')}`;
}

/** Findings about the engine that computes, and what it sees: by loading it. */
function engineFindings({ kind, reason, devices, gpus, bfloat16, notes }: EngineReport): Finding[] {
  // Loaded, it has a processor at least.
  if (kind === 'native' && devices.length === 0) return [{ label: 'Engine', value: 'none' }];
  const engine =
    kind === 'native' ? 'native TensorFlow, compiled graphs.' : 'WebAssembly, many times slower.';
  const onGpu = devices.includes('GPU');
  const lacking = onGpu ? 'its compute capability is below 8.0' : 'this processor has no AVX-512';
  const without = `no: ${lacking}; stages that ask for it compute in float32${onGpu ? ', float16 is faster' : ''}`;
  return [
    { label: 'Engine', value: [engine, reason].filter(Boolean).join(' ') },
    ...(devices.length > 0 ? [{ label: 'Devices', value: devices.join(', ') }] : []),
    ...gpus.map(({ name, bytes, computeCapability }, i) => ({
      label: `GPU ${i}`,
      value: `${name}, ${formatBytes(bytes)}, compute capability ${computeCapability.join('.')}`,
    })),
    ...(kind === 'native' ? [{ label: 'bfloat16', value: bfloat16 ? 'yes' : without }] : []),
    ...notes.map((value) => ({ label: 'Note', value })),
  ];
}

/** Problems that two sources tell of are told once. */
function unique<T extends { readonly message: string }>(problems: readonly T[]): readonly T[] {
  return [...new Map(problems.map((problem) => [problem.message, problem])).values()];
}

function gpu(driver: ReturnType<typeof libraryFacts>['driver']): string {
  if (driver === undefined) return 'no NVIDIA driver';
  return `NVIDIA driver ${driver.version ?? '(version unknown)'}, ${driver.evidence}`;
}

function libraryLine({ found, pinnedVersion }: ReturnType<typeof libraryFacts>): string {
  if (found === undefined) return `not set up (${pinnedVersion} is needed)`;
  const size = found.bytes === undefined ? '' : `, ${formatBytes(found.bytes)}`;
  return `${found.version}, ${found.build} build${size}, ${shortPath(found.directory)}`;
}

function networkLine(path: string | undefined): string {
  const { name, bytes } = featureNetwork;
  return path === undefined
    ? `${name} is fetched when a pipeline needs it, or now by \`${setupWith('--features')}\``
    : `${name}, ${formatBytes(bytes)}, ${shortPath(path)}`;
}

/** The path, or the nearest above it that is there. */
function nearestExisting(path: string): string {
  let existing = resolve(path);
  while (!existsSync(existing)) existing = dirname(existing);
  return existing;
}

/** Free bytes on the disk that holds a path. */
async function freeSpace(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

/** The error of a folder that nothing can be written to, if it is one. */
function problemsOfFolder(path: string): Promise<readonly Pick<UserError, 'message' | 'remedy'>[]> {
  // The dot makes it an error that it is a file.
  return access(`${path}/.`, constants.W_OK).then(
    () => [],
    (error: unknown) => [asUserError(error, path) as UserError],
  );
}
