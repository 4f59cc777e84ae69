import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { UserError } from '../../base/errors.js';
import { writeFileWhole } from '../../base/output-file.js';
import { DamagedRecord, readRecord, sealJson, tellDamaged, unsealJson } from '../../base/sealed.js';
import { EventFile } from '../../formats/tensorboard.js';
import type { RecordsConfig } from '../../generated/index.js';
import type { StageContext } from '../../runner/stage.js';
import { tensorboardName, wandbName } from './files.js';

/** Figures as of a step. */
interface TrainingRecord {
  readonly step: number;
  /** Unix time. */
  readonly timeSeconds: number;
  readonly figures: Readonly<Record<string, number>>;
}

/** A place that figures go to beside the files that are always written. */
export interface RecordSink {
  /** Name in warnings. */
  readonly name: string;
  /** Place where a person finds it, once that is known. */
  readonly place?: string | undefined;
  /** @throws what is wrong with the service, now or since the last record: it is then given up */
  log(record: TrainingRecord): Promise<void>;
  /** Sends what is left, within bounded time. */
  close(): Promise<void>;
}

/** Event files for TensorBoard. The first record makes the session's file. */
export class TensorboardSink implements RecordSink {
  readonly name = 'TensorBoard';
  private file: EventFile | undefined;

  /** @param step the last one before the session's first */
  constructor(
    private readonly directory: string,
    private readonly step: number,
  ) {}

  async log({ step, timeSeconds, figures }: TrainingRecord): Promise<void> {
    this.file ??= await EventFile.create(join(this.directory, tensorboardName), this.step + 1);
    await this.file.write(step, timeSeconds, figures);
  }

  async close(): Promise<void> {
    await this.file?.close();
  }
}

type WandbConfig = NonNullable<RecordsConfig['wandb']>;

/** Records that may wait for the helper to take them: a day's at one in ten seconds. */
const mostWaitingBytes = 4 * 2 ** 20;
/** Time for the last records to be sent. */
const closeWithinMs = 60_000;

/** Answer of the helper. */
type Answer =
  { readonly type: 'ready'; readonly place: string } | { readonly type: 'failed'; readonly message: string };

/**
 * Weights & Biases, through its Python package in a process of its own: nothing that happens to it stops the training, and
 * training never waits for it but at the end.
 */
export class WandbSink implements RecordSink {
  readonly name = 'Weights & Biases';
  place: string | undefined;
  private problem: string | undefined;
  private readonly ended: Promise<void>;

  private constructor(private readonly helper: ReturnType<typeof startHelper>) {
    const lines = createInterface({ input: helper.stdout });
    lines.on('line', (line) => {
      this.take(JSON.parse(line) as Answer);
    });
    // A helper that is gone: said by its end.
    helper.stdin.on('error', () => undefined);
    this.ended = helper.then(({ exitCode, signal, code }) => {
      if (exitCode === 0) return;
      const how = exitCode === undefined ? (signal ?? code ?? 'did not start') : `exit code ${exitCode}`;
      this.problem ??= `its process ended early (${how})`;
    });
  }

  /**
   * Starts recording under the id that the stage's folder holds, or a new one.
   *
   * @throws UserError `wandb-key-missing`
   */
  static async open(config: WandbConfig, context: StageContext): Promise<WandbSink> {
    if (config.mode === 'online' && !process.env.WANDB_API_KEY)
      throw new UserError({
        code: 'wandb-key-missing',
        message: 'Weights & Biases needs WANDB_API_KEY to record online, and it is not set.',
        remedy: 'Set it to the key from https://wandb.ai/authorize, or set `mode: offline`.',
      });
    const { id, pipelineName, pipelineDirectory, origin } = context;
    const sink = new WandbSink(startHelper(process.env.PIPELINE_PYTHON ?? 'python3'));
    sink.send({
      id: await runId(context.directory),
      project: config.project,
      entity: config.entity,
      name: config.name ?? `${pipelineName} ${id}`,
      mode: config.mode,
      dir: process.env.WANDB_DIR ?? pipelineDirectory,
      config: origin && { ...(origin.config as object), seed: origin.seed },
    });
    return sink;
  }

  log({ step, figures }: TrainingRecord): Promise<void> {
    if (this.problem === undefined && this.helper.stdin.writableLength > mostWaitingBytes)
      this.problem = 'it does not take records';
    if (this.problem !== undefined) return Promise.reject(new Error(this.problem));
    this.send({ step, figures });
    return Promise.resolve();
  }

  async close(): Promise<void> {
    this.helper.stdin.end();
    const timer = setTimeout(() => this.helper.kill('SIGKILL'), closeWithinMs);
    await this.ended;
    clearTimeout(timer);
    if (this.problem !== undefined) throw new Error(this.problem);
  }

  private send(message: object): void {
    this.helper.stdin.write(JSON.stringify(message) + '\n');
  }

  private take(answer: Answer): void {
    if (answer.type === 'ready') this.place = answer.place;
    else this.problem ??= answer.message;
  }
}

/** A program for Python's package wandb, the maintained SDK. */
const wandbHelper = fileURLToPath(new URL('record-to-wandb.py', import.meta.url));

function startHelper(python: string) {
  return execa(python, ['-u', wandbHelper], {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'ignore',
    buffer: false,
    reject: false,
    // Not ended by the keys that interrupt the training, which has more to tell.
    detached: true,
    env: { WANDB_SILENT: 'true', WANDB_CONSOLE: 'off' },
  });
}

/** Id of the run at Weights & Biases that a stage's folder holds, or a new one. */
export async function runId(directory: string): Promise<string> {
  const path = join(directory, wandbName);
  try {
    const text = await readRecord(path);
    const { id } = text === undefined ? {} : unsealJson(text);
    if (typeof id === 'string') return id;
    if (text !== undefined) throw new DamagedRecord('is not of the expected form');
  } catch (error) {
    if (!(error instanceof DamagedRecord)) throw error;
    tellDamaged(path, error, 'Weights & Biases gets a new run, which begins at the step reached');
  }
  const id = randomBytes(6).toString('hex');
  await writeFileWhole(path, sealJson({ id }));
  return id;
}
