import { toBytes } from '../../../data/images/rgb-image.js';
import { decode } from '../../../models/autoencoder-kl/autoencoder-kl.js';
import { downsampleOf } from '../../../models/autoencoder-kl/config.js';
import type { Parameter } from '../../../nn/parameter.js';
import { type Network, takeRows } from '../../../sampling/index.js';
import { compile, EagerSession, float32, floats, fromHost, sizeOf } from '../../../tensorflow/index.js';
import type { Compiled, EagerVariable, HostTensor, Tensor4D } from '../../../tensorflow/index.js';
import { Sampler } from '../../sample/sampler.js';
import { switchSteps } from '../../sample/switches.js';
import 'virtual:methods';
import { parametersOf } from '../description.js';
import type { Answer, Description, DrawRequest, Pixels } from '../description.js';
import { unpackWeights, weightTypes } from '../weight-types.js';

type Weights = Readonly<Record<string, EagerVariable>>;

/** Share of the time that pictures of unfinished samples may take. */
const previewShare = 0.25;
/** Time between what is told of steps: a page shows no more. */
const tellEveryMs = 40;
/** Pixels of pictures that are decoded together. */
const pixelsAtOnce = 2 ** 17;

/** Models that are ready to draw on tfjs's current backend. */
export class Painter {
  private readonly session = new EagerSession();
  private readonly models: readonly Weights[];
  private readonly decoder: Compiled<{ latents: Tensor4D }, { images: Tensor4D }>;

  /** @param buffer weights of all models */
  constructor(
    private readonly description: Description,
    buffer: ArrayBuffer,
  ) {
    const { models, decoder } = parametersOf(description);
    const { weightType } = description;
    const { bytes } = weightTypes[weightType];
    let at = 0;
    const load = ({ name, shape }: Parameter): [string, EagerVariable] => {
      const variable = this.session.variable(name, shape);
      const stored = new Uint8Array(buffer, at, bytes * sizeOf(shape));
      variable.value = fromHost(float32(shape, unpackWeights(stored, weightType)));
      at += stored.length;
      return [name, variable];
    };
    this.models = models.map((parameters) => Object.fromEntries(parameters.map(load)));
    this.decoder = compile(
      ({ latents }, values) => ({ images: decode(values, description.autoencoder, latents) }),
      { session: this.session, weights: Object.fromEntries(decoder.map(load)) },
    );
  }

  /** Draws samples, as a `sample` stage draws those of the same numbers, and tells of how far they are. */
  async draw(
    id: number,
    request: DrawRequest,
    tell: (answer: Answer) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { first, size, rows, labels, seed, switching, sampler: settings } = request;
    const { normalization } = this.description;
    const networks = this.networks(request);
    const sampler = new Sampler({
      session: this.session,
      networks,
      phases: switching,
      settings,
      // Nothing is traced here, so that no batch is to be filled up.
      mostSamples: 1,
      seed,
      normalization,
    });
    const began = performance.now();
    let tellFrom = began;
    let previewing = false;
    let spent = 0;
    const preview = async (x: HostTensor): Promise<void> => {
      const started = performance.now();
      if (previewing || spent > previewShare * (started - began)) return;
      previewing = true;
      const pixels = await this.pictures(sampler.denormalised(x));
      spent += performance.now() - started;
      previewing = false;
      if (!signal.aborted) tell({ type: 'preview', id, pixels });
    };
    const switchesOf = (switches: Parameters<typeof switchSteps>[0]) =>
      rows.map((_, row) => switchSteps(switches, row, networks.length));
    const drawn = await sampler.draw(
      { first, size, rows, labels: Int32Array.from(labels) },
      {
        signal,
        onState: (x, step, switches) => {
          const now = performance.now();
          if (now < tellFrom) return;
          tellFrom = now + tellEveryMs;
          tell({ type: 'step', id, step, switches: switchesOf(switches) });
          void preview(x);
        },
      },
    );
    tell({
      type: 'done',
      id,
      pixels: await this.pictures(drawn.latents),
      latents: floats(drawn.latents),
      steps: drawn.steps,
      switches: switchesOf(drawn.switches),
    });
  }

  private networks({ guidance }: DrawRequest): Network[] {
    const { phases, base, transport } = this.description;
    const acts = guidance.scale !== 1;
    const model = ({ config }: (typeof phases)[number], i: number) => ({
      config,
      transport,
      weights: this.models[i]!,
    });
    return phases.map((phase, i) => ({
      model: model(phase, i),
      ...(acts && { guidance }),
      ...(acts && base && { base: model(base, phases.length) }),
    }));
  }

  /** Decodes latents to pictures with an alpha of 1, as canvases take them. */
  private async pictures(latents: HostTensor): Promise<Pixels> {
    const [samples, height] = latents.shape as [number, number];
    const side = height * downsampleOf(this.description.autoencoder);
    const data = new Uint8ClampedArray(samples * side * side * 4).fill(255);
    const atOnce = Math.max(1, Math.floor(pixelsAtOnce / side ** 2));
    for (let from = 0; from < samples; from += atOnce) {
      const rows = Array.from({ length: Math.min(atOnce, samples - from) }, (_, i) => from + i);
      const { images } = await this.decoder.call({ latents: takeRows(latents, rows) });
      const bytes = toBytes(floats(images));
      const offset = from * side * side * 4;
      for (let i = 0, to = offset; i < bytes.length; i += 3, to += 4) data.set(bytes.subarray(i, i + 3), to);
    }
    return { side, data };
  }
}
