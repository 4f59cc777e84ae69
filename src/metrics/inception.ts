import { UserError } from '../base/errors.js';
import { float32, floats, Session, TensorFlowError } from '../tensorflow/index.js';
import type { HostTensor, Output, RuntimeOptions } from '../tensorflow/index.js';
import { type Rows, rowsOf } from './linear-algebra.js';

/** Channels of the spatial features that count: 17 × 17 × 7 numbers are about as many as the pooled ones. */
const spatialChannels = 7;

/** Features that the network extracts from images. */
export interface InceptionFeatures {
  /** Features of the last pooling layer: 2,048 numbers an image. */
  readonly pooled: Rows;
  /** Features of the first channels of the sixth mixed layer, with their places: 2,023 numbers an image. */
  readonly spatial: Rows;
}

/**
 * The frozen Inception network of 2015 (`classify_image_graph_def.pb`) that FID, sFID and the Inception score are
 * defined by, as the ADM evaluator runs it: images from 0 to 255 in place of the decoded file's; the graph scales them
 * to 299 × 299 itself. Close it after use.
 *
 * Source: Dhariwal and Nichol, guided-diffusion, `evaluations/evaluator.py`.
 */
export class InceptionNetwork {
  private constructor(
    private readonly session: Session,
    private readonly images: Output,
    private readonly pooled: Output,
    private readonly spatial: Output,
    private readonly classFeatures: Output,
    private readonly probabilitiesOf: Output,
  ) {}

  /**
   * @param graph the serialized graph
   * @param name what to call it in messages
   * @throws UserError `inception-invalid` where it is no graph, or has other nodes
   */
  static async open(graph: Uint8Array, name: string, runtime: RuntimeOptions): Promise<InceptionNetwork> {
    const session = new Session(runtime);
    try {
      return InceptionNetwork.build(session, graph);
    } catch (error) {
      await session.close();
      if (!(error instanceof TensorFlowError || error instanceof MissingNode)) throw error;
      throw new UserError({
        code: 'inception-invalid',
        message: `${name}: this is not the Inception graph: ${error.message.split('\n')[0]}`,
        remedy: 'Give `classify_image_graph_def.pb` as the ADM evaluator downloads it.',
        cause: error,
      });
    }
  }

  private static build(session: Session, bytes: Uint8Array): InceptionNetwork {
    const { graph } = session;
    const images = graph.placeholder('float32', [-1, -1, -1, 3]);
    graph.importGraph(bytes, { ExpandDims: images });
    const find = (name: string) => {
      const operation = graph.find(name);
      if (operation === undefined) throw new MissingNode(name);
      return { operation, index: 0 };
    };
    const weights = graph.inputs(find('softmax/logits/MatMul').operation)[1]!;
    const classFeatures = graph.placeholder('float32', [-1, -1]);
    const logits = graph.node('MatMul', [classFeatures, weights]);
    return new InceptionNetwork(
      session,
      images,
      find('pool_3'),
      find('mixed_6/conv'),
      classFeatures,
      graph.node('Softmax', [logits]),
    );
  }

  /** @param images `[count, height, width, 3]`, from 0 to 255 */
  async features(images: HostTensor): Promise<InceptionFeatures> {
    const [pooled, spatial] = await this.session.run([[this.images, images]], [this.pooled, this.spatial]);
    return { pooled: asRows(pooled!), spatial: asRows(firstChannels(spatial!)) };
  }

  /** Probabilities of the classes, from pooled features. The bias is left out, as the evaluator does. */
  async probabilities({ count, width, data }: Rows): Promise<Rows> {
    const features = float32([count, width], Float32Array.from(data));
    const [found] = await this.session.run([[this.classFeatures, features]], [this.probabilitiesOf]);
    return asRows(found!);
  }

  close(): Promise<void> {
    return this.session.close();
  }
}

class MissingNode extends Error {
  constructor(name: string) {
    super(`it has no node ${name}.`);
  }
}

function asRows(tensor: HostTensor): Rows {
  return rowsOf(tensor.data.length / tensor.shape[0]!, floats(tensor));
}

function firstChannels(tensor: HostTensor): HostTensor {
  const channels = tensor.shape.at(-1)!;
  const kept = Math.min(channels, spatialChannels);
  const all = floats(tensor);
  const places = all.length / channels;
  const data = new Float32Array(places * kept);
  for (let place = 0; place < places; place++)
    data.set(all.subarray(place * channels, place * channels + kept), place * kept);
  return float32([...tensor.shape.slice(0, -1), kept], data);
}

/**
 * exp of the mean divergence of each sample's class probabilities from their mean, averaged over splits.
 *
 * Source: Salimans et al., "Improved techniques for training GANs" (2016).
 *
 * @param probabilities of each class, for each sample; rows add up to 1
 * @param splitSize samples in a split, of which the last may be smaller; all by default
 */
export function inceptionScore(probabilities: Rows, splitSize = probabilities.count): number {
  const scores: number[] = [];
  for (let start = 0; start < probabilities.count; start += splitSize)
    scores.push(scoreOf(probabilities, start, Math.min(start + splitSize, probabilities.count)));
  return scores.reduce((sum, score) => sum + score, 0) / scores.length;
}

function scoreOf({ width, data }: Rows, start: number, end: number): number {
  const marginal = new Float64Array(width);
  for (let row = start; row < end; row++)
    for (let i = 0; i < width; i++) marginal[i]! += data[row * width + i]! / (end - start);
  let divergence = 0;
  for (let row = start; row < end; row++)
    for (let i = 0; i < width; i++) {
      const p = data[row * width + i]!;
      if (p > 0) divergence += p * Math.log(p / marginal[i]!);
    }
  return Math.exp(divergence / (end - start));
}
