import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, type Observable, tap, toArray } from 'rxjs';
import { LatentWriter } from '../../src/data/latents/writer.js';
import { NpzFile } from '../../src/formats/npz.js';
import { writeSafetensors } from '../../src/formats/safetensors/writer.js';
import type { SampleConfig } from '../../src/generated/index.js';
import { autoencoderParameters } from '../../src/models/autoencoder-kl/parameters.js';
import { type SiTConfig, sitParameters } from '../../src/models/sit/config.js';
import { normal, type Parameter } from '../../src/nn/parameter.js';
import { initialize } from '../../src/nn/parameters.js';
import { withDefaults } from '../../src/runner/schema/defaults.js';
import { readSchema } from '../../src/runner/schema/schema.js';
import type { Json, StageContext, StageEvent, StageWorkers } from '../../src/runner/stage.js';
import { run as runSample } from '../../src/stages/sample/run.js';
import { type SavedModel, writeSavedAutoencoder, writeSavedModel } from '../../src/weights/saved-files.js';
import { runtimeConfig } from './runtime-config.js';

const runtime = runtimeConfig({ threads: 1 });

/** A folder with the outputs of `train` and `autoencoder` stages, of random weights, to sample from. */
export class SampleBench {
  private outputs = 0;

  private constructor(readonly folder: string) {}

  static async open(): Promise<SampleBench> {
    const bench = new SampleBench(await mkdtemp(join(tmpdir(), 'sample-')));
    await bench.addAutoencoder('autoencoder');
    return bench;
  }

  /**
   * A model of one block on latents of 4 × 4 × 4 for three classes.
   *
   * @param nonzero deviation of weights that start at zero; with 0 the model's output is 0
   */
  async addModel(
    id: string,
    seed: number,
    changes: Partial<SiTConfig> = {},
    saved: Partial<SavedModel> = {},
    nonzero = 0.2,
  ): Promise<void> {
    const config: SiTConfig = {
      ...{ latentSize: 4, channels: 4, patchSize: 1, hiddenSize: 16, depth: 1, heads: 2, classes: 3 },
      mediators: [4],
      labelDropout: 0.1,
      ...changes,
    };
    const directory = await this.outputFolder(id);
    const parameters = sitParameters(config);
    await writeWeights(join(directory, 'ema.safetensors'), parameters, seed, nonzero);
    await writeWeights(join(directory, 'raw.safetensors'), parameters, seed + 1000, nonzero);
    await writeSavedModel(directory, {
      format: 'sit-1',
      config,
      interpolant: 'linear',
      prediction: 'velocity',
      normalization: { mean: [0.1, 0, -0.1, 0.2], std: [0.5, 1, 2, 1] },
      classes: Array.from({ length: config.classes }, (_, i) => `class ${i}`),
      steps: 1,
      weights: { raw: 'raw.safetensors', ema: 'ema.safetensors' },
      ...saved,
    });
  }

  /** Latents of random images, `[4, 4, 4]` each, float32. Gives their means. */
  async addLatents(id: string, count: number): Promise<number[][]> {
    const directory = await this.outputFolder(id);
    const writer = await LatentWriter.open(directory, {
      ...{ shape: [4, 4, 4], dtype: 'float32', classes: ['class 0', 'class 1', 'class 2'], shardSize: 3 },
    });
    const { means } = initialize([{ name: 'means', shape: [count, 64], initial: normal(2) }], 9);
    const samples = Array.from({ length: count }, (_, i) =>
      (means!.data as Float32Array).slice(i * 64, (i + 1) * 64),
    );
    for (const [i, mean] of samples.entries())
      await writer.append(i, { mean, std: new Float32Array(64).fill(0.1), label: i % 3 });
    await writer.finish();
    return samples.map((mean) => [...mean]);
  }

  /** Runs the stage; `output` continues in the folder of an earlier run. */
  async run(
    config: Omit<Partial<SampleConfig>, 'sampler' | 'guidance' | 'trajectory'> &
      Readonly<Record<string, unknown>>,
    options: {
      output?: string;
      seed?: number;
      workers?: StageWorkers;
      signal?: AbortSignal;
      onEvent?: (event: StageEvent) => void;
      /** Another stage that takes the same keys. */
      run?: (config: never, context: StageContext) => Observable<StageEvent>;
    } = {},
  ): Promise<SampleRun> {
    const directory = options.output ?? join(this.folder, `output ${this.outputs++}`);
    await mkdir(directory, { recursive: true });
    const full = withDefaults(readSchema('stages/sample.schema.json'), {
      ...{ uses: 'sample', autoencoder: 'autoencoder', count: 6, batch: 4 },
      ...config,
    }) as SampleConfig;
    const context: StageContext = {
      id: 'sample',
      pipelineName: 'test',
      pipelineDirectory: this.folder,
      seed: options.seed ?? 5,
      runtime,
      directory,
      input: (id) => ({
        ...{ stage: id, kind: 'train', directory: join(this.folder, id), fingerprint: id },
        ...{ config: null, summary: {}, seconds: 1 },
      }),
      ...(options.workers && { workers: options.workers }),
      signal: options.signal ?? new AbortController().signal,
    };
    const events = await lastValueFrom(
      (options.run ?? runSample)(full as never, context).pipe(
        tap((event) => options.onEvent?.(event)),
        toArray(),
      ),
    );
    return new SampleRun(directory, events);
  }

  close(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }

  async outputFolder(id: string): Promise<string> {
    const directory = join(this.folder, id);
    await mkdir(directory, { recursive: true });
    return directory;
  }

  private async addAutoencoder(id: string): Promise<void> {
    const directory = await this.outputFolder(id);
    const config = {
      ...{ imageChannels: 3, latentChannels: 4, channels: [4, 4], layersPerBlock: 1, normGroups: 2 },
      patchSize: 1,
    };
    await writeWeights(join(directory, 'weights.safetensors'), autoencoderParameters(config), 1);
    await writeSavedAutoencoder(directory, { config, weights: 'weights.safetensors' });
  }
}

/** What a run of the stage left. */
export class SampleRun {
  constructor(
    readonly directory: string,
    readonly events: readonly StageEvent[],
  ) {}

  get summary(): Readonly<Record<string, Json>> {
    return Object.assign(
      {},
      ...this.events.flatMap((e) => (e.type === 'summary' ? [e.values] : [])),
    ) as Record<string, Json>;
  }

  /** Pixels of every sample. */
  async pixels(): Promise<Uint8Array[]> {
    const npz = await NpzFile.open(join(this.directory, 'samples.npz'));
    const { shape, data } = await npz.read('arr_0');
    await npz.close();
    const size = shape.slice(1).reduce((product, extent) => product * extent, 1);
    return Array.from({ length: shape[0]! }, (_, i) => data.slice(i * size, (i + 1) * size) as Uint8Array);
  }
}

/** Random weights; those that start at zero are normal of the deviation `nonzero`. */
async function writeWeights(
  path: string,
  parameters: readonly Parameter[],
  seed: number,
  nonzero = 0.2,
): Promise<void> {
  const started = parameters.map((parameter) =>
    parameter.initial.kind === 'zeros' ? { ...parameter, initial: normal(nonzero) } : parameter,
  );
  const values = initialize(started, seed);
  await writeSafetensors(
    path,
    Object.entries(values).map(([name, { shape, data }]) => ({
      name,
      dtype: 'F32',
      shape,
      data: data as Float32Array,
    })),
  );
}
